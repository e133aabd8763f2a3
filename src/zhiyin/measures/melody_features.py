"""Melody: intervals and contour of the upper line, intervals and figures of the bass.

The upper line is the skyline: notes that begin as the highest that sounds; the bass likewise the lowest. Intervals are between
neighbours of a line, in semitones.
"""

from __future__ import annotations

import numpy as np

from zhiyin.measures.descriptor import Descriptor, family, table
from zhiyin.measures.distribution import (
    entropy,
    entropy_of,
    histogram,
    mean,
    ratio,
    repeats,
    run_lengths,
    run_starts,
    spread,
    steps,
)
from zhiyin.measures.surface import Surface

_PHRASE = 4  # bars of a stretch whose contour is looked at
_CHORDAL = np.isin(np.arange(128), (0, 3, 4, 7, 10, 11, 12, 15, 16))  # jSymbolic's arpeggio intervals

_SIZES = (
    ("unison", "repeated notes", "同音反复"), ("semitone", "semitones", "小二度"), ("tone", "whole tones", "大二度"),
    ("minor_third", "minor thirds", "小三度"), ("major_third", "major thirds", "大三度"), ("fourth", "fourths", "纯四度"),
    ("tritone", "tritones", "三全音"), ("fifth", "fifths", "纯五度"), ("sixth", "sixths", "六度"), ("seventh", "sevenths", "七度"),
    ("octave", "octaves", "八度"), ("wider", "leaps wider than an octave", "大于八度的跳进"),
)  # fmt: skip
_SIZE_OF = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 9, 10] + [11] * 115)
_SHAPES = (
    ("ascending", "ascending", "上行"), ("descending", "descending", "下行"), ("arch", "arch-shaped", "拱形"), ("valley", "valley-shaped", "谷形"),
    ("level", "level", "平直"), ("rise_then_level", "rising, then level", "先升后平"), ("level_then_rise", "level, then rising", "先平后升"),
    ("fall_then_level", "falling, then level", "先降后平"), ("level_then_fall", "level, then falling", "先平后降"),
)  # fmt: skip
_HURON = "Huron 1996: nine contour types of phrases (first, mean and last pitch), stretches of four bars"
_HIST = "jSymbolic: Melodic Interval Histogram"

