"""Sets of frames in the form of Boulanger-Lewandowski, Bengio and Vincent (2012): pieces as 0/1 tables (frames, keys), in three published splits.

Two files hold one:

* ``.mat``: cell arrays ``traindata``, ``validdata``, ``testdata``, one table (frames, keys) a cell.
* ``.npz``: for each split ``<split>_rows`` (all frames of its pieces, one after the other) and ``<split>_offsets`` (pieces + 1: where each begins,
  and the end); or one ``rows``, ``offsets`` and ``split`` ("train", "valid" or "test" for each piece). Plain arrays; object arrays are refused.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import InputError
from zhiyin.evaluation.mat import MatError, read_cells
from zhiyin.files import DAMAGED_ARCHIVE

SPLITS = ("train", "valid", "test")
MOST_KEYS = 128
MOST_BYTES = 2 << 30  # of one file's contents, unpacked
_FORM = ".mat with traindata, validdata and testdata, or .npz with flat rows and offsets"


@dataclass(frozen=True)
class FrameSet:
    """Pieces by split, each uint8 (frames, keys) of 0 and 1; ``sha256`` is the file's."""

    name: str
    pieces: Mapping[str, tuple[np.ndarray, ...]]
    sha256: str = field(default="", repr=False)

    @property
    def keys(self) -> int:
        """Keys a frame has."""
        return int(self.pieces["train"][0].shape[1])

    def frames(self, split: str) -> int:
        """Frames in all pieces of a split."""
        return sum(len(p) for p in self.pieces[split])


def load_frames(path: str | Path) -> FrameSet:
    """Reads a set from .mat or .npz; InputError for anything that is not in the form above."""
    path = Path(path)
    readers = {".mat": _read_mat, ".npz": _read_npz}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path} is not a set of frames", expected=_FORM, received=f"suffix {path.suffix!r}")
    if not path.is_file():
        raise InputError(f"{path} is not there", expected=_FORM, received="no such file")
    tables = readers[path.suffix.lower()](path)
    pieces = {split: tuple(_table(path, split, i, t) for i, t in enumerate(tables[split])) for split in SPLITS}
    _check(path, pieces)
    return FrameSet(path.stem, pieces, hashlib.sha256(path.read_bytes()).hexdigest())


def _read_mat(path: Path) -> dict[str, list[Any]]:
    names = {split: f"{split}data" for split in SPLITS}
    try:
        found = read_cells(path.read_bytes(), MOST_BYTES)
    except MatError as e:
        raise InputError(f"{path} cannot be read", expected="a MATLAB 5 file of cell arrays of numbers", received=str(e)) from None
    missing = [name for name in names.values() if name not in found]
    if missing:
        raise InputError(
            f"{path} lacks a split", expected="cell arrays traindata, validdata, testdata, a table a cell", received=f"no cell array {', '.join(missing)}"
        )
    return {split: found[name] for split, name in names.items()}


def _read_npz(path: Path) -> dict[str, list[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(i.file_size for i in archive.infolist())
        if size > MOST_BYTES:
            raise InputError(f"{path} is too large", expected=f"at most {MOST_BYTES >> 20} MB unpacked", received=f"{size >> 20} MB")
        with np.load(path, allow_pickle=False) as held:
            arrays = {name: _plain(path, held, name) for name in held.files}
    except (*DAMAGED_ARCHIVE, ValueError) as e:
        raise InputError(f"{path} cannot be read", expected="an .npz archive of plain arrays", received=str(e)) from None
    if {"rows", "offsets", "split"} <= set(arrays):
        tables = _cut(path, "", arrays["rows"], arrays["offsets"])
        labels = _labels(path, arrays["split"], len(tables))
        return {s: [t for t, label in zip(tables, labels) if label == s] for s in SPLITS}
    needed = [f"{s}_{part}" for s in SPLITS for part in ("rows", "offsets")]
    missing = [n for n in needed if n not in arrays]
    if missing:
        expected = f"{', '.join(needed)}; or rows, offsets, split"
        raise InputError(f"{path} lacks an array", expected=expected, received=", ".join(sorted(arrays)) or "none")
    return {s: _cut(path, f"{s}_", arrays[f"{s}_rows"], arrays[f"{s}_offsets"]) for s in SPLITS}


def _plain(path: Path, held: Any, name: str) -> np.ndarray:
    """One array, never an object array: those are pickles."""
    try:
        return np.asarray(held[name])
    except ValueError:
        raise InputError(
            f"{path}: array {name!r} holds objects or is damaged",
            expected="plain arrays of numbers",
            received="an array that only pickle could load",
            hint="write flat rows and offsets: np.savez(path, train_rows=np.concatenate(pieces), train_offsets=np.cumsum([0, *map(len, pieces)]), …)",
        ) from None


def _labels(path: Path, split: np.ndarray, count: int) -> list[str]:
    """The split's name of each piece; 0, 1, 2 stand for train, valid, test."""
    names = [SPLITS[int(v)] if np.issubdtype(split.dtype, np.integer) and 0 <= v < 3 else str(v) for v in split.reshape(-1)]
    if len(names) != count or not set(names) <= set(SPLITS):
        raise InputError(f"{path}: split", expected=f"train, valid or test for each of {count} pieces", received=f"{len(names)}: {', '.join(sorted(set(names))[:5])}")
    return names


def _cut(path: Path, prefix: str, rows: np.ndarray, offsets: np.ndarray) -> list[np.ndarray]:
    """Flat rows (N, K) and offsets (pieces + 1,) -> the pieces."""
    fits = rows.ndim == 2 and offsets.ndim == 1 and len(offsets) > 1 and np.issubdtype(offsets.dtype, np.integer)
    if not fits or offsets[0] != 0 or offsets[-1] != len(rows) or (np.diff(offsets) < 0).any():
        raise InputError(
            f"{path}: {prefix}rows and {prefix}offsets do not fit",
            expected="rows (N, keys); offsets integers from 0 up to N, pieces + 1 of them",
            received=f"rows {rows.shape}, offsets {offsets.dtype} {offsets.shape} from {offsets[:1]} to {offsets[-1:]}",
        )
    return [rows[a:b] for a, b in zip(offsets, offsets[1:])]


def _table(path: Path, split: str, index: int, table: Any) -> np.ndarray:
    """One piece as uint8 (frames, keys)."""
    table = np.asarray(table)
    fits = table.ndim == 2 and table.dtype.kind in "buif" and 0 < table.shape[1] <= MOST_KEYS
    if not fits or not np.isin(table, (0, 1)).all():
        raise InputError(
            f"{path}: piece {index} of {split} is not a table of keys",
            expected=f"(frames, keys) of 0 and 1, at most {MOST_KEYS} keys",
            received=f"{table.dtype} {table.shape}" + (f" with values up to {table.max()}" if fits and table.size else ""),
        )
    return np.ascontiguousarray(table, dtype=np.uint8)


def _check(path: Path, pieces: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Every split has frames to score, all tables the same number of keys."""
    for split in SPLITS:
        if not any(len(p) > 1 for p in pieces[split]):
            raise InputError(f"{path}: nothing to score in {split}", expected="a piece of two frames or more", received=f"{len(pieces[split])} pieces")
    widths = sorted({p.shape[1] for split in SPLITS for p in pieces[split]})
    if len(widths) > 1:
        raise InputError(f"{path}: tables of different widths", expected="the same number of keys everywhere", received=", ".join(map(str, widths)))
