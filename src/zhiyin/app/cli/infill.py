"""zhiyin infill: bars written anew between the bars around them, everything else as it was."""

from __future__ import annotations

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
)
from zhiyin.inference.edit import EditOptions
from zhiyin.inference.infill import infill

app = new_app()


@app.command("infill")
def infill_verb(
    file: editing.File,
    span: Annotated[str, typer.Option("--span", help="The bars to write anew: 5-8, 7, or 1-2,9-12.")],
    part: editing.Parts = None,
    lock: editing.Lock = None,
    scale: editing.Scale = None,
    ranges: editing.Ranges = None,
    chords: editing.Chords = None,
    style: Style = None,
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
    """Write some bars anew, of all parts or of those named; all other bars and parts stay as they are.

    A .mid or .musicxml file comes out with only those bars changed.

    Example: zhiyin infill song.musicxml --span 5-8 --part Piano -o song2.musicxml
    """
    desk = editing.Desk(out, soundfont, language, sign, json, quiet)
    editing.run(
        desk, file,
        lambda: infill(
            file, span, parts=part or (), lock=lock or (), scale=scale, ranges=ranges or (), chords=chords, style=style,
            model=model, seed=seed, options=EditOptions(takes, candidates, pick, temperature),
        ),
        lambda made: f"bars {span} of {', '.join(made.report['parts'])}: {made.report['notes']} notes for {made.report['notes_gone']}",
    )  # fmt: skip
