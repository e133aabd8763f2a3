"""Musical descriptors: a piece as a vector of named numbers in musical words, with units and sources.

    values = describe(score)                       # float32 (D,), D = len(DESCRIPTORS)
    dict(zip(NAMES, values))["syncopation"]

Always finite. What a piece does not have is 0 (an empty score, drums alone in pitch and harmony, one part in independence); each
file of features says so beside its functions. All but the register is the same when the piece is transposed; all but the tempo,
when it is played faster or slower or written on another tick resolution. ``style_inputs()`` are the columns that do not
give a collection away.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from zhiyin.errors import InputError
from zhiyin.measures import (
    form_features,
    harmony_features,
    melody_features,
    meter_features,
    performance_features,
    pitch_features,
    rhythm_features,
    texture_features,
)
from zhiyin.measures.descriptor import Descriptor
from zhiyin.measures.surface import read_surface
from zhiyin.score import Score

VERSION = "descriptors/1"
_SURFACE_FEATURES = (
    pitch_features,
    melody_features,
    rhythm_features,
    meter_features,
    harmony_features,
    texture_features,
    form_features,
)

DESCRIPTORS: tuple[Descriptor, ...] = (
    *(descriptor for module in _SURFACE_FEATURES for descriptor in module.TABLE),
    *performance_features.TABLE,
)
NAMES: tuple[str, ...] = tuple(d.name for d in DESCRIPTORS)


def describe(score: Score) -> np.ndarray:
    """The descriptors of a piece in the order of ``DESCRIPTORS``, float32 (D,), all finite. Linear in notes and bars."""
    drums = score.drums
    end = float(score.seconds(score.bars["onset"][-1] + score.bars["duration"][-1]))
    return describe_columns(score.notes, score.bars, drums, score.ticks_per_quarter, seconds=end, tempos=score.tempo_map())


def describe_columns(
    notes: np.ndarray,
    bars: np.ndarray,
    drums: np.ndarray,
    ticks_per_quarter: int,
    *,
    seconds: float = 0.0,
    tempos: np.ndarray | None = None,
) -> np.ndarray:
    """``describe`` from plain tables, for those who hold no ``Score``; float32 (D,).

    notes: ``score.NOTE`` sorted by (onset, part, pitch). bars: ``score.BAR``, at least one. drums: bool (parts,). seconds: length of
    the piece (0 = not known: the tempo group is 0). tempos: float (changes, 2), ticks and quarters per minute.
    """
    surface = read_surface(notes, bars, drums, ticks_per_quarter)
    values: list[float] = []
    for module in _SURFACE_FEATURES:
        values += module.measure(surface)
    given = tempos if tempos is not None else np.zeros((1, 2))
    values += performance_features.measure(surface, notes, drums, seconds, given)
    return np.array(values, dtype=np.float32)


@cache
def index_of(name: str) -> int:
    """Column of a descriptor; raises InputError when there is none of that name."""
    if name not in NAMES:
        from zhiyin.errors import near_names

        raise InputError("Unknown descriptor", expected="a name in DESCRIPTORS", received=repr(name), hint=near_names(name, NAMES))
    return NAMES.index(name)


@cache
def style_inputs() -> tuple[int, ...]:
    """Columns that a style classifier may see: without velocity, tempo, program, length and format."""
    return tuple(i for i, d in enumerate(DESCRIPTORS) if not d.left_out)
