"""The statistics that papers on generated music report, under their published names (Dong et al. 2020, MusPy).

Each follows MusPy 0.5's definition to the last digit (golden numbers: ``tests/data/muspy.json``, made by
``tools/make_muspy_golden.py``) but for its input: a score of any resolution; drums count where MusPy counts them. A value that
is not defined (no notes, one bar) is nan. Grace notes are left out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from zhiyin.measures.distribution import entropy_of
from zhiyin.score import Score, meter_ticks

_SCALES = {
    "major": np.array([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], dtype=bool),
    "minor": np.array([1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0], dtype=bool),
}


def statistics(score: Score) -> dict[str, float]:
    """All of ``STATISTICS`` of a score by name."""
    return {name: float(measure(score)) for name, measure in STATISTICS.items()}


def n_pitches_used(score: Score) -> float:
    """Number of different pitches."""
    return len(np.unique(_pitched(score)["pitch"]))


def n_pitch_classes_used(score: Score) -> float:
    """Number of different pitch classes."""
    return len(np.unique(_pitched(score)["pitch"] % 12))


def pitch_range(score: Score) -> float:
    """Highest minus lowest pitch in semitones, 0 without notes."""
    pitch = _pitched(score)["pitch"]
    return int(pitch.max()) - int(pitch.min()) if len(pitch) else 0


def pitch_entropy(score: Score) -> float:
    """Entropy of the pitches in bits."""
    return _entropy(_pitched(score)["pitch"])


def pitch_class_entropy(score: Score) -> float:
    """Entropy of the pitch classes in bits."""
    return _entropy(_pitched(score)["pitch"] % 12)


def pitch_in_scale_rate(score: Score, root: int, mode: str) -> float:
    """Share of the notes in a scale; root: pitch class 0..11, mode: "major" or "minor" (natural)."""
    return _share_in_scale(_pitched(score)["pitch"] % 12, root, mode)


def scale_consistency(score: Score) -> float:
    """The largest pitch-in-scale rate of all major and minor scales (Mogren 2016)."""
    tones = _pitched(score)["pitch"] % 12
    return max(_share_in_scale(tones, root, mode) for mode in _SCALES for root in range(12))


def polyphony(score: Score) -> float:
    """Mean number of different pitches that sound while any does."""
    count = _sounding(score)
    return float(count[count > 0].mean()) if (count > 0).any() else np.nan


def polyphony_rate(score: Score, threshold: int = 2) -> float:
    """Share of the time in which more than ``threshold`` pitches sound (MuseGAN's polyphonicity)."""
    count = _sounding(score)
    return float((count > threshold).mean()) if len(count) else np.nan


def empty_beat_rate(score: Score) -> float:
    """Share of the quarters that no note touches (a note touches the one that it ends at the begin of)."""
    return _empty_rate(score, score.ticks_per_quarter)


def empty_measure_rate(score: Score) -> float:
    """Share of the bars that no note touches; one meter, the first bar's, throughout."""
    return _empty_rate(score, _bar_ticks(score))


def groove_consistency(score: Score) -> float:
    """1 less the mean distance of the onset patterns of neighbouring bars (Wu & Yang 2020); one meter throughout.

    Depends on the resolution, as MusPy's does: compare scores of one resolution only (ours: 24 ticks a quarter).
    """
    onset, end = _times(_notes(score))
    length = _bar_ticks(score)
    bars = int(end.max(initial=0)) // length + 1
    if bars < 2:
        return np.nan
    cells = np.unique(onset)
    both = np.isin(cells + length, cells).sum()  # onsets that stand in the next bar too
    inner = (cells // length < bars - 1).sum() + (cells // length > 0).sum()
    return 1 - float(inner - 2 * both) / (length * (bars - 1))


def drum_in_pattern_rate(score: Score, meter: str) -> float:
    """Share of the drum notes on the halves and quarters ("duple") or thirds ("triple") of a quarter note."""
    notes = _notes(score)
    beats = notes[score.drums[notes["part"]]]
    step = score.ticks_per_quarter / (4 if meter == "duple" else 3)
    return float((beats["onset"] % score.ticks_per_quarter % step == 0).mean()) if len(beats) else np.nan


def drum_pattern_consistency(score: Score) -> float:
    """The larger drum-in-pattern rate of duple and triple."""
    return max(drum_in_pattern_rate(score, meter) for meter in ("duple", "triple"))


STATISTICS: dict[str, Callable[[Score], float]] = {
    f.__name__: f
    for f in (
        n_pitches_used, n_pitch_classes_used, pitch_range, pitch_entropy, pitch_class_entropy, scale_consistency, polyphony,
        polyphony_rate, empty_beat_rate, empty_measure_rate, groove_consistency, drum_pattern_consistency,
    )
}  # fmt: skip


def _notes(score: Score) -> np.ndarray:
    return score.notes[~score.notes["grace"]]


def _pitched(score: Score) -> np.ndarray:
    notes = _notes(score)
    return notes[~score.drums[notes["part"]]]


def _times(notes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Onset and end of each note in ticks, int64 (notes,)."""
    onset = notes["onset"].astype(np.int64)
    return onset, onset + notes["duration"]


def _entropy(values: np.ndarray) -> float:
    return entropy_of(values) if len(values) else np.nan


def _share_in_scale(tones: np.ndarray, root: int, mode: str) -> float:
    return float(np.roll(_SCALES[mode], root)[tones].mean()) if len(tones) else np.nan


def _bar_ticks(score: Score) -> int:
    first = score.bars[0]
    return meter_ticks(int(first["meter_numerator"]), int(first["meter_denominator"]), score.ticks_per_quarter)


def _empty_rate(score: Score, length: int) -> float:
    """Share of stretches of ``length`` ticks up to the last note's end that no note touches."""
    onset, end = _times(_notes(score))
    if end.max(initial=0) < 1:
        return np.nan
    first, last = onset // length, end // length
    count = int(last.max()) + 1
    change = np.bincount(first, minlength=count + 1) - np.bincount(last + 1, minlength=count + 1)
    return float((np.cumsum(change)[:count] == 0).mean())


def _sounding(score: Score) -> np.ndarray:
    """Number of different pitches at each tick up to the last note's end (drum notes lengthen it, as in MusPy)."""
    notes = _pitched(score)
    end = int(_times(_notes(score))[1].max(initial=0))
    change = np.zeros(end + 1, dtype=np.int64)
    for pitch in np.unique(notes["pitch"]):
        onset, stop = _times(notes[notes["pitch"] == pitch])
        stop = np.maximum.accumulate(stop)
        before = np.append(-1, stop[:-1])
        begin = np.minimum(np.maximum(onset, before), stop)  # what an earlier note of the pitch covers counts once
        np.add.at(change, begin, 1)
        np.add.at(change, stop, -1)
    return np.cumsum(change)[:end]
