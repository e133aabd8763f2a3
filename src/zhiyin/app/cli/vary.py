"""zhiyin vary: other notes in the rhythm, harmony or contour of a piece, or its neighbours in a latent space."""

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
from zhiyin.inference.vary import vary

app = new_app()


@app.command("vary")
def vary_verb(
    file: editing.File,
    keep: Annotated[str, typer.Option("--keep", help="What stays: rhythm, harmony or contour.")] = "rhythm",
    amount: Annotated[float, typer.Option("--amount", help="Share of the notes that change, over 0 to 1.")] = 0.3,
    method: Annotated[str, typer.Option("--method", help="masked (some notes anew), or latent (a melody's neighbours).")] = "masked",
    more: Annotated[
        list[str] | None, typer.Option("--more", help="Latent: more density, range, syncopation or mode (major).")
    ] = None,
    less: Annotated[list[str] | None, typer.Option("--less", help="Latent: the same names; less mode is minor.")] = None,
    span: Annotated[str | None, typer.Option("--span", help="Only these bars: 5-8, 7, or 1-2,9-12.")] = None,
    part: editing.Parts = None,
    lock: editing.Lock = None,
    scale: editing.Scale = None,
    ranges: editing.Ranges = None,
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
    """Vary a piece: some of its notes are written anew while its rhythm, harmony or contour stays.

    Example: zhiyin vary song.musicxml --keep rhythm --amount 0.3 -o varied.musicxml
    """
    desk = editing.Desk(out, soundfont, language, sign, json, quiet)
    if method == "latent":
        from zhiyin.app.cli.vary_latent import run

        run(
            desk, file, amount=amount, takes=takes, more=more or (), less=less or (), parts=part or (),
            temperature=temperature or 0.0, model=model, seed=seed,
        )  # fmt: skip
        return
    editing.run(
        desk, file,
        lambda: vary(
            file, method=method, keep=keep, amount=amount, more=more or (), less=less or (), span=span, parts=part or (), lock=lock or (), scale=scale, ranges=ranges or (),
            style=style, model=model, seed=seed, options=EditOptions(takes, candidates, pick, temperature),
        ),
        lambda made: f"{made.report['notes_gone']} notes varied, {keep} kept",
    )  # fmt: skip