TABLE: tuple[Descriptor, ...] = (
    *family("melody", ("melody_interval", "share", _HIST + ", highest line", "upper line moves by {}", "高声部以{}进行的比例"), _SIZES),
    *family("melody", ("bass_interval", "share", _HIST + ", lowest line", "bass moves by {}", "低音以{}进行的比例"), _SIZES),
    *family("melody", ("contour", "share", _HURON, "{} phrases of the upper line", "高声部乐句轮廓为{}的比例"), _SHAPES),
    *table("melody", [
        ("melody_rising", "share", "jSymbolic: Direction of Melodic Motion", "rising among moving intervals", "上行音程占比"),
        ("melody_stepwise", "share", "jSymbolic: Stepwise Motion", "upper line moves by step", "高声部级进占比"),
        ("melody_leaps", "share", "Huron 2006: leaps of ≥ 5 semitones", "upper line leaps a fourth or more", "高声部四度以上跳进占比"),
        ("melody_interval_mean", "semitones", "jSymbolic: Mean Melodic Interval", "mean size of the upper line's intervals", "高声部平均音程"),
        ("melody_interval_spread", "semitones", "own", "spread of the upper line's intervals", "高声部音程离散程度"),
        ("melody_interval_entropy", "bits", "own", "variety of the upper line's intervals", "高声部音程的多样程度"),
        ("melody_bigram_entropy", "bits", "own", "variety of pairs of intervals", "相邻音程组合的多样程度"),
        ("melody_chordal", "share", "jSymbolic: Amount of Arpeggiation", "upper line moves as a broken chord", "高声部分解和弦进行占比"),
        ("leap_reversal", "share", "Narmour 1990; Huron 2006: post-skip reversal", "leaps followed by a turn back", "跳进后反向的比例"),
        ("step_inertia", "share", "Narmour 1990; Larson 2004: inertia", "steps that go on in the same direction", "级进后同向继续的比例"),
        ("melody_turns", "share", "jSymbolic: Melodic arcs", "turns of direction", "旋律转向的比例"),
        ("arc_length", "notes", "jSymbolic: Average Length of Melodic Arcs", "notes between two turns", "两次转向之间的音数"),
        ("arc_height", "semitones", "jSymbolic: Melodic Pitch Variety / size of arcs", "semitones between two turns", "两次转向之间的音程"),
        ("scale_runs", "share", "own", "notes in runs of four steps one way", "处于音阶式走句中的音符占比"),
        ("trills", "share", "own", "notes that go to a neighbour and come back", "往返于邻音的音符占比"),
        ("melody_ngrams_repeated", "share", "Müllensiefen 2009 (FANTASTIC): repeated m-types of four intervals", "melodic turns heard before", "重复出现的四音程组占比"),
        ("rhythm_melody_ngrams_repeated", "share", "Müllensiefen 2009 (FANTASTIC): m-types of three intervals with their rhythm", "melodic turns with their rhythm heard before", "连同节奏重复的三音程组占比"),
        ("melody_closes_down", "share", "own: last interval of four-bar stretches", "phrases whose last step falls", "以下行收尾的乐句占比"),
        ("bass_stepwise", "share", "jSymbolic: Stepwise Motion, lowest line", "bass moves by step", "低音级进占比"),
        ("bass_fifths", "share", "own", "bass moves by a fourth or fifth", "低音四五度进行占比"),
        ("bass_interval_entropy", "bits", "own", "variety of the bass' intervals", "低音音程的多样程度"),
        ("walking_bass", "share", "own", "bass notes one beat apart that keep moving by step or third", "行走低音：逐拍级进或三度进行的低音占比"),
        ("alberti_bass", "share", "own: low, high, middle, high", "bass notes in Alberti figures", "阿尔贝蒂低音音型占比"),
        ("broken_chord_bass", "share", "own: bass rises twice over three notes, then falls back", "bass notes in rising broken chords", "上行分解和弦低音音型占比"),
        ("drone_bass", "share", "own", "bass notes that repeat the one before", "低音同音反复（持续音）占比"),
        ("bass_octaves", "share", "own", "bass notes doubled an octave above", "低音八度重叠占比"),
    ]),
)  # fmt: skip


def measure(s: Surface) -> list[float]:
    """The values of ``TABLE`` in its order; 0 where there are too few notes."""
    if not len(s.pitch):
        return [0.0] * len(TABLE)
    upper, lower = steps(s.pitch[s.melody]), steps(s.pitch[s.bass])
    return [
        *histogram(_SIZE_OF[np.abs(upper)], len(_SIZES)).tolist(),
        *histogram(_SIZE_OF[np.abs(lower)], len(_SIZES)).tolist(),
        *_contours(s),
        *_intervals(upper),
        *_turns(upper),
        *_figures(s, upper),
        *_bass(s, lower),
    ]


def _intervals(move: np.ndarray) -> list[float]:
    size = np.abs(move)
    moving = (size > 0).sum()
    pairs = np.clip(move[:-1], -24, 24) * 64 + np.clip(move[1:], -24, 24)
    return [
        ratio((move > 0).sum(), moving),
        mean((size > 0) & (size <= 2)),
        mean(size >= 5),
        mean(size),
        spread(move),
        entropy_of(move),
        entropy_of(pairs),
        mean(_CHORDAL[size]),
    ]


