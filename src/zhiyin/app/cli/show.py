"""zhiyin show: what a file holds, in words and as pictures."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from zhiyin.app.cli.common import PARTIAL, Json, Quiet, new_app, print_json, progress_bar, say, tell
from zhiyin.score import Score

app = new_app()


@app.command()
def show(
    file: Annotated[
        Path, typer.Argument(help="A score: .mid .musicxml .mxl .abc .krn …; with --descriptors a folder of scores too.")
    ],
    roll: Annotated[Path | None, typer.Option("--roll", help="Draw the piano roll here (.svg or .png).")] = None,
    notation: Annotated[Path | None, typer.Option("--notation", help="Engrave it here (.svg or .png).")] = None,
    descriptors: Annotated[
        bool, typer.Option("--descriptors", help="Describe the music: pitch, melody, rhythm, meter, harmony, texture, form.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="With --descriptors: write them here as a table (.csv).")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Say what a score file holds: bars, meter, key, tempo, parts, density; draw it when asked.

    Example: zhiyin show tune.mid --roll tune.png
    A folder of scores becomes a table: zhiyin show FOLDER --descriptors -o features.csv
    """
    from zhiyin.errors import InputError
    from zhiyin.formats.catalog import load, save
    from zhiyin.formats.recorded import origin_of, stamp
    from zhiyin.formats.roll import write_roll

    began = time.monotonic()
    if descriptors:
        if roll or notation:
            raise InputError("--descriptors draws nothing", expected="--descriptors alone", received="--roll or --notation too")
        return _descriptors(file, out, json=json, quiet=quiet)
    if out:
        raise InputError("--out goes with --descriptors", expected="--descriptors", received=f"--out {out} alone", hint="--roll and --notation name their own files")
    if file.is_dir():
        raise InputError(f"{file} is a folder", expected="a score file", received="a folder", hint="--descriptors describes a folder of scores")
    score = load(file)
    facts = describe(score)
    if roll:
        write_roll(score, roll)
    if notation:
        save(score, notation)
    origin = origin_of(file)
    for picture in filter(None, (roll, notation) if origin else ()):
        stamp(picture, origin or {})
    files = [str(p) for p in (roll, notation) if p]
    if json:
        print_json({"files": files, "seconds": round(time.monotonic() - began, 3), **facts})
        return 0
    for name, value in facts.items():
        shown = "none" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else value
        beats = f" ({said})" if name == "tempo_qpm" and (said := tempo_in_beats(score)) else ""
        tell(f"{name:>10}: {shown}{beats}", quiet=quiet)
    if not facts["notes"]:
        tell(f"{'':>10}  no notes: nothing sounds in this file", quiet=quiet)
    for path in files:
        tell(f"{'drawn':>10}: {path}", quiet=quiet)
    return 0


def tempo_in_beats(score: Score) -> str:
    """The first tempo in the beat of the first full bar's meter; empty where that is a quarter."""
    from zhiyin.inference.brief import tempo_said

    bar = score.bars[int(score.bars["number"][0] == 0 and len(score.bars) > 1)]
    said = tempo_said(float(score.tempo_map()[0, 1]), (int(bar["meter_numerator"]), int(bar["meter_denominator"])))
    return "" if " quarters" in said and "dotted" not in said else said


def _descriptors(path: Path, out: Path | None, *, json: bool, quiet: bool) -> int:
    """The descriptors of a file or of the scores in a folder: in words, as JSON, as CSV. PARTIAL when a file failed."""
    from zhiyin.errors import FormatError, InputError
    from zhiyin.formats.catalog import load
    from zhiyin.formats.files import atomic_write
    from zhiyin.inference.describing import Described, describe_files, in_words, scores_below
    from zhiyin.measures.descriptors import NAMES, VERSION, describe

    began = time.monotonic()
    if out and out.suffix.lower() != ".csv":
        raise FormatError("Descriptors are written as a table", expected="a name that ends in .csv", received=str(out))
    if path.is_dir():
        if not out and not json:
            raise InputError("Many files make a table", expected="--out features.csv or --json", received=f"the folder {path}")
        with progress_bar("describe", quiet=quiet or json) as progress:
            found = describe_files(scores_below(path), progress=progress)
    else:
        found = Described((path,), describe(load(path))[None], ())
        if not out and not json:
            _tell_descriptors(in_words(found.values[0]), quiet=quiet)
            return 0
    written = [str(atomic_write(out, found.csv()))] if out else []
    for failed, reason in found.failures:
        say(f"not described: {failed}: {reason}", quiet=quiet or json)
    if json:
        rows = [{"file": str(f), **dict(zip(NAMES, v.tolist()))} for f, v in zip(found.files, found.values)]
        failures = [{"path": str(f), "reason": reason} for f, reason in found.failures]
        print_json({"files": written, "seconds": round(time.monotonic() - began, 3), "version": VERSION, "descriptors": rows, "failures": failures})
    else:
        tell(f"{len(found.files)} described: {out}", quiet=quiet)
    return PARTIAL if found.failures else 0


def _tell_descriptors(groups: list[tuple[str, list[tuple[str, str]]]], *, quiet: bool) -> None:
    for group, rows in groups:
        if rows:
            tell(f"{group}", quiet=quiet)
        for what, amount in rows:
            tell(f"  {what:<70} {amount:>12}", quiet=quiet)


def describe(score: Score) -> dict[str, Any]:
    """The facts that `show` prints about a score."""
    from zhiyin.errors import InputError
    from zhiyin.measures.key import find_key
    from zhiyin.measures.texture import density, polyphony, register

    try:
        key = find_key(score).name
    except InputError:
        key = "none (no pitched notes)" if len(score.notes) else "none (no notes)"
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
        "register": None if math.isnan(mean := register(score)) else round(mean, 1),
        "polyphony": round(polyphony(score), 2),
        "timing": score.timing,
        "marks": len(score.marks),
        **{said: score.metadata[said] for said in ("mended",) if said in score.metadata},
    }
