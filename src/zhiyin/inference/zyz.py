"""Pieces as ``.zyz`` files: compress and restore, without loss (context mixing) or as latents of a VAE package.

    "ZYZ" · version · mode · bits · package hash (8 bytes) · hash of the restored notes (8 bytes) · payload bytes (4) · CRC-32 of all
    the rest (4) · payload

Integers are little-endian. The payload is one range-coded stream. docs/reference/zyz.md describes it. Nothing is allocated because
a header asks for it: rows are read one by one, and a stream may hold only so many bits as its length allows.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.encoding import EncodedPiece, decode, encode
from zhiyin.encoding.context_mixing import Mixer, mixed
from zhiyin.encoding.fields import BAR_COLUMN, CONTROL_COLUMN, CONTROLS
from zhiyin.encoding.lossless import CODED, RowCoder
from zhiyin.encoding.quantize import QuantizeReport
from zhiyin.encoding.range_coding import BitReader, BitWriter
from zhiyin.encoding.sixteenths import bar_lengths, first_whole_bar, pitched_parts, rows_of
from zhiyin.errors import ControlError, EncodingError, FormatError, InputError, PackageError
from zhiyin.formats.files import read_bytes
from zhiyin.inference.latent_space import LatentModel, Line, in_a_row, latent_model, windows_of
from zhiyin.provenance.package import Package, list_packages, load_package
from zhiyin.score import Score

MAGIC, VERSION = b"ZYZ", 1
LATENT_MODE, LOSSLESS_MODE = 1, 2
HEADER = struct.Struct("<3sBBB8s8sII")
MAX_BYTES = 64 * 1024 * 1024
BITS_A_BYTE = 20_000  # of coded bits for each byte of payload, at most (a certain bit costs 1/2,840 of one)
NO_PACKAGE = bytes(8)
REACH = 4.0  # latents are cut to −4..4


@dataclass(frozen=True)
class Compressed:
    """A compressed piece. data: the bytes of the .zyz; restored: the score that they give back; report: bits and accuracy."""

    data: bytes
    restored: Score
    report: Mapping[str, Any]


def compress(score: Score, *, lossless: bool = False, model: str | Path | Package = "melody", bits: int = 5) -> Compressed:
    """A score in few bytes; what they give back is restored and compared before anything is returned.

    lossless: every note of the encoded score (``encode``). Otherwise each pitched part is kept as latents of ``bits`` bits (2..8)
    of a VAE package: one note at a time, on a grid of sixteenths.
    """
    piece, told = _encoded(score)
    if lossless:
        data = _pack(LOSSLESS_MODE, 0, NO_PACKAGE, _lossless_payload(piece), piece)
        restored = _read_lossless(data[HEADER.size :])
    else:
        if not 2 <= bits <= 8:
            raise ControlError("bits out of range", expected="2..8", received=str(bits))
        package = model if isinstance(model, Package) else load_package(model)
        payload = _latent_payload(piece, latent_model(package), bits)
        restored = _read_latents(payload, latent_model(package), bits)
        if not len(restored.rows):
            raise InputError("The model restores no note of this piece", expected="≥ 1 note", received="0", hint="--lossless, or a model trained longer")
        data = _pack(LATENT_MODE, bits, bytes.fromhex(package.hash[:16]), payload, restored)
    accuracy = note_accuracy(piece, restored)
    if lossless and not np.array_equal(piece.rows, restored.rows):
        raise EncodingError("The piece does not come back", expected="the same rows", received=f"{accuracy:.4f} of them", hint="report this piece")
    report = {
        "mode": "lossless" if lossless else "latent", "notes": len(piece.rows), "bytes": len(data), "bits_per_note": round(8 * len(data) / len(piece.rows), 3),
        "note_accuracy": round(accuracy, 4), "quantized": {k: v for k, v in vars_of(told).items() if v},
    }  # fmt: skip
    return Compressed(data, decode(restored), report)


def restore(source: str | Path | bytes) -> Score:
    """The score of a .zyz file or its bytes. Raises FormatError where it is damaged, PackageError where its package is not here."""
    name = "the data" if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else read_bytes(source, MAX_BYTES)
    mode, bits, package, notes, payload = _unpack(data, name)
    try:
        if mode == LOSSLESS_MODE:
            piece = _read_lossless(payload)
        else:
            piece = _read_latents(payload, latent_model(_package_of(package, name)), bits)
        score = decode(piece)
    except EncodingError as e:
        raise _damaged(name, f"{e.what} {e.received}".strip()) from None
    if notes_digest(piece) != notes:
        raise _damaged(name, "other notes than were compressed")
    return score


def note_accuracy(original: EncodedPiece, restored: EncodedPiece) -> float:
    """Share of notes that come back with their bar, position, part and pitch (F1 of the two sets)."""
    sets = [set(map(tuple, p.rows[:, :4].tolist())) for p in (original, restored)]
    return 2 * len(sets[0] & sets[1]) / max(len(sets[0]) + len(sets[1]), 1)


def notes_digest(piece: EncodedPiece) -> bytes:
    """8 bytes that name the rows, the coded columns of the bars, and the programs."""
    digest = hashlib.sha256(piece.rows.astype("<i2").tobytes())
    digest.update(piece.bars[:, [BAR_COLUMN[n] for n in CODED]].astype("<i2").tobytes())
    digest.update(piece.programs.astype(np.uint8).tobytes())
    return digest.digest()[:8]


def vars_of(report: QuantizeReport) -> dict[str, Any]:
    """What quantize changed, by name."""
    return {name: getattr(report, name) for name in report.__slots__ if name != "notes"}


def _encoded(score: Score) -> tuple[EncodedPiece, QuantizeReport]:
    try:
        return encode(score)
    except EncodingError as e:
        raise InputError(e.what, expected=e.expected, received=e.received, hint=e.hint) from None


def _pack(mode: int, bits: int, package: bytes, payload: bytes, restored: EncodedPiece) -> bytes:
    fields = (MAGIC, VERSION, mode, bits, package, notes_digest(restored), len(payload))
    return HEADER.pack(*fields, _check(fields, payload)) + payload


def _check(fields: tuple[Any, ...], payload: bytes) -> int:
    """CRC-32 of a header without its check, and the payload."""
    return zlib.crc32(payload, zlib.crc32(HEADER.pack(*fields, 0)))


def _unpack(data: bytes, name: str) -> tuple[int, int, bytes, bytes, bytes]:
    if len(data) < HEADER.size or data[:3] != MAGIC:
        raise FormatError(f"{name} is not a .zyz file", expected="a file that begins with ZYZ", received=repr(data[:4].decode("ascii", "replace")) if data else "an empty file")
    *fields, check = HEADER.unpack(data[: HEADER.size])
    _, version, mode, bits, package, notes, size = fields
    if version != VERSION:
        raise FormatError(
            f"{name} is a .zyz of another version", expected=str(VERSION), received=str(version), hint="a newer zhiyin may read it: pip install --upgrade zhiyin"
        )
    if mode not in (LATENT_MODE, LOSSLESS_MODE) or not (2 <= bits <= 8 if mode == LATENT_MODE else bits == 0):
        raise _damaged(name, f"mode {mode} with {bits} bits")
    if len(data) - HEADER.size != size:
        raise FormatError(f"{name} is cut off", expected=f"{size} bytes after the header", received=f"{len(data) - HEADER.size}", hint="copy the file again")
    if _check(tuple(fields), data[HEADER.size :]) != check:
        raise _damaged(name, "another check sum")
    return mode, bits, package, notes, data[HEADER.size :]


def _damaged(name: str, received: str) -> FormatError:
    return FormatError(f"{name} was altered or is damaged", expected="what its hash names", received=received, hint="copy the file again")


def _package_of(hash_: bytes, name: str) -> Package:
    for folder in list_packages().values():
        package = load_package(folder)
        if bytes.fromhex(package.hash[:16]) == hash_:
            return package
    raise PackageError(
        f"{name} needs a model package that is not here", expected=f"a package with hash {hash_.hex()}…",
        received=", ".join(list_packages()) or "none", hint="put the package that compressed it into your packages folder",
    )  # fmt: skip


def _lossless_payload(piece: EncodedPiece) -> bytes:
    writer = BitWriter()
    RowCoder(writer).piece(piece)
    return writer.payload()


def _reader(payload: bytes) -> BitReader:
    return BitReader(payload, BITS_A_BYTE * (len(payload) + 16))


def _read_lossless(payload: bytes) -> EncodedPiece:
    return RowCoder(_reader(payload)).piece(None)


def _latent_payload(piece: EncodedPiece, latent: LatentModel, bits: int) -> bytes:
    """Bars, programs and which parts are kept, then the latents of each part's windows as symbols of ``bits`` bits."""
    parts = _kept_parts(piece, latent)
    writer = BitWriter()
    coder = RowCoder(writer)
    coder.piece(replace(piece, rows=piece.rows[:0]))
    for k in range(len(piece.programs)):
        coder.mixer.symbol(int(k in parts), 1, (mixed(1),), 0)
    for part in parts:
        line = windows_of(piece, [part], latent.bars)
        _code_latents(coder.mixer, _quantized(latent.encode(line.grid, line.length)[0], bits), bits)
    return writer.payload()


