"""Names for pitches: fills spellings that the source does not give, from key and context."""

from __future__ import annotations

import numpy as np

from zhiyin.score.score import UNKNOWN_KEY, UNSPELLED, Score


def spell(score: Score) -> Score:
    """The same score with every pitched note spelled (line of fifths, C = 0)."""
    notes = score.notes.copy()
    if not len(notes):
        return score
    drums = np.array([p.drums for p in score.parts], dtype=bool)[notes["part"]]
    todo = (notes["spelling"] == UNSPELLED) & ~drums
    bar = score.bars[score.bar_of(notes["onset"])]
    key = np.where(bar["key"] == UNKNOWN_KEY, 0, bar["key"]).astype(int)
    low = np.where(bar["mode"] == 1, key - 3, key - 4)
    fifths = notes["pitch"].astype(int) * 7
    notes["spelling"][todo] = (low + (fifths - low) % 12)[todo]
    return score.replace(notes=notes)
