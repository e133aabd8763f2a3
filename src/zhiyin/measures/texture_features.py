"""Texture: how many notes and parts sound, how the voices move against each other, who imitates whom.

Voices are the highest and lowest note that sounds, the two highest struck together, and the parts of the score.
"""

from __future__ import annotations

import numpy as np

from zhiyin.measures.descriptor import Descriptor, family, table
from zhiyin.measures.distribution import entropy, histogram, mean, ratio, run_lengths, run_starts, shares, steps
from zhiyin.measures.surface import Surface

_NEAR = 8  # bars within which a repeat in another part is an imitation
_COUNTS = tuple((str(i), f"{i} notes" if i > 1 else "one note" if i else "no note", f"{i} 个音") for i in range(6))
_COUNTS += (("6", "six or more notes", "六个及以上的音"),)
_MOTIONS = (
    ("parallel", "parallel motion", "平行进行"), ("similar", "similar motion", "同向进行"), ("contrary", "contrary motion", "反向进行"),
    ("oblique_upper", "the upper voice alone moving", "仅高音移动"), ("oblique_lower", "the bass alone moving", "仅低音移动"),
)  # fmt: skip
_MOTION = "jSymbolic 2: Similar, Parallel, Contrary, Oblique Motion"

_ABOVE = (
    ("0", "octaves", "八度"), ("1", "minor seconds and ninths", "小二度"), ("2", "major seconds and ninths", "大二度"), ("3", "minor thirds and tenths", "小三度"),
    ("4", "major thirds and tenths", "大三度"), ("5", "fourths", "纯四度"), ("6", "tritones", "三全音"), ("7", "fifths", "纯五度"),
    ("8", "minor sixths", "小六度"), ("9", "major sixths", "大六度"), ("10", "minor sevenths", "小七度"), ("11", "major sevenths", "大七度"),
)  # fmt: skip

TABLE: tuple[Descriptor, ...] = (
    *family("texture", ("sounding", "share", "jSymbolic: Number of Simultaneous Pitches", "time with {} sounding", "同时{}发声的时间占比"), _COUNTS),
    *family("texture", ("struck", "share", "own", "beginnings with {}", "同时{}起音的占比"), _COUNTS[1:]),
    *family("texture", ("motion", "share", _MOTION + ", highest and lowest", "outer voices: {}", "外声部{}占比"), _MOTIONS),
    *family("texture", ("above", "share", "jSymbolic: Wrapped Vertical Interval Histogram, from the lowest note struck", "{} above the lowest note struck with them", "与同起最低音构成{}的音占比"), _ABOVE),
    *table("texture", [
        ("parts", "count", "jSymbolic: Number of Pitched Instruments, parts instead", "parts with pitched notes", "有音高的声部数"),
        ("parts_sounding", "ratio", "jSymbolic: Average Number of Independent Voices", "parts that strike at a beginning, of all", "每次起音参与的声部比例"),
        ("polyphony", "notes", "MusPy polyphony; measures/texture.py", "notes that sound together", "平均同时发声数"),
        ("polyphony_spread", "notes", "jSymbolic: Variability of Number of Simultaneous Pitches", "how much the number of sounding notes changes", "同时发声数的变化"),
        ("polyphony_most", "notes", "jSymbolic: Maximum Number of Independent Voices", "most notes that sound together", "最多同时发声数"),
        ("span", "semitones", "jSymbolic 2: vertical spread", "from lowest to highest sounding note", "最低与最高音的平均距离"),
        ("span_close", "share", "own", "chords within an octave", "八度以内的和弦占比"),
        ("gap_upper", "semitones", "own", "between the two highest notes struck together", "同起最高两音的距离"),
        ("gap_lower", "semitones", "own", "between the two lowest notes struck together", "同起最低两音的距离"),
        ("upper_thirds", "share", "own: two highest struck notes", "parallel thirds of the upper voices", "高声部平行三度占比"),
        ("upper_sixths", "share", "own: two highest struck notes", "parallel sixths of the upper voices", "高声部平行六度占比"),
        ("upper_octaves", "share", "jSymbolic 2: Parallel Octaves; two highest struck notes", "upper voices in octaves", "高声部平行八度占比"),
        ("outer_thirds", "share", "own", "outer voices in parallel thirds or tenths", "外声部平行三度（十度）占比"),
        ("outer_sixths", "share", "own", "outer voices in parallel sixths", "外声部平行六度占比"),
        ("outer_fifths", "share", "jSymbolic 2: Parallel Fifths", "outer voices in parallel fifths", "外声部平行五度占比"),
        ("outer_octaves", "share", "jSymbolic 2: Parallel Octaves", "outer voices in parallel octaves", "外声部平行八度占比"),
        ("octave_doubling", "share", "own", "struck notes doubled at the octave", "八度叠置的音符占比"),
        ("bass_activity", "ratio", "own: bass / (bass + upper line)", "how busy the bass is beside the upper line", "低音与高声部活跃度之比"),
        ("melody_alone", "share", "own", "notes of the upper line struck alone", "高声部单独起音占比"),
        ("melody_lead", "share", "own", "notes that belong to the upper line", "属于高声部的音符占比"),
        ("rhythm_independence", "share", "own: onsets of a part that no other part shares", "parts that strike on their own", "声部节奏独立性"),
        ("part_balance", "bits", "jSymbolic: Voice Equality - Number of Notes", "how evenly the notes are shared among parts", "各声部音数均衡度"),
        ("part_crossings", "share", "jSymbolic 2: Voice Overlap", "struck parts that cross", "声部交叉占比"),
        ("part_range", "semitones", "jSymbolic: Voice Equality - Range", "mean range of the parts", "各声部平均音域"),
        ("part_unisons", "share", "jSymbolic 2: Parallel Motion at the unison", "notes that two parts strike together", "声部齐奏占比"),
        ("imitation", "share", "own: four intervals heard in another part within eight bars", "imitation between parts", "声部间模仿占比"),
        ("imitation_strict", "share", "own: with the same times between onsets", "imitation with the same rhythm", "同节奏模仿占比"),
        ("chords_in_parts", "share", "own", "notes that a part strikes together with others of its own", "声部内和弦音占比"),
    ]),
)  # fmt: skip


