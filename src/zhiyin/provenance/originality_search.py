"""Finding passages: seeds of the query in the index, verified and grown note by note, joined over inserted notes.

Everything up to the last hundred candidates is whole-array arithmetic. A candidate grows from its seed to both sides as long as
its score does (like a local alignment without gaps): an agreeing note adds its surprise in bits, a differing one costs FINE.
Pieces of passage of one source whose places drift by a few notes (ornaments, omissions) are then joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from zhiyin.provenance.fingerprint import different_intervals, gram_hashes, steps_of
from zhiyin.provenance.originality_build import LEAST_INTERVALS, bucket_of, symbols
from zhiyin.provenance.originality_store import Store

FINE = 5.0  # bits that a note which differs costs
_SEAM = 3.0  # bits that a note inserted or left out costs
MOST_HITS = 256  # sources looked at for one gram: what more pieces share is common property
_NEAR, _FAR = 24, 128  # notes that a candidate grows to each side, first to choose, then to measure
_CHOSEN = 96  # candidates that are measured, at least …
_EACH = 16  # … and one for so many notes of the query
_BLOCK = 32  # seeds on one diagonal within so many notes grow to the same passage
_DRIFT = 4  # notes that were inserted or left out where two pieces of a passage are joined
_GAP = 12  # notes between them
_PERIOD = 16  # a figure that repeats itself within so many notes …
_FIGURE = 4  # … and has done so for so many notes …
_NO_NEWS = 0.5  # … is worth so many bits a note


@dataclass(frozen=True)
class Query:
    """The lines of a piece one after the other, arrays (notes,): code, gain (bits if it agrees), and where lines begin.

    grams: where the grams that may be seeds begin; hashes: theirs.
    """

    code: np.ndarray
    gain: np.ndarray
    begin: np.ndarray  # first note of the line that each note is in
    end: np.ndarray  # one past its last note
    line: np.ndarray
    grams: np.ndarray
    hashes: np.ndarray
    interval: np.ndarray

    @classmethod
    def of(cls, lines: Sequence[tuple[np.ndarray, np.ndarray]], store: Store) -> Query:
        """From (onset, pitch) of each line."""
        n = int(store.header["n"])
        steps = [steps_of(onset, pitch) for onset, pitch in lines]
        interval, ratio = (np.concatenate([s[k] for s in steps] or [np.zeros(0, dtype=np.int64)]) for k in (0, 1))
        sizes = np.array([len(pitch) for _, pitch in lines], dtype=np.int64)
        line = np.repeat(np.arange(len(lines)), sizes)
        stop = np.cumsum(sizes)
        begin, end = (stop - sizes)[line], stop[line]
        symbol = symbols(interval, ratio)
        code = store["code_of"][symbol]
        grams = np.flatnonzero(different_intervals(interval, n) >= int(store.header["least_intervals"]))
        grams = grams[line[grams] == line[grams + n - 1]]
        return cls(code, _gain(store["surprise_of"][symbol], store), begin, end, line, grams, gram_hashes(interval, ratio, n)[grams], interval)


def _gain(finer: np.ndarray, store: Store) -> np.ndarray:
    """Bits float32 that each note is worth when it agrees: its surprise after the note before, almost none in a repeating figure."""
    before = np.r_[finer[:1], finer[:-1]].astype(np.int64)
    gain = store["bits"][before * 256 + finer].astype(np.float32) / 16
    stale = np.zeros(len(finer), dtype=bool)
    for period in range(1, min(_PERIOD, len(finer) - _FIGURE) + 1):
        same = finer[period:] == finer[:-period]
        run = same[_FIGURE - 1 :].copy()
        for k in range(1, _FIGURE):
            run &= same[_FIGURE - 1 - k : len(same) - k]
        stale[period + _FIGURE - 1 :] |= run
    return np.where(stale, np.minimum(gain, _NO_NEWS), gain)


@dataclass(frozen=True)
class Match:
    """A passage found. first, last: notes of query line ``line``; source_first, source_last: positions in the store.

    anchor_first, anchor_last: positions of its largest piece without insertions, in which query note = position - anchor_shift;
    anchor: a position in it that a whole gram vouches for.
    """

    line: int
    first: int
    last: int
    segment: int
    source_first: int
    source_last: int
    notes: int
    changed: int
    score: float
    anchor_first: int
    anchor_last: int
    anchor_shift: int
    anchor: int


@dataclass(frozen=True)
class _Seeds:
    """Candidates (candidates,): query note and stored note of each, and the segment of the latter."""

    query: np.ndarray
    source: np.ndarray
    segment: np.ndarray

    def take(self, which: np.ndarray) -> _Seeds:
        return _Seeds(self.query[which], self.source[which], self.segment[which])


def search(store: Store, query: Query, excluded: np.ndarray | None, limit: int) -> list[Match]:
    """The best matches, best first, at most a few times ``limit``. excluded: bool (pieces,) not to compare with."""
    seeds = _candidates(store, query, excluded)
    if not len(seeds.query):
        return []
    chosen = max(_CHOSEN, len(query.code) // _EACH)
    if len(seeds.query) > chosen:
        score = _grow(store, query, seeds, _NEAR)[0]
        seeds = seeds.take(np.argpartition(-score, chosen)[:chosen])
    matches = _join(_measured(store, query, seeds), query)
    return [m for m in sorted(matches, key=lambda m: (-m.score, m.first)) if _intervals(query, m) >= LEAST_INTERVALS][: 8 * limit]


def _candidates(store: Store, query: Query, excluded: np.ndarray | None) -> _Seeds:
    """Places where a whole gram agrees, one for each stretch of a diagonal."""
    bucket = bucket_of(query.hashes, len(store.starts) - 1)
    low = store.starts[bucket]
    count = np.minimum(store.starts[bucket + 1] - low, MOST_HITS)
    at = np.repeat(low - np.cumsum(count) + count, count) + np.arange(int(count.sum()))
    source, begin = store.seeds(at), np.repeat(query.grams, count)
    n = int(store.header["n"])
    agree = source + n <= store.notes
    source, begin = source[agree], begin[agree]
    for k in range(2, n):
        agree = store.codes(source + k) == query.code[begin + k]
        source, begin = source[agree], begin[agree]
    key = (source - begin + len(query.code)) * (len(query.code) // _BLOCK + 1) + begin // _BLOCK
    _, one = np.unique(key, return_index=True)
    segment = np.searchsorted(store.segments, source[one], side="right") - 1
    seeds = _Seeds(begin[one], source[one], segment)
    return seeds if excluded is None else seeds.take(~excluded[store.segment_piece[segment]])


def _grow(store: Store, query: Query, seeds: _Seeds, reach: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(score, notes grown to the left, to the right, agreement bool (candidates, 2 * reach)) from each seed's third note on."""
    offset = np.arange(-reach, reach)
    at, source = seeds.query[:, None] + 2 + offset, seeds.source[:, None] + 2 + offset
    inside = (at >= query.begin[seeds.query][:, None] + 2) & (at < query.end[seeds.query][:, None])
    inside &= (source >= store.segments[seeds.segment][:, None] + 2) & (source < store.segments[seeds.segment + 1][:, None])
    at, source = np.where(inside, at, 0), np.where(inside, source, 0)
    agree = inside & (query.code[at] == store.codes(source))
    gain = np.where(agree, query.gain[at], np.where(inside, -FINE, -1e6)).astype(np.float32)
    right, left = np.cumsum(gain[:, reach:], axis=1), np.cumsum(gain[:, reach - 1 :: -1], axis=1)
    to_right, to_left = np.argmax(right, axis=1), np.argmax(left, axis=1)
    rows = np.arange(len(at))
    best_left = left[rows, to_left]
    return right[rows, to_right] + np.maximum(best_left, 0), np.where(best_left > 0, to_left + 1, 0), to_right + 1, agree


