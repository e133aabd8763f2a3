"""Names for pitches: fills spellings that the source does not give, from key and context.

Each note chooses among three names on the line of fifths: that in the window of twelve around its key signature, or
twelve fifths up or down. A small convolution network over the notes (``score.note_network``), fitted on songs by
``tools/fit_spelling.py``, weighs what ``score.spelling_features`` says of each note. Without a key signature, the one
that fits the notes best is assumed, and the network is told so. Knows nothing about files.
"""

from __future__ import annotations

import numpy as np

from zhiyin.score.note_network import shipped
from zhiyin.score.score import UNKNOWN_KEY, UNSPELLED, Score
from zhiyin.score.spelling_features import spelling_features


def spell(score: Score) -> Score:
    """The same score with every pitched note spelled (line of fifths, C = 0); given spellings stay as they are."""
    notes = score.notes
    if not len(notes):
        return score
    drums = score.drums[notes["part"]]
    todo = (notes["spelling"] == UNSPELLED) & ~drums
    if not todo.any():
        return score
    spelled = notes.copy()
    spelled["spelling"][todo] = spellings(score.replace(notes=notes[~drums]))[todo[~drums]]
    return score.replace(notes=spelled)


def spellings(score: Score) -> np.ndarray:
    """Line of fifths of each note, shape (notes,), whatever the score says itself. No drums."""
    key, given = key_of_notes(score)
    scores = shipped("spelling")(spelling_features(score, key, given))
    return windowed(score.notes["pitch"], key) + 12 * (scores.argmax(axis=1) - 1)


def windowed(pitch: np.ndarray, key: np.ndarray) -> np.ndarray:
    """The name of each pitch in the window from four fifths under the key's tonic (major) to seven above, shape (notes,)."""
    return key - 4 + (pitch.astype(int) * 7 - (key - 4)) % 12


def key_of_notes(score: Score) -> tuple[np.ndarray, np.ndarray]:
    """Key signature (fifths) in force at each note and whether it is given, both of shape (notes,).

    Where none is given: the signature that fits all notes best.
    """
    key = score.bars["key"][score.bar_of(score.notes["onset"])].astype(int)
    given = key != UNKNOWN_KEY
    if not given.all():
        key = np.where(given, key, likely_key(score.notes))
    return key, given


def likely_key(notes: np.ndarray) -> int:
    """The signature, -5..6, whose seven names hold most of the sounding time."""
    weight = np.bincount(notes["pitch"].astype(int) * 7 % 12, notes["duration"] + 1.0, minlength=12)
    signatures = np.arange(-5, 7)
    held = [weight[(np.arange(-1, 6) + k) % 12].sum() for k in signatures]
    return int(signatures[int(np.argmax(held))])
