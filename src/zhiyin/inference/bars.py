"""Composing with a GAN package: windows of bars from noise, put one after the other. No torch here.

A window knows nothing of the one before it, so a piece longer than a window has seams; with one noise vector for the piece its
windows are kin (``kinship``: how much of the window's noise they share).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.encoding import EncodedPiece, decode
from zhiyin.encoding.bar_roll import ROLL, noise_vectors, rows_of_roll
from zhiyin.encoding.fields import BAR_COLUMN, BAR_FIELDS, CONTROLS, STEPS_PER_QUARTER, tempo_class
from zhiyin.encoding.rows import with_bars_left
from zhiyin.encoding.sixteenths import BAR_LENGTHS
from zhiyin.errors import ControlError, InputError, PackageError
from zhiyin.formats.recorded import music_of
from zhiyin.inference.made import Made
from zhiyin.inference.original import check_written
from zhiyin.inference.session import open_graph
from zhiyin.provenance.package import GENERATE, Package, load_package
from zhiyin.provenance.record import make_record
from zhiyin.score import Score
from zhiyin.version import __version__

MAX_BARS, MAX_TAKES = 1000, 64
BATCH = 32  # windows at once


@dataclass(frozen=True)
class Sampled:
    """One piece from noise: its score, what is told of it, its record."""

    score: Score
    report: Mapping[str, Any]
    record: Mapping[str, Any]


class Bars(Made[Sampled]):
    """What ``compose_bars`` gives: all takes, and the report they share."""


def compose_bars(
    *, model: str | Path | Package = "gan", bars: int = 8, meter: tuple[int, int] = (4, 4), takes: int = 1, seed: int | None = None,
    tempo_qpm: float = 100.0, kinship: float = 0.8,
) -> Bars:  # fmt: skip
    """Composes pieces of exactly ``bars`` bars with a GAN package: same seed, same notes. kinship: 0..1."""
    for name, value, low, high in (("bars", bars, 1, MAX_BARS), ("takes", takes, 1, MAX_TAKES), ("kinship", kinship, 0, 1)):
        if not low <= value <= high:
            raise ControlError(f"{name} out of range", expected=f"{low}..{high}", received=f"{value:g}")
    package = model if isinstance(model, Package) else load_package(model)
    package.graph_path(GENERATE)
    if package.manifest.get("roll") not in (None, ROLL):
        raise PackageError(f"The package {package.name!r} has another roll", expected=ROLL, received=str(package.manifest.get("roll")))
    seed = secrets.randbelow(2**31) if seed is None else seed
    settings = {"bars": bars, "meter": list(meter), "seed": seed, "tempo_qpm": tempo_qpm, "kinship": kinship}
    scores, pieces = [bars_take(package, settings, take) for take in range(takes)], []
    for take, (score, known) in enumerate(zip(scores, check_written([(s, "") for s in scores], package))):
        record = make_record("compose", __version__, {**settings, "take": take}, model=package.manifest, model_hash=package.hash, notes=music_of(score))
        record |= {"originality": known}
        report = {"take": take, "originality": known, "notes": len(score.notes), "bars": score.bar_count, "seconds": round(float(score.seconds(score.end)), 2)}
        pieces.append(Sampled(score, report, record))
    shared = {"seed": seed, "model": package.name, "model_hash": package.hash, "understood": [], "ignored": [], "assumed": [], "meter": f"{meter[0]}/{meter[1]}"}
    return Bars(tuple(pieces), {**shared, **pieces[0].report, "takes": [dict(p.report) for p in pieces]})


def bars_take(package: Package, settings: Mapping[str, Any], take: int) -> Score:
    """The piece of a number under settings as the record holds them: bars, meter, seed, tempo_qpm, kinship."""
    numerator, denominator = settings["meter"]
    table = _table(int(settings["bars"]), (numerator, denominator), float(settings["tempo_qpm"]))
    rng = np.random.default_rng([int(settings["seed"]), take])
    return _piece(package, table, (numerator, denominator), rng, float(settings["kinship"]))


def sample_rolls(package: Package, noise: np.ndarray, length: int) -> np.ndarray:
    """noise (W, V, Z) -> rolls uint8 (W, K, N, 16, P, 2) of bars of one length class."""
    graph, out = open_graph(package.graph_path(GENERATE)), []
    for at in range(0, len(noise), BATCH):
        part = noise[at : at + BATCH].astype(np.float32)
        out.append(graph.run(["roll"], {"noise": part, "length": np.full(len(part), length, dtype=np.int64)})[0].astype(np.uint8))
    return np.concatenate(out)


def noise_shape(package: Package) -> tuple[int, int]:
    """(vectors, numbers of each) that a window of a package is made from."""
    s = package.manifest["sizes"]
    return noise_vectors(s["bars"], s["lines"]), s["noise"]


def _piece(package: Package, table: np.ndarray, meter: tuple[int, int], rng: np.random.Generator, kinship: float) -> Score:
    size, lines = int(package.manifest["sizes"]["bars"]), int(package.manifest["sizes"]["lines"])
    windows = -(-len(table) // size)
    shape = noise_shape(package)
    shared = rng.standard_normal(shape)
    noise = np.sqrt(kinship) * shared + np.sqrt(1 - kinship) * rng.standard_normal((windows, *shape))
    if windows == 1:
        noise = shared[None]
    length = BAR_LENGTHS.index(16 * meter[0] // meter[1])
    rolls = sample_rolls(package, noise, length)  # (W, K, N, 16, P, 2)
    roll = rolls.transpose(1, 0, 2, 3, 4, 5).reshape(lines, windows * size, *rolls.shape[3:])[:, : len(table)]
    rows = rows_of_roll(roll, length)
    if not len(rows):
        raise InputError("The generator wrote silence", expected="≥ 1 note", received="none", hint="another --seed, or a package trained longer")
    programs = np.array(package.manifest.get("programs", [0] * lines), dtype=np.uint8)
    return decode(EncodedPiece(rows, table, programs, np.zeros(len(CONTROLS), dtype=np.int16))).replace(timing="notated", metadata={"title": "From noise"})


def _table(bars: int, meter: tuple[int, int], tempo_qpm: float) -> np.ndarray:
    """A bar table of one metre and tempo, no key."""
    numerator, denominator = meter
    if denominator not in (1, 2, 4, 8, 16) or 16 * numerator / denominator not in BAR_LENGTHS:
        raise ControlError(
            "Wrong metre for this model", expected=f"bars of {', '.join(map(str, BAR_LENGTHS))} sixteenths (2/4, 3/4, 6/8, 4/4 …)", received=f"{numerator}/{denominator}"
        )
    table = np.zeros((bars, len(BAR_FIELDS)), dtype=np.int16)
    table[:, BAR_COLUMN["length"]] = 4 * STEPS_PER_QUARTER * numerator // denominator
    table[:, BAR_COLUMN["numerator"]], table[:, BAR_COLUMN["denominator"]] = numerator, denominator.bit_length()
    table[:, BAR_COLUMN["tempo"]] = tempo_class(tempo_qpm)
    return with_bars_left(table)
