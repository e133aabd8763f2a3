"""What a sampler is asked for: a plan, its masks, what is past, given or returns, and how boldly to choose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zhiyin.encoding.fields import MAX_PARTS, ROW_FIELDS
from zhiyin.errors import ControlError
from zhiyin.inference.masks import Masks

_NO_ROWS = np.zeros((0, 6), dtype=np.int64)
_NO_DUE = np.zeros((0, 4), dtype=np.int64)
_NO_PLACES = np.zeros((0, 5), dtype=np.int64)


@dataclass(frozen=True)
class Sampling:
    """How boldly each field is chosen: temperature, top_p, min_p, each float32 (6,), order of ROW_FIELDS."""

    temperature: np.ndarray
    top_p: np.ndarray
    min_p: np.ndarray


# For packages that bring none. Chosen so that repeats, steps, leaps and pitch entropy of top lines come near those of
# human pieces (jig, hymn, mazurka, song; 8 takes each): cooler pitch stalls on one note, warmer time stumbles.
DEFAULTS: dict[str, tuple[float, ...]] = {
    "temperature": (0.9, 0.9, 0.9, 1.0, 0.9, 0.9),
    "top_p": (0.98, 0.97, 0.98, 0.97, 0.96, 0.95),
    "min_p": (0.02, 0.02, 0.02, 0.02, 0.02, 0.02),
}


def make_sampling(
    manifest: Mapping[str, Any],
    temperature: float | Mapping[str, float] | None = None,
    top_p: float | Mapping[str, float] | None = None,
    min_p: float | Mapping[str, float] | None = None,
) -> Sampling:
    """Settings per field: the package's own (manifest["sampling"]), else the defaults; a number overrides all fields,
    a mapping some."""
    own = manifest.get("sampling") or {}
    ranges = {"temperature": (0.05, 5.0), "top_p": (0.01, 1.0), "min_p": (0.0, 0.9)}
    found: dict[str, np.ndarray] = {}
    for (name, (low, high)), asked in zip(ranges.items(), (temperature, top_p, min_p)):
        values = np.array(_per_field(own.get(name), DEFAULTS[name]), dtype=np.float32)
        if isinstance(asked, Mapping):
            values = np.array(_per_field(asked, tuple(values)), dtype=np.float32)
        elif asked is not None:
            values[:] = asked
        if not ((values >= low - 1e-6) & (values <= high + 1e-6)).all():
            raise ControlError(
                f"{name} out of range", expected=f"{low:g}..{high:g}", received=", ".join(f"{v:g}" for v in values)
            )
        found[name] = values
    return Sampling(**found)


def _per_field(values: Any, otherwise: tuple[float, ...]) -> list[float]:
    """Six numbers from a number, a list of six, a mapping of field names, or nothing."""
    if values is None:
        return list(otherwise)
    if isinstance(values, Mapping):
        unknown = set(values) - set(ROW_FIELDS)
        if unknown:
            raise ControlError("Unknown row field", expected=", ".join(ROW_FIELDS), received=", ".join(sorted(unknown)))
        return [float(values.get(n, d)) for n, d in zip(ROW_FIELDS, otherwise)]
    return [float(values)] * 6 if np.ndim(values) == 0 else [float(v) for v in values]


@dataclass(frozen=True)
class Request:
    """One take to be written.

    bars: int64 (N, 13). programs: int64 (32,). controls: int64 (5,). masks: of this piece. seed: of this take.
    past: int64 (R, 6), ROW_COLUMNS: rows that stand before the first new one (read as written).
    given: int64 (G, 6): rows that stand beside the new ones, read ``LOOKAHEAD`` bars ahead.
    places: int64 (P, 5), bar, position, part, duration class, row of ``masks.pitch``, sorted: where any are named, one note
    is written at each of them and none elsewhere; only its pitch, out of that row, is chosen (and its velocity).
    due: int64 (D, 4), bar, position, part, row of ``masks.pitch``, sorted: places where a note of that row must begin; one is written
    there where the next row would come after it. None lies in a bar that returns an earlier one, in the last bar, or where a part has no pitches.
    lead: narrows the pitches of the next place from (number of the place, rows written so far, pitches bool (128,)); the
    last row of ``masks.pitch`` is then its room to write in, and no other request may share that table.
    source: int64 (N,): bar that each bar returns note for note, -1 = written anew.
    first: first bar that is written (bars before it belong to the past). end_bar: the end is legal from it on.
    must_play: bool (32,): parts that must have a note in the last bar. single: bool (32,): parts of one note at a time.
    hands: bool (32,): keyboard parts, whose chords two hands must be able to take.
    final_steps: duration in steps that notes of the last bar get, 0 = as sampled. keep_velocity: write the sampled
    velocity (else "not given"; the composer sets dynamics afterwards).
    woven: int64 (W, 6): rows that stand among the new ones and are read as written in their order; where a new row would
    come after the next of them, that one is read. cells: bool (N, 32): bars and parts in which new notes may begin (None =
    all from ``first`` on); the step past the last bar of them, and of the woven rows, ends the take. reach: int64 (N,): steps from a bar's onset to where its new notes must have ended (None = anywhere).
    """

    bars: np.ndarray
    programs: np.ndarray
    controls: np.ndarray
    masks: Masks
    sampling: Sampling
    seed: int
    past: np.ndarray = field(default_factory=lambda: _NO_ROWS)
    given: np.ndarray = field(default_factory=lambda: _NO_ROWS)
    places: np.ndarray = field(default_factory=lambda: _NO_PLACES)
    due: np.ndarray = field(default_factory=lambda: _NO_DUE)
    lead: Callable[[int, list[list[int]], np.ndarray], np.ndarray] | None = None
    source: np.ndarray | None = None
    first: int = 0
    end_bar: int = -1
    must_play: np.ndarray = field(default_factory=lambda: np.zeros(MAX_PARTS, dtype=bool))
    single: np.ndarray = field(default_factory=lambda: np.zeros(MAX_PARTS, dtype=bool))
    hands: np.ndarray = field(default_factory=lambda: np.zeros(MAX_PARTS, dtype=bool))
    final_steps: int = 0
    keep_velocity: bool = False
    max_rows_per_bar: int = 256
    woven: np.ndarray = field(default_factory=lambda: _NO_ROWS)
    cells: np.ndarray | None = None
    reach: np.ndarray | None = None
