"""What the editing verbs share on the command line: their flags, what they print, and how their takes are written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from zhiyin.app.cli.common import print_json, say
from zhiyin.app.cli.writing import (
    How,
    Taken,
    check_way,
    taken_from,
    tell_next,
    write_and_log,
)
from zhiyin.errors import ControlError
from zhiyin.inference.made import Made

File = Annotated[Path, typer.Argument(help="The score to edit: .mid .musicxml .mxl .abc .krn …")]
Parts = Annotated[list[str] | None, typer.Option("--part", help="A part by name or number (may be repeated); else all.")]
Lock = Annotated[list[str] | None, typer.Option("--lock", help="A part or bars (9-12) that stay (may be repeated).")]
Takes = Annotated[int, typer.Option("--takes", help="How many to keep.")]
Temperature = Annotated[float | None, typer.Option("--temperature", help="Above 1 wilder, below 1 tamer (all fields).")]
Scale = Annotated[str | None, typer.Option("--scale", help='Only notes of it: "D dorian", "pentatonic" …')]
Ranges = Annotated[list[str] | None, typer.Option("--range", help="PART=LOW..HIGH, as in Flute=C4..A5 (may be repeated).")]
Chords = Annotated[str | None, typer.Option("--chords", help='A chord chart from the first new bar on: "Dm | G7 C/E | C".')]


@dataclass(frozen=True)
class Desk:
    """Where and how an editing verb writes, and what it prints."""

    out: Path
    soundfont: str | None = None
    language: str = "en"
    sign: bool = False
    json: bool = False
    quiet: bool = False


def run(desk: Desk, file: Path, make: Callable[[], Made[Any]], line: Callable[[Made[Any]], str]) -> None:
    """Edits a file (``make``), writes the takes, and tells in one ``line`` what was done."""
    began = time.monotonic()
    quiet, single = desk.quiet or desk.json, bool(desk.out.suffix)
    check_way(desk.out, desk.language, desk.sign, desk.soundfont)
    made = make()
    taken = [_taken(piece, file) for piece in (made.pieces[:1] if single else made.pieces)]
    how = How(desk.soundfont, int(made.report["seed"]), desk.language, desk.sign, quiet)
    files = write_and_log(taken, desk.out, how)
    remarks = [r for t in taken for r in t.remarks]
    edited = hasattr(made.pieces[0], "splice")
    if single and edited and not (taken[0].splice and taken[0].splice.fits(desk.out)):
        remarks.append(f"{desk.out.name} is written anew from the score (MIDI and MusicXML keep everything else in their own format)")
    if desk.json:
        told = {"files": [str(f) for f in files], "seconds": round(time.monotonic() - began, 3), **made.report}
        print_json({**told, "written_anew": remarks})
        return
    say(f"{line(made)}; seed {made.report['seed']}", quiet=quiet)
    _tell(made.pieces, remarks, files, quiet=quiet)
    source = f" --input {file}" if taken[0].record["inputs"] else ""
    tell_next((f"zhiyin show {files[0]} --roll roll.png", f"zhiyin log verify {files[0]}{source}"), quiet=quiet)


def _tell(pieces: Sequence[Any], remarks: Sequence[str], files: Sequence[Path], *, quiet: bool) -> None:
    for text in pieces[0].report.get("assumed", ()):
        say(f"  assumed: {text}", quiet=quiet)
    for piece in pieces:
        for name in ("problems", "wide_leaps"):
            for text in piece.report.get(name, ()):
                say(f"  take {piece.report['take']}: {text}", quiet=quiet)
        say(f"  originality: {piece.report['originality']['line']}", quiet=quiet)
    for text in remarks:
        say(f"  {text}", quiet=quiet)
    for path in files:
        say(f"  {path}", quiet=quiet)


def _taken(piece: Any, file: Path) -> Taken:
    """A take as it is written: an edited file, or (from ``again``) a piece composed anew."""
    said = [(name, str(piece.report[name])) for name in ("verb", "span", "keep", "amount", "repaired") if name in piece.report]
    if not piece.record["inputs"]:
        return Taken(piece.score, piece.record, [*said, ("originality", piece.report["originality"]["line"])])
    taken = taken_from(piece, file, piece.score)
    return replace(taken, facts=[*said, *taken.facts], splice=getattr(piece, "splice", None))


def parse_change(text: str) -> tuple[str, Any]:
    """Name and value of "bars=16": numbers as numbers, yes and no as such, all else as words."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ControlError("The change cannot be read", expected="NAME=VALUE, as in key=\"G minor\"", received=repr(text))
    value = value.strip()
    for kind in (int, float):
        try:
            return name.strip(), kind(value)
        except ValueError:
            continue
    return name.strip(), {"yes": True, "no": False}.get(value.casefold(), value)
