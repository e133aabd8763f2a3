"""Meter: which meters, where in bar and beat notes begin, how well they fit the meter, how syncopated they are.

Metrical levels and their weights: ``metrical_grid.py``. An upbeat is placed at the end of its bar.
"""

from __future__ import annotations

import numpy as np

from zhiyin.measures.descriptor import Descriptor, family, table
from zhiyin.measures.distribution import correlation, entropy, histogram, mean, ratio, run_lengths, run_starts
from zhiyin.measures.metrical_grid import LEVELS
from zhiyin.measures.surface import MAX_BARS, Surface

_LHL = "Longuet-Higgins & Lee 1984, by the weights of Fitch & Rosenfeld 2007"
_GRID = 12  # places of a beat
_PLACES = tuple((str(i + 1), f"{i + 1}/12", f"第{i + 1}/12") for i in range(12))
_METERS = (
    ("duple", "two beats", "二拍子"), ("triple", "three beats", "三拍子"), ("quadruple", "four beats", "四拍子"),
    ("compound", "compound meter (6/8, 9/8, 12/8)", "复拍子（6/8、9/8、12/8）"), ("other", "other meters", "其他拍子"),
)  # fmt: skip
_KIND_OF = np.array([4, 4, 0, 1, 2, 4])
_WITHIN = (
    ("on", "on the beat", "拍上"), ("half", "on the half beat", "半拍处"), ("third", "on thirds of the beat", "三分之一拍处"),
    ("quarter", "on the odd quarters of the beat", "四分之一拍处"), ("sixth", "on odd sixths of the beat", "六分之一拍处"), ("other", "elsewhere in the beat", "拍内其他位置"),
)  # fmt: skip
_WITHIN_OF = np.array([0, 5, 4, 3, 2, 5, 1, 5, 2, 3, 4, 5])
_LEVEL_WORDS = (
    ("bar", "downbeats", "强拍"), ("half_bar", "middles of bars", "次强拍"), ("beat", "weak beats", "弱拍"),
    ("first", "first divisions of the beat", "拍的一级细分"), ("second", "second divisions of the beat", "拍的二级细分"), ("finer", "finer places", "更细位置"),
)  # fmt: skip
_BAR_HISTOGRAM = "own: onset histogram over twelfths of the bar; Temperley 2007"

TABLE: tuple[Descriptor, ...] = (
    *family("meter", ("meter", "share", "jSymbolic: Simple / Compound / Complex meters, by time", "{}", "{}占比"), _METERS),
    *table("meter", [
        ("beats_per_bar", "beats", "own", "beats in a bar", "每小节拍数"),
        ("beat_unit", "quarters", "own", "length of the beat in quarter notes", "一拍的长度（四分音符）"),
        ("meter_changes", "changes/16 bars", "jSymbolic: Metrical Diversity", "changes of meter", "每十六小节变拍次数"),
        ("upbeat", "0 or 1", "own", "begins with an upbeat", "弱起"),
        ("odd_bars", "share", "own", "bars shorter or longer than their meter", "长度与拍号不符的小节占比"),
    ]),
    *family("meter", ("bar_place", "share", _BAR_HISTOGRAM, "notes begin in the {} of the bar", "音符起于小节{}处的比例"), _PLACES),
    *family("meter", ("beat_place", "share", "own: onset histogram over twelfths of the beat", "notes begin {}", "音符起于{}的比例"), _WITHIN),
    *family("meter", ("level", "ratio", "own: Palmer & Krumhansl 1990 metrical hierarchy", "how often {} are struck", "{}被击打的比例"), _LEVEL_WORDS),
    *table("meter", [
        ("metre_fit", "correlation", "Palmer & Krumhansl 1990", "onsets follow the weights of the meter", "起音与节拍层级的相关度"),
        ("metre_weight", "levels", _LHL, "mean metrical weight of notes", "音符的平均节拍权重"),
        ("metre_weight_long", "correlation", "own", "long notes on strong places", "长音落于强位的程度"),
        ("melody_weight", "levels", _LHL, "mean metrical weight of the upper line", "高声部的平均节拍权重"),
        ("bass_weight", "levels", _LHL, "mean metrical weight of the bass", "低音的平均节拍权重"),
        ("downbeat_notes", "ratio", "own", "notes on a downbeat against other onsets", "强拍与其他起音的音数之比"),
        ("offbeat_notes", "share", "Toussaint 2013: off-beatness, notes between beats", "notes between the beats", "拍间音符占比"),
        ("syncopation", "levels/bar", _LHL, "syncopation of the upper line", "高声部切分强度"),
        ("syncopated_notes", "share", _LHL, "syncopated notes of the upper line", "高声部切分音占比"),
        ("syncopation_all", "levels/bar", _LHL, "syncopation of all parts together", "整体切分强度"),
        ("syncopation_bass", "levels/bar", _LHL, "syncopation of the bass", "低音切分强度"),
        ("held_over_bar", "share", "own", "notes held over a barline", "跨小节延续的音符占比"),
        ("held_over_beat", "share", "own: struck between beats, held past one", "notes struck off the beat and held over it", "拍间起音且跨拍延续的占比"),
        ("place_entropy", "bits", "own", "variety of places in the bar", "小节内位置的多样程度"),
        ("pulse_beat", "correlation", "Brown 1993: autocorrelation of onsets", "onsets repeat after a beat", "起音以拍为周期的自相关"),
        ("pulse_bar", "correlation", "Brown 1993: autocorrelation of onsets", "onsets repeat after a bar", "起音以小节为周期的自相关"),
        ("pulse_two_bars", "correlation", "Brown 1993: autocorrelation of onsets", "onsets repeat after two bars", "起音以两小节为周期的自相关"),
        ("empty_downbeats", "share", "own", "bars that strike nothing on the downbeat", "强拍无起音的小节占比"),
        ("bass_on_downbeat", "share", "own", "bars whose lowest note is on the downbeat", "最低音落在强拍的小节占比"),
        ("afterbeats", "share", "own: oom-pah", "weak beats with chords above the downbeat's bass", "弱拍和弦伴奏（嘭嚓）占比"),
    ]),
)  # fmt: skip


