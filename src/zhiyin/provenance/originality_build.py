"""Building an originality index: which notes are stored, their classes, the seeds that find them.

The guarantee of the shipped form, for every passage of ``GUARANTEED`` notes with at least ``LEAST_INTERVALS`` different intervals: its
notes stand in the index once for each group of related pieces, and at least one n-gram in it is a seed. It holds because
n + window - 1 = GUARANTEED, and because two windows of 2 different intervals that overlap cannot make a passage of 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from zhiyin.errors import InputError
from zhiyin.provenance.fingerprint import RATIO_LIMIT, different_intervals, gram_hashes, steps_of
from zhiyin.provenance.originality_store import Store, pack, store_hash

GUARANTEED = 16  # notes of a passage that the winnowed index never misses
LEAST_INTERVALS = 4  # passages with fewer different intervals are nobody's
INTERVAL_LIMIT = 40
RATIOS = 2 * RATIO_LIMIT + 1
SYMBOLS = (2 * INTERVAL_LIMIT + 1) * RATIOS
FINER = 256  # classes of a note whose surprise is counted
_OWN_CLASSES = 224  # of 256: the commonest symbols have a class to themselves, the others share the rest
_PRIOR = 8.0  # notes that the plain frequencies count for beside what followed a class
_MOST_BITS = 8  # one rare note must not make a passage
_MOST = 65534  # seeds in a bucket, notes in a segment: what 16 bits can count
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class SourceLine:
    """A line of a source: ``piece`` is its place in the list of pieces; onset in ticks (24 a quarter), pitch, bar (notes,).

    ``bar``: the number that a notation program shows for the bar of each note.
    """

    piece: int
    part: int
    onset: np.ndarray
    pitch: np.ndarray
    bar: np.ndarray


@dataclass(frozen=True)
class Form:
    """How an index is stored. n: notes of a gram; window: of winnowing; a gram with fewer intervals is no seed."""

    n: int
    window: int
    classes: int
    anchor_step: int
    least_intervals: int
    bucket_bits: int  # at most


SHIPPED = Form(n=9, window=8, classes=16, anchor_step=16, least_intervals=3, bucket_bits=17)
DENSE = Form(n=7, window=1, classes=256, anchor_step=1, least_intervals=2, bucket_bits=20)


def symbols(interval: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """One number per note 0..SYMBOLS-1 of how the line arrives at it."""
    return (np.clip(interval, -INTERVAL_LIMIT, INTERVAL_LIMIT) + INTERVAL_LIMIT) * RATIOS + ratio + RATIO_LIMIT


def bucket_of(hashes: np.ndarray, buckets: int) -> np.ndarray:
    """Bucket int64 of each hash. Mixed once more: winnowing prefers small hashes, buckets should be even."""
    return ((hashes * _MIX) >> np.uint64(65 - buckets.bit_length())).astype(np.int64)


def build_store(pieces: Sequence[Any], lines: Iterable[SourceLine], *, dense: bool, meta: dict[str, Any]) -> Store:
    """The arrays of an index of ``pieces`` (dataclasses) and their lines. Raises InputError where there is no line."""
    form = DENSE if dense else SHIPPED
    notes = _Notes.of(list(lines), [p.group for p in pieces])
    first = None if dense else notes.first_windows()
    kept = np.ones(notes.count, dtype=bool) if first is None else _covered(first, notes.count)
    seeds, hashes = notes.seeds(form, first)
    counts = np.bincount(notes.symbol[kept], minlength=SYMBOLS)
    code_of, surprise_of = _classes(counts, form.classes), _classes(counts, FINER)
    new_place = np.cumsum(kept) - 1
    arrays = notes.stored(kept, form, code_of) | _buckets(new_place[seeds], hashes, form, dense)
    arrays |= {"code_of": code_of, "surprise_of": surprise_of, "bits": notes.surprise(kept, surprise_of)}
    arrays["pieces"] = pack([list(asdict(p).values()) for p in pieces])
    arrays["scale"] = np.zeros(0, dtype=np.uint8)
    header = {
        **meta, "dense": dense, "notes": int(kept.sum()), "line_notes": notes.count, "lines": notes.lines, "pieces": len(pieces),
        "n": form.n, "window": form.window, "classes": form.classes, "anchor_step": form.anchor_step, "least_intervals": form.least_intervals,
        "guaranteed": GUARANTEED, "content": store_hash(arrays),
    }  # fmt: skip
    return Store(header, arrays)


def _covered(windows: np.ndarray, count: int) -> np.ndarray:
    """Which of ``count`` notes stand in one of the windows of GUARANTEED notes that begin at ``windows``."""
    step = np.bincount(windows, minlength=count + GUARANTEED) - np.bincount(windows + GUARANTEED, minlength=count + GUARANTEED)
    return np.cumsum(step)[:count] > 0


def _cut(begins: np.ndarray, count: int) -> np.ndarray:
    """Segments begin at ``begins`` and again wherever one would be longer than 16 bits can count."""
    sizes = np.diff(np.r_[begins, count])
    again = [np.arange(begins[i] + _MOST, begins[i] + sizes[i], _MOST) for i in np.flatnonzero(sizes > _MOST)]
    return np.sort(np.concatenate([begins, *again])).astype(np.int64)


def _classes(counts: np.ndarray, classes: int) -> np.ndarray:
    """A class for every symbol, uint8 (SYMBOLS,): the commonest alone while there is room, the others dealt out evenly."""
    order = np.argsort(-counts, kind="stable")
    out, load = np.zeros(SYMBOLS, dtype=np.uint8), np.zeros(classes)
    own = _OWN_CLASSES if classes == FINER else 0
    out[order[:own]] = np.arange(own)
    load[:own] = np.inf
    for symbol in order[own:]:
        out[symbol] = at = int(np.argmin(load))
        load[at] += counts[symbol] + 1e-3
    return out


def _buckets(seeds: np.ndarray, hashes: np.ndarray, form: Form, dense: bool) -> dict[str, np.ndarray]:
    buckets = 1 << min(form.bucket_bits, max(4, len(seeds).bit_length() - 1))
    bucket = bucket_of(hashes, buckets)
    order = np.argsort(bucket, kind="stable")
    seeds, bucket = seeds[order], bucket[order]
    counts = np.bincount(bucket, minlength=buckets)
    first = np.cumsum(counts) - counts
    seeds = seeds[np.arange(len(seeds)) - first[bucket] <= _MOST]  # a gram that common is nobody's
    top = (seeds >> 24).astype(np.uint8)
    if not dense and top.any():
        raise InputError(
            "The music is too much for a winnowed index", expected=f"< {1 << 24:,} different notes", received=f"{int(seeds.max()):,}",
            hint="--dense",
        )  # fmt: skip
    return {
        "bucket_seeds": np.minimum(counts, _MOST + 1),
        "seeds_low": (seeds & 0xFFFF).astype(np.uint16),
        "seeds_high": ((seeds >> 16) & 0xFF).astype(np.uint8),
        "seeds_top": top if dense else np.zeros(0, dtype=np.uint8),
    }


@dataclass(frozen=True)
class _Notes:
    """All lines one after the other, arrays (notes,). ``line``: number of each note's line; ``group``: of its piece's group."""

    interval: np.ndarray
    ratio: np.ndarray
    pitch: np.ndarray
    onset: np.ndarray
    bar: np.ndarray
    line: np.ndarray
    group: np.ndarray
    piece_of_line: np.ndarray
    part_of_line: np.ndarray
    symbol: np.ndarray

    @property
    def count(self) -> int:
        return len(self.line)

    @property
    def lines(self) -> int:
        return len(self.piece_of_line)

    @classmethod
    def of(cls, lines: list[SourceLine], groups: list[str]) -> _Notes:
        lines = [s for s in lines if len(s.onset)]
        if not lines:
            raise InputError("Nothing to index", expected="at least one line of notes", received="none", hint="drums are left out")
        steps = [steps_of(s.onset, s.pitch) for s in lines]
        interval, ratio = (np.concatenate([step[k] for step in steps]).astype(np.int16) for k in (0, 1))
        line = np.repeat(np.arange(len(lines), dtype=np.int32), [len(s.onset) for s in lines])
        names = {name: i for i, name in enumerate(dict.fromkeys(groups))}
        group = np.array([names[groups[s.piece]] for s in lines], dtype=np.int32)[line]
        pitch, onset, bar = (np.concatenate([np.asarray(getattr(s, k)) for s in lines]).astype(np.int32) for k in ("pitch", "onset", "bar"))
        return cls(
            interval, ratio, pitch, onset, bar, line, group, np.array([s.piece for s in lines]), np.array([s.part for s in lines]),
            symbols(interval.astype(np.int32), ratio),
        )  # fmt: skip

    def whole(self, n: int) -> np.ndarray:
        """Which n-grams lie inside one line, bool (notes - n + 1,)."""
        count = max(0, self.count - n + 1)
        return self.line[:count] == self.line[n - 1 : n - 1 + count]

    def first_windows(self) -> np.ndarray:
        """Where the windows of GUARANTEED notes begin that are worth storing: not trivial, the first of their kind in their group."""
        at = np.flatnonzero(self.whole(GUARANTEED))
        at = at[different_intervals(self.interval, GUARANTEED)[at] >= LEAST_INTERVALS]
        key = gram_hashes(self.interval, self.ratio, GUARANTEED)[at] ^ (self.group[at].astype(np.uint64) * _MIX)
        _, first = np.unique(key, return_index=True)
        return np.sort(at[first])

    def seeds(self, form: Form, windows: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """(positions, hashes) of the seeds: every good gram, or the smallest good one of each window, once per group."""
        hashes = gram_hashes(self.interval, self.ratio, form.n)
        good = self.whole(form.n) & (different_intervals(self.interval, form.n) >= form.least_intervals)
        if windows is None:
            at = np.flatnonzero(good)
            return at, hashes[at]
        ranked = np.where(good, hashes >> np.uint64(1), np.uint64((1 << 64) - 1))
        chosen = []
        for begin in range(0, len(windows), 1 << 20):
            block = windows[begin : begin + (1 << 20)]
            values = ranked[block[:, None] + np.arange(form.window)]
            chosen.append(block + form.window - 1 - np.argmin(values[:, ::-1], axis=1))
        at = np.unique(np.concatenate(chosen)) if chosen else np.zeros(0, dtype=np.int64)
        at = at[good[at]]
        _, first = np.unique(hashes[at] ^ (self.group[at].astype(np.uint64) * _MIX), return_index=True)
        at = np.sort(at[first])
        return at, hashes[at]

    def surprise(self, kept: np.ndarray, surprise_of: np.ndarray) -> np.ndarray:
        """Sixteenths of a bit uint8 (FINER * FINER,): how surprising a class is after another, over the kept notes."""
        finer = surprise_of[self.symbol].astype(np.int64)
        pairs = (finer[:-1] * FINER + finer[1:])[kept[1:] & (self.line[1:] == self.line[:-1])]
        seen = np.bincount(pairs, minlength=FINER * FINER).reshape(FINER, FINER).astype(np.float64)
        alone = (seen.sum(axis=0) + 0.5) / (seen.sum() + 0.5 * FINER)
        chance = (seen + _PRIOR * alone) / (seen.sum(axis=1, keepdims=True) + _PRIOR)
        return np.clip(np.rint(-16 * np.log2(chance)), 1, _MOST_BITS * 16).astype(np.uint8).ravel()

    def stored(self, kept: np.ndarray, form: Form, code_of: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays of the kept notes."""
        at = np.flatnonzero(kept)
        begins = np.flatnonzero(np.r_[True, (np.diff(at) != 1) | (np.diff(self.line[at]) != 0)][: len(at)])
        begins = _cut(begins, len(at))
        head = at[begins]
        codes = code_of[self.symbol[at]]
        within = np.ones(len(at), dtype=bool)
        within[begins] = False
        later = np.r_[0, np.diff(self.bar[at])] * within
        piece = self.piece_of_line[self.line[head]]
        pairs = np.r_[codes, np.zeros(len(codes) % 2, dtype=np.uint8)]
        high = (piece >> 16).astype(np.uint8)
        return {
            "codes": codes if form.classes == 256 else pairs[::2] | (pairs[1::2] << 4),
            "segment_notes": np.diff(np.r_[begins, len(at)]),
            "segment_piece": piece & 0xFFFF,
            "segment_piece_high": high if high.any() else np.zeros(0, dtype=np.uint8),
            "segment_part": self.part_of_line[self.line[head]],
            "segment_bar": np.clip(self.bar[head], 0, 65535),
            "bar_bits": np.packbits(later > 0, bitorder="little"),
            "far_at": np.flatnonzero(later > 1),
            "far_bars": np.minimum(later[later > 1], 255),
            "anchors": self.pitch[at[:: form.anchor_step]],
            "onset": self.onset[at] if form.classes == 256 else np.zeros(0, dtype=np.uint32),
        }  # fmt: skip
