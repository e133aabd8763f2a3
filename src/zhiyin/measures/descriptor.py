"""What one descriptor is: its name, unit, source, a sentence for people, and how it behaves under change.

The tables themselves stand beside the functions that measure them (``pitch_features.py`` …); ``descriptors.py`` joins them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One number that describes a piece.

    name: snake_case, stable within ``descriptors/1``. unit: ``share`` is 0..1. source: feature or paper that it follows.
    text, chinese: what it says, for people. left_out: why it is no input of a style classifier ("" = it may be one):
    velocity, tempo, program, length or format give away where a file comes from. moves: it changes when the piece
    is transposed. scales: it changes with the tempo.
    """

    name: str
    group: str
    unit: str
    source: str
    text: str
    chinese: str
    left_out: str = ""
    moves: bool = False
    scales: bool = False


Row = tuple[str, str, str, str, str]  # name, unit, source, text, chinese
Label = tuple[str, str, str]  # suffix of the name, words, Chinese words


def table(
    group: str, rows: Iterable[Row], *, left_out: str = "", moves: bool = False, scales: bool = False
) -> tuple[Descriptor, ...]:
    """Descriptors of one group from their rows (name, unit, source, text, chinese)."""
    return tuple(
        Descriptor(name, group, unit, source, text, chinese, left_out, moves, scales)
        for name, unit, source, text, chinese in rows
    )


def family(group: str, row: Row, labels: Sequence[Label], *, moves: bool = False) -> tuple[Descriptor, ...]:
    """Descriptors of the bins of one histogram: ``row`` with ``{}`` in its texts where each label's words go."""
    name, unit, source, text, chinese = row
    return table(
        group,
        [(f"{name}_{suffix}", unit, source, text.format(words), chinese.format(zh)) for suffix, words, zh in labels],
        moves=moves,
    )


DEGREES: tuple[Label, ...] = (
    ("1", "the tonic", "主音"),
    ("b2", "the flat second degree", "降二级音"),
    ("2", "the second degree", "二级音"),
    ("b3", "the minor third degree", "小三级音"),
    ("3", "the major third degree", "大三级音"),
    ("4", "the fourth degree", "四级音"),
    ("s4", "the raised fourth degree", "升四级音"),
    ("5", "the fifth degree", "五级音"),
    ("b6", "the minor sixth degree", "小六级音"),
    ("6", "the major sixth degree", "大六级音"),
    ("b7", "the minor seventh degree", "小七级音"),
    ("7", "the leading note", "导音"),
)
