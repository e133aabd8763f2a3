"""zhiyin convert: any format that can be read to any that can be written."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from zhiyin.app.cli.common import Json, Quiet, new_app, print_json, say

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
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read a score and write it in another format; what the format cannot hold is named.

    Example: zhiyin convert tune.krn -o tune.musicxml -o tune.mid -o tune.wav
    """
    from zhiyin.formats.catalog import format_of, load, save
    from zhiyin.formats.recorded import converted, origin_of
    from zhiyin.provenance.package import file_hash
    from zhiyin.provenance.record import write_side_file
    from zhiyin.score.performance import perform as played

    began = time.monotonic()
    score = load(file, expand_repeats=expand_repeats)
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
        say(
            f"{target}" + (f"   (this format does not hold: {', '.join(kind.losses)})" if kind.losses else ""),
            quiet=quiet or json,
        )
    if json:
        print_json(
            {
                "files": [str(t) for t in out],
                "seconds": round(time.monotonic() - began, 3),
                "notes": len(score.notes),
                "bars": score.bar_count,
                "losses": losses,
            }
        )