def measure(s: Surface) -> list[float]:
    """The values of ``TABLE`` in its order; meters are those of the bar table, the rest is 0 where nothing is struck."""
    meters = _meters(s)
    if not len(s.struck):
        return meters + [0.0] * (len(TABLE) - len(meters))
    grid, notes = s.grid, np.bincount(s.time_of)  # notes of each time
    part_of_bar = s.time_place / grid.whole[s.time_bar]
    twelfth = np.minimum((part_of_bar * 12 + 1e-6).astype(np.int64), 11)
    within = np.rint(s.time_place / grid.beat[s.time_bar] * _GRID).astype(np.int64) % _GRID
    weight = grid.weights[s.time_bar, s.time_level]
    return [
        *meters,
        *histogram(twelfth, 12, notes).tolist(),
        *histogram(_WITHIN_OF[within], len(_WITHIN), notes).tolist(),
        *_struck_levels(s),
        *_fit(s, notes, weight),
        *_syncopations(s, weight),
        *_held(s),
        entropy(histogram(np.rint(part_of_bar * 48).astype(np.int64) % 48, 48, notes)),
        *_pulse(s),
        *_oompah(s),
    ]


def _meters(s: Surface) -> list[float]:
    grid, numerator = s.grid, s.bars["meter_numerator"].astype(np.int64)
    kind = np.where(grid.beats != numerator, 3, _KIND_OF[np.minimum(grid.beats, 5)])
    total = grid.length.sum()
    odd = np.abs(grid.length - grid.whole)[int(grid.upbeat) :] > s.ticks / 24
    code = numerator * 256 + s.bars["meter_denominator"]
    return [
        *histogram(kind, len(_METERS), grid.length).tolist(),
        ratio((grid.beats * grid.length).sum(), total),
        ratio((grid.beat * grid.length).sum(), total * s.ticks),
        16 * mean(code[1:] != code[:-1]),
        float(grid.upbeat),
        mean(odd),
    ]


def _struck_levels(s: Surface) -> list[float]:
    """Onsets on places of each level against the number of such places in the bars (at most 1)."""
    struck = np.bincount(s.time_level, minlength=LEVELS)
    return [min(ratio(a, round(b)), 1.0) for a, b in zip(struck.tolist(), s.grid.places.tolist())]


