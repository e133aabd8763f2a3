"""MATLAB 5 files, as far as sets of frames need them: cell arrays of plain numbers, compressed or not. Pure Python on bytes.

Own code, since scipy's reader can take the whole process down on a damaged file. Format: MathWorks, "MAT-File Format" (level 5). A file is a header of
128 bytes and elements (type, size, data, padded to 8 bytes); a small element keeps up to 4 bytes in the place of its size. Anything that is not a cell
array of full, real, numeric matrices is refused, in words.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

MATRIX, COMPRESSED = 14, 15
CELL = 1
NUMERIC = range(6, 16)  # classes: double, single, and the integers
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
MOST_CELLS = 1_000_000


class MatError(ValueError):
    """What in the file is not as it should be."""


@dataclass(frozen=True)
class _Element:
    kind: int
    data: memoryview


def read_cells(data: bytes, most: int) -> dict[str, list[np.ndarray]]:
    """Cell arrays by name, each as the list of its matrices in column order; other variables are passed over.

    ``most``: bytes that the compressed parts may unpack to, all together. MatError for anything that does not fit the format.
    """
    if data[:8] == b"\x89HDF\r\n\x1a\n" or data[:15] == b"MATLAB 7.3 MAT-":
        raise MatError("MATLAB 7.3 (HDF5): save it with -v7")
    if len(data) < 136 or data[126:128] not in (b"IM", b"MI"):
        raise MatError("no header of MATLAB 5")
    order = "<" if data[126:128] == b"IM" else ">"
    found: dict[str, list[np.ndarray]] = {}
    for element in _elements(memoryview(data)[128:], order):
        if element.kind == COMPRESSED:
            unpacked = _unpack(element.data, most)
            most -= len(unpacked)
            element = next(_elements(memoryview(unpacked), order), element)
        if element.kind == MATRIX:
            _keep(found, element.data, order)
    return found


def _unpack(packed: memoryview, most: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        out = stream.decompress(packed, most + 1)
    except zlib.error as error:
        raise MatError(f"damaged compression ({error})") from None
    if len(out) > most:
        raise MatError("it unpacks to too much")
    if not stream.eof:
        raise MatError("compression that ends early")
    return out


def _elements(data: memoryview, order: str) -> Iterator[_Element]:
    """The elements that stand one after the other."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(order + "II", data, at)
        if kind >> 16:  # small
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
            end, after = start + size, at + 8
        else:
            start, end = at + 8, at + 8 + size
            after = end if kind == COMPRESSED else -(-end // 8) * 8
        if (start == at + 4 and size > 4) or end > len(data):
            raise MatError(f"an element of type {kind} and {size} bytes that is cut off")
        yield _Element(kind, data[start:end])
        at = after


def _keep(found: dict[str, list[np.ndarray]], matrix: memoryview, order: str) -> None:
    """Keeps a variable that is a cell array."""
    klass, shape, name, rest = _head(matrix, order)
    if klass != CELL:
        return
    if math.prod(shape) > MOST_CELLS:
        raise MatError(f"{name}: {math.prod(shape)} cells")
    cells = [_numbers(name, e, order) for e in rest if e.kind == MATRIX]
    if len(cells) != math.prod(shape):
        raise MatError(f"{name}: {len(cells)} of {math.prod(shape)} cells")
    found[name] = cells


def _head(matrix: memoryview, order: str) -> tuple[int, tuple[int, ...], str, list[_Element]]:
    """Class, shape, name, and the elements that follow."""
    parts = list(_elements(matrix, order))
    if len(parts) < 3 or len(parts[0].data) < 8 or len(parts[1].data) < 8 or len(parts[1].data) % 4:
        raise MatError("a matrix without flags, shape and name")
    flags = struct.unpack_from(order + "I", parts[0].data)[0]
    if flags & 0x0800:
        raise MatError("complex numbers")
    shape = tuple(int(n) for n in np.frombuffer(parts[1].data, order + "i4"))
    if min(shape) < 0:
        raise MatError(f"a shape of {shape}")
    return flags & 0xFF, shape, bytes(parts[2].data).decode("latin-1"), parts[3:]


def _numbers(name: str, element: _Element, order: str) -> np.ndarray:
    """One cell as an array; MATLAB counts columns first."""
    if not len(element.data):
        return np.zeros((0, 0), np.uint8)
    klass, shape, _, rest = _head(element.data, order)
    if klass not in NUMERIC:
        raise MatError(f"{name}: a cell of class {klass}, not of plain numbers")
    if math.prod(shape) == 0:
        return np.zeros(shape, np.uint8)
    if not rest or rest[0].kind not in TYPES:
        raise MatError(f"{name}: a cell without numbers")
    kind = np.dtype(order + TYPES[rest[0].kind])
    if len(rest[0].data) != kind.itemsize * math.prod(shape):
        raise MatError(f"{name}: {len(rest[0].data)} bytes for a cell of {shape}")
    return np.frombuffer(rest[0].data, kind).reshape(shape, order="F")
