"""Rhythm: how long notes are, how far apart, how even, how dense. In beats, so that tempo and tick resolution do not matter.

Lengths are sorted to the nearest of the listed values on a logarithmic scale. Times between onsets are those of the upper line.
"""

from __future__ import annotations

import numpy as np

from zhiyin.measures.descriptor import Descriptor, family, table
from zhiyin.measures.distribution import (
    entropy,
    entropy_of,
    histogram,
    mean,
    quantile,
    ratio,
    run_lengths,
    run_starts,
    spread,
    steps,
)
from zhiyin.measures.surface import Surface

_VALUES = (
    (1 / 8, "eighth", "an eighth of a beat or less", "八分之一拍及更短"), (1 / 6, "sixth", "a sixth of a beat", "六分之一拍"),
    (1 / 4, "quarter", "a quarter of a beat", "四分之一拍"), (1 / 3, "third", "a third of a beat", "三分之一拍"),
    (1 / 2, "half", "half a beat", "半拍"), (2 / 3, "two_thirds", "two thirds of a beat", "三分之二拍"),
    (3 / 4, "three_quarters", "three quarters of a beat", "四分之三拍"), (1.0, "one", "one beat", "一拍"),
    (1.5, "one_and_half", "one and a half beats", "一拍半"), (2.0, "two", "two beats", "两拍"),
    (3.0, "three", "three beats", "三拍"), (4.0, "four", "four beats", "四拍"), (8.0, "long", "more than five beats", "五拍以上"),
)  # fmt: skip
_EDGES = np.sqrt([a[0] * b[0] for a, b in zip(_VALUES[:-1], _VALUES[1:])])
_LABELS = tuple(v[1:] for v in _VALUES)
_RATIOS = (
    ("even", "even pairs", "等长音对"), ("long_short", "long-short pairs (2:1)", "长短音对（2:1）"), ("short_long", "short-long pairs (1:2)", "短长音对（1:2）"),
    ("dotted", "dotted pairs (3:1)", "附点音对（3:1）"), ("snap", "reversed dotted pairs (1:3)", "反附点音对（1:3）"), ("other", "pairs of other ratios", "其他比例的音对"),
)  # fmt: skip
_RATIO_LOGS = np.log2([1, 2, 1 / 2, 3, 1 / 3])

TABLE: tuple[Descriptor, ...] = (
    *family("rhythm", ("duration", "share", "jSymbolic: Rhythmic Value Histogram, in beats", "notes of {}", "时值为{}的音符占比"), _LABELS),
    *family("rhythm", ("interonset", "share", "jSymbolic: Rhythmic Value Histogram, between onsets of the upper line", "upper line moves after {}", "高声部音与音相隔{}的占比"), _LABELS),
    *family("rhythm", ("rhythm_pair", "share", "own: neighbouring times between onsets, upper line", "{}", "{}的占比"), _RATIOS),
    *table("rhythm", [
        ("notes_per_beat", "notes/beat", "jSymbolic: Note Density per Quarter Note", "notes per beat", "每拍音符数"),
        ("onsets_per_beat", "onsets/beat", "own", "beginnings per beat", "每拍起音数"),
        ("melody_per_beat", "notes/beat", "own", "notes of the upper line per beat", "高声部每拍音符数"),
        ("density_spread", "ratio", "jSymbolic: Note Density per Quarter Note Variability", "how much the density changes from bar to bar", "各小节密度变化"),
        ("duration_mean", "beats", "jSymbolic: Mean Rhythmic Value", "mean duration", "平均时值"),
        ("duration_median", "beats", "jSymbolic: Median Rhythmic Value", "middle duration", "时值中位数"),
        ("duration_spread", "octaves", "jSymbolic: Rhythmic Value Variability", "spread of durations (in doublings)", "时值离散程度（以倍增计）"),
        ("duration_entropy", "bits", "own", "variety of durations", "时值的多样程度"),
        ("interonset_entropy", "bits", "own", "variety of times between onsets", "起音间隔的多样程度"),
        ("commonest_interonset", "share", "jSymbolic: Prevalence of Most Common Rhythmic Value", "commonest time between onsets", "最常见起音间隔占比"),
        ("npvi", "index", "Grabe & Low 2002; Patel & Daniele 2003 (nPVI / 200)", "contrast of neighbouring durations", "相邻时值的对比度（nPVI）"),
        ("rhythm_bigram_entropy", "bits", "own", "variety of pairs of times between onsets", "起音间隔组合的多样程度"),
        ("legato", "ratio", "jSymbolic: Amount of Staccato, turned round", "how much of the time to the next note is held", "音符占据到下一音的时间比例"),
        ("staccato", "share", "jSymbolic: Amount of Staccato", "notes held for less than half the time to the next", "短于间隔一半的音符占比"),
        ("rests", "share", "jSymbolic: Complete Rests Fraction", "silence", "全体休止的时间占比"),
        ("longest_rest", "beats", "jSymbolic: Longest Complete Rest", "longest silence, at most 16", "最长休止（至多十六拍）"),
        ("triplets", "share", "own: neighbours a third of a beat apart, beats that divide in two", "triplets", "三连音占比"),
        ("run_length", "notes", "own", "notes in a row of one length", "同一时值连续的平均音数"),
        ("longest_even_run", "notes", "own, as log2(1 + notes)", "longest row of notes of one length (log2)", "同一时值最长连续音数（log2）"),
        ("bar_rhythms", "share", "own", "different rhythms of bars among all bars", "不同节奏型小节占比"),
        ("commonest_bar_rhythm", "share", "own", "bars with the commonest rhythm", "最常见节奏型小节占比"),
        ("rhythm_repeats_next_bar", "share", "own", "bars with the rhythm of the bar before", "与前一小节节奏相同的小节占比"),
    ]),
)  # fmt: skip