def _fit(s: Surface, notes: np.ndarray, weight: np.ndarray) -> list[float]:
    counts = np.bincount(s.time_level, weights=notes, minlength=LEVELS)
    onsets = np.bincount(s.time_level, minlength=LEVELS)
    rate = np.sqrt(counts / np.maximum(s.grid.places, 1))
    down, rest = ratio(counts[0], onsets[0]), ratio(counts[1:].sum(), onsets[1:].sum())
    return [
        correlation(rate, -np.arange(LEVELS, dtype=np.float64)),
        ratio((weight * notes).sum(), len(s.struck)),
        correlation(np.log2((s.struck_end - s.struck) / s.ticks), weight[s.time_of]),
        mean(weight[s.line]),
        mean(weight[s.ground]),
        ratio(down, down + rest),
        ratio(counts[3:].sum(), len(s.struck)),
    ]


def _syncopations(s: Surface, weight: np.ndarray) -> list[float]:
    """Levels per bar and share of notes of the upper line; levels per bar of all onsets and of the bass.

    Syncopated is a note that is followed by no onset on a stronger place before the next note of its line begins.
    """
    lines = (s.line, np.arange(len(s.times)), s.ground)
    begin, after = (np.concatenate([line[i : len(line) - 1 + i] for line in lines]) for i in (0, 1))
    bar, off = s.time_bar[begin], s.ticks / 24
    unit, weights = s.grid.levels[bar], s.grid.weights[bar]
    place = s.time_place[begin]
    length = np.minimum(s.times[after] - s.times[begin], 4 * unit[:, 0])
    passed = np.floor((place + length - off)[:, None] / unit) > np.floor((place + off)[:, None] / unit)
    levels = np.maximum(np.where(passed, weights, -9.0).max(axis=1) - weight[begin], 0)
    edges = np.cumsum([len(line) - 1 for line in lines])[:-1]
    upper, every, bass = np.split(levels, edges)
    bars = len(s.bars)
    return [float(upper.sum()) / bars, mean(upper > 0), float(every.sum()) / bars, float(bass.sum()) / bars]


def _held(s: Surface) -> list[float]:
    bar, off = s.struck_bar, s.ticks / 24
    beat = s.grid.beat[bar]
    to_beat = beat - s.time_place[s.time_of] % beat
    over_bar = s.struck_end > (s.grid.onset + s.grid.length)[bar] + off
    return [mean(over_bar), mean((s.time_level[s.time_of] > 2) & (s.struck_end - s.struck > to_beat + off))]


def _pulse(s: Surface) -> list[float]:
    """Correlation of the notes per 24th of a bar with themselves a beat (of the middle bar), a bar and two bars later."""
    rows = min(len(s.bars), MAX_BARS)
    cell = np.rint(s.time_place * 24 / s.grid.whole[s.time_bar]).astype(np.int64) % 24 + s.time_bar * 24
    strength = np.bincount(cell[s.time_of], minlength=rows * 24)[: rows * 24].astype(np.float64)
    beat = max(round(24 / float(s.grid.beats[len(s.bars) // 2])), 1)
    return [correlation(strength[:-lag], strength[lag:]) if len(strength) > lag else 0.0 for lag in (beat, 24, 48)]


def _oompah(s: Surface) -> list[float]:
    """Empty downbeats, lowest notes on downbeats, chords on weak beats above the downbeat's bass."""
    struck = np.zeros(len(s.bars), dtype=bool)
    struck[s.time_bar[s.times - s.grid.onset[s.time_bar] <= s.ticks / 24]] = True
    empty = mean(~struck[s.grid.first :])
    if not len(s.onset):
        return [empty, 0.0, 0.0]
    bar, level = s.struck_bar, s.time_level[s.time_of]
    starts = run_starts(bar)
    lowest = np.minimum.reduceat(s.pitch, starts)
    on_down = np.minimum.reduceat(np.where(level == 0, s.pitch, 999), starts)
    ground = np.repeat(on_down, run_lengths(starts, len(bar)))
    weak = ((level == 1) | (level == 2)).nonzero()[0]
    if not len(weak):
        return [empty, mean(lowest == on_down), 0.0]
    groups = run_starts(s.time_of[weak])
    chord = np.logical_and.reduceat((s.pitch > ground + 4)[weak], groups) & (run_lengths(groups, len(weak)) >= 2)
    return [empty, mean(lowest == on_down), mean(chord)]