def _kept_parts(piece: EncodedPiece, latent: LatentModel) -> list[int]:
    """Pitched parts with notes. InputError where there is none, or where the model reads several lines at once."""
    if latent.lines != 1:
        raise InputError("This model reads several parts at once", expected="a model of one line", received=f"{latent.lines} lines", hint="--model melody")
    parts = [p for p in pitched_parts(piece.programs) if (piece.rows[:, 2] == p).any()]
    if not parts:
        raise InputError("Nothing but drums", expected="a pitched part with notes", received=f"{len(piece.programs)} parts", hint="--lossless keeps drums")
    return parts


def _quantized(z: np.ndarray, bits: int) -> np.ndarray:
    """Latents (W, Z) as integers 0..2^bits − 1."""
    levels = (1 << bits) - 1
    return np.rint((np.clip(z.astype(np.float64), -REACH, REACH) + REACH) / (2 * REACH) * levels).astype(np.int64)


def _code_latents(mixer: Mixer, levels: np.ndarray, bits: int) -> np.ndarray:
    """Codes (or, over a reader, reads) an array of symbols; contexts: which number of the latent it is, and any."""
    out = np.empty_like(levels)
    for w, row in enumerate(levels.tolist()):
        for d, value in enumerate(row):
            before = int(out[w - 1, d]) if w else 0
            out[w, d] = mixer.symbol(value, bits, (mixed(2), mixed(3, d), mixed(4, d, before)), 1)
    return out


