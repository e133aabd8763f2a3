"""The plan of a piece, read off its music: sections, phrases, cadences, chords, one entry a bar.

Training learns from plans derived here; composing writes its own plan into the same columns. Sections come from
repeats and double bars where the source has them, else from eight-bar blocks; two sections share a letter when
their bars agree.
"""

from __future__ import annotations

import numpy as np

from zhiyin.encoding.fields import (
    CADENCES,
    CHORD_QUALITIES,
    LETTERS,
    MAX_PHRASE_LEFT,
    MAX_SECTION_BAR,
    STEPS_PER_QUARTER,
)
from zhiyin.score import UNKNOWN_KEY, Score

SAME_LETTER = 0.55  # mean agreement of aligned bars above which a section returns
_BLOCK = 8

_INTERVALS = ((0, 4, 7), (0, 3, 7), (0, 3, 6), (0, 4, 8), (0, 4, 7, 10), (0, 4, 7, 11), (0, 3, 7, 10))


def derive_plan(score: Score) -> dict[str, np.ndarray]:
    """Columns chord, section, section_bar, phrase_left, cadence of the bar table, each int (bars,). ``score`` is quantized."""
    starts = section_starts(score)
    letters = _letters(score, starts)
    count = len(score.bars)
    bar = np.arange(count)
    section = np.searchsorted(starts, bar, side="right") - 1
    ends = np.r_[starts[1:], count]
    phrase_left = np.minimum(ends[section] - bar, MAX_PHRASE_LEFT)
    return {
        "chord": bar_chords(score),
        "section": 1 + letters[section],
        "section_bar": np.minimum(bar - starts[section] + 1, MAX_SECTION_BAR),
        "phrase_left": phrase_left,
        "cadence": _cadences(score, ends - 1),
    }


def section_starts(score: Score) -> np.ndarray:
    """Rows of the bar table that begin a section: after repeats, endings and double bars, else every eight bars; ≤ 16 bars each."""
    count, first = len(score.bars), int(score.bars["number"][0] == 0)
    onsets = [
        m.onset if m.kind != "ending" else m.end
        for m in score.marks
        if m.kind in ("repeat", "ending", "barline") and (m.end if m.kind == "ending" else m.onset) > 0
    ]
    rows = np.unique(np.searchsorted(score.bars["onset"], onsets)) if onsets else np.array([], dtype=int)
    edges = [0, *(int(r) for r in rows if first + 4 <= r <= count - 4), count]
    starts: list[int] = []
    for low, high in zip(edges[:-1], edges[1:]):
        if high - low < 4 and starts:
            continue
        begin = low + (first if low == 0 else 0)
        blocks = range(begin + _BLOCK, high - 3, _BLOCK)
        starts += [low, *blocks]
    return np.array(starts, dtype=np.int64)


def bar_profile(score: Score) -> np.ndarray:
    """What sounds when in each bar: float (bars, 12 positions x 12 pitch classes), rows of unit length (0 where empty)."""
    bar = score.bar_of(score.notes["onset"])
    within = (score.notes["onset"] - score.bars["onset"][bar]) * 12 // np.maximum(score.bars["duration"][bar], 1)
    cell = np.minimum(within, 11) * 12 + score.notes["pitch"] % 12
    profile = np.zeros((len(score.bars), 144))
    np.add.at(profile, (bar, cell), 1.0)
    profile = np.minimum(profile, 1.0)
    return profile / np.maximum(np.linalg.norm(profile, axis=1, keepdims=True), 1e-9)


def section_similarity(profile: np.ndarray, a: int, b: int, length: int) -> float:
    """Mean cosine of aligned bars of two sections that begin at rows a and b, over ``length`` bars."""
    return float((profile[a : a + length] * profile[b : b + length]).sum(axis=1).mean()) if length else 0.0


def _letters(score: Score, starts: np.ndarray) -> np.ndarray:
    """Letter index of each section: the first earlier section that it agrees with, else the next letter."""
    profile = bar_profile(score)
    lengths = np.diff(np.r_[starts, len(score.bars)])
    letters: list[int] = []
    heads: list[int] = []  # section index of each letter's first appearance
    for i, start in enumerate(starts):
        scores = [
            section_similarity(profile, int(starts[h]), int(start), int(min(lengths[h], lengths[i]))) for h in heads
        ]
        best = int(np.argmax(scores)) if scores else -1
        if best >= 0 and scores[best] >= SAME_LETTER:
            letters.append(best)
        else:
            if len(heads) < len(LETTERS):
                heads.append(i)
            letters.append(len(heads) - 1)
    return np.array(letters, dtype=np.int64)


def _cadences(score: Score, ends: np.ndarray) -> np.ndarray:
    """1 + index into CADENCES per bar: at section ends from the bass of the bar's last onset against the key; 0 if no key is known."""
    out = np.full(len(score.bars), 1 + CADENCES.index("none"))
    for end in ends:
        out[end] = _cadence_at(score, int(end))
    return out


def _cadence_at(score: Score, bar: int) -> int:
    key, mode = int(score.bars["key"][bar]), int(score.bars["mode"][bar])
    if key == UNKNOWN_KEY or mode < 0:
        return 0
    begin = int(score.bars["onset"][bar])
    end = begin + int(score.bars["duration"][bar])
    lo, hi = np.searchsorted(score.notes["onset"], [max(begin - 96, 0), end])
    notes = score.notes[lo:hi]
    drums = score.drums
    notes = notes[~drums[notes["part"]]]
    if not len(notes):
        return 1 + CADENCES.index("other")
    last = int(notes["onset"].max())
    sounding = notes[(notes["onset"] <= last) & (notes["onset"] + notes["duration"] > last)]
    bass = int(sounding["pitch"].min()) % 12
    tonic = (key * 7 + (9 if mode == 1 else 0)) % 12
    kind = {tonic: "authentic", (tonic + 7) % 12: "half"}.get(bass, "other")
    return 1 + CADENCES.index(kind)


def bar_chords(score: Score) -> np.ndarray:
    """Chord class of each bar (int, (bars,)): the triad or seventh that covers most of its sounding time; 1 where none fits."""
    weight = pitch_class_time(score)
    templates = np.zeros((12 * len(CHORD_QUALITIES), 12))
    for root in range(12):
        for q, intervals in enumerate(_INTERVALS):
            templates[root * len(CHORD_QUALITIES) + q, [(root + i) % 12 for i in intervals]] = 1.0
    total = weight.sum(axis=1, keepdims=True)
    inside = weight @ templates.T
    size = templates.sum(axis=1)
    fit = inside - 0.5 * (total - inside) - 0.1 * total * (size - 3)
    fit += 0.1 * np.repeat(weight, len(CHORD_QUALITIES), axis=1)  # the root counts a little more
    best = fit.argmax(axis=1)
    covered = inside[np.arange(len(weight)), best] >= 0.6 * total[:, 0]
    return np.where(covered & (total[:, 0] > 0), 2 + best, 1)


def pitch_class_time(score: Score) -> np.ndarray:
    """Sounding time per bar and pitch class in quarters, float (bars, 12), pitched parts only; a note counts in the bar it begins in."""
    drums = score.drums[score.notes["part"]]
    notes = score.notes[~drums]
    bar = score.bar_of(notes["onset"])
    room = score.bars["onset"][bar] + score.bars["duration"][bar] - notes["onset"]
    out = np.zeros((len(score.bars), 12))
    np.add.at(out, (bar, notes["pitch"] % 12), np.minimum(notes["duration"], np.maximum(room, 1)) / STEPS_PER_QUARTER)
    return out
