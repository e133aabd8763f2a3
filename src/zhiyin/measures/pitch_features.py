"""Pitch: which degrees of the key sound, how wide the range is, how clear the key, where it goes, how it begins and ends.

Degrees are counted from the tonic that the key finder gives, so that nothing here but the register moves when the piece
is transposed. Shares by time weigh each note with its duration.
"""

from __future__ import annotations

import numpy as np

from zhiyin.measures.descriptor import DEGREES, Descriptor, family, table
from zhiyin.measures.distribution import distinct, entropy, mean, quantile, ratio, run_starts, shares, spread
from zhiyin.measures.key import key_scores
from zhiyin.measures.surface import Surface

_WINDOW = 4  # bars of one passage whose key is looked for
_BANDS = (36, 48, 60, 72, 84)  # pitches at which registers begin
_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 9, 10, 11)

_FOURIER = "Quinn 2006; Amiot 2016; Yust 2019: magnitude of the Fourier coefficient of the pitch-class vector"
_KEY = "Krumhansl & Kessler 1982; Aarden 2003 profiles (measures/key.py)"

TABLE: tuple[Descriptor, ...] = (
    *family("pitch", ("degree", "share", "jSymbolic: Pitch Class Histogram, from the tonic, by time", "time on {}", "{}的时值占比"), DEGREES),
    *family("pitch", ("melody_degree", "share", "jSymbolic: Pitch Class Histogram, highest line, from the tonic", "upper line on {}", "高声部停在{}的时值占比"), DEGREES),
    *family("pitch", ("bass_degree", "share", "jSymbolic: Pitch Class Histogram, lowest line, from the tonic", "bass on {}", "低音停在{}的时值占比"), DEGREES),
    *table("pitch", [
        ("key_clarity", "index", _KEY + ": correlation, and 0.18 where the last bass is the tonic", "how well the pitches fit the key found", "音高与所判调性的吻合程度"),
        ("key_margin", "index", _KEY, "how far the key found is ahead of the next", "所判调性领先次选调性的程度"),
        ("minor_lean", "index", _KEY, "minor rather than major on the same tonic", "同主音下偏向小调的程度"),
        ("mode_minor", "0 or 1", "jSymbolic: Major or Minor", "in minor", "小调"),
        ("diatonic", "share", "Temperley 2007", "notes of the scale, by time", "调内音的时值占比"),
        ("raised_seventh", "share", "own", "leading notes among all sevenths", "导音占七级音的比例"),
        ("minor_third", "share", "own", "minor among all thirds of the key", "小三级音占三级音的比例"),
        ("raised_fourth", "share", "own", "raised among all fourths of the key", "升四级音占四级音的比例"),
        ("pitch_class_entropy", "bits", "Temperley 2007; MusPy pitch_class_entropy", "variety of pitch classes", "音级的多样程度（熵）"),
        ("pitch_classes", "count", "jSymbolic: Number of Common Pitch Classes (≥ 1 % of time)", "pitch classes in use", "使用的音级数"),
        ("top_degree", "share", "jSymbolic: Prevalence of Most Common Pitch Class", "time on the commonest pitch class", "最常用音级的时值占比"),
        ("top_degrees_ratio", "ratio", "jSymbolic: Relative Prevalence of Top Pitch Classes", "second commonest pitch class against the first", "第二常用音级与第一之比"),
        ("pitches", "count", "jSymbolic: Number of Pitches", "different pitches", "不同音高数"),
        ("pitch_entropy", "bits", "MusPy pitch_entropy", "variety of pitches", "音高的多样程度（熵）"),
        ("range", "semitones", "jSymbolic: Range", "range from lowest to highest", "音域"),
        ("range_middle_half", "semitones", "own: interquartile range", "range of the middle half of the notes", "中间一半音符的音域"),
        ("range_melody", "semitones", "jSymbolic: Range, highest line", "range of the upper line", "高声部音域"),
        ("range_bass", "semitones", "jSymbolic: Range, lowest line", "range of the bass", "低音声部音域"),
        ("pitch_spread", "semitones", "jSymbolic: Pitch Variability", "spread of pitches", "音高离散程度"),
        ("pitch_skew", "ratio", "jSymbolic: Pitch Skewness", "pitches lean high (below 0) or low", "音高分布偏度"),
    ]),
    *family("pitch", ("fourier", "index", _FOURIER, "{} of the pitch classes", "音级分布的{}"), [
        ("1", "chromatic clustering", "半音聚集程度"), ("2", "tritone pairing", "三全音成对程度"), ("3", "augmented, hexatonic colour", "增三和弦色彩"),
        ("4", "diminished, octatonic colour", "减七和弦色彩"), ("5", "diatonic colour", "自然音阶色彩"), ("6", "whole-tone colour", "全音阶色彩"),
    ]),
    *table("tonality", [
        ("home_key", "share", _KEY + ", windows of four bars", "passages in the home key", "停留在主调的段落占比"),
        ("minor_passages", "share", _KEY + ", windows of four bars", "passages in a minor key", "小调段落占比"),
        ("local_keys", "count", _KEY + ", windows of four bars", "different keys of passages per 16 passages", "每十六段出现的不同调性数"),
        ("key_changes", "share", _KEY + ", windows of four bars", "passages that change the key", "转调的段落占比"),
        ("key_distance", "fifths", _KEY + ", windows of four bars", "distance of passages from the home key", "段落与主调的平均五度距离"),
        ("dominant_passages", "share", _KEY + ", windows of four bars", "passages on the sharp side of the home key", "偏向属方向的段落占比"),
        ("begins_on_tonic", "0 or 1", "own", "the first bass note is the tonic", "低音以主音开始"),
        ("ends_on_tonic", "0 or 1", "own", "the last bass note is the tonic", "低音以主音结束"),
        ("melody_ends_on_tonic", "0 or 1", "own", "the upper line ends on the tonic", "高声部以主音结束"),
        ("bass_closes_by_fifth", "0 or 1", "own", "the bass closes from dominant to tonic", "低音由属音进行到主音收束"),
        ("last_note", "share", "own", "length of the last chord against the mean note, as x / (1 + x)", "末音相对平均时值的长度"),
    ]),
    *table("register", [
        ("pitch_mean", "MIDI number", "jSymbolic: Mean Pitch", "middle of the pitches", "平均音高"),
        ("pitch_lowest", "MIDI number", "own", "lowest pitch", "最低音"),
        ("pitch_highest", "MIDI number", "own", "highest pitch", "最高音"),
        ("melody_mean", "MIDI number", "jSymbolic: Mean Pitch, highest line", "middle of the upper line", "高声部平均音高"),
        ("bass_mean", "MIDI number", "jSymbolic: Mean Pitch, lowest line", "middle of the bass", "低音声部平均音高"),
    ], moves=True),
    *family("register", ("register", "share", "jSymbolic: Importance of Bass, Middle and High Register, by octave", "notes {}", "音符位于{}的比例"), [
        ("sub_bass", "below C2", "C2 以下"), ("bass", "from C2 to B2", "C2 至 B2"), ("tenor", "from C3 to B3", "C3 至 B3"),
        ("middle", "from C4 to B4", "C4 至 B4"), ("treble", "from C5 to B5", "C5 至 B5"), ("high", "from C6 up", "C6 以上"),
    ], moves=True),
)  # fmt: skip


