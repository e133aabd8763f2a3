"""Reading one file of a collection, by its suffix."""

from __future__ import annotations

from pathlib import Path

from zhiyin.errors import FormatError
from zhiyin.formats.kern import read_kern
from zhiyin.formats.midi import read_midi
from zhiyin.score.score import Score

READERS = {".krn": read_kern, ".mid": read_midi, ".midi": read_midi}


def read_score(path: Path) -> Score:
    """The score in a file; FormatError when no reader takes its suffix."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise FormatError(f"{path.name} is of no kind that is read", expected=" ".join(READERS), received=path.suffix)
    return reader(path)
