"""zhiyin accompany: all parts stay, new ones join them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zhiyin.app.cli.beside import Asked, Chords, File, Scale, Takes, run
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
from zhiyin.inference.arranging import Wish

app = new_app()


@app.command()
def accompany(
    file: File,
    for_: Annotated[
        str | None, typer.Option("--for", help='Instruments or an ensemble to add: piano, "string quartet" … (piano).')
    ] = None,
    add_part: Annotated[str | None, typer.Option("--add-part", help="Add one part of this name.")] = None,
    program: Annotated[int | None, typer.Option("--program", help="Its General MIDI program, 0..127 (128 = drums).")] = None,
    out: Out = Path("out"),
    style: Style = None,
    chords: Chords = None,
    scale: Scale = None,
    model: Model = "default",
    seed: Seed = None,
    takes: Takes = 1,
    candidates: Candidates = 8,
    pick: Pick = "best",
    soundfont: Soundfont = None,
    language: Language = "en",
    sign: Sign = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write new parts beside a score, whose own notes stay as they are.

    Example: zhiyin accompany song.musicxml --for piano
    """
    wish = Wish("accompany", for_, None, add_part, program, style=style, chords=chords, scale=scale)
    run(file, wish, Asked(out, model, seed, takes, candidates, pick, json, quiet, sign, soundfont, language))
