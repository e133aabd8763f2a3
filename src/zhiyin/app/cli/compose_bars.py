"""zhiyin compose --model with a GAN package: bars from noise. It follows a number of bars, a metre, a tempo and a seed, and says so."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from zhiyin.app.cli.blend import parse_meter
from zhiyin.app.cli.common import print_json, say
from zhiyin.app.cli.writing import How, Taken, tell_next, write_and_log
from zhiyin.errors import ControlError
from zhiyin.inference.bars import compose_bars
from zhiyin.provenance.package import Package

FOLLOWED = ("bars", "meter", "tempo_qpm", "seed", "takes", "title")


def write_bars(package: Package, words: str, given: Mapping[str, Any], out: Path, how: How, *, json: bool) -> None:
    """Composes, writes and tells. Raises ControlError for words and controls that a GAN does not follow."""
    began = time.monotonic()
    ignored = [name for name, value in given.items() if name not in FOLLOWED and value is not None] + (["words"] if words else [])
    if ignored:
        raise ControlError(
            f"The package {package.name!r} does not follow this", expected=f"nothing but {', '.join(FOLLOWED)}", received=", ".join(ignored),
            hint="--model default follows words, styles and keys",
        )  # fmt: skip
    asked: dict[str, Any] = {k: given[k] for k in ("bars", "tempo_qpm", "seed", "takes") if given.get(k) is not None}
    made = compose_bars(model=package, meter=parse_meter(given.get("meter")) or (4, 4), **asked)
    title = given.get("title") or "From noise"
    taken = []
    for piece in made.pieces:
        facts = [("meter", str(made.report["meter"])), ("bars", str(piece.report["bars"])), ("notes", str(piece.report["notes"])), ("model", package.name)]
        taken.append(Taken(piece.score.replace(metadata={"title": title}), piece.record, facts))
    files = write_and_log(taken, out, replace(how, seed=int(made.report["seed"])))
    if json:
        print_json({"files": [str(f) for f in files], "seconds": round(time.monotonic() - began, 3), **made.report})
        return
    for take in taken:
        say(f"{take.title}: " + ", ".join(f"{k} {v}" for k, v in take.facts), quiet=how.quiet)
    tell_next((f"zhiyin show {files[0]} --roll roll.png",), quiet=how.quiet)
