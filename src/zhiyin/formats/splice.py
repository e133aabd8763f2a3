"""A file written again with some of its music replaced and all else as it was.

MIDI and MusicXML are changed in place (``midi_splice``, ``musicxml_splice``); what is written is read back, and where the
music outside the replaced bars is not the same, or the file is of another kind, the score is written anew and that is said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import FormatError, ZhiyinError
from zhiyin.files import atomic_write
from zhiyin.formats.catalog import format_of, load, save
from zhiyin.formats.files import read_bytes
from zhiyin.formats.limits import LIMITS
from zhiyin.score import Score

IN_PLACE = ("midi", "musicxml")


@dataclass(frozen=True)
class Source:
    """A file, its bytes as they were read, and the score in it."""

    path: Path
    data: bytes
    score: Score

    @property
    def kind(self) -> str:
        """The name of its format."""
        return format_of(self.path).name

    @property
    def in_place(self) -> bool:
        """Whether files of its kind can be changed in place."""
        return self.kind in IN_PLACE

    @property
    def sha256(self) -> str:
        """The hash of its bytes."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Splice:
    """A change to a file. cells: bool (bars, parts) that are replaced. gone: bool (notes,) of the old score. after: the score."""

    source: Source
    cells: np.ndarray
    gone: np.ndarray
    after: Score

    def fits(self, path: str | Path) -> bool:
        """Whether a path names the source's own format."""
        return format_of(path).name == self.source.kind

    def write(self, path: str | Path, *, record: Mapping[str, Any] | None = None) -> str:
        """Writes the changed file, atomically. Result: "" or why it had to be written anew."""
        try:
            data = self.data(Path(path).suffix.lower() == ".mxl", record=record)
        except ZhiyinError as problem:
            save(self.after, path, **({"record": record} if record else {}))
            return f"{Path(path).name} is written anew, not changed in place: {problem}"
        atomic_write(path, data)
        return ""

    def data(self, packed: bool = False, *, record: Mapping[str, Any] | None = None) -> bytes:
        """The bytes of the changed file (``packed``: MusicXML as .mxl). Raises FormatError where it cannot be changed in place."""
        source = self.source
        if source.kind == "midi":
            from zhiyin.formats.midi import read_midi
            from zhiyin.formats.midi_splice import splice_midi

            data = splice_midi(source.data, source.score, self.gone, self.after, record=record)
            self._check(read_midi(data))
            return data
        from zhiyin.formats.musicxml import read_musicxml
        from zhiyin.formats.musicxml_splice import splice_musicxml

        data = splice_musicxml(source.data, source.score, self.cells, self.after, packed=packed, record=record)
        self._check(read_musicxml(data))
        return data

    def _check(self, found: Score) -> None:
        """FormatError unless what was read back has, outside the cells, the notes that were there."""
        before = _outside(self.source.score, self.cells)
        if found.ticks_per_quarter % self.source.score.ticks_per_quarter or before != _outside(
            found, self.cells, found.ticks_per_quarter // self.source.score.ticks_per_quarter
        ):
            raise FormatError(
                "The music outside the selection would have changed", expected=f"the same {len(before)} notes", received="others"
            )


def write_score(score: Score, path: str | Path, *, splice: Splice | None, **options: Any) -> str:
    """Writes a score; into a file of the kind that it was read from (``splice``) with only the edited bars changed.

    options: of the format's writer, the record among them. Result: "" or why an edited file was written anew.
    """
    if splice is not None and splice.fits(path):
        return splice.write(path, record=options.get("record"))
    save(score, path, **options)
    return ""


def _outside(score: Score, cells: np.ndarray, scale: int = 1) -> list[tuple[int, ...]]:
    """Onset, duration, pitch, part of the notes that begin in no cell, sorted; times divided by ``scale``.

    Graces are left out: those at the end of a replaced measure count to the bar after it.
    """
    notes = score.notes[~score.notes["grace"]]
    bars = np.minimum(score.bar_of(notes["onset"]), len(cells) - 1)
    inside = (notes["part"] < cells.shape[1]) & cells[bars, np.minimum(notes["part"], cells.shape[1] - 1)]
    mine = notes[~inside & (notes["part"] < cells.shape[1])]
    return sorted((a // scale, b // scale, c, d) for a, b, c, d in mine[["onset", "duration", "pitch", "part"]].tolist())


def read_source(path: str | Path) -> Source:
    """Reads a file so that it can be written again with changes."""
    path = Path(path).expanduser()
    score = load(path)
    return Source(path, read_bytes(path, LIMITS.get(format_of(path).name, LIMITS["midi"]).bytes), score)