def measure(s: Surface) -> list[float]:
    """The values of ``TABLE`` in its order; 0 without pitched notes."""
    if not len(s.pitch):
        return [0.0] * len(TABLE)
    order = np.argsort(s.onset * 128 + s.pitch, kind="stable")
    onset, pitch = s.onset[order], s.pitch[order]
    starts = run_starts(onset)
    count = run_lengths(starts, len(onset))
    outer, motions = _outer_motion(s)
    sounding = s.slices.sounding
    return [
        *histogram(np.minimum(sounding, 6), 7, s.slices.length).tolist(),
        *histogram(np.minimum(count, 6) - 1, 6).tolist(),
        *motions,
        *_above(pitch, starts, count),
        *_amount(s, starts),
        *_spans(s),
        *_upper(pitch, starts, count),
        *outer,
        *_lines(s, onset, pitch, starts, count),
        *_parts(s),
        *_imitation(s),
        _chorded(s),
    ]


def _above(pitch: np.ndarray, starts: np.ndarray, count: np.ndarray) -> list[float]:
    """Intervals, octaves taken off, of struck notes above the lowest struck with them."""
    higher = np.ones(len(pitch), dtype=bool)
    higher[starts] = False
    gap = (pitch - np.repeat(pitch[starts], count))[higher]
    return histogram(gap[gap > 0] % 12, 12).tolist()


def _amount(s: Surface, starts: np.ndarray) -> list[float]:
    sounding, length = s.slices.sounding, s.slices.length
    some = sounding > 0
    sounding, length = sounding[some], length[some]
    average = ratio((sounding * length).sum(), length.sum())
    apart = np.sqrt(ratio(((sounding - average) ** 2 * length).sum(), length.sum()))
    parts = np.count_nonzero(np.bincount(s.part))
    pairs = len(run_starts(s.onset, s.part))
    return [float(parts), ratio(pairs, len(starts) * parts), average, float(apart), float(sounding.max())]


def _spans(s: Surface) -> list[float]:
    slices = s.slices
    several = slices.high > slices.low
    span, length = (slices.high - slices.low)[several], slices.length[several]
    return [ratio((span * length).sum(), length.sum()), ratio(length[span <= 12].sum(), length.sum())]


def _upper(pitch: np.ndarray, starts: np.ndarray, count: np.ndarray) -> list[float]:
    """Gaps of the two highest and the two lowest notes struck together; the upper pair in parallel."""
    two = count >= 2
    first, last = starts[two], (starts + count - 1)[two]
    top, second = pitch[last], pitch[last - 1]
    gap = top - second
    follows = two[1:] & two[:-1]
    index = np.cumsum(two) - 1
    a = index[:-1][follows]
    moved = (top[a + 1] != top[a]) if len(a) else np.zeros(0, dtype=bool)
    out = [mean(gap), mean(pitch[first + 1] - pitch[first])]
    for small, large in ((3, 4), (8, 9), (12, 12)):
        same = (gap >= small) & (gap <= large)
        out.append(mean(same[a] & same[a + 1] & moved))
    return out


