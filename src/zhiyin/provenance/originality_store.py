"""The originality index on disk: one file of flat arrays behind a JSON header, memory-mapped.

    magic · length of the header (8 bytes) · header (JSON) · arrays, each on a 64-byte boundary

What is stored are lines of notes, as *codes*: one small class per note that says how the line arrives at it (interval and
change of pace), so that transposition and tempo do not matter. Seeds (positions of winnowed n-grams, bucketed by hash)
find a passage, the codes then verify it note by note. The ``dense`` form keeps every line, 256 classes and every gram; the
shipped form keeps each sequence of 16 notes once per group of related pieces, 16 classes (half a byte a note) and winnowed
seeds. Knows nothing of scores or of how passages are scored.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import PackageError

MAGIC = b"zhiyin-originality/1\n"
MAX_HEADER = 1 << 20
MAX_ARRAY = 1 << 33  # bytes that one array may ask for
MAX_TABLE = 1 << 26  # bytes that a packed table may unfold to
LONGEST_GUARANTEE = 64
_ALIGN = 64

ARRAYS: dict[str, str] = {  # name -> element type; all are vectors
    "codes": "u1",  # classes of the notes; two notes a byte (low half first) in the shipped form
    "code_of": "u1",  # (81 * 17,) symbol -> class
    "surprise_of": "u1",  # (81 * 17,) symbol -> one of 256 finer classes, for surprise only
    "bits": "u1",  # (256 * 256,) surprise of a finer class after another, in sixteenths of a bit
    "bucket_seeds": "<u2",  # (buckets,) seeds of each bucket
    "seeds_low": "<u2",  # positions of the seeds' first notes, low 16 bits
    "seeds_high": "u1",  # … and high bits: 8 in the shipped form
    "seeds_top": "u1",  # … 8 more in the dense form (else empty)
    "segment_notes": "<u2",  # (segments,) notes of each run of stored notes
    "segment_piece": "<u2",
    "segment_piece_high": "u1",  # empty where 16 bits name every piece
    "segment_part": "u1",
    "segment_bar": "<u2",  # number of the bar of its first note
    "bar_bits": "u1",  # one bit a note: it stands in a later bar than the note before
    "far_at": "<u4",  # notes that stand more than one bar later …
    "far_bars": "u1",  # … and how many bars
    "anchors": "u1",  # MIDI pitch of every ``anchor_step``-th note
    "onset": "<u4",  # ticks (24 a quarter) of every note; empty in the shipped form
    "pieces": "u1",  # zlib of JSON
    "scale": "u1",  # zlib of JSON
}


@dataclass(frozen=True)
class Store:
    """The arrays of an index by name, and its header: n, window, classes, anchor_step, notes, dense and what is told of it."""

    header: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray] = field(repr=False)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    @property
    def dense(self) -> bool:
        """Whether it holds every note of every line."""
        return bool(self.header["dense"])

    @property
    def notes(self) -> int:
        """Stored notes."""
        return int(self.header["notes"])

    @cached_property
    def segments(self) -> np.ndarray:
        """Where each run of notes begins, int64 (segments + 1,): the last is the number of notes."""
        return np.r_[0, np.cumsum(self["segment_notes"], dtype=np.int64)]

    @cached_property
    def segment_piece(self) -> np.ndarray:
        """Piece of each run, int64 (segments,)."""
        high = self["segment_piece_high"].astype(np.int64)
        return self["segment_piece"].astype(np.int64) + ((high << 16) if len(high) else 0)

    @cached_property
    def starts(self) -> np.ndarray:
        """Where the seeds of each bucket begin, int64 (buckets + 1,)."""
        return np.r_[0, np.cumsum(self["bucket_seeds"], dtype=np.int64)]

    def codes(self, at: np.ndarray) -> np.ndarray:
        """Classes of the notes at positions ``at`` (any shape)."""
        if self.dense:
            return self["codes"][at]
        pair = self["codes"][at >> 1]
        return np.where(at & 1, pair >> 4, pair & 15)

    def seeds(self, at: np.ndarray) -> np.ndarray:
        """Positions of the seeds numbered ``at``, int64."""
        found = self["seeds_low"][at].astype(np.int64) + (self["seeds_high"][at].astype(np.int64) << 16)
        return found + (self["seeds_top"][at].astype(np.int64) << 24) if self.dense else found

    def bar_numbers(self, segment: int, first: int, last: int) -> tuple[int, int]:
        """Numbers of the bars of the notes ``first`` and ``last`` of a segment."""
        begin = int(self.segments[segment])
        lowest = begin >> 3
        bits = np.unpackbits(self["bar_bits"][lowest : (last >> 3) + 1], bitorder="little")
        low, high = np.searchsorted(self["far_at"], [begin + 1, last + 1])
        where, more = self["far_at"][low:high].astype(np.int64), self["far_bars"][low:high].astype(np.int64) - 1
        out = []
        for note in (first, last):
            steps = int(bits[begin + 1 - (lowest << 3) : note + 1 - (lowest << 3)].sum())
            out.append(int(self["segment_bar"][segment]) + steps + int(more[where <= note].sum()))
        return out[0], out[1]

    def known_pitches(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """(positions, MIDI pitches) int64 of the notes from ``first`` to ``last`` whose pitch is kept."""
        step = int(self.header["anchor_step"])
        anchor = np.arange(-(-first // step), last // step + 1)
        return anchor * step, self["anchors"][anchor].astype(np.int64)

    def table(self, name: str) -> Any:
        """A packed table: ``pieces`` or ``scale``."""
        return unpack(self[name].tobytes(), name)


def pack(value: Any) -> np.ndarray:
    """A table as bytes uint8."""
    return np.frombuffer(zlib.compress(json.dumps(value, ensure_ascii=False).encode("utf-8"), 9), dtype=np.uint8)


def unpack(data: bytes, name: str) -> Any:
    """What ``pack`` packed; never unfolds more than MAX_TABLE bytes."""
    if not data:
        return None
    try:
        unfolding = zlib.decompressobj()
        text = unfolding.decompress(data, MAX_TABLE)
        if not unfolding.eof:
            raise ValueError("it does not end")
        return json.loads(text)
    except (zlib.error, ValueError) as problem:
        raise PackageError(
            "The originality index is damaged", expected=f"a table of {name}", received=str(problem), hint=_AGAIN
        ) from None


_AGAIN = "build it again (`zhiyin corpus index CORPUS`) or install the package again"


def write_store(path: Path, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Writes the file whole or not at all (a temporary file beside it takes its place at the end)."""
    listed, at = {}, 0
    for name, kind in ARRAYS.items():
        size = len(arrays[name]) * np.dtype(kind).itemsize
        listed[name] = [len(arrays[name]), at]
        at += -(-size // _ALIGN) * _ALIGN
    text = json.dumps({**header, "arrays": listed}, ensure_ascii=False, sort_keys=True).encode("utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as out:
            out.write(MAGIC + len(text).to_bytes(8, "little") + text)
            out.write(bytes(_body(len(text)) - out.tell()))
            for name, kind in ARRAYS.items():
                data = np.ascontiguousarray(arrays[name], dtype=kind).tobytes()
                out.write(data + bytes(-len(data) % _ALIGN))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _body(header_bytes: int) -> int:
    begin = len(MAGIC) + 8 + header_bytes
    return -(-begin // _ALIGN) * _ALIGN


def open_store(path: Path) -> Store:
    """Maps the file; raises PackageError where it is none, of another version, cut short or has impossible numbers."""
    try:
        mapped = np.memmap(path, dtype=np.uint8, mode="r")
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise PackageError(
            f"No originality index at {path}", expected="a file made by `zhiyin corpus index`", received=reason
        ) from None
    header = _header(path, mapped)
    body = _body(int.from_bytes(mapped[len(MAGIC) : len(MAGIC) + 8].tobytes(), "little"))
    arrays = {name: _array(path, mapped, header, name, body) for name in ARRAYS}
    _check(path, header, arrays)
    return Store(header, arrays)


def _header(path: Path, mapped: np.ndarray) -> dict[str, Any]:
    begin = len(MAGIC)
    start = mapped[:begin].tobytes()
    if start != MAGIC:
        other = start.startswith(MAGIC[: MAGIC.index(b"/")])
        raise PackageError(
            f"{path.name} is {'an originality index of another version' if other else 'no originality index'}",
            expected=MAGIC.decode().strip(), received=repr(start[:24]), hint=_AGAIN,
        )  # fmt: skip
    size = int.from_bytes(mapped[begin : begin + 8].tobytes(), "little")
    if size > MAX_HEADER or begin + 8 + size > len(mapped):
        _damaged(path, f"a header of ≤ {MAX_HEADER} bytes", f"{size} bytes announced, {len(mapped)} in the file")
    try:
        header = json.loads(mapped[begin + 8 : begin + 8 + size].tobytes())
        _ = {k: int(header[k]) for k in ("n", "window", "classes", "anchor_step", "notes", "least_intervals")}
        _ = bool(header["dense"]), {k: (int(a), int(b)) for k, (a, b) in header["arrays"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        _damaged(path, "a header in JSON with n, window, notes, arrays", f"{type(problem).__name__}: {problem}")
    return header


def _array(path: Path, mapped: np.ndarray, header: Mapping[str, Any], name: str, body: int) -> np.ndarray:
    kind = np.dtype(ARRAYS[name])
    if name not in header["arrays"]:
        _damaged(path, f"the array {name}", "none")
    count, at = (int(x) for x in header["arrays"][name])
    size = count * kind.itemsize
    if count < 0 or at < 0 or at % _ALIGN or size > MAX_ARRAY or body + at + size > len(mapped):
        _damaged(path, f"{name} of {count} × {kind.itemsize} bytes inside the file", f"{len(mapped)} bytes: cut short?")
    return mapped[body + at : body + at + size].view(kind)


def _check(path: Path, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Every number by which something is looked up lies inside what it points into."""
    notes, n, classes, dense = int(header["notes"]), int(header["n"]), int(header["classes"]), bool(header["dense"])
    buckets, seeds, segments = len(arrays["bucket_seeds"]), len(arrays["seeds_low"]), len(arrays["segment_notes"])
    facts = {
        "n from 3 to 16": 3 <= n <= 16 and 1 <= int(header["window"]) <= LONGEST_GUARANTEE,
        "16 or 256 classes": classes == (256 if dense else 16),
        "a step between anchors": 1 <= int(header["anchor_step"]) <= 1 << 16,
        "codes for every note": 0 <= notes < 1 << 31 and len(arrays["codes"]) == (notes if dense else -(-notes // 2)),
        "a class for every symbol": len(arrays["code_of"]) == 81 * 17 and arrays["code_of"].max(initial=0) < classes,
        "surprise of every class": len(arrays["bits"]) == 1 << 16 and len(arrays["surprise_of"]) == 81 * 17,
        "buckets by a power of two": buckets >= 1 and buckets == 1 << int(math.log2(max(1, buckets))),
        "seeds in their buckets": int(arrays["bucket_seeds"].sum(dtype=np.int64)) == seeds,
        "both halves of every seed": len(arrays["seeds_high"]) == seeds and len(arrays["seeds_top"]) == seeds * dense,
        "segments of notes": int(arrays["segment_notes"].sum(dtype=np.int64)) == notes,
        "a piece, part and bar per segment": all(
            len(arrays[k]) == segments for k in ("segment_piece", "segment_part", "segment_bar")
        ) and len(arrays["segment_piece_high"]) in (0, segments),
        "a bar mark for every note": len(arrays["bar_bits"]) == -(-notes // 8),
        "far notes": len(arrays["far_at"]) == len(arrays["far_bars"]),
        "pitches of the anchors": len(arrays["anchors"]) == -(-notes // int(header["anchor_step"] or 1)),
        "onsets of every note": len(arrays["onset"]) == notes * dense,
    }  # fmt: skip
    for what, holds in facts.items():
        if not holds:
            _damaged(path, what, "something else")


def _damaged(path: Path, expected: str, received: str) -> None:
    raise PackageError(f"{path.name}: the index is damaged", expected=expected, received=received, hint=_AGAIN)


def store_hash(arrays: Mapping[str, np.ndarray]) -> str:
    """sha256 over the stored notes, seeds and pieces: names the index whatever its scale."""
    digest = hashlib.sha256()
    for name in ("codes", "seeds_low", "seeds_high", "segment_notes", "pieces"):
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
