"""The log of what was made here: one line of JSON per piece in ``log.jsonl`` of the user's data folder, only ever added to.

Each line is written by one call to the system in append mode, under a lock where the system has one, so that processes
beside each other do not mix their lines. A line that a crash cut short costs itself only: the next one begins on a line
of its own, and readers count what they cannot read. Reading goes backwards in blocks and never holds the whole file.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zhiyin.errors import RecordError
from zhiyin.files import data_folder, reason_of
from zhiyin.provenance.package import file_hash
from zhiyin.provenance.record import now, record_text

LOG_FORMAT = "log/1"
MAX_LINE_BYTES = 1 << 20
_BLOCK = 1 << 16


@dataclass
class Reading:
    """Lines of the log, newest first, and how many could not be read."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    damaged: int = 0


def log_path() -> Path:
    """The log's file."""
    return data_folder() / "log.jsonl"


def entry_of(record: Mapping[str, Any], files: Iterable[Path]) -> dict[str, Any]:
    """A line of the log: the record, when, and the files with their sha256."""
    listed = [{"path": str(p.resolve()), "sha256": file_hash(p)} for p in files]
    return {"format": LOG_FORMAT, "written": now(), "verb": record.get("verb"), "files": listed, "record": dict(record)}


def append(entries: Iterable[Mapping[str, Any]], path: Path | None = None) -> Path:
    """Adds lines to the log. Raises RecordError where it cannot be written or a line would be too long."""
    path = path or log_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            with _locked(handle):
                for entry in entries:
                    _append_line(handle, entry)
                os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise RecordError(
            f"The log {path} cannot be written",
            expected="a data folder that may be written to",
            received=reason_of(error),
            hint="set ZHIYIN_HOME to a folder of yours; the piece itself is on disk",
        ) from None
    return path


def _append_line(handle: int, entry: Mapping[str, Any]) -> None:
    line = record_text(entry).encode("ascii") + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise RecordError("A line of the log is too long", expected=f"≤ {MAX_LINE_BYTES:,} bytes", received=f"{len(line):,}")
    size = os.fstat(handle).st_size
    torn = size > 0 and _at(handle, size - 1, 1) != b"\n"
    data = b"\n" + line if torn else line
    if os.write(handle, data) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _at(handle: int, place: int, count: int) -> bytes:
    os.lseek(handle, place, os.SEEK_SET)
    return os.read(handle, count)


@contextlib.contextmanager
def _locked(handle: int) -> Iterator[None]:
    """Holds the file against other writers; without such locks (Windows) appending alone keeps lines apart."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)


def read_log(
    limit: int | None = None, *, keep: Callable[[Mapping[str, Any]], bool] | None = None, path: Path | None = None
) -> Reading:
    """The newest ``limit`` lines (that ``keep`` wants), newest first; damaged lines on the way are counted.

    An absent log is an empty one. Raises RecordError where it is there and cannot be opened.
    """
    path, found = path or log_path(), Reading()
    try:
        for line in _lines_backwards(path):
            entry = _entry(line)
            if entry is None:
                found.damaged += 1
            elif keep is None or keep(entry):
                found.entries.append(entry)
                if limit is not None and len(found.entries) >= limit:
                    break
    except FileNotFoundError:
        pass
    except OSError as error:
        raise RecordError(f"The log {path} cannot be read", expected="a readable file", received=reason_of(error)) from None
    return found


def _entry(line: bytes | None) -> dict[str, Any] | None:
    """A line as an entry, None where it is none."""
    try:
        entry = json.loads(line) if line is not None else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("record"), dict):
        return None
    files = entry.get("files")
    return entry if isinstance(files, list) and all(isinstance(f, dict) for f in files) else None


def _lines_backwards(path: Path) -> Iterator[bytes | None]:
    """The lines of a file from its last to its first, without empty ones; None for one that is too long to be ours."""
    with path.open("rb") as handle:
        at = handle.seek(0, os.SEEK_END)
        tail, too_long = b"", False  # the beginning of the line whose end was read already
        while at > 0:
            step = min(_BLOCK, at)
            at -= step
            handle.seek(at)
            first, *rest = handle.read(step).split(b"\n")
            if rest:
                whole = rest.pop() + tail
                if too_long or whole.strip():
                    yield None if too_long else whole
                yield from (line for line in reversed(rest) if line.strip())
                tail, too_long = first, False
            else:
                tail = first + tail
            if len(tail) > MAX_LINE_BYTES:
                tail, too_long = b"", True
        if too_long or tail.strip():
            yield None if too_long else tail
