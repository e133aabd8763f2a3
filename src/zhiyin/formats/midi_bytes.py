"""The bytes of a Standard MIDI File: chunks, meta events, variable-length numbers. Knows nothing of Score.

Used for what symusic does not keep: text, copyright, title, the exact end of track, and the record of how a piece
was made, which travels as text events that begin with ``zhiyin:``.
"""

from __future__ import annotations

import functools
import json
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zhiyin.provenance.record import MARK, record_text

TEXT, COPYRIGHT, TRACK_NAME, LYRIC, MARKER = 0x01, 0x02, 0x03, 0x05, 0x06
TEMPO, METER, KEY = 0x51, 0x58, 0x59
RECORD_PREFIX = MARK.encode("ascii")
_PIECE = 110  # bytes of a record per text event: every length stays a single byte
_RECORD = re.compile(rb"\xff\x01([\x08-\x7f])" + RECORD_PREFIX)
Event = tuple[int, int, bytes]  # tick, order among events of one tick, bytes without the delta time


@functools.lru_cache(maxsize=65536)
def variable_length(number: int) -> bytes:
    """A number 0..2**28-1 as MIDI writes it: seven bits a byte, the last byte below 128."""
    out = [number & 0x7F]
    while number := number >> 7:
        out.append(0x80 | number & 0x7F)
    return bytes(reversed(out))


def meta(kind: int, payload: bytes) -> bytes:
    """One meta event without its delta time."""
    return bytes((0xFF, kind)) + variable_length(len(payload)) + payload


def text_meta(kind: int, text: str) -> bytes:
    """A meta event that holds text, as UTF-8 without NUL and line ends."""
    return meta(kind, " ".join(text.replace("\0", "").split("\n")).encode("utf-8", "replace"))


def track_chunk(events: Iterable[Event], end: int) -> bytes:
    """An MTrk chunk from events in any order; its end of track stands at tick ``end`` or at the last event."""
    ordered = sorted(events, key=lambda e: e[:2])
    parts: list[bytes] = []
    now = 0
    for tick, _, data in ordered:
        parts.append(variable_length(tick - now))
        parts.append(data)
        now = tick
    parts.append(variable_length(max(end - now, 0)))
    parts.append(b"\xff\x2f\x00")
    body = b"".join(parts)
    return b"MTrk" + struct.pack(">I", len(body)) + body


def file_bytes(tracks: list[bytes], ticks_per_quarter: int) -> bytes:
    """A format 1 file from finished MTrk chunks."""
    return b"MThd" + struct.pack(">IHHH", 6, 1, len(tracks), ticks_per_quarter) + b"".join(tracks)


def record_events(record: Mapping[str, Any]) -> list[bytes]:
    """A record as text events, in order: first the line for people that it holds, then the record in pieces."""
    packed = record_text(record).encode("ascii")
    pieces = [packed[i : i + _PIECE] for i in range(0, len(packed), _PIECE)]
    told = [text_meta(TEXT, str(record["disclosure"]))] if record.get("disclosure") else []
    return told + [meta(TEXT, RECORD_PREFIX + piece) for piece in pieces]


def find_record(data: bytes) -> dict[str, Any] | None:
    """The record inside the bytes of a MIDI file, or None where there is none or it is damaged."""
    try:
        record = json.loads(record_in(data))
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def record_in(data: bytes) -> str:
    """The text of the record inside the bytes of a MIDI file, as it stands there; "" where there is none."""
    pieces = []
    for match in _RECORD.finditer(data):
        length, start = match.group(1)[0], match.start() + 3
        pieces.append(data[start + len(RECORD_PREFIX) : start + length])
    return b"".join(pieces).decode("ascii", "replace")


@dataclass(frozen=True, slots=True)
class Opening:
    """What stands in the first track before its first note: (kind, bytes) of its texts, and where it ends.

    ``end`` is the tick of its end of track when the track has no notes at all (a conductor track), else -1.
    """

    texts: tuple[tuple[int, bytes], ...] = ()
    end: int = -1


def chunks(data: bytes) -> Iterator[tuple[int, int]]:
    """(start, stop) of the body of every track chunk; a chunk that promises too much ends with the file."""
    at = 14 if data[:4] == b"MThd" else len(data)
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "big")
        if data[at : at + 4] == b"MTrk":
            yield at + 8, min(at + 8 + length, len(data))
        at += 8 + length


def opening(data: bytes, start: int, stop: int, limit: int = 4096) -> Opening:
    """Walks a track body until its first note, its end, ``limit`` events, or damage."""
    texts: list[tuple[int, bytes]] = []
    at, now, status = start, 0, 0
    for _ in range(limit):
        delta, at = read_number(data, at, stop)
        if at >= stop:
            break
        now += delta
        if data[at] & 0x80:
            status, at = data[at], at + 1
        if status == 0xFF:
            kind = data[at] if at < stop else 0
            length, at = read_number(data, at + 1, stop)
            if kind == 0x2F:
                return Opening(tuple(texts), now)
            if 1 <= kind <= 7:
                texts.append((kind, data[at : min(at + length, stop)]))
            at += length
        elif status in (0xF0, 0xF7):
            length, at = read_number(data, at, stop)
            at += length
        elif 0x80 <= status < 0xA0 or status < 0x80:
            break
        else:
            at += 1 if 0xC0 <= status < 0xE0 else 2
    return Opening(tuple(texts))


def read_number(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """A variable-length number at ``at`` and the place after it."""
    value = 0
    for _ in range(4):
        if at >= stop:
            return value, stop
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value, at


def decode_text(raw: bytes) -> str:
    """Text of a meta event: UTF-8 where it is that, else Latin-1; without control characters."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return "".join(c for c in text if c.isprintable() or c == " ").strip()