def _turns(move: np.ndarray) -> list[float]:
    size, sign = np.abs(move), np.sign(move)
    leap, step = size[:-1] >= 5, (size[:-1] > 0) & (size[:-1] <= 2)
    same, back = sign[1:] == sign[:-1], sign[1:] * sign[:-1] < 0
    arcs = sign[sign != 0]
    turns = int((arcs[1:] != arcs[:-1]).sum())
    run = (size > 0) & (size <= 2)
    on = run[1:] & run[:-1] & same
    long = on[2:] & on[1:-1] & on[:-2]
    trill = (move[1:] == -move[:-1]) & step
    return [
        ratio((leap & back).sum(), leap.sum()),
        ratio((step & same).sum(), step.sum()),
        ratio(turns, len(arcs) - 1) if len(arcs) > 1 else 0.0,
        ratio(len(arcs), turns + 1) if len(arcs) else 0.0,
        ratio(size.sum(), turns + 1) if len(arcs) else 0.0,
        mean(long),
        mean(trill),
    ]


def _contours(s: Surface) -> list[float]:
    """Shares of Huron's contour types among stretches of four bars with at least three notes of the upper line."""
    pitch, group = s.pitch[s.melody] - s.pitch[0], s.time_bar[s.line] // _PHRASE
    starts = run_starts(group)
    count = run_lengths(starts, len(pitch))
    first, last = pitch[starts], pitch[starts + count - 1]
    middle = np.where(count > 2, np.add.reduceat(pitch, starts) - first - last, 0) / np.maximum(count - 2, 1)
    rise, fall = _sign(middle - first), _sign(last - middle)
    kind = np.array([1, 7, 3, 8, 4, 6, 2, 5, 0])  # (rise, fall) in -1, 0, 1 row by row
    return histogram(kind[(rise + 1) * 3 + fall + 1][count > 2], len(_SHAPES)).tolist()


def _sign(difference: np.ndarray) -> np.ndarray:
    """-1, 0, 1; less than a semitone counts as level."""
    return (difference >= 1).astype(np.int64) - (difference <= -1)


def _figures(s: Surface, move: np.ndarray) -> list[float]:
    onset = s.onset[s.melody]
    group = s.time_bar[s.line] // _PHRASE
    code = _grams(np.clip(move, -24, 24) + 24, 49)
    gap = np.round(np.minimum(steps(onset) * 24 / s.ticks, 400)).astype(np.int64)
    timed = _grams((np.clip(move, -24, 24) + 24) * 401 + gap, 49 * 401, 3)
    closing = move[np.append(run_starts(group)[1:], len(group)) - 2] if len(move) else move
    return [mean(repeats(code)), mean(repeats(timed)), mean(closing < 0)]


def _grams(values: np.ndarray, base: int, size: int = 4) -> np.ndarray:
    """Codes of ``size`` neighbouring values (each 0 .. base - 1)."""
    length = max(len(values) - size + 1, 0)
    code = np.zeros(length, dtype=np.int64)
    for i in range(size):
        code = code * base + values[i : i + length]
    return code


def _bass(s: Surface, move: np.ndarray) -> list[float]:
    size = np.abs(move)
    onset, pitch = s.onset[s.bass], s.pitch[s.bass]
    beat = s.grid.beat[s.time_bar[s.ground[:-1]]]
    onward = (np.abs(steps(onset) - beat) < beat / 8) & (size > 0) & (size <= 4)
    a, b, c, d = (pitch[i : len(pitch) - 3 + i] if len(pitch) > 3 else pitch[:0] for i in range(4))
    alberti = (b == d) & (a < c) & (c < b)
    broken = (a < b) & (b < c) & (d < c)
    return [
        mean((size > 0) & (size <= 2)),
        mean((size == 5) | (size == 7)),
        entropy(histogram(_SIZE_OF[size], len(_SIZES))),
        mean(onward[1:] & onward[:-1]),
        min(4 * mean(alberti), 1.0),
        min(3 * mean(broken), 1.0),
        mean(size == 0),
        _octaves(s),
    ]


def _octaves(s: Surface) -> float:
    """Share of bass notes that are struck together with their octave."""
    struck = np.sort(s.onset * 256 + s.pitch)
    want = s.onset[s.bass] * 256 + s.pitch[s.bass] + 12
    at = np.minimum(np.searchsorted(struck, want), len(struck) - 1)
    return mean(struck[at] == want)
