"""Meter: which meters, where in bar and beat notes begin, how well they fit the meter, how syncopated they are.

Metrical levels are the bar, its half in bars of four beats, the beat, and three divisions of it (thirds first in compound
meters), weighted 0, -1, -2 … as by Longuet-Higgins & Lee 1984. An upbeat is placed at the end of its bar.
"""

from __future__ import annotations

import numpy as np

from zhiyin.measures.descriptor import Descriptor, family, table
from zhiyin.measures.distribution import correlation, entropy, histogram, mean, ratio
from zhiyin.measures.surface import LEVELS, Surface, beats_in_bar

_LHL = "Longuet-Higgins & Lee 1984, by the weights of Fitch & Rosenfeld 2007"
_GRID = 12  # places of a beat
_PLACES = tuple((str(i + 1), f"{i + 1}/12", f"第{i + 1}/12") for i in range(12))
_METERS = (
    ("duple", "two beats", "二拍子"), ("triple", "three beats", "三拍子"), ("quadruple", "four beats", "四拍子"),
    ("compound", "compound meter (6/8, 9/8, 12/8)", "复拍子（6/8、9/8、12/8）"), ("other", "other meters", "其他拍子"),
)  # fmt: skip
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
    bar = s.bar_of(s.struck)
    place = s.place(s.struck, bar)
    level, weight = _weights(s, place, bar)
    whole = s.levels[0][bar, 0]
    twelfth = np.minimum((place * 12 / whole + 1e-6).astype(np.int64), 11)
    within = np.round(place / s.beat[bar] * _GRID).astype(np.int64) % _GRID
    return [
        *meters,
        *histogram(twelfth, 12).tolist(),
        *histogram(_WITHIN_OF[within], len(_WITHIN)).tolist(),
        *_struck_levels(s),
        *_fit(s, twelfth, level, weight),
        *_syncopations(s),
        *_held(s, place, bar, level),
        entropy(histogram(np.round(place / whole * 48).astype(np.int64) % 48, 48)),
        *_pulse(s),
        *_oompah(s),
    ]


def _meters(s: Surface) -> list[float]:
    bars = s.bars
    beats, numerator = beats_in_bar(bars), bars["meter_numerator"]
    kind = np.select([beats != numerator, beats == 2, beats == 3, beats == 4], [3, 0, 1, 2], 4)
    weights = bars["duration"] / s.ticks
    whole = s.levels[0][:, 0]
    odd = np.abs(bars["duration"] - whole) > s.ticks / 24
    odd[0] &= bars["number"][0] != 0
    code = numerator.astype(np.int64) * 256 + bars["meter_denominator"]
    return [
        *histogram(kind, len(_METERS), weights).tolist(),
        ratio((beats * weights).sum(), weights.sum()),
        ratio((s.beat * weights).sum(), weights.sum() * s.ticks),
        16 * mean(code[1:] != code[:-1]),
        float(bars["number"][0] == 0),
        mean(odd),
    ]


