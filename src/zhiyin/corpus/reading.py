"""Reading one file of a collection, by its suffix."""

from __future__ import annotations

from pathlib import Path

from zhiyin.formats import catalog
from zhiyin.formats.abc import read_abc_tunes
from zhiyin.score.score import Score


def read_scores(path: Path) -> list[Score]:
    """The scores in a file: all tunes of an ABC book, else one. FormatError when no reader takes its suffix or bytes."""
    return read_abc_tunes(path) if path.suffix.lower() == ".abc" else [catalog.load(path)]


def readable_suffixes() -> frozenset[str]:
    """Suffixes (lower case, with the dot) of the files that can be read."""
    return frozenset(suffix for suffix, kind in catalog.FORMATS.items() if kind.read)
