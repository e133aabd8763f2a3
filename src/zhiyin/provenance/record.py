"""The record of how a piece was made: what determines it, what its music owes, and hashes of its notes.

It travels inside every file that zhiyin writes and as ``<file>.zhiyin.json`` beside it. Only the side file and the log carry
the time, so that the same seed gives the same bytes. docs/guide/log.md lists the fields.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import RecordError
from zhiyin.files import atomic_write, reason_of
from zhiyin.provenance.disclosure import ALL, DISCLOSURE

RECORD_FORMAT = "record/1"
SIDE_SUFFIX = ".zhiyin.json"
MARK = "zhiyin:"  # stands before a record where a format holds texts of all kinds
MAX_RECORD_BYTES = 1 << 20
SIDE_ONLY = ("written", "file", "files", "sha256", "seconds")  # what a side file says beyond the record
_UNSIGNED = ("signature", "converted", *SIDE_ONLY)


def notes_hash(notes: np.ndarray, ticks_per_quarter: int) -> str:
    """sha256 over onset, duration, pitch, part of every note and the resolution: names the notes, not the file."""
    digest = hashlib.sha256(f"{ticks_per_quarter}".encode())
    for name in ("onset", "duration", "pitch", "part"):
        digest.update(np.ascontiguousarray(notes[name].astype("<i4")).tobytes())
    return digest.hexdigest()


def heard_hashes(notes: np.ndarray, ticks_per_quarter: int) -> dict[str, str]:
    """``heard`` and ``velocities``: two sha256 of sounding notes that do not depend on the resolution or on empty parts.

    notes: NOTE array as played (no graces, no overlaps of one pitch; ``formats.recorded.heard`` gives it).
    """
    part = np.unique(notes["part"], return_inverse=True)[1].reshape(-1)
    order = np.lexsort((notes["duration"], notes["pitch"], part, notes["onset"]))
    times = np.stack([notes["onset"], notes["duration"]]).astype(np.int64)
    common = int(np.gcd.reduce(np.r_[times.ravel(), ticks_per_quarter]))
    table = np.stack([*(times // common), notes["pitch"].astype(np.int64), part])[:, order].astype("<i8")
    digest = hashlib.sha256(f"heard/1 {ticks_per_quarter // common}".encode())
    digest.update(np.ascontiguousarray(table).tobytes())
    loud = hashlib.sha256(np.ascontiguousarray(notes["velocity"][order].astype(np.uint8)).tobytes())
    return {"heard": digest.hexdigest(), "velocities": loud.hexdigest()}


@dataclass(frozen=True)
class Music:
    """The notes of a piece as a record names them. ``notes``: ``notes_hash`` as composed; ``heard``: ``heard_hashes``."""

    notes: str
    heard: Mapping[str, str]


def make_record(
    verb: str, version: str, settings: Mapping[str, Any], *, model: Mapping[str, Any], model_hash: str, notes: str | Music,
    inputs: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:  # fmt: skip
    """The record of one piece, without its originality verdict (``None`` until somebody looks); all of it was composed
    (``disclosure.disclosed`` says it where only some was).

    settings: everything that determines it (words, controls, seed, take …); inputs: name and sha256 of the files it was
    made from; model: the package's manifest.
    """
    music = notes if isinstance(notes, Music) else Music(notes, {})
    collections = list(_listed(model.get("collections", ())))
    return {
        "format": RECORD_FORMAT,
        "made_with": f"zhiyin {version}",
        "disclosure": DISCLOSURE,
        "composed": [ALL],
        "verb": verb,
        "model": model.get("name"),
        "model_hash": model_hash,
        "settings": dict(settings),
        "inputs": [dict(i) for i in inputs],
        "notes": music.notes,
        **music.heard,
        "licence_of_training_music": (model.get("corpus") or {}).get("licence", ""),
        "corpus": [{k: c[k] for k in ("name", "licence", "pieces") if k in c} for c in collections],
        "attribution": attributions(collections),
        "originality": None,
        "runtime": runtime(),
    }


@functools.cache
def runtime() -> dict[str, str]:
    """What besides the record decides the last bits of arithmetic: onnxruntime's and numpy's version, the CPU's type."""
    found = {}
    for name in ("onnxruntime", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return {**found, "cpu": " ".join(filter(None, (platform.machine(), _cpu_name())))}


def _cpu_name() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        return platform.processor()


def attributions(collections: Iterable[Mapping[str, Any]] | Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The attribution lines that the collections of a manifest ask for."""
    return list(dict.fromkeys(str(c["attribution"]) for c in _listed(collections) if c.get("attribution")))


def collection_names(model: Mapping[str, Any]) -> set[str]:
    """Names of the collections that a package learnt from (its manifest)."""
    return {str(c["name"]) for c in _listed(model.get("collections", ())) if c.get("name")}


def _listed(
    collections: Iterable[Mapping[str, Any]] | Mapping[str, Mapping[str, Any]],
) -> Iterable[Mapping[str, Any]]:
    return collections.values() if isinstance(collections, Mapping) else collections


def record_text(record: Mapping[str, Any]) -> str:
    """A record as one line of ASCII JSON with sorted names: the same record, the same bytes."""
    return json.dumps(dict(record), ensure_ascii=True, sort_keys=True, separators=(",", ":"), default=str)


def signed_part(record: Mapping[str, Any]) -> bytes:
    """The bytes that a signature covers: the record without the signature, later conversions, and the side file's words."""
    return record_text({k: v for k, v in record.items() if k not in _UNSIGNED}).encode("ascii")


def parse_record(text: str, where: str) -> dict[str, Any]:
    """The record in a text; RecordError where it is damaged or of a version that this zhiyin does not know."""
    try:
        record = json.loads(text) if len(text) <= MAX_RECORD_BYTES else None
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise RecordError(
            f"The record in {where} is damaged",
            expected=f"one JSON object of at most {MAX_RECORD_BYTES:,} bytes",
            received=f"{text[:60]!r} ({len(text):,} characters)",
            hint="the side file (.zhiyin.json) or the log may still know the piece: zhiyin log show",
        )
    kind = record.get("format")
    if kind != RECORD_FORMAT:
        raise RecordError(
            f"The record in {where} is of another kind",
            expected=f"format {RECORD_FORMAT}",
            received=repr(kind)[:80],
            hint="a newer zhiyin may read it: pip install --upgrade zhiyin",
        )
    for name, wanted in (("verb", str), ("settings", dict), ("notes", str)):
        if not isinstance(record.get(name), wanted):
            raise RecordError(
                f"The record in {where} is incomplete",
                expected=f"{name} ({wanted.__name__})",
                received=repr(record.get(name))[:80],
                hint="it was altered after it was written",
            )
    return record


def side_path(path: Path) -> Path:
    """Where the side file of a file lies."""
    return path.with_name(path.name + SIDE_SUFFIX)


def now() -> str:
    """The time as side files and the log write it: UTC, seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_side_file(path: Path, record: Mapping[str, Any], **more: Any) -> Path:
    """Writes ``<path>.zhiyin.json`` with the record, the time, and what else is said (SIDE_ONLY), atomically."""
    full = {**record, "written": now(), **more}
    return atomic_write(side_path(path), json.dumps(full, ensure_ascii=False, indent=1, default=str) + "\n")


def read_side_file(path: Path) -> dict[str, Any] | None:
    """What the side file of ``path`` says (record and SIDE_ONLY), None where there is none. Raises RecordError."""
    side = side_path(path)
    if not side.is_file():
        return None
    try:
        with side.open("rb") as handle:
            data = handle.read(MAX_RECORD_BYTES + 1)
    except OSError as error:
        raise RecordError(f"{side} cannot be read", expected="a readable file", received=reason_of(error)) from None
    return parse_record(data.decode("utf-8", "replace"), side.name)