def _read_latents(payload: bytes, latent: LatentModel, bits: int) -> EncodedPiece:
    coder = RowCoder(_reader(payload))
    piece = coder.piece(None)
    kept = [k for k in range(len(piece.programs)) if coder.mixer.symbol(0, 1, (mixed(1),), 0)]
    if not len(piece.bars):
        raise EncodingError("No bars", received="0")
    rows = []
    for part in kept:
        probe = np.zeros((1, 6), dtype=np.int16)
        probe[0] = (min(first_whole_bar(piece.bars), len(piece.bars) - 1), 0, part, 60, 0, 0)
        line = windows_of(replace(piece, rows=probe), [part], latent.bars)
        levels = _code_latents(coder.mixer, np.zeros((len(line.grid), latent.width), dtype=np.int64), bits)
        z = (levels / ((1 << bits) - 1) * 2 * REACH - REACH).astype(np.float32)
        rows.append(_part_rows(latent.decode(z, line.length), piece, part, line))
    made = np.concatenate(rows) if rows else np.zeros((0, 6), dtype=np.int16)
    order = np.lexsort((made[:, 3], made[:, 2], made[:, 1], made[:, 0]))
    controls = np.zeros(len(CONTROLS), dtype=np.int16)
    controls[CONTROL_COLUMN["timing"]] = piece.controls[CONTROL_COLUMN["timing"]]
    return EncodedPiece(made[order], piece.bars, piece.programs, controls)


def _part_rows(grid: np.ndarray, piece: EncodedPiece, part: int, line: Line) -> np.ndarray:
    """Rows of one part from its windows."""
    table = piece.bars[line.first : line.first + line.bars]
    length = bar_lengths(table)
    rows = rows_of(in_a_row(grid, length), length, table)
    rows[:, 0] += line.first
    rows[:, 2] = part
    return rows
