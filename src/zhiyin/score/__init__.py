"""Music in memory: one immutable Score (notes, bars, parts, marks) and pure transforms on it."""

from zhiyin.score.score import (
    BAR,
    MARK_KINDS,
    NOTE,
    UNKNOWN_KEY,
    UNSPELLED,
    Mark,
    Part,
    Score,
    bars_array,
    meter_ticks,
    notes_array,
    regular_bars,
)

__all__ = [
    "BAR",
    "MARK_KINDS",
    "NOTE",
    "UNKNOWN_KEY",
    "UNSPELLED",
    "Mark",
    "Part",
    "Score",
    "bars_array",
    "meter_ticks",
    "notes_array",
    "regular_bars",
]