def _weights(s: Surface, place: np.ndarray, bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coarsest level that each place stands on (LEVELS - 1 also for what stands on none) and its weight."""
    lengths, weights = s.levels
    steps = place[:, None] / lengths[bar]
    near = np.abs(steps - np.round(steps)) * lengths[bar] <= s.ticks / 24
    near[:, -1] = True
    level = near.argmax(axis=1)
    return level, weights[bar, level]


def _struck_levels(s: Surface) -> list[float]:
    """Onsets on places of each level against the number of such places in the bars (at most 1)."""
    bar = s.bar_of(s.times)
    level = _weights(s, s.place(s.times, bar), bar)[0]
    lengths, weights = s.levels
    within = s.bars["duration"][:, None] / lengths
    places = np.diff(within, axis=1, prepend=0).sum(axis=0)
    struck = np.bincount(level, minlength=LEVELS)
    return [min(ratio(a, round(b)), 1.0) for a, b in zip(struck.tolist(), places.tolist())]


def _fit(s: Surface, twelfth: np.ndarray, level: np.ndarray, weight: np.ndarray) -> list[float]:
    counts = np.bincount(level, minlength=LEVELS).astype(np.float64)
    line = [mean(_weights(s, s.place(o, b), b)[1]) for o in _lines(s) for b in [s.bar_of(o)]]
    down = ratio(counts[0], len(np.unique(s.struck[level == 0])))
    rest = ratio(counts[1:].sum(), len(np.unique(s.struck[level > 0])))
    return [
        correlation(_struck_rate(s, counts), -np.arange(LEVELS, dtype=np.float64)),
        mean(weight),
        correlation(np.log2(s.struck_end - s.struck), weight),
        *line,
        ratio(down, down + rest),
        mean(level > 2),
    ]


def _struck_rate(s: Surface, counts: np.ndarray) -> np.ndarray:
    within = s.bars["duration"][:, None] / s.levels[0]
    places = np.maximum(np.diff(within, axis=1, prepend=0).sum(axis=0), 1)
    return np.sqrt(counts / places)


def _lines(s: Surface) -> tuple[np.ndarray, np.ndarray]:
    """Onsets of the upper line and of the bass (drums alone: of all, twice)."""
    return s.line, s.onset[s.bass] if len(s.onset) else s.line


def _syncopations(s: Surface) -> list[float]:
    melody, bass = _lines(s)
    upper, share = _syncopation(s, melody)
    return [upper, share, _syncopation(s, s.times)[0], _syncopation(s, bass)[0]]


def _syncopation(s: Surface, onset: np.ndarray) -> tuple[float, float]:
    """Levels per bar and share of notes: a note followed by no onset on a stronger place before the next note begins."""
    if len(onset) < 2:
        return 0.0, 0.0
    begin, stop = onset[:-1], onset[1:]
    bar = s.bar_of(begin)
    place = s.place(begin, bar)
    lengths, weights = s.levels
    weight = _weights(s, place, bar)[1]
    unit, off = lengths[bar], s.ticks / 24
    first, last = place[:, None] + off, (place + np.minimum(stop - begin, 4 * unit[:, 0]))[:, None] - off
    passed = np.floor(last / unit) > np.floor(first / unit)
    strongest = np.where(passed, weights[bar], -9.0).max(axis=1)
    levels = np.maximum(strongest - weight, 0)
    return ratio(levels.sum(), len(s.bars)), mean(levels > 0)


def _held(s: Surface, place: np.ndarray, bar: np.ndarray, level: np.ndarray) -> list[float]:
    length, off = s.struck_end - s.struck, s.ticks / 24
    next_bar = (s.bars["onset"] + s.bars["duration"])[bar]
    beat = s.beat[bar]
    to_beat = beat - place % beat
    return [mean(s.struck_end > next_bar + off), mean((level > 2) & (length > to_beat + off))]


def _pulse(s: Surface) -> list[float]:
    """Correlation of the bars' onset rows with themselves a beat, a bar and two bars later (bars of the commonest length)."""
    bar = s.bar_of(s.struck)
    whole, beats = s.levels[0][:, 0], beats_in_bar(s.bars)
    cell = np.round(s.place(s.struck, bar) * 24 / whole[bar]).astype(np.int64) % 24
    rows = min(len(s.bars), 8192)
    inside = bar < rows
    strength = np.bincount((bar * 24 + cell)[inside], minlength=rows * 24)[: rows * 24].astype(np.float64)
    step = max(round(24 / float(beats[len(beats) // 2])), 1)
    return [correlation(strength[:-lag], strength[lag:]) if len(strength) > lag else 0.0 for lag in (step, 24, 48)]


def _oompah(s: Surface) -> list[float]:
    """Empty downbeats, lowest notes on downbeats, chords on weak beats above the downbeat's bass."""
    struck_bar = s.bar_of(s.times)
    down = s.times - s.bars["onset"][struck_bar] <= s.ticks / 24
    struck = np.zeros(len(s.bars), dtype=bool)
    struck[struck_bar[down]] = True
    first = int(s.bars["number"][0] == 0 and len(s.bars) > 1)
    if not len(s.onset):
        return [mean(~struck[first:]), 0.0, 0.0]
    bar = s.bar_of(s.onset)
    place = s.place(s.onset, bar)
    level = _weights(s, place, bar)[0]
    lowest, ground = np.full(len(s.bars), 999), np.full(len(s.bars), 999)
    np.minimum.at(lowest, bar, s.pitch)
    np.minimum.at(ground, bar[level == 0], s.pitch[level == 0])
    some = lowest < 999
    weak = (level == 1) | (level == 2)
    code = (bar * 4096 + np.round(place / s.beat[bar]).astype(np.int64) % 4096)[weak]
    high = (s.pitch > ground[bar] + 4)[weak]
    starts = np.flatnonzero(np.r_[True, code[1:] != code[:-1]]) if len(code) else np.zeros(0, dtype=np.int64)
    if not len(starts):
        return [mean(~struck[first:]), mean((lowest == ground)[some]), 0.0]
    chord = (np.diff(np.r_[starts, len(code)]) >= 2) & np.logical_and.reduceat(high, starts)
    return [mean(~struck[first:]), mean((lowest == ground)[some]), mean(chord)]
