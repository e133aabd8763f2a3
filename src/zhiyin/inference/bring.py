"""Bringing files into the library: read, describe, embed, store. Known contents are skipped, so it can be stopped and run again.

Files are read by worker processes; every few files are stored in one transaction, and nothing is held back until the end.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from zhiyin.errors import InputError, ZhiyinError
from zhiyin.formats.catalog import load
from zhiyin.formats.files import read_bytes
from zhiyin.formats.recorded import origin_of
from zhiyin.inference.describing import score_files
from zhiyin.inference.embed import Embedder, embedder
from zhiyin.library.events import Event, check_event, store_events
from zhiyin.library.listeners import check_name
from zhiyin.library.pieces import NewPiece, find_piece, known_contents, piece_facts, place_files, store_pieces
from zhiyin.library.store import Library
from zhiyin.measures.descriptors import VERSION, describe
from zhiyin.pool import run_tasks
from zhiyin.provenance.package import load_package
from zhiyin.score import Score

DESCRIPTORS = VERSION
FILES_PER_TASK = 8
SECONDS_PER_FILE = 120.0
_MAX_BYTES = 1 << 28
Progress = Callable[[int, int, str], None]
Task = tuple[list[NewPiece], list[tuple[str, str]]]  # pieces read, failures with their reasons


@dataclass(frozen=True)
class Brought:
    """What ``add`` did: files looked at, new pieces, files whose content was known, failures as (path, reason)."""

    files: int
    new: int
    known: int
    failures: tuple[tuple[str, str], ...]


@lru_cache(maxsize=1)
def embedding_kind() -> str:
    """The name under which embeddings of the shipped package are stored: another package, another name."""
    return f"embedding/{load_package('embedding').hash[:16]}"


def add(
    library: Library,
    paths: Sequence[str | Path],
    *,
    workers: int | None = None,
    progress: Progress = lambda done, total, words: None,
) -> Brought:
    """Brings files, and all scores below folders, into the library. Idempotent by content; what fails is listed.

    workers: processes, at most one a core; 0 = in this process, without a time limit.
    """
    files = find_files(paths)
    known = known_contents(library, (DESCRIPTORS, embedding_kind()))
    contents, failures = _contents(files)
    place_files(library, {p: c for p, c in contents.items() if c in known})
    first: dict[str, str] = {}
    for path, content in contents.items():
        if content not in known:
            first.setdefault(content, path)
    waiting = sorted(first.values())
    new, done = 0, len(files) - len(waiting)
    progress(done, len(files), "")
    for pieces, failed in _read_all(waiting, workers):
        new += store_pieces(library, pieces)
        failures += failed
        done += len(pieces) + len(failed)
        progress(done, len(files), pieces[-1].title if pieces else "")
    broken = {path for path, _ in failures}
    place_files(library, {p: c for p, c in contents.items() if c not in known and first[c] not in broken})
    return Brought(len(files), new, len(files) - new - len(failures), tuple(failures))


def find_files(paths: Sequence[str | Path]) -> list[Path]:
    """Files as they are, folders as the scores below them, each once; InputError where nothing is there."""
    given = [Path(p).expanduser() for p in paths]
    for path in given:
        if not path.exists():
            read_bytes(path, 1)  # says what is near
    return list(dict.fromkeys(p.resolve() for p in score_files(given)))


def read_piece(path: str | Path, network: Embedder | None = None) -> NewPiece:
    """One file with its facts and vectors; ZhiyinError where it cannot be read or has no notes."""
    path = Path(path)
    score = load_with_notes(path)
    record = origin_of(path) or {}
    embedding = (network or embedder()).embed([score])[0]
    metadata = {k: str(v) for k, v in score.metadata.items()}
    return NewPiece(
        path=path.resolve().as_posix(), content=content_of_file(path), title=clean(metadata.get("title") or path.stem),
        composer=clean(metadata.get("composer", "")), style=clean(str(_style(record))), notes=len(score.notes), bars=score.bar_count,
        seconds=round(float(score.seconds(score.end)), 2), metadata=clean(json.dumps(metadata, ensure_ascii=False)),
        record=clean(json.dumps(record, ensure_ascii=False)) if record else "",
        vectors={DESCRIPTORS: describe(score), embedding_kind(): embedding},
    )  # fmt: skip


def load_with_notes(path: Path) -> Score:
    """A file's score; InputError where it has no notes, ZhiyinError where it cannot be read."""
    score = load(path)
    if not len(score.notes):
        raise InputError(f"{path.name} has no notes", expected="music", received="an empty score")
    return score


def content_of_file(path: Path) -> str:
    """sha256 of a file's bytes."""
    return hashlib.sha256(read_bytes(path, _MAX_BYTES)).hexdigest()


def clean(text: str) -> str:
    """Text that both databases hold: no zero bytes, no halves of surrogate pairs."""
    return re.sub(r"[\x00\ud800-\udfff]", "", text)


def _style(record: Mapping[str, Any]) -> str:
    for holder in ("originality", "settings"):
        said = record.get(holder)
        if isinstance(said, dict) and isinstance(said.get("style"), str):
            return str(said["style"])
    return ""


def _contents(files: Sequence[Path]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """path -> content of every file that can be read, and those that cannot."""
    contents: dict[str, str] = {}
    failures: list[tuple[str, str]] = []
    for path in files:
        try:
            contents[path.as_posix()] = content_of_file(path)
        except ZhiyinError as error:
            failures.append((path.as_posix(), str(error)))
    return contents, failures


def _read_all(paths: Sequence[str], workers: int | None) -> Iterator[Task]:
    tasks = [paths[i : i + FILES_PER_TASK] for i in range(0, len(paths), FILES_PER_TASK)]
    if workers == 0:
        for task in tasks:
            yield _read_task(task, {}, lambda item: None)
        return
    count = max(1, min(workers or 64, os.cpu_count() or 1, len(tasks)))
    for _, result in run_tasks(_read_task, tasks, workers=count, seconds_per_item=SECONDS_PER_FILE):
        yield result


def _read_task(
    paths: Sequence[str], struck: Mapping[int, str], tell: Callable[[int], None]
) -> Task:
    """What a worker does."""
    pieces, failures = [], []
    for number, path in enumerate(paths):
        if number in struck:
            failures.append((path, struck[number]))
            continue
        tell(number)
        try:
            pieces.append(read_piece(path))
        except ZhiyinError as error:
            failures.append((path, str(error)))
        except Exception as error:  # a reader's fault must not cost the other files
            failures.append((path, f"{type(error).__name__}: {error}"))
    return pieces, failures


def rate(library: Library, piece: str, listener: str, kind: str, value: float = 1.0, *, at: int | None = None) -> dict[str, Any]:
    """Stores one event on a piece: a number, file, title or content hash. A file that is not in the library is added.

    kind: play, skip, like, dislike, rating (value 1..5). at: seconds since 1970, now where not given. Returns piece and title.
    """
    check_event(kind, value)
    listener = check_name(listener)
    path = Path(piece).expanduser()
    if path.is_file():
        content = content_of_file(path)
        if content in known_contents(library, (DESCRIPTORS, embedding_kind())):
            place_files(library, {path.resolve().as_posix(): content})
        else:
            store_pieces(library, [read_piece(path)])
    number = find_piece(library, piece)
    store_events(library, [Event(listener, number, kind, value, int(time.time()) if at is None else at)])
    return {"piece": number, "title": piece_facts(library, number)["title"]}
