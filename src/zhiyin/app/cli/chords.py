"""zhiyin chords: chord symbols found in a score, written into it; lead sheets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from zhiyin.app.cli.beside import File, Melody
from zhiyin.app.cli.common import Json, Quiet, Sign, new_app, print_json, say, tell
from zhiyin.app.cli.writing import How, Taken, check_way, with_file, write_and_log
from zhiyin.formats.catalog import format_of, load
from zhiyin.inference.chords import Chorded
from zhiyin.inference.chords import chords as find
from zhiyin.score import Score

app = new_app()


@app.command()
def chords(
    file: File,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the score with its symbols here: .musicxml, .mid (markers), .abc …"),
    ] = None,
    lead_sheet: Annotated[
        bool, typer.Option("--lead-sheet", help="The melody alone under the symbols.")
    ] = False,
    melody: Melody = None,
    sign: Sign = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find the chords of a score, print them bar by bar, and write them into it.

    Example: zhiyin chords song.mid --lead-sheet -o song-lead.musicxml
    """
    if out is not None:
        format_of(out)
        check_way(out, "en", sign)
    made = find(load(file), melody=melody, lead_sheet=lead_sheet)
    if out is not None:
        write_and_log([Taken(made.score, with_file(made.record, file))], out, How(None, 0, sign=sign, quiet=quiet or json))
    if json:
        print_json(_facts(made, out))
        return
    for line in made.said:
        say(line, quiet=quiet)
    tell(chart_of(made))
    if out is not None:
        say(f"written: {out}", quiet=quiet)


def chart_of(made: Chorded, width: int = 4) -> str:
    """The chords bar by bar, four bars a line; "%" repeats the bar before."""
    cells = _cells(made)
    lines = [cells[i : i + width] for i in range(0, len(cells), width)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cells(made: Chorded) -> list[str]:
    score: Score = made.score
    out: list[str] = []
    for bar in score.bars:
        begin, end = int(bar["onset"]), int(bar["onset"]) + int(bar["duration"])
        inside = [c.symbol for c in made.chords if begin <= c.onset < end]
        lasting = [c.symbol for c in made.chords if c.onset < begin < c.end]
        out.append(" ".join([*(lasting if inside else []), *inside]) if inside else "%" if lasting and out else "N.C.")
    return out


def _facts(made: Chorded, out: Path | None) -> dict[str, Any]:
    listed = [
        {"bar": int(made.score.bar_number(c.onset)), "onset": c.onset, "end": c.end, "symbol": c.symbol} for c in made.chords
    ]
    return {"chords": listed, "fitted": made.fitted, "said": list(made.said), "file": str(out) if out else None}