def measure(s: Surface) -> list[float]:
    """The values of ``TABLE`` in its order; 0 where nothing is struck. Drums alone count as notes."""
    if not len(s.struck):
        return [0.0] * len(TABLE)
    beat = s.grid.beat
    duration = (s.struck_end - s.struck) / beat[s.struck_bar]
    gap = steps(s.times[s.line]) / beat[s.time_bar[s.line[:-1]]]
    return [
        *_lengths(duration).tolist(),
        *_lengths(gap).tolist(),
        *_pairs(gap).tolist(),
        *_density(s),
        *_durations(duration),
        *_intervals(gap),
        *_articulation(s),
        *_rests(s),
        *_runs(s, gap),
        *_bar_rhythms(s),
    ]


def _class(lengths: np.ndarray) -> np.ndarray:
    return np.searchsorted(_EDGES, lengths)


def _lengths(lengths: np.ndarray) -> np.ndarray:
    return histogram(_class(lengths), len(_VALUES))


def _pairs(gap: np.ndarray) -> np.ndarray:
    log = np.log2(gap[:-1] / gap[1:])
    far = np.abs(log[:, None] - _RATIO_LOGS)
    kind = np.where(far.min(axis=1, initial=9) < 0.25, far.argmin(axis=1), len(_RATIOS) - 1)
    return histogram(kind, len(_RATIOS))


def _density(s: Surface) -> list[float]:
    beats = float((s.grid.length / s.grid.beat).sum())
    per_bar = np.bincount(s.struck_bar, minlength=len(s.bars)).astype(np.float64)
    return [
        ratio(len(s.struck), beats),
        ratio(len(s.times), beats),
        ratio(len(s.line), beats),
        ratio(spread(per_bar), mean(per_bar)),
    ]


def _durations(duration: np.ndarray) -> list[float]:
    ordered = np.sort(duration)
    return [
        mean(duration),
        quantile(ordered, 0.5),
        spread(np.log2(duration)),
        entropy(_lengths(duration)),
    ]


def _intervals(gap: np.ndarray) -> list[float]:
    p = _lengths(gap)
    kind = _class(gap)
    contrast = np.abs(gap[1:] - gap[:-1]) / (gap[1:] + gap[:-1])
    return [entropy(p), float(p.max()), mean(contrast), entropy_of(kind[1:] * 16 + kind[:-1])]


def _articulation(s: Surface) -> list[float]:
    at = s.time_of + 1
    follows = at < len(s.times)
    held = (s.struck_end - s.struck)[follows] / (s.times[at[follows]] - s.struck[follows])
    return [mean(np.minimum(held, 1.0)), mean(held < 0.5)]


def _rests(s: Surface) -> list[float]:
    reached = np.maximum.accumulate(s.struck_end)
    silence = np.maximum(s.struck[1:] - reached[:-1], 0)
    first, last = float(s.struck[0]), float(s.grid.onset[-1] + s.grid.length[-1])
    silence = np.concatenate([[first], silence, [max(last - reached[-1], 0)]])
    longest = float(silence.max()) / float(s.grid.beat[0])
    return [ratio(silence.sum(), max(last, reached[-1])), min(longest, 16.0)]


def _runs(s: Surface, gap: np.ndarray) -> list[float]:
    two = (s.grid.levels[:, 3] * 2.5 > s.grid.beat)[s.time_bar[s.line[:-1]]]
    third = np.abs(gap - 1 / 3) < 0.04
    kind = _class(gap)
    length = run_lengths(run_starts(kind), len(kind)) if len(kind) else kind
    longest = float(np.log2(1 + length.max())) if len(length) else 0.0
    return [mean(third & two), mean(length), longest]


def _bar_rhythms(s: Surface) -> list[float]:
    """Rhythms of bars: which of 48 places of the bar are struck, as one number; empty bars left out."""
    bar = s.time_bar
    place = np.rint(s.time_place * 48 / s.grid.whole[bar]).astype(np.int64) % 48
    code = np.bitwise_or.reduceat(1 << place, run_starts(bar))
    counts = run_lengths(run_starts(np.sort(code)), len(code))
    return [len(counts) / len(code), float(counts.max()) / len(code), mean(code[1:] == code[:-1])]
