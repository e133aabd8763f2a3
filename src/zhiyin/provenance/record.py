"""The record of how a piece was made: what determines it, and a hash of its notes.

It travels inside every file that zhiyin writes and as ``<file>.zhiyin.json`` beside it. Only the side file carries the time,
so that the same seed gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

RECORD_FORMAT = "record/1"
DISCLOSURE = "Machine-composed with zhiyin (知音)."
SIDE_SUFFIX = ".zhiyin.json"


def notes_hash(notes: np.ndarray, ticks_per_quarter: int) -> str:
    """sha256 over onset, duration, pitch, part of every note and the resolution: names the notes, not the file."""
    digest = hashlib.sha256(f"{ticks_per_quarter}".encode())
    for name in ("onset", "duration", "pitch", "part"):
        digest.update(np.ascontiguousarray(notes[name].astype("<i4")).tobytes())
    return digest.hexdigest()


def make_record(
    verb: str, version: str, settings: Mapping[str, Any], *, model: Mapping[str, Any], model_hash: str, notes: str
) -> dict[str, Any]:
    """The record of one piece. ``settings``: everything that determines it (words, controls, seed, take …); ``notes``: its hash."""
    return {
        "format": RECORD_FORMAT,
        "made_with": f"zhiyin {version}",
        "disclosure": DISCLOSURE,
        "verb": verb,
        "model": model.get("name"),
        "model_hash": model_hash,
        "settings": dict(settings),
        "notes": notes,
        "licence_of_training_music": (model.get("corpus") or {}).get("licence", ""),
        "attribution": attributions(model.get("collections", ())),
    }


def attributions(collections: Iterable[Mapping[str, Any]] | Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The attribution lines that the collections of a manifest ask for."""
    listed = collections.values() if isinstance(collections, Mapping) else collections
    return [str(c["attribution"]) for c in listed if c.get("attribution")]


def write_side_file(path: Path, record: Mapping[str, Any], **more: Any) -> Path:
    """Writes ``<path>.zhiyin.json`` with the record, the time, and what else is said (files, seconds …), atomically."""
    side = path.with_name(path.name + SIDE_SUFFIX)
    full = {**record, "written": datetime.now(UTC).isoformat(timespec="seconds"), **more}
    temporary = side.with_name(f".{side.name}.part")
    temporary.write_text(json.dumps(full, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8")
    os.replace(temporary, side)
    return side