def measure(s: Surface) -> list[float]:
    """The values of ``TABLE`` in its order; 0 without pitched notes."""
    if not len(s.pitch):
        return [0.0] * len(TABLE)
    time = (s.end - s.onset) / s.ticks
    degrees = shares(np.bincount(s.degree, weights=time, minlength=12))
    line = [_line_degrees(s, time, s.melody), _line_degrees(s, time, s.bass)]
    return [
        *degrees.tolist(),
        *line[0].tolist(),
        *line[1].tolist(),
        *_scale(s, degrees),
        *_range(s),
        *_fourier(degrees),
        *_passages(s),
        *_ends(s, time),
        *_register(s),
    ]


def _line_degrees(s: Surface, time: np.ndarray, line: np.ndarray) -> np.ndarray:
    return shares(np.bincount(s.degree[line], weights=time[line], minlength=12))


def _scale(s: Surface, p: np.ndarray) -> list[float]:
    ordered = np.sort(p)[::-1]
    best = float(s.scores[s.mode, 0])
    others = s.scores.copy()
    others[s.mode, 0] = -2
    return [
        best,
        best - float(others.max()),
        float(s.scores[1, 0] - s.scores[0, 0]),
        float(s.mode),
        float(p[list(_MINOR if s.mode else _MAJOR)].sum()),
        ratio(p[11], p[10] + p[11]),
        ratio(p[3], p[3] + p[4]),
        ratio(p[6], p[5] + p[6]),
        entropy(p),
        float((p >= 0.01).sum()),
        float(ordered[0]),
        ratio(ordered[1], ordered[0]),
    ]


