"""Key finding: which of the 24 major and minor keys a passage is in.

Pitch-class profiles (Krumhansl & Kessler 1982; Temperley 1999; Aarden 2003 as given by Huron; Temperley 2001 from the
Kostka-Payne corpus; Budge 1943 as given by Bellman 2005; Albrecht & Shanahan 2013) are correlated with the sounding time
of the passage; the last bass note and, where the source states one, the key signature settle near ties. Which profile is
right how often: ``benchmarks/key.py``. Nothing here reads files.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from zhiyin.errors import InputError
from zhiyin.score import UNKNOWN_KEY, Score

# One row major, one minor, from the tonic up.
PROFILES = {
    "krumhansl": (
        (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
        (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
    ),
    "temperley": (
        (5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0),
        (5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0),
    ),
    "aarden": (
        (17.77, 0.15, 14.93, 0.16, 19.80, 11.36, 0.29, 22.06, 0.15, 8.15, 0.23, 4.95),
        (18.26, 0.74, 14.05, 16.86, 0.70, 14.44, 0.70, 18.62, 4.57, 1.93, 7.38, 1.76),
    ),
    "kostka-payne": (
        (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400),
        (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330),
    ),
    "bellman-budge": (
        (16.80, 0.86, 12.95, 1.41, 13.49, 11.93, 1.25, 20.28, 1.80, 8.04, 0.62, 10.57),
        (18.16, 0.69, 12.99, 13.34, 1.07, 11.15, 1.38, 21.07, 7.49, 1.53, 0.92, 10.21),
    ),
    "albrecht-shanahan": (
        (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
        (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
    ),
}
PROFILE = "bellman-budge"  # the one most often right where musicians named the key (benchmarks/results/key.json)
FINAL_BASS = 0.18  # added to the correlation of the key whose tonic the last bass note is
SIGNATURE = 0.30  # added to the two keys of a stated key signature

_NAMES = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#")


@dataclass(frozen=True, slots=True)
class Key:
    """A key: tonic pitch class 0..11, mode 0 major or 1 minor, fifths of its signature, score of the match (≤ 1.5)."""

    tonic: int
    mode: int
    fifths: int
    score: float = 0.0

    @property
    def name(self) -> str:
        """As musicians write it: "D minor", "Bb major"."""
        return f"{key_tonic_name(self.fifths, self.mode)} {'minor' if self.mode else 'major'}"


def key_tonic_name(fifths: int, mode: int) -> str:
    """Letter name of the tonic of a signature (fifths -7..7) in a mode (0 major, 1 minor)."""
    return _NAMES[fifths + 7 + (3 if mode == 1 else 0)]


def tonic_of(fifths: int, mode: int) -> int:
    """Pitch class of the tonic of a signature (fifths) in a mode (0 major, 1 minor)."""
    return (fifths * 7 + (9 if mode == 1 else 0)) % 12


def fifths_of(tonic: int, mode: int) -> int:
    """Signature (fifths, -6..6; six stands as F# major, Eb minor) of a tonic pitch class and mode."""
    major = (tonic + (3 if mode == 1 else 0)) % 12
    fifths = (major * 7 + 5) % 12 - 5
    return -6 if fifths == 6 and mode == 1 else fifths


def pitch_class_weights(score: Score, begin: int = 0, end: int | None = None) -> np.ndarray:
    """Sounding time of each pitch class in quarters within [begin, end) ticks, pitched parts only; float (12,)."""
    end = score.end if end is None else end
    drums = score.drums
    notes = score.notes
    pitched = notes[~drums[notes["part"]]] if len(notes) else notes
    low = np.maximum(pitched["onset"], begin)
    high = np.minimum(pitched["onset"] + pitched["duration"], end)
    return (
        np.bincount(pitched["pitch"] % 12, weights=np.maximum(high - low, 0), minlength=12)[:12]
        / score.ticks_per_quarter
    )


def key_scores(weights: np.ndarray, profile: str = PROFILE) -> np.ndarray:
    """Correlation of a pitch-class vector (12,) with each key; float (2, 12): mode x tonic."""
    if profile not in PROFILES:
        raise InputError("Unknown key profile", expected=", ".join(PROFILES), received=repr(profile))
    a = weights - weights.mean()
    return _turned(profile) @ a / (np.linalg.norm(a) or 1.0)


@cache
def _turned(profile: str) -> np.ndarray:
    """The profiles of the 24 keys, each of mean 0 and length 1; float (2, 12, 12): mode x tonic x pitch class."""
    base = np.array(PROFILES[profile])
    turned = np.stack([[np.roll(base[m], t) for t in range(12)] for m in range(2)])
    turned -= turned.mean(axis=2, keepdims=True)
    return turned / np.linalg.norm(turned, axis=2, keepdims=True)


def rank_keys(
    weights: np.ndarray,
    *,
    bass: int | None = None,
    profile: str = PROFILE,
    signature: int | None = None,
    final_bass: float = FINAL_BASS,
) -> tuple[int, int, np.ndarray]:
    """(tonic, mode, scores) of the best key of a pitch-class vector (12,); scores (2, 12) are counted from that tonic.

    bass: the last bass note (``final_bass``: what it adds to the two keys that it is the tonic of); signature: fifths of a stated one. Counted from the bass inside, so that a transposed
    passage gives the same figures to the last bit; of equal keys the first above the bass wins, major before minor.
    """
    base = 0 if bass is None else bass % 12
    scores = key_scores(np.roll(weights, -base), profile)
    if bass is not None:
        scores[:, 0] += final_bass
    if signature is not None:
        for mode in range(2):
            scores[mode, (tonic_of(signature, mode) - base) % 12] += SIGNATURE
    mode, above = divmod(int(scores.argmax()), 12)
    return (above + base) % 12, mode, np.roll(scores, -above, axis=1)


def find_key(
    score: Score,
    *,
    begin: int = 0,
    end: int | None = None,
    profile: str = PROFILE,
    signature: int | None = None,
    final_bass: float = FINAL_BASS,
) -> Key:
    """The key of a passage [begin, end) in ticks. ``signature``: fifths of a stated key signature, weighed in.

    ``final_bass``: what the last bass note adds to the two keys whose tonic it is (0: it does not count).

    Raises InputError when the passage has no pitched notes.
    """
    weights = pitch_class_weights(score, begin, end)
    if weights.sum() == 0:
        raise InputError("No key can be found", expected="pitched notes", received="none in the passage")
    bass = last_bass(score, begin, end)
    tonic, mode, scores = rank_keys(weights, bass=bass, profile=profile, signature=signature, final_bass=final_bass)
    fifths = fifths_of(tonic, mode)
    if signature is not None and (fifths - signature) % 12 == 0:
        fifths = signature
    return Key(tonic, mode, fifths, float(scores[mode, 0]))


def last_bass(score: Score, begin: int = 0, end: int | None = None) -> int | None:
    """Lowest pitch of the last onset in the passage [begin, end) in ticks, pitched parts only."""
    end = score.end if end is None else end
    drums = score.drums
    notes = score.notes[(score.notes["onset"] >= begin) & (score.notes["onset"] < end)]
    notes = notes[~drums[notes["part"]]] if len(notes) else notes
    if not len(notes):
        return None
    last = notes["onset"].max()
    sounding = notes[notes["onset"] + notes["duration"] > last]
    return int(sounding["pitch"].min()) if len(sounding) else int(notes["pitch"][-1])


def with_keys(score: Score) -> Score:
    """The score with the key and mode of every bar filled in where the source gives none.

    A stated signature keeps its fifths and gets a mode (major or its relative minor); regions without a signature
    get the key that is found for them. Regions without pitched notes stay as they are.
    """
    bars = score.bars.copy()
    starts = np.flatnonzero(np.r_[True, (np.diff(bars["key"]) != 0) | (np.diff(bars["mode"]) != 0)])
    for low, high in zip(starts, np.r_[starts[1:], len(bars)]):
        stated, mode = int(bars["key"][low]), int(bars["mode"][low])
        if stated != UNKNOWN_KEY and mode >= 0:
            continue
        begin, end = int(bars["onset"][low]), int(bars["onset"][high - 1] + bars["duration"][high - 1])
        if pitch_class_weights(score, begin, end).sum() == 0:
            continue
        if stated == UNKNOWN_KEY:
            key = find_key(score, begin=begin, end=end)
            bars["key"][low:high], bars["mode"][low:high] = key.fifths, key.mode
        else:
            bars["mode"][low:high] = _mode_of(score, begin, end, stated)
    return score.replace(bars=bars)


def _mode_of(score: Score, begin: int, end: int, fifths: int) -> int:
    """Major or minor of a signature: the better of the two relative keys."""
    scores = key_scores(pitch_class_weights(score, begin, end))
    bass = last_bass(score, begin, end)
    both = [
        scores[m, tonic_of(fifths, m)] + (FINAL_BASS if bass is not None and bass % 12 == tonic_of(fifths, m) else 0)
        for m in (0, 1)
    ]
    return int(both[1] > both[0])
