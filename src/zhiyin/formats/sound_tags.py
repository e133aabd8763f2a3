"""What soundfile leaves undone in the bytes of sound files: a fixed Ogg serial number, ID3 tags in UTF-8 for MP3, and long
texts in WAV (libsndfile does not read INFO texts of more than 2 kB).

libsndfile draws an Ogg stream's serial number from the clock, so that no two files are equal; a page's checksum is
linear, so that the new one is the old one plus the checksum of the difference. Knows nothing about music or samples.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping
from pathlib import Path

_POLYNOMIAL = 0x04C11DB7
_ID3_FRAMES = {"title": b"TIT2", "artist": b"TPE1", "copyright": b"TCOP", "software": b"TSSE"}


def with_ogg_serial(data: bytes, serial: int) -> bytes:
    """The same Ogg stream under the serial number ``serial`` (0..2**32-1); other bytes come back as they are."""
    out, at = bytearray(data), 0
    while out[at : at + 4] == b"OggS" and at + 27 <= len(out):
        segments = out[at + 26]
        size = 27 + segments + sum(out[at + 27 : at + 27 + segments])
        old = bytes(out[at + 14 : at + 18])
        new = struct.pack("<I", serial)
        difference = int.from_bytes(bytes(a ^ b for a, b in zip(old, new, strict=True)), "big")
        checksum = struct.unpack_from("<I", out, at + 22)[0] ^ _times_x(difference, 8 * (size - 18) + 32)
        out[at + 14 : at + 18] = new
        struct.pack_into("<I", out, at + 22, checksum)
        at += size
    return bytes(out)


def _times_x(value: int, power: int) -> int:
    """value * x**power modulo the checksum's polynomial: its checksum with ``power - 32`` zero bits after it."""
    return _product(value, _power_of_x(power))


@functools.lru_cache(maxsize=4096)
def _power_of_x(power: int) -> int:
    result, square = 1, 2
    while power:
        if power & 1:
            result = _product(result, square)
        square = _product(square, square)
        power >>= 1
    return result


def _product(a: int, b: int) -> int:
    """Product of two polynomials over GF(2) modulo the checksum's polynomial."""
    out = 0
    for bit in range(31, -1, -1):
        out = (out << 1) ^ (_POLYNOMIAL | 1 << 32 if out & 0x80000000 else 0)
        if b >> bit & 1:
            out ^= a
    return out & 0xFFFFFFFF


def with_id3(data: bytes, tags: Mapping[str, str]) -> bytes:
    """An MP3 stream behind an ID3v2.4 tag in UTF-8; ``tags`` may hold title, artist, copyright, software, comment."""
    frames = b"".join(
        _frame(name, b"\x03" + tags[key].encode("utf-8")) for key, name in _ID3_FRAMES.items() if tags.get(key)
    )
    if tags.get("comment"):
        frames += _frame(b"COMM", b"\x03eng\x00" + tags["comment"].encode("utf-8"))
    return b"ID3\x04\x00\x00" + _seven_bits(len(frames)) + frames + data


def add_wav_info(path: Path, name: bytes, text: str) -> None:
    """Puts one more LIST INFO chunk with one text at the end of a WAV file. name: four letters; text: ASCII."""
    body = text.encode("ascii") + b"\0"
    body += b"\0" * (len(body) % 2)
    chunk = b"INFO" + name + struct.pack("<I", len(body)) + body
    with path.open("r+b") as out:
        end = out.seek(0, 2)
        out.write(b"\0" * (end % 2) + b"LIST" + struct.pack("<I", len(chunk)) + chunk)
        size = out.tell() - 8
        out.seek(4)
        out.write(struct.pack("<I", size))


def wav_info(path: Path, name: bytes, limit: int = 1 << 20) -> str:
    """The first text ``name`` of the LIST INFO chunks of a WAV file, "" where there is none; at most ``limit`` bytes."""
    with path.open("rb") as file:
        at, end = 12, file.seek(0, 2)
        for _ in range(10_000):
            if at + 12 > end:
                break
            file.seek(at)
            kind, size = struct.unpack("<4sI", file.read(8))
            if kind == b"LIST" and size <= limit + 64:
                found = _info_text(file.read(size), name)
                if found:
                    return found
            at += 8 + size + size % 2
    return ""


def _info_text(chunk: bytes, name: bytes) -> str:
    at = 4
    while chunk[:4] == b"INFO" and at + 8 <= len(chunk):
        size = int.from_bytes(chunk[at + 4 : at + 8], "little")
        if chunk[at : at + 4] == name:
            return chunk[at + 8 : at + 8 + size].split(b"\0")[0].decode("utf-8", "replace")
        at += 8 + size + size % 2
    return ""


def _frame(name: bytes, body: bytes) -> bytes:
    return name + _seven_bits(len(body)) + b"\x00\x00" + body


def _seven_bits(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))
