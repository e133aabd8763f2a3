"""What harmonise, accompany and arrange share on the command line: their flags, and reading, writing and telling."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from zhiyin.app.cli.common import print_json, say
from zhiyin.app.cli.writing import (
    How,
    check_way,
    taken_from,
    tell_next,
    write_and_log,
)
from zhiyin.formats.catalog import load
from zhiyin.inference.arranging import Wish, arranged, with_title
from zhiyin.inference.compose import Options
from zhiyin.provenance.package import load_package

File = Annotated[Path, typer.Argument(help="The score: .mid .musicxml .mxl .abc .krn …")]
Melody = Annotated[str | None, typer.Option("--melody", help="The part with the melody: its name, or its number from 1.")]
Chords = Annotated[str | None, typer.Option("--chords", help='Chords to keep to: "Dm | G7 C/E | C", again from the beginning.')]
Scale = Annotated[str | None, typer.Option("--scale", help='New parts play only notes of it: "D dorian", "pentatonic" …')]
Takes = Annotated[int, typer.Option("--takes", help="How many different ones to keep.")]


@dataclass(frozen=True)
class Asked:
    """The flags that say how, not what."""

    out: Path
    model: str
    seed: int | None
    takes: int
    candidates: int
    pick: str
    json: bool
    quiet: bool
    sign: bool
    soundfont: str | None
    language: str


def run(file: Path, wish: Wish, asked: Asked) -> None:
    """Reads a file, does what the wish says, writes and tells."""
    began = time.monotonic()
    quiet, single = asked.quiet or asked.json, bool(asked.out.suffix)
    check_way(asked.out, asked.language, asked.sign, asked.soundfont)
    package = load_package(asked.model)
    score = load(file)
    options = Options(takes=1 if single else asked.takes, candidates=max(asked.candidates, asked.takes), pick=asked.pick)
    made = arranged(score, wish, model=package, seed=asked.seed, options=options)
    used = int(made.report["seed"])
    taken = [taken_from(p, file, with_title(p.score, file.name, wish.verb)) for p in made.pieces]
    how = How(soundfont=asked.soundfont, seed=used, language=asked.language, sign=asked.sign, quiet=quiet)
    files = write_and_log(taken, asked.out, how)
    if asked.json:
        print_json({"files": [str(f) for f in files], "seconds": round(time.monotonic() - began, 3), **made.report})
        return
    report = made.report
    say(f"{', '.join(report['written_parts'])} written, {report['given_notes']} notes given; key {report['key']}; seed {used}", quiet=quiet)
    for line in report["assumed"]:
        say(f"  {line}", quiet=quiet)
    for problem in report["problems"]:
        say(f"  {problem}", quiet=quiet)
    for piece in made.pieces:
        say(f"  originality: {piece.report['originality']['line']}", quiet=quiet)
    for path in files:
        say(f"  {path}", quiet=quiet)
    tell_next((f"zhiyin show {files[0]} --notation page.png", f"zhiyin convert {files[0]} -o piece.mp3"), quiet=quiet)
