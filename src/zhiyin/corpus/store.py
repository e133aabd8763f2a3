"""The corpus on disk: one array file per column family with offsets, a table of pieces, a manifest.

    corpus/manifest.json   collections, licences, checksums, counts, styles, encoding version, hashes of the files
    corpus/pieces.jsonl    one line per piece, in the order of the arrays
    corpus/rows.npy        all rows of all pieces, one after the other; rows.offsets.npy says where each begins
    corpus/bars.npy, programs.npy, controls.npy, prints.npy   likewise
    corpus/failures.jsonl  files that could not be read and why; removed.jsonl: duplicates and hold-outs

Arrays are memory-mapped. The manifest is written last: a folder without one is not a corpus. Knows no torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import CorpusError
from zhiyin.files import atomic_path, atomic_write
from zhiyin.provenance.package import file_hash

FORMAT = "zhiyin-corpus/1"


@dataclass(frozen=True)
class Piece:
    """One piece of the table. ``index``: its place in the arrays; style and composer: names or "" (not known).

    programs: General MIDI program of each part, 128 = drums.
    """

    index: int
    id: str
    path: str
    collection: str
    work: str
    group: str
    split: str
    style: str = ""
    composer: str = ""
    composer_group: str = ""
    title: str = ""
    licence: str = ""
    weight: float = 1.0
    notes: int = 0
    bars: int = 0
    programs: tuple[int, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    file_sha256: str = ""
    content: str = ""
    movement: int = 1
    quantize: Mapping[str, Any] = field(default_factory=dict)


_PIECE_FIELDS = {f.name for f in fields(Piece)}


@dataclass(frozen=True)
class Corpus:
    """An opened corpus: its manifest and table in memory, its arrays mapped."""

    path: Path
    manifest: Mapping[str, Any]
    table: tuple[Piece, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the column families (rows, bars, programs, controls, prints)."""
        return tuple(self.manifest["arrays"])

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """name -> mapped array (total, …) of all pieces one after the other."""
        return {name: _mapped(self.path / f"{name}.npy") for name in self.names}

    @cached_property
    def offsets(self) -> dict[str, np.ndarray]:
        """name -> int64 (pieces + 1,): piece i is ``columns[name][offsets[name][i]:offsets[name][i + 1]]``."""
        return {name: np.load(self.path / f"{name}.offsets.npy", allow_pickle=False) for name in self.names}

    @property
    def styles(self) -> Mapping[str, Mapping[str, Any]]:
        """Style name -> {id (class of the style control, from 1), n, works, notes, train, valid, test}."""
        return self.manifest["styles"]

    @property
    def composers(self) -> Mapping[str, Mapping[str, Any]]:
        """Composer group -> {id (class of the composer control, from 1), n}."""
        return self.manifest["composers"]

    def pieces(self, split: str = "", *, style: str = "", collection: str = "") -> list[Piece]:
        """Pieces of one split, style or collection (empty = all)."""
        return [
            p
            for p in self.table
            if (not split or p.split == split)
            and (not style or p.style == style)
            and (not collection or p.collection == collection)
        ]

    def arrays(self, piece: Piece | int) -> dict[str, np.ndarray]:
        """Views of one piece's arrays by name."""
        i = piece if isinstance(piece, int) else piece.index
        return {name: self.columns[name][self.offsets[name][i] : self.offsets[name][i + 1]] for name in self.names}

    def verify(self) -> list[str]:
        """Names of files whose hash is not the manifest's (empty = all is well)."""
        return [n for n, h in self.manifest["files"].items() if file_hash(self.path / n) != h]


def _mapped(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def open_corpus(path: str | Path) -> Corpus:
    """Opens a built corpus; raises CorpusError when the folder is none, unfinished, or of another version."""
    path = Path(path)
    manifest_path = path / "manifest.json"
    if not manifest_path.is_file():
        raise CorpusError(
            f"{path} is not a finished corpus",
            expected="a folder with manifest.json",
            received="no manifest.json",
            hint="build it (again) with `zhiyin corpus build … --out FOLDER`; finished work is kept",
        )
    manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
    if manifest.get("format") != FORMAT:
        raise CorpusError(
            f"{path} is a corpus of another version", expected=FORMAT, received=str(manifest.get("format"))
        )
    with (path / "pieces.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    table = tuple(Piece(index=i, **{k: v for k, v in row.items() if k in _PIECE_FIELDS}) for i, row in enumerate(rows))
    if len(table) != manifest["pieces"]:
        raise CorpusError(
            f"{path} is damaged",
            expected=f"{manifest['pieces']} pieces",
            received=f"{len(table)}",
            hint="build it again",
        )
    return Corpus(path, manifest, table)


def write_array(path: Path, shape: tuple[int, ...], dtype: np.dtype, parts: Iterable[np.ndarray]) -> None:
    """Writes parts one after the other as one .npy file, atomically, without holding them together in memory."""
    at = 0
    with atomic_path(path) as temporary:
        out = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape) if shape[0] else None
        for part in parts:
            if out is not None:
                out[at : at + len(part)] = part
            at += len(part)
        if out is None:
            with temporary.open("wb") as handle:
                np.save(handle, np.zeros(shape, dtype=dtype))
        else:
            out.flush()
            del out
        if at != shape[0]:
            raise CorpusError(f"{path.name} came out wrong", expected=f"{shape[0]} rows", received=f"{at}")


def write_json(path: Path, value: Any) -> None:
    """Writes one JSON file atomically."""
    atomic_write(path, json.dumps(value, ensure_ascii=False, indent=1, sort_keys=False) + "\n")


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes JSON lines atomically."""
    atomic_write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Reads JSON lines."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
