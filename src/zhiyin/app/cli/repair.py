"""zhiyin repair: empty and damaged bars written from what stands around them; and a test of how well that goes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from zhiyin.app.cli import editing
from zhiyin.app.cli.common import (
    Candidates,
    Json,
    Language,
    Model,
    Out,
    Pick,
    Quiet,
    Seed,
    Sign,
    Soundfont,
    Style,
    new_app,
    print_json,
    tell,
)
from zhiyin.inference.edit import EditOptions
from zhiyin.inference.repair import HIDDEN, repair, repair_test

app = new_app()


@app.command("repair")
def repair_verb(
    file: editing.File,
    span: Annotated[str | None, typer.Option("--span", help="Bars that are damaged: 5-8, 7, or 1-2,9-12.")] = None,
    part: editing.Parts = None,
    lock: editing.Lock = None,
    style: Style = None,
    test: Annotated[bool, typer.Option("--test", help="Hide a random share of the notes and say how many come back.")] = False,
    hidden: Annotated[float, typer.Option("--hidden", help="The share that --test hides.")] = HIDDEN,
    out: Out = Path("out"),
    model: Model = "default",
    seed: Seed = None,
    takes: editing.Takes = 1,
    candidates: Candidates = 4,
    pick: Pick = "best",
    temperature: editing.Temperature = None,
    soundfont: Soundfont = None,
    language: Language = "en",
    sign: Sign = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Restore bars that are empty, or marked damaged ("damaged", "[?]" over the staff), or named by --span.

    Example: zhiyin repair old.musicxml -o restored.musicxml
    """
    options = EditOptions(takes, candidates, pick, temperature)
    if test:
        began = time.monotonic()
        found = repair_test(file, hidden=hidden, parts=part or (), model=model, seed=seed, options=options)
        if json:
            print_json({"files": [], "seconds": round(time.monotonic() - began, 3), **found})
            return
        low, high = (100 * x for x in found["returned_interval"])
        tell(
            f"{found['returned']} of {found['hidden']} hidden notes came back with their pitch ({100 * found['returned_share']:.0f} %, "
            f"95 % interval {low:.0f} to {high:.0f}) where their times were left; {found['free_returned']} where nothing was left",
            quiet=quiet,
        )
        return
    desk = editing.Desk(out, soundfont, language, sign, json, quiet)
    editing.run(
        desk, file,
        lambda: repair(file, span=span, parts=part or (), lock=lock or (), style=style, model=model, seed=seed, options=options),
        lambda made: f"bars {', '.join(map(str, made.report['repaired']))}: {made.report['notes']} notes",
    )  # fmt: skip
