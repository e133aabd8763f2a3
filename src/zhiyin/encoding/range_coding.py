"""Bits to words and back under given probabilities, by constriction's range coder (Martin 1979). Probabilities are 16-bit integers.

A probability of k/65,536 is exact in floating point, so the coder's fixed-point numbers are the same on every machine.
"""

from __future__ import annotations

import numpy as np

from zhiyin.errors import EncodingError


class BitWriter:
    """Collects bits with their probabilities; ``words`` codes them all."""

    def __init__(self) -> None:
        self._bits: list[int] = []
        self._odds: list[int] = []

    def bit(self, bit: int, p: int) -> int:
        """Writes one bit; p: probability of a 1, of 65,536."""
        self._bits.append(bit)
        self._odds.append(p)
        return bit

    def payload(self) -> bytes:
        """Everything written, as little-endian 32-bit words."""
        import constriction  # only when something is coded

        stream = constriction.stream
        encoder = stream.queue.RangeEncoder()
        if self._bits:
            odds = np.array(self._odds, dtype=np.float64) / 65536
            encoder.encode(np.array(self._bits, dtype=np.int32), stream.model.Bernoulli(perfect=False), odds)
        return np.asarray(encoder.get_compressed()).astype("<u4").tobytes()


class BitReader:
    """Reads bits back. ``most``: bits that may be read at all; a damaged stream ends there."""

    def __init__(self, payload: bytes, most: int) -> None:
        import constriction

        if len(payload) % 4:
            raise EncodingError("The coded stream is damaged", expected="whole 32-bit words", received=f"{len(payload)} bytes")
        self._kind = constriction.stream.model.Bernoulli
        self._decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(payload, dtype="<u4").astype(np.uint32))
        self._left = most

    def bit(self, bit: int, p: int) -> int:
        """Reads one bit; p: probability of a 1, of 65,536. Raises EncodingError when too many are read."""
        self._left -= 1
        if self._left < 0:
            raise EncodingError("The coded stream does not end", expected="as many symbols as its length allows", received="more")
        try:
            return int(self._decoder.decode(self._kind(p / 65536, perfect=False)))
        except AssertionError:  # constriction's word for a stream that its encoder cannot have written
            raise EncodingError("The coded stream is damaged", expected="what an encoder wrote", received="something else") from None
