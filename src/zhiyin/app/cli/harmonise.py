"""zhiyin harmonise: a melody in, four voices out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zhiyin.app.cli.beside import Asked, Chords, File, Melody, Scale, Takes, run
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
def harmonise(
    file: File,
    for_: Annotated[str, typer.Option("--for", help='The ensemble, the melody on top: SATB, "string quartet" …')] = "SATB",
    melody: Melody = None,
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
    """Put chords under a tune: the melody keeps its notes, voices are written below it.

    Example: zhiyin harmonise tune.mid -o hymn.musicxml
    """
    wish = Wish("harmonise", for_, melody, style=style, chords=chords, scale=scale)
    run(file, wish, Asked(out, model, seed, takes, candidates, pick, json, quiet, sign, soundfont, language))
