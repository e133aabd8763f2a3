"""zhiyin arrange: the same music for other instruments."""

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
def arrange(
    file: File,
    for_: Annotated[str, typer.Option("--for", help='The new ensemble: SATB, piano, "string quartet" …')],
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
    """Arrange a score for another ensemble: melody and bass stay, the parts between are written.

    Example: zhiyin arrange song.mid --for "string quartet"
    """
    wish = Wish("arrange", for_, melody, style=style, chords=chords, scale=scale)
    run(file, wish, Asked(out, model, seed, takes, candidates, pick, json, quiet, sign, soundfont, language))