def _outer_motion(s: Surface) -> tuple[list[float], list[float]]:
    """Parallel thirds, sixths, fifths, octaves of the outer voices, and shares of the kinds of motion."""
    low, high = s.slices.low, s.slices.high
    both = (high > low) & (low >= 0)
    pair = both[1:] & both[:-1]
    up, down = (high[1:] - high[:-1])[pair], (low[1:] - low[:-1])[pair]
    gap = (high - low)[1:][pair]
    together = (up * down) > 0
    parallel = together & (np.abs(up - down) <= 1)
    alone = [np.count_nonzero(a & ~b) for a, b in ((up != 0, down != 0), (down != 0, up != 0))]
    moves = [np.count_nonzero(parallel), np.count_nonzero(together & ~parallel), np.count_nonzero(up * down < 0)]
    counts = np.array([*moves, *alone])
    before, after = (gap - up + down) % 12, gap % 12
    outer = []
    for low_size, high_size in ((3, 4), (8, 9), (7, 7), (0, 0)):
        same = (before >= low_size) & (before <= high_size) & (after >= low_size) & (after <= high_size)
        outer.append(ratio((same & together).sum(), counts.sum()))
    return outer, shares(counts).tolist()


def _lines(s: Surface, onset: np.ndarray, pitch: np.ndarray, starts: np.ndarray, count: np.ndarray) -> list[float]:
    key = onset * 256 + pitch
    at = np.minimum(np.searchsorted(key, key + 12), len(key) - 1)
    doubled = key[at] == key + 12
    alone = count[s.line] == 1
    return [
        mean(doubled),
        ratio(len(s.bass), len(s.bass) + len(s.melody)),
        mean(alone),
        ratio(len(s.melody), len(s.pitch)),
    ]


def _parts(s: Surface) -> list[float]:
    """Independence of rhythm, balance, crossings, ranges, unisons of the parts; 0 for one part."""
    used = np.flatnonzero(np.bincount(s.part))
    low, high = np.full(used[-1] + 1, 999), np.full(used[-1] + 1, -1)
    np.minimum.at(low, s.part, s.pitch)
    np.maximum.at(high, s.part, s.pitch)
    width = mean((high - low)[used])
    if len(used) < 2:
        return [0.0, 0.0, 0.0, width, 0.0]
    first = run_starts(s.onset, s.part)
    time, lowest = s.onset[first], s.pitch[first]
    same = time[1:] == time[:-1]
    alone = ~_either(same)
    key = np.sort(s.onset * 128 + s.pitch)
    return [
        mean(alone),
        entropy(shares(np.bincount(s.part))),
        ratio((same & (lowest[1:] > lowest[:-1])).sum(), same.sum()),
        width,
        mean(key[1:] == key[:-1]),
    ]


def _imitation(s: Surface) -> list[float]:
    """Share of the places of the parts' top lines where four intervals repeat another part's of at most eight bars before."""
    if s.part.min() == s.part.max():
        return [0.0, 0.0]
    order = np.lexsort((s.pitch, s.onset, s.part))
    part, onset, pitch = s.part[order], s.onset[order], s.pitch[order]
    top = np.append(run_starts(part, onset)[1:], len(part)) - 1
    part, onset, pitch = part[top], onset[top], pitch[top]
    if len(part) < 5:
        return [0.0, 0.0]
    move = np.clip(steps(pitch), -24, 24) + 24
    gap = np.round(np.clip(steps(onset) * 24 / s.ticks, 0, 400)).astype(np.int64)
    whole = part[4:] == part[:-4]
    near = _NEAR * mean(s.grid.whole)
    strict, code = move * 401 + gap, np.zeros(len(move) - 3, dtype=np.int64)
    rhythm = code.copy()
    for i in range(4):
        code = code * 49 + move[i : i + len(code)]
        rhythm = (rhythm * 1_000_003 + strict[i : i + len(code)]) & ((1 << 61) - 1)
    varied = (move[:-3] != 24) | (move[1:-2] != 24) | (move[2:-1] != 24)
    at = np.flatnonzero(whole & varied)
    return [_echoes(c[at], onset[at], part[at], near) for c in (code, rhythm)]


def _echoes(code: np.ndarray, onset: np.ndarray, part: np.ndarray, near: float) -> float:
    order = np.lexsort((onset, code))
    code, onset, part = code[order], onset[order], part[order]
    later = onset[1:] - onset[:-1]
    hit = (code[1:] == code[:-1]) & (part[1:] != part[:-1]) & (later > 0) & (later <= near)
    return ratio(hit.sum(), len(code))


def _chorded(s: Surface) -> float:
    same = (s.onset[1:] == s.onset[:-1]) & (s.part[1:] == s.part[:-1])
    return mean(_either(same))


def _either(same: np.ndarray) -> np.ndarray:
    """Which of n entries belong to one of the n - 1 pairs of neighbours."""
    out = np.zeros(len(same) + 1, dtype=bool)
    out[1:] = same
    out[:-1] |= same
    return out
