"""A chunk: some files of a collection read, encoded and fingerprinted, written as one array file by a worker.

The unit of resuming: a chunk whose file is on disk is never made again. Knows nothing about splits or duplicates.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.corpus.collections.catalog import COLLECTIONS
from zhiyin.corpus.movements import MOVEMENTS_VERSION, split_movements
from zhiyin.corpus.reading import read_scores
from zhiyin.corpus.source import PieceSource, unchanged
from zhiyin.encoding import fields as encoding_fields
from zhiyin.encoding.quantize import QuantizeReport
from zhiyin.encoding.rows import EncodedPiece, encode
from zhiyin.errors import ZhiyinError
from zhiyin.measures.key import with_keys
from zhiyin.pool import Tell
from zhiyin.provenance.fingerprint import piece_prints
from zhiyin.score.score import Score

CHUNK_VERSION = 4
FILES_PER_CHUNK = 32


@dataclass(frozen=True)
class ChunkTask:
    """What a worker is sent: where to read, where to write, and which files."""

    collection: str
    root: str
    out: str
    sources: tuple[PieceSource, ...]


@dataclass(frozen=True)
class Chunk:
    """A finished chunk: one dict per piece, one per failed file, and concatenated arrays with offsets.

    arrays: name -> (total, …); offsets: name -> int64 (pieces + 1,).
    """

    pieces: list[dict[str, Any]]
    failures: list[dict[str, str]]
    arrays: dict[str, np.ndarray]
    offsets: dict[str, np.ndarray]


def chunk_path(task: ChunkTask) -> Path:
    """Where the chunk of this task lies: the name is a hash of all that decides its content."""
    digest = hashlib.sha256(f"{CHUNK_VERSION} {encoding_fields.ENCODING} {task.collection}".encode())
    for source in task.sources:
        stat = (Path(task.root) / source.path).stat() if (Path(task.root) / source.path).exists() else None
        state = f"{stat.st_size} {stat.st_mtime_ns}" if stat else "missing"
        rule = source.split_movements and MOVEMENTS_VERSION
        digest.update(f"{source.path.as_posix()} {rule} {state}\n".encode())
    return Path(task.out) / f"{task.collection}-{digest.hexdigest()[:24]}.npz"


def make_chunk(task: ChunkTask, struck: dict[int, str], tell: Tell) -> str:
    """Reads, encodes and writes one chunk (atomically); returns its path. Runs in a worker."""
    pieces: list[dict[str, Any]] = []
    failures: list[dict[str, str]] = []
    columns: dict[str, list[np.ndarray]] = {}
    for number, source in enumerate(task.sources):
        if number in struck:
            failures.append({"path": source.path.as_posix(), "error": "WorkerError", "reason": struck[number]})
            continue
        tell(number)
        try:
            made = _file_pieces(task, source)
        except (ZhiyinError, OSError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, MemoryError,
                RecursionError) as error:  # fmt: skip
            failures.append(_failure(source, error))
            continue
        for info, arrays in made:
            pieces.append(info)
            for name, array in arrays.items():
                columns.setdefault(name, []).append(array)
    path = chunk_path(task)
    _write_chunk(path, {"pieces": pieces, "failures": failures}, columns)
    return str(path)


def _failure(source: PieceSource, error: Exception) -> dict[str, str]:
    return {"path": source.path.as_posix(), "error": type(error).__name__, "reason": str(error)[:500]}


def _file_pieces(task: ChunkTask, source: PieceSource) -> list[tuple[dict[str, Any], dict[str, np.ndarray]]]:
    path = Path(task.root) / source.path
    started = time.perf_counter()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    known = COLLECTIONS.get(task.collection)
    made = []
    for score in read_scores(path):
        mended = {"mended": score.metadata["mended"]} if "mended" in score.metadata else {}
        score, labels = (known.prepare if known else unchanged)(score, source)
        parts = split_movements(score) if source.split_movements else [score]
        made += [one_piece(part, labels, mended) for part in parts]
    for number, (info, _) in enumerate(made, start=1):
        info["id"] = f"{task.collection}/{source.path.with_suffix('').as_posix()}" + (
            f"#{number}" if len(made) > 1 else ""
        )
        info |= {"path": source.path.as_posix(), "movement": number, "file_sha256": digest}
    made[0][0]["seconds"] = round(time.perf_counter() - started, 4)
    return made


def one_piece(
    score: Score, labels: Mapping[str, str], said: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """One score encoded: its info (labels, counts, content hash, what is ``said`` of it) and its arrays by name."""
    piece, report = encode(with_keys(score))
    arrays = {f.name: getattr(piece, f.name) for f in fields(piece) if isinstance(getattr(piece, f.name), np.ndarray)}
    arrays["prints"] = piece_hashes(piece)
    return (
        {
            "labels": dict(labels),
            "notes": len(piece.rows),
            "bars": len(piece.bars),
            "programs": piece.programs.tolist(),
            "quantize": _changed_only(report),
            "content": content_hash(piece),
            **(said or {}),
        },
        arrays,
    )


def _changed_only(report: QuantizeReport) -> dict[str, Any]:
    return {name: value for name, value in asdict(report).items() if value}


def note_times(piece: EncodedPiece) -> tuple[np.ndarray, np.ndarray]:
    """Onsets and durations, both in steps, of the rows of an encoded piece: two int64 (T,)."""
    starts = np.r_[0, np.cumsum(piece.bars[:, 0].astype(np.int64))]
    durations = encoding_fields.DURATIONS[piece.rows[:, 4]].astype(np.int64)
    return starts[piece.rows[:, 0]] + piece.rows[:, 1], durations


def piece_hashes(piece: EncodedPiece) -> np.ndarray:
    """Sorted distinct fingerprints uint64 of the outer lines of the pitched parts of an encoded piece."""
    pitched = piece.programs[piece.rows[:, 2]] != encoding_fields.DRUM_PROGRAM
    onset, duration = note_times(piece)
    return np.unique(piece_prints(onset[pitched], duration[pitched], piece.rows[pitched, 3]).hashes)


def content_hash(piece: EncodedPiece) -> str:
    """A hash of the sounding notes alone: equal for copies that differ only in parts, velocity, tempo or bars."""
    onset, duration = note_times(piece)
    drums = piece.programs[piece.rows[:, 2]] == encoding_fields.DRUM_PROGRAM
    notes = np.stack([onset - onset.min(initial=0), piece.rows[:, 3], duration, drums], axis=1).astype("<i4")
    return hashlib.sha256(np.unique(notes, axis=0).tobytes()).hexdigest()[:32]


def _write_chunk(path: Path, info: dict[str, Any], columns: dict[str, list[np.ndarray]]) -> None:
    stored: dict[str, np.ndarray] = {"info": np.frombuffer(json.dumps(info).encode(), dtype=np.uint8)}
    for name, parts in columns.items():
        stored[f"{name}.values"] = np.concatenate(parts)
        stored[f"{name}.offsets"] = np.r_[0, np.cumsum([len(p) for p in parts])].astype(np.int64)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as handle:
            np.savez(handle, **stored)  # type: ignore[arg-type]
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_chunk(path: Path) -> Chunk:
    """A chunk from disk."""
    with np.load(path, allow_pickle=False) as stored:
        info = json.loads(stored["info"].tobytes())
        names = [name.removesuffix(".values") for name in stored.files if name.endswith(".values")]
        arrays = {name: stored[f"{name}.values"] for name in names}
        offsets = {name: stored[f"{name}.offsets"] for name in names}
    return Chunk(info["pieces"], info["failures"], arrays, offsets)
