"""Context mixing in integer arithmetic: how likely the next bit of a symbol is, the same on every machine.

Every context of a symbol names counters, one for each node of the symbol's binary tree. Their opinions are joined in the
logistic domain by weights that learn (Mahoney 2005, "Adaptive weighing of context models for lossless data compression"):

    p = squash(Σ_i w_i · stretch(p_i) · trust(n_i)),    w_i += η · (bit − p) · stretch(p_i) · trust(n_i)

No floating point takes part; the two tables come from decimal arithmetic that rounds correctly. Knows nothing of music.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from decimal import Decimal, localcontext
from functools import cache
from typing import Protocol

SLOTS = 22  # log2 of the number of counters
MASK = (1 << SLOTS) - 1
LIMIT = 255  # a counter's memory: after so many bits its rate stays
RATE = 9  # log2 of the inverse rate at which weights learn
START_WEIGHT = 20_000  # of 65,536
_SPREAD = 0x9E3779B1


class Channel(Protocol):
    """Where bits go to or come from."""

    def bit(self, bit: int, p: int) -> int:
        """Codes one bit. bit: the bit to write (reading: anything); p: probability of a 1, of 65,536. Returns the bit."""


@cache
def _tables() -> tuple[list[int], list[int]]:
    """squash: 16-bit probability of each of 4,096 logits (in 256ths, from −8 to 8); stretch: logit of each 12-bit probability."""
    with localcontext() as c:
        c.prec = 25
        squash = [int(Decimal(65536) / (1 + (-Decimal(x - 2048) / 256).exp())) for x in range(4096)]
        stretch = []
        for p in range(4096):
            share = Decimal(2 * p + 1) / 8192
            stretch.append(int((256 * (share / (1 - share)).ln()).to_integral_value()))
    return [min(max(s, 16), 65520) for s in squash], [min(max(s, -2047), 2047) for s in stretch]


class Mixer:
    """Codes symbols of known width under contexts. One per stream: what it has seen is what it knows."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._squash, self._stretch = _tables()
        self._counters = array("I", [(1 << 31) | 0]) * (1 << SLOTS)  # probability in the upper 22 bits, count in the lower 10
        self._weights: dict[int, list[int]] = {}
        self._rates = [65536 * 2 // (2 * n + 3) for n in range(LIMIT + 1)]
        self._trust = [0, *(256 * n // (n + 2) for n in range(1, LIMIT + 1))]

    def symbol(self, value: int, bits: int, contexts: Sequence[int], kind: int) -> int:
        """Codes a symbol of ``bits`` bits (reading: ``value`` is ignored) and returns it.

        contexts: one hash (32 bits) each; kind: which set of weights, small non-negative numbers.
        """
        counters, stretch, trust, rates, squash = self._counters, self._stretch, self._trust, self._rates, self._squash
        node, spread = 1, kind << 9
        for shift in range(bits - 1, -1, -1):
            step = node * _SPREAD
            at = [((c ^ step) * 0x85EBCA6B >> 7) & MASK for c in contexts]
            seen = [counters[i] for i in at]
            said = [stretch[v >> 20] * trust[v & 1023] >> 8 for v in seen]
            by_node = self._set(spread | (node if node < 512 else 0), len(said))
            known = sum([1 for v in seen if v & 1023 > 1])
            by_known = self._set(-1 - ((kind & 15) << 9 | shift << 5 | known), len(said))
            first = squash[_logit(sum([w * s for w, s in zip(by_node, said)]) >> 16)]
            second = squash[_logit(sum([w * s for w, s in zip(by_known, said)]) >> 16)]
            p = (first + second) >> 1
            bit = self.channel.bit(value >> shift & 1, p)
            miss, other = ((bit << 16) - first), ((bit << 16) - second)
            for k, s in enumerate(said):
                by_node[k] += s * miss >> RATE + 4
                by_known[k] += s * other >> RATE + 5
            for i, v in zip(at, seen):
                n = v & 1023
                odds = v >> 10
                odds += (((bit << 22) - bit) - odds) * rates[n] >> 16
                counters[i] = odds << 10 | (n + 1 if n < LIMIT else n)
            node = node << 1 | bit
        return node - (1 << bits)

    def _set(self, key: int, size: int) -> list[int]:
        """The weights of one set, made where they are new."""
        weights = self._weights.get(key)
        if weights is None:
            weights = self._weights[key] = [START_WEIGHT] * size
        return weights


def _logit(total: int) -> int:
    """A logit's place in the table of squash."""
    return min(max(total, -2047), 2047) + 2048


def mixed(*numbers: int) -> int:
    """A 32-bit hash of small integers, the same everywhere."""
    h = 0x811C9DC5
    for n in numbers:
        h = ((h ^ (n & 0xFFFFFFFF)) * 0x01000193) & 0xFFFFFFFF
        h ^= h >> 15
    return h
