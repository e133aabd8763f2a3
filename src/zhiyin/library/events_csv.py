"""Events from a CSV table: good rows are stored, broken ones are listed with their line; with ``strict`` all or none."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from zhiyin.errors import InputError, ZhiyinError
from zhiyin.files import reason_of
from zhiyin.library.events import Event, check_event, store_events
from zhiyin.library.listeners import check_name
from zhiyin.library.pieces import find_piece
from zhiyin.library.schema import PIECE
from zhiyin.library.store import Library

MAX_BYTES = 1 << 30
COLUMNS = ("listener", "piece", "kind", "value", "at")
_NEEDED = ("listener", "piece", "kind")
_LATEST = 1 << 40  # seconds: far beyond any event


@dataclass(frozen=True)
class Imported:
    """What ``import_csv`` did: events that are new, events that were there already, broken rows as (line, reason)."""

    imported: int
    duplicates: int
    broken: tuple[tuple[int, str], ...]


def import_csv(library: Library, path: str | Path, *, strict: bool = False) -> Imported:
    """Imports a table with a header of listener, piece, kind and, where wanted, value and at (seconds since 1970, or ISO 8601).

    piece: number, content hash (8 letters or more), path or title. InputError where the table is no such table, or with
    ``strict`` where a row is broken: nothing is imported then.
    """
    text = _text(Path(path))
    good, broken = _rows(library, text, Path(path))
    if strict and broken:
        lines = "; ".join(f"line {n}: {r}" for n, r in broken[:10]) + (" …" if len(broken) > 10 else "")
        raise InputError(f"{path} has {len(broken)} broken rows, nothing was imported", expected="no broken row with --strict", received=lines)
    new, again = store_events(library, good)
    return Imported(new, again, tuple(broken))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is too large", expected=f"at most {MAX_BYTES:,} bytes", received=f"{path.stat().st_size:,} bytes", hint="split the table")
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(f"{path} cannot be read", expected="a CSV table", received=reason_of(error)) from None


def _rows(library: Library, text: str, path: Path) -> tuple[list[Event], list[tuple[int, str]]]:
    good: list[Event] = []
    broken: list[tuple[int, str]] = []
    find = _Finder(library)
    for line, row in _lines(text, path):
        try:
            good.append(_event(row, find))
        except ZhiyinError as error:
            broken.append((line, str(error)))
    return good, broken


def _lines(text: str, path: Path) -> Iterator[tuple[int, Mapping[str | None, str | None]]]:
    """(line number, row by column); InputError where the header lacks a column."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        names = [(n or "").strip().lower() for n in reader.fieldnames or ()]
    except csv.Error:
        names = []
    missing = [n for n in _NEEDED if n not in names]
    if missing:
        raise InputError(
            f"{path} is no table of events", expected="a header with " + ",".join(COLUMNS), received=f"no column {', '.join(missing)}",
            hint="value and at may be left out",
        )  # fmt: skip
    reader.fieldnames = names
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            row = {None: str(error)}
        yield reader.line_num, row


def _event(row: Mapping[str | None, object], find: _Finder) -> Event:
    if row.get(None):
        raise InputError("more fields than the header has", expected="a row like the header", received=repr(row[None])[:80])
    said = {n: str(row.get(n) or "").strip() for n in COLUMNS}
    for name in _NEEDED:
        if not said[name]:
            raise InputError(f"{name} is missing", expected=f"a {name}", received="nothing")
    try:
        value = float(said["value"]) if said["value"] else 1.0
    except ValueError:
        raise InputError("value is no number", expected="a number", received=repr(said["value"])) from None
    if said["kind"] == "rating" and not said["value"]:
        raise InputError("a rating needs a value", expected="1..5", received="nothing")
    check_event(said["kind"], value)
    return Event(check_name(said["listener"]), find(said["piece"]), said["kind"], value, _time(said["at"]))


def _time(text: str) -> int:
    """Seconds since 1970; 0 where nothing is said. A time without a zone is UTC."""
    if not text:
        return 0
    try:
        at = float(text) if text.replace(".", "", 1).isdecimal() else _seconds(datetime.fromisoformat(text))
    except ValueError:
        at = -1.0
    if not 0 <= at < _LATEST:
        raise InputError("at is no time", expected="seconds since 1970, or 2026-11-25T10:00", received=repr(text))
    return int(at)


def _seconds(when: datetime) -> float:
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


class _Finder:
    """Pieces by what a row calls them; numbers are known beforehand, other names are looked up once."""

    def __init__(self, library: Library) -> None:
        self.library = library
        with library.read() as connection:
            self.known = {str(i): int(i) for i in connection.execute(select(PIECE.c.id)).scalars()}
        self.unknown: dict[str, ZhiyinError] = {}

    def __call__(self, text: str) -> int:
        if text in self.unknown:
            raise self.unknown[text]
        if text not in self.known:
            try:
                self.known[text] = find_piece(self.library, text)
            except ZhiyinError as error:
                self.unknown[text] = error
                raise
        return self.known[text]