def _range(s: Surface) -> list[float]:
    pitch = np.sort(s.pitch) - int(s.pitch.min())
    counts = shares(np.bincount(pitch))
    size = spread(pitch)
    skew = mean((pitch - mean(pitch)) ** 3) / size**3 if size else 0.0
    lines = [float(np.ptp(s.pitch[line])) for line in (s.melody, s.bass)]
    middle = quantile(pitch, 0.75) - quantile(pitch, 0.25)
    return [float((counts > 0).sum()), entropy(counts), float(pitch[-1]), middle, *lines, size, skew]


def _fourier(p: np.ndarray) -> list[float]:
    return np.abs(np.fft.rfft(p))[1:7].tolist()


def _passages(s: Surface) -> list[float]:
    """Keys of windows of four bars, everything counted from the home tonic."""
    window = s.beat_edges[1] // _WINDOW
    starts = run_starts(window)
    weights = np.add.reduceat(s.beat_weights, starts, axis=0)
    weights = weights[weights.sum(axis=1) > 0]
    if not len(weights):
        return [1.0, float(s.mode), 16.0, 0.0, 0.0, 0.0]
    scores = key_scores(weights.T).transpose(2, 0, 1).reshape(len(weights), 24) + 0.0
    scores[:, 12 * s.mode] += 0.1  # in doubt at home
    mode, tonic = np.divmod(scores.argmax(axis=1), 12)
    fifths = (7 * (tonic + 3 * (mode - s.mode)) + 5) % 12 - 5  # of the signature, from home
    code = mode * 12 + tonic
    return [
        mean(code == 12 * s.mode),
        mean(mode),
        16.0 * distinct(code) / len(code),
        ratio((code[1:] != code[:-1]).sum(), len(code) - 1),
        mean(np.abs(fifths)),
        mean(fifths > 0),
    ]


def _ends(s: Surface, time: np.ndarray) -> list[float]:
    bass, melody = s.degree[s.bass], s.degree[s.melody]
    before = bass[bass != bass[-1]]
    closes = bass[-1] == 0 and len(before) > 0 and before[-1] == 7
    length = ratio(time[s.onset == s.onset[-1]].max(), mean(time))
    return [float(bass[0] == 0), float(bass[-1] == 0), float(melody[-1] == 0), float(closes), length / (1 + length)]


def _register(s: Surface) -> list[float]:
    bands = np.bincount(np.searchsorted(_BANDS, s.pitch, side="right"), minlength=len(_BANDS) + 1)
    lines = [mean(s.pitch[line]) for line in (s.melody, s.bass)]
    return [mean(s.pitch), float(s.pitch.min()), float(s.pitch.max()), *lines, *shares(bands).tolist()]
