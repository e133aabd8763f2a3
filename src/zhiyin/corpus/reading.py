"""Reading one file of a collection, by its suffix."""

from __future__ import annotations

from pathlib import Path

from zhiyin.formats import catalog
from zhiyin.score.score import Score


def read_score(path: Path) -> Score:
    """The score in a file; FormatError when no reader takes its suffix or contents."""
    return catalog.load(path)


def readable_suffixes() -> frozenset[str]:
    """Suffixes (lower case, with the dot) of the files that can be read."""
    return frozenset(suffix for suffix, kind in catalog.FORMATS.items() if kind.read)
