"""zhiyin show: what a file holds, in words and as pictures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from zhiyin.app.cli.common import Json, Quiet, new_app, print_json, tell
from zhiyin.score import Score

app = new_app()


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A score: .mid .musicxml .mxl .abc .krn …")],
    roll: Annotated[Path | None, typer.Option("--roll", help="Draw the piano roll here (.svg or .png).")] = None,
    notation: Annotated[Path | None, typer.Option("--notation", help="Engrave it here (.svg or .png).")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say what a score file holds: bars, meter, key, tempo, parts, density; draw it when asked.

    Example: zhiyin show tune.mid --roll tune.png
    """
    from zhiyin.formats.catalog import load, save
    from zhiyin.formats.roll import write_roll

    began = time.monotonic()
    score = load(file)
    facts = describe(score)
    if roll:
        write_roll(score, roll)
    if notation:
        save(score, notation)
    files = [str(p) for p in (roll, notation) if p]
    if json:
        print_json({"files": files, "seconds": round(time.monotonic() - began, 3), **facts})
        return
    for name, value in facts.items():
        tell(f"{name:>10}: {value if not isinstance(value, list) else ', '.join(map(str, value))}", quiet=quiet)
    for path in files:
        tell(f"{'drawn':>10}: {path}", quiet=quiet)


def describe(score: Score) -> dict[str, Any]:
    """The facts that `show` prints about a score."""
    from zhiyin.errors import InputError
    from zhiyin.measures.key import find_key
    from zhiyin.measures.texture import density, polyphony, register

    try:
        key = find_key(score).name
    except InputError:
        key = "none (no pitched notes)"
    meters = dict.fromkeys(f"{b['meter_numerator']}/{b['meter_denominator']}" for b in score.bars)
    return {
        "title": score.metadata.get("title", ""),
        "composer": score.metadata.get("composer", ""),
        "bars": score.bar_count,
        "upbeat": bool(score.bars["number"][0] == 0),
        "notes": len(score.notes),
        "seconds": round(float(score.seconds(score.end)), 1),
        "meters": list(meters),
        "key": key,
        "tempo_qpm": round(float(score.tempo_map()[0, 1]), 1),
        "parts": [
            f"{p.name or 'part ' + str(i + 1)} ({'drums' if p.drums else f'program {p.program}'})"
            for i, p in enumerate(score.parts)
        ],
        "density": round(density(score), 2),
        "register": round(register(score), 1),
        "polyphony": round(polyphony(score), 2),
        "timing": score.timing,
        "marks": len(score.marks),
        **{said: score.metadata[said] for said in ("mended",) if said in score.metadata},
    }
