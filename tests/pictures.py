"""Helpers of the picture tests: a small tune, and a PNG decoder of our own that depends on no drawing library."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

from zhiyin.score.score import BAR, UNKNOWN_KEY, Mark, Part, Score, notes_array


def tune(
    bars: int = 4, *, parts: int = 2, upbeat: bool = False, meter: tuple[int, int] = (4, 4), **fields: Any
) -> Score:
    """A score with a note on every quarter in each part; ``fields`` go to Score. 24 ticks a quarter."""
    length = 24 * 4 * meter[0] // meter[1]
    lengths = ([24] if upbeat else []) + [length] * bars
    onsets = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    table = np.zeros(len(lengths), dtype=BAR)
    table["onset"], table["duration"], table["number"] = onsets, lengths, np.arange(len(lengths)) + (0 if upbeat else 1)
    table["meter_numerator"], table["meter_denominator"], table["key"], table["mode"] = *meter, UNKNOWN_KEY, -1
    rows = [
        {"onset": onset, "duration": 24, "pitch": 72 - 12 * part + (onset // 24) % 5, "part": part, "velocity": 80}
        for part in range(parts)
        for onset in range(0, int(sum(lengths)), 24)
    ]
    settings: dict[str, Any] = {
        "parts": tuple(Part(f"Voice {i + 1}") for i in range(parts)),
        "metadata": {"title": "A Tune", "composer": "Nobody"},
    }
    return Score(notes_array(rows), table, ticks_per_quarter=24, **(settings | fields))


def rehearsal(onset: int, letter: str) -> Mark:
    """A letter over the staff."""
    return Mark(onset, "text", letter)


def decode_png(data: bytes) -> np.ndarray:
    """The pixels of an 8-bit PNG without interlacing: uint8, shape (height, width, channels)."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, width, height, channels = 8, b"", 0, 0, 0
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", body)
            assert depth == 8
            assert interlace == 0
            channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + width * channels)
    return _unfiltered(rows[:, 0], rows[:, 1:].reshape(height, width, channels).astype(np.int64))


def _unfiltered(filters: np.ndarray, raw: np.ndarray) -> np.ndarray:
    out = np.zeros_like(raw)
    for y, kind in enumerate(filters):
        above = out[y - 1] if y else np.zeros_like(raw[0])
        if kind == 0:
            out[y] = raw[y]
        elif kind == 1:
            out[y] = np.cumsum(raw[y], axis=0) % 256
        elif kind == 2:
            out[y] = (raw[y] + above) % 256
        else:
            _predicted(out[y], raw[y], above, int(kind))
    return out.astype(np.uint8)


def _predicted(row: np.ndarray, raw: np.ndarray, above: np.ndarray, kind: int) -> None:
    for x in range(len(raw)):
        left = row[x - 1] if x else np.zeros_like(raw[0])
        corner = above[x - 1] if x else np.zeros_like(raw[0])
        if kind == 3:
            guess = (left + above[x]) // 2
        else:
            estimate = left + above[x] - corner
            near = np.abs(np.stack([estimate - left, estimate - above[x], estimate - corner])).argmin(0)
            guess = np.choose(near, [left, above[x], corner])
        row[x] = (raw[x] + guess) % 256
