"""zhiyin convert: any format that can be read to any that can be written."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from zhiyin.app.cli.common import Json, Quiet, new_app, print_json, say
from zhiyin.score import Score

app = new_app()


@app.command()
def convert(
    file: Annotated[Path, typer.Argument(help="A score: .mid .musicxml .mxl .abc .krn …")],
    out: Annotated[
        list[Path], typer.Option("--out", "-o", help="Where to; the suffix chooses the format. May be repeated.")
    ],
    expand_repeats: Annotated[bool, typer.Option("--expand-repeats", help="Write repeats out.")] = False,
    perform: Annotated[
        bool, typer.Option("--perform", help="Play it like a person: MIDI with timing, dynamics, pedal.")
    ] = False,
    soundfont: Annotated[
        str | None, typer.Option("--soundfont", help="A .sf2 file or the name of an installed one (sound only).")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the performance.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a damaged file instead of mending it.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Name everything that the written format does not hold.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read a score and write it in another format; what the format cannot hold of this score is named.

    Example: zhiyin convert tune.krn -o tune.musicxml -o tune.mid -o tune.wav
    """
    from zhiyin.formats.catalog import format_of, load, save
    from zhiyin.formats.recorded import converted, origin_of
    from zhiyin.provenance.package import file_hash
    from zhiyin.provenance.record import write_side_file
    from zhiyin.score.performance import perform as played

    began = time.monotonic()
    score = load(file, expand_repeats=expand_repeats, strict=strict)
    if "mended" in score.metadata:
        say(f"{file}: mended: {score.metadata['mended']}", quiet=quiet or json)
    origin = origin_of(file)
    losses: dict[str, list[str]] = {}
    for target in out:
        kind = format_of(target)
        options: dict[str, Any] = {"soundfont": soundfont, "seed": seed} if kind.name == "sound" else {}
        is_played = perform and kind.name == "midi"
        source = played(score, seed=seed) if is_played else score
        if origin:
            done = {"expand_repeats": expand_repeats, "perform": is_played, "seed": seed}
            options["record"] = converted(origin, file, done)
        save(source, target, **options)
        if origin:
            write_side_file(target, options["record"], file=target.name, sha256=file_hash(target))
        losses[str(target)] = list(kind.losses)
        lost = list(kind.losses) if verbose else lost_marks(source, kind.losses)
        words = f"   (does not hold {', '.join(lost)}{'' if verbose else '; -v names all'})" if lost else ""
        say(f"{target}{words}", quiet=quiet or json)
    if json:
        print_json(
            {
                "files": [str(t) for t in out],
                "seconds": round(time.monotonic() - began, 3),
                "notes": len(score.notes),
                "bars": score.bar_count,
                "losses": losses,
                **({"mended": score.metadata["mended"]} if "mended" in score.metadata else {}),
            }
        )


def lost_marks(score: Score, losses: tuple[str, ...], most: int = 3) -> list[str]:
    """The kinds of mark that this score has and a format does not hold, with their number, the most frequent first."""
    counted = Counter(mark.kind for mark in score.marks if mark.kind in losses)
    said = [f"{n} {kind} marks" for kind, n in counted.most_common(most)]
    return said + (["…"] if len(counted) > most else [])
