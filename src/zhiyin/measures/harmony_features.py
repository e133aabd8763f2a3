"""Harmony: what sounds together, the chords of the beats and how they follow each other, consonance, tonal tension.

Sonorities are the sets of pitch classes that sound between two changes, weighed with their time. Chords of beats are the triad
or seventh that fits the beat's sounding time best; roots are degrees of the key.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from zhiyin.measures.descriptor import DEGREES, Descriptor, family, table
from zhiyin.measures.distribution import (
    distinct,
    entropy_of,
    histogram,
    mean,
    quantile,
    ratio,
    repeats,
    run_starts,
    shares,
    spread,
)
from zhiyin.measures.sonority import CHORDS, KINDS, chord_templates, consonance, interval_classes, kinds, sizes
from zhiyin.measures.surface import Surface
from zhiyin.measures.tension import tensions

_QUALITIES = ("major", "minor", "diminished", "augmented", "dominant_seventh", "major_seventh", "minor_seventh", "half_diminished")
_COVERED = 0.6  # share of a beat's sounding time that its chord must hold
_MOVES = (
    ("1", "a semitone up", "上行小二度"), ("2", "a tone up", "上行大二度"), ("3", "a minor third up", "上行小三度"), ("4", "a major third up", "上行大三度"),
    ("5", "a fourth up (falling fifth)", "上行四度（下行五度）"), ("6", "a tritone", "三全音"), ("7", "a fifth up", "上行五度"), ("8", "a major third down", "下行大三度"),
    ("9", "a minor third down", "下行小三度"), ("10", "a tone down", "下行大二度"), ("11", "a semitone down", "下行小二度"), ("0", "nowhere: another chord on the same root", "不变（同根音换性质）"),
)  # fmt: skip
_FUNCTION_OF = np.array([0, 1, 1, 0, 0, 1, 1, 2, 0, 0, 2, 2])  # tonic 0, subdominant 1, dominant 2 by root
_FUNCTIONS = (("t", "tonic", "主"), ("s", "subdominant", "下属"), ("d", "dominant", "属"))
_STEPS = tuple((f"{a[0]}{b[0]}", f"{a[1]} to {b[1]}", f"{a[2]}到{b[2]}") for a in _FUNCTIONS for b in _FUNCTIONS)
_CLASSES = (
    ("1", "semitones", "小二度"), ("2", "whole tones", "大二度"), ("3", "minor thirds", "小三度"),
    ("4", "major thirds", "大三度"), ("5", "fourths and fifths", "四五度"), ("6", "tritones", "三全音"),
)  # fmt: skip
_KIND_WORDS = tuple((name, words, zh) for name, words, zh in KINDS)
_QUALITY_WORDS = tuple(row for row in _KIND_WORDS if row[0] in _QUALITIES)
_SPIRAL = "Herremans & Chew 2016, spiral array, window of a beat"

TABLE: tuple[Descriptor, ...] = (
    *family("harmony", ("sonority", "share", "jSymbolic: Chord Types Histogram", "{} sound", "{}的时值占比"), _KIND_WORDS),
    *family("harmony", ("interval_class", "share", "jSymbolic: Wrapped Vertical Interval Histogram; Forte 1973", "{} among sounding intervals", "纵向音程中{}占比"), _CLASSES),
    *family("harmony", ("root", "share", "own: roots of the beats' chords", "chords on {}", "以{}为根音的和弦占比"), DEGREES),
    *family("harmony", ("chord", "share", "own: kinds of the beats' chords", "beats with {}", "{}的拍占比"), _QUALITY_WORDS),
    *family("harmony", ("root_moves", "share", "jSymbolic 2 vertical features; Meeus 2000", "roots move {}", "根音{}的占比"), _MOVES),
    *family("harmony", ("function", "share", "Riemann; Kostka & Payne: functions by root", "chords go from {}", "由{}功能的进行占比"), _STEPS),
    *table("harmony", [
        ("no_chord", "share", "own", "beats without a clear chord", "无明确和弦的拍占比"),
        ("chord_changes", "changes/beat", "own: harmonic rhythm", "chord changes per beat", "每拍和弦变换次数"),
        ("chord_changes_on_downbeat", "share", "own: harmonic rhythm", "chord changes that fall on the downbeat", "落在强拍的和弦变换占比"),
        ("chords_per_bar", "chords/bar", "own: harmonic rhythm", "different chords in a bar", "每小节和弦数"),
        ("chord_entropy", "bits", "own", "variety of chords", "和弦的多样程度"),
        ("progression_entropy", "bits", "own", "variety of chord successions", "和弦连接的多样程度"),
        ("progressions_repeated", "share", "own: groups of four chords", "successions of four chords heard before", "重复出现的四和弦连接占比"),
        ("root_position", "share", "jSymbolic 2: chords in root position", "chords in root position", "原位和弦占比"),
        ("first_inversion", "share", "own", "chords with the third in the bass", "第一转位占比"),
        ("second_inversion", "share", "own", "chords with the fifth in the bass", "第二转位占比"),
        ("dominant_tonic", "per 16 bars", "own", "dominant to tonic", "每十六小节属—主进行次数"),
        ("plagal", "per 16 bars", "own", "subdominant to tonic", "每十六小节下属—主进行次数"),
        ("two_five", "per 16 bars", "own", "second degree to dominant", "每十六小节二级—属进行次数"),
        ("deceptive", "per 16 bars", "own", "dominant to the sixth degree", "每十六小节阻碍进行次数"),
        ("applied_dominants", "share", "own: major or seventh chords outside the scale that fall a fifth", "applied dominants", "副属和弦占比"),
        ("foreign_chords", "share", "own", "chords with notes outside the key", "含调外音的和弦占比"),
        ("major_chords", "share", "own", "major among major and minor chords", "大三和弦在大小三和弦中的占比"),
        ("sevenths", "share", "jSymbolic: Seventh chords", "seventh chords", "七和弦占比"),
        ("pedal_bass", "share", "own", "chord changes over a bass that stays", "低音保持时的和弦变换占比"),
        ("consonance", "index", "Huron 1994", "mean consonance of what sounds", "纵向平均协和度"),
        ("consonance_spread", "index", "Huron 1994", "how much the consonance changes", "协和度变化"),
        ("dissonance", "share", "Huron 1994: mean below 0", "time on dissonant sonorities", "不协和音响时值占比"),
        ("dissonance_on_beat", "share", "own", "dissonant sonorities at beats", "拍点上的不协和占比"),
        ("chord_size", "pitch classes", "jSymbolic: Average Number of Simultaneous Pitch Classes", "pitch classes that sound together", "同时发声的音级数"),
        ("chord_size_spread", "pitch classes", "jSymbolic: Variability of Number of Simultaneous Pitch Classes", "how much the number of pitch classes changes", "同时发声音级数的变化"),
        ("other_notes", "share", "own", "sounding time outside the beat's chord", "和弦外音时值占比"),
        ("cloud_diameter", "index", _SPIRAL, "how spread the pitches of a beat are in tonal space", "音云直径（张力）"),
        ("cloud_diameter_spread", "index", _SPIRAL, "how much the spread of a beat's pitches changes", "音云直径变化"),
        ("cloud_diameter_high", "index", _SPIRAL + ", upper tenth", "the spread of a beat's pitches where it is highest", "音云直径高值"),
        ("cloud_momentum", "index", _SPIRAL, "how far the harmony moves from beat to beat", "音云位移（和声运动量）"),
        ("cloud_momentum_spread", "index", _SPIRAL, "how much the movement of the harmony changes", "音云位移变化"),
        ("cloud_momentum_high", "index", _SPIRAL + ", upper tenth", "the movement of the harmony where it is highest", "音云位移高值"),
        ("tensile_strain", "index", _SPIRAL, "how far the harmony is from the key", "与主调中心的距离（张力）"),
        ("tensile_strain_spread", "index", _SPIRAL, "how much the distance from the key changes", "与主调距离的变化"),
        ("tensile_strain_high", "index", _SPIRAL + ", upper tenth", "the distance from the key where it is highest", "与主调距离高值"),
    ]),
)  # fmt: skip


def measure(s: Surface) -> list[float]:
    """The values of ``TABLE`` in its order; 0 without pitched notes."""
    if not len(s.pitch):
        return [0.0] * len(TABLE)
    slices = s.slices
    mask, time = slices.mask, slices.length * (slices.sounding > 0)
    kind, root = kinds()
    weights = s.beat_weights
    sounding = np.flatnonzero(weights.sum(axis=1) > 0)
    chord = beat_chords(weights[sounding])
    pairs = (interval_classes()[mask] * time[:, None]).sum(axis=0)
    return [
        *histogram(kind[mask], len(KINDS), time).tolist(),
        *shares(pairs).tolist(),
        *_chords(s, chord, sounding),
        *_inversions(s, root[mask], time),
        *_progressions(s, chord, sounding),
        *_dissonance(s, mask, time),
        _outside(weights[sounding], chord),
        *_tension(s, weights[sounding]),
    ]


@cache
def _templates() -> tuple[np.ndarray, np.ndarray]:
    """Degrees of each chord, float (12, 12 x qualities), quality by quality within a root; and its number of notes."""
    flat = chord_templates([CHORDS[name] for name in _QUALITIES])
    return np.ascontiguousarray(flat.T), flat.sum(axis=1)


def beat_chords(weights: np.ndarray) -> np.ndarray:
    """Chord of each beat from its sounding time per degree (beats, 12): root * 8 + quality, -1 where none covers 60 % of it."""
    templates, size = _templates()
    total = weights.sum(axis=1, keepdims=True)
    inside = weights @ templates
    fit = 1.5 * inside - 0.1 * total * (size - 3)
    fit.reshape(-1, 12, len(_QUALITIES))[...] += 0.1 * weights[:, :, None]  # the root counts a little more
    best = fit.argmax(axis=1)
    at = np.arange(len(weights))
    some = (weights > 0.05 * total).sum(axis=1) >= 2
    return np.where((inside[at, best] >= _COVERED * total[:, 0]) & some, best, -1)


def _changes(chord: np.ndarray) -> np.ndarray:
    """Indices of beats at which a chord begins that differs from the last clear one."""
    clear = np.flatnonzero(chord >= 0)
    return clear[run_starts(chord[clear])]


def _chords(s: Surface, chord: np.ndarray, beats: np.ndarray) -> list[float]:
    clear = chord[chord >= 0]
    begins = _changes(chord)
    run = chord[begins]
    roots = run // len(_QUALITIES)
    move = (roots[1:] - roots[:-1] - 1) % 12
    step = _FUNCTION_OF[roots[:-1]] * 3 + _FUNCTION_OF[roots[1:]]
    edges, bar = s.beat_edges
    down = np.abs(edges - np.append(s.grid.onset[bar], -1))[beats[begins[1:]]] < 1e-6
    code = np.zeros(max(len(run) - 3, 0), dtype=np.int64)
    for i in range(4):
        code = code * 96 + run[i : i + len(code)]
    different = distinct(bar[beats[chord >= 0]] * 96 + clear)
    return [
        *histogram(clear // len(_QUALITIES), 12).tolist(),
        *histogram(_QUALITY_ORDER[clear % len(_QUALITIES)], len(_QUALITIES)).tolist(),
        *histogram(move, 12).tolist(),
        *histogram(step, 9).tolist(),
        mean(chord < 0),
        ratio(max(len(run) - 1, 0), len(chord)),
        mean(down),
        ratio(different, len(s.bars)),
        entropy_of(clear),
        entropy_of(run[1:] * 96 + run[:-1]),
        mean(repeats(code)),
    ]


_SCALES = np.array([np.isin(np.arange(12), scale) for scale in ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10, 11))])
_QUALITY_ORDER = np.array([[row[0] for row in _QUALITY_WORDS].index(name) for name in _QUALITIES])


def _inversions(s: Surface, root: np.ndarray, time: np.ndarray) -> list[float]:
    """Shares of the time of triads and sevenths with root, third, fifth in the bass."""
    above = (s.slices.low - s.tonic - root) % 12
    weight = np.where(root >= 0, time, 0.0)
    by = shares(np.bincount(above, weights=weight, minlength=12))
    return [float(by[0]), float(by[3] + by[4]), float(by[6] + by[7])]


def _progressions(s: Surface, chord: np.ndarray, beats: np.ndarray) -> list[float]:
    begins = _changes(chord)
    run = chord[begins]
    root, quality = run // len(_QUALITIES), run % len(_QUALITIES)
    a, b = root[:-1], root[1:]
    sixteen = 16 / len(s.bars)
    members_of = _templates()[0].T[run] > 0
    foreign = (members_of & ~_SCALES[s.mode]).any(axis=1)
    bright = (quality == 0) | (quality == 4)
    applied = bright[:-1] & foreign[:-1] & ((b - a) % 12 == 5)
    bass = _beat_bass(s)[beats[begins]]
    return [
        sixteen * float(((a == 7) & (b == 0)).sum()),
        sixteen * float(((a == 5) & (b == 0)).sum()),
        sixteen * float(((a == 2) & (b == 7)).sum()),
        sixteen * float(((a == 7) & ((b == 9) | (b == 8))).sum()),
        mean(applied),
        mean(foreign),
        ratio((quality == 0).sum(), ((quality == 0) | (quality == 1)).sum()),
        mean(quality >= 4),
        mean(bass[1:] == bass[:-1]),
    ]


def _beat_bass(s: Surface) -> np.ndarray:
    """Lowest pitch that sounds when each beat begins (-1 in silence), (beats,)."""
    at = np.searchsorted(s.slices.start, s.beat_edges[0][:-1], side="right") - 1
    return np.where(at >= 0, s.slices.low[np.maximum(at, 0)], -1)


def _dissonance(s: Surface, mask: np.ndarray, time: np.ndarray) -> list[float]:
    together = sizes()[mask] >= 2
    value, weight = consonance()[mask], np.where(together, time, 0.0)
    size = sizes()[mask]
    average = ratio((value * weight).sum(), weight.sum())
    notes = ratio((size * time).sum(), time.sum())
    starts, edges = s.slices.start, s.beat_edges[0][:-1]
    at = np.searchsorted(starts, edges, side="right") - 1
    at = at[at >= 0]
    at = at[together[at]]
    return [
        average,
        ratio((np.abs(value - average) * weight).sum(), weight.sum()),
        ratio(weight[value < 0].sum(), weight.sum()),
        mean(value[at] < 0),
        notes,
        ratio((np.abs(size - notes) * time).sum(), time.sum()),
    ]


def _outside(weights: np.ndarray, chord: np.ndarray) -> float:
    clear = chord >= 0
    held = weights[clear]
    inside = (held * _templates()[0].T[chord[clear]]).sum()
    return max(1.0 - ratio(inside, held.sum()), 0.0) if clear.any() else 0.0


def _tension(s: Surface, weights: np.ndarray) -> list[float]:
    out: list[float] = []
    for series in tensions(weights, s.mode) if len(weights) else (np.zeros(0),) * 3:
        out += [mean(series), spread(series), quantile(np.sort(series), 0.9)]
    return out
