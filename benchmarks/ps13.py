"""ps13s1, a published method of pitch spelling, as a baseline: Meredith 2006, "The ps13 Pitch Spelling Algorithm", JNMR 35(2).

In a window of notes around each note, every pitch class votes as a tonic, with its count, for the letter that the note has in
the tonic's chromatic harmonic scale. The method knows no key signature; its letters are relative to the first note's.
"""

from __future__ import annotations

import numpy as np

BEFORE, AFTER = 10, 42  # the window that Meredith found best: notes before, and from the note onwards
_LETTER_OF_INTERVAL = np.array([0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6])  # letters above a tonic for 0..11 semitones
_FIRST_LETTER = np.array([0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 6])  # letter (A = 0) of the first note by semitones above A
_SEMITONES = np.array([0, 2, 3, 5, 7, 8, 10])  # of the letters A..G above A
_FIFTHS = np.array([3, 5, 0, 2, 4, -1, 1])  # of the letters A..G on the line of fifths


def ps13(pitch: np.ndarray) -> np.ndarray:
    """Line of fifths of each note for MIDI pitches (notes,) in order of onset, then pitch."""
    chroma = (pitch.astype(int) - 9) % 12
    tonics, votes = np.arange(12), np.zeros((len(chroma), 7))
    total = np.concatenate([np.zeros((1, 12)), np.eye(12)[chroma].cumsum(axis=0)])
    rows = np.arange(len(chroma))
    counts = total[np.minimum(rows + AFTER, len(chroma))] - total[np.maximum(rows - BEFORE, 0)]
    tonic_letter = (_FIRST_LETTER[chroma[0]] - _LETTER_OF_INTERVAL[(chroma[0] - tonics) % 12]) % 7
    letters = (_LETTER_OF_INTERVAL[(chroma[:, None] - tonics) % 12] + tonic_letter) % 7
    np.add.at(votes, (rows[:, None], letters), counts)
    letter = votes.argmax(axis=1)
    altered = (chroma - _SEMITONES[letter] + 6) % 12 - 6
    return _FIFTHS[letter] + 7 * altered