def _measured(store: Store, query: Query, seeds: _Seeds) -> list[Match]:
    """The grown passages, each once."""
    score, left, right, agree = _grow(store, query, seeds, _FAR)
    found: dict[tuple[int, int], Match] = {}
    for i in np.argsort(-score, kind="stable").tolist():
        q, s, to_left, to_right = int(seeds.query[i]) + 2, int(seeds.source[i]) + 2, int(left[i]), int(right[i])
        differs = ~agree[i, _FAR - to_left : _FAR + to_right]
        changed = int(differs.sum() - (differs & ~np.r_[False, differs[:-1]]).sum())
        begin = int(query.begin[q])
        first, last = q - to_left - 2 - begin, q + to_right - 1 - begin
        source_first, source_last = s - to_left - 2, s + to_right - 1
        match = Match(
            int(query.line[q]), first, last, int(seeds.segment[i]), source_first, source_last, last - first + 1 - changed, changed,
            float(score[i]), source_first, source_last, source_first - first, s,
        )  # fmt: skip
        found.setdefault((match.line, match.source_last * (1 << 24) + last), match)
    return list(found.values())


def _join(matches: list[Match], query: Query) -> list[Match]:
    """Joins pieces of passage of one source that follow each other with a small drift."""
    by_source: dict[tuple[int, int], list[Match]] = {}
    for match in matches:
        by_source.setdefault((match.line, match.segment), []).append(match)
    out: list[Match] = []
    for held in by_source.values():
        chains: list[Match] = []
        for match in sorted(held, key=lambda m: (m.first, m.last)):
            joined = [j for chain in chains if (j := _joined(chain, match)) and j.score > max(chain.score, match.score)]
            if joined:
                chains.append(max(joined, key=lambda m: m.score))
            chains.append(match)
        out += chains
    return out


def _joined(chain: Match, match: Match) -> Match | None:
    """Both as one passage, or None where they do not follow each other."""
    gap, source_gap = match.first - chain.last - 1, match.source_first - chain.source_last - 1
    drift = abs(gap - source_gap)
    if not -3 <= gap <= _GAP or not -3 <= source_gap <= _GAP or drift > _DRIFT:
        return None
    between = max(gap, 0)
    overlap = max(0, -min(gap, source_gap))
    lost = _SEAM * max(1, gap, source_gap, drift) + overlap * chain.score / max(chain.notes, 1)
    larger = chain if chain.score >= match.score else match
    return replace(
        chain, last=match.last, source_last=match.source_last, notes=chain.notes + match.notes - overlap,
        changed=chain.changed + match.changed + between, score=chain.score + match.score - lost,
        anchor_first=larger.anchor_first, anchor_last=larger.anchor_last, anchor_shift=larger.anchor_shift,
        anchor=larger.anchor,
    )  # fmt: skip


def _intervals(query: Query, match: Match) -> int:
    begin = int(np.searchsorted(query.line, match.line))
    return len(np.unique(query.interval[begin + match.first + 1 : begin + match.last + 1]))
