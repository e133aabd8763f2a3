"""Form of a piece: does it end on its tonic, do its phrases close, does music come back? Of excerpts, so on any side alike."""

from __future__ import annotations

import numpy as np

from zhiyin.encoding.plan import bar_profile, section_similarity
from zhiyin.evaluation.excerpts import Excerpt
from zhiyin.measures.key import last_bass
from zhiyin.score import Score

PHRASE = 8  # bars


def ends_on(score: Score, tonic: int) -> float:
    """1.0 where the last bass note is the tonic (pitch class), else 0.0; nan without notes."""
    bass = last_bass(score)
    return np.nan if bass is None else float(bass % 12 == tonic)


def closed_phrases(part: Excerpt) -> float:
    """Share of the inner lines between phrases of eight bars over which no note is held; nan for one phrase only."""
    score = part.score()
    edges = score.bars["onset"][PHRASE::PHRASE]
    end = score.notes["onset"].astype(np.int64) + score.notes["duration"]
    held = [((score.notes["onset"] < edge) & (end > edge)).any() for edge in edges]
    return 1 - float(np.mean(held)) if held else np.nan


def returning(part: Excerpt, lag: int) -> float:
    """Likeness (cosine of aligned bars) of the eight-bar stretch that is most like the one ``lag`` bars before it; nan for a short piece."""
    profile = bar_profile(part.score())
    found = [section_similarity(profile, at - lag, at, PHRASE) for at in range(lag, part.bars - PHRASE + 1, PHRASE)]
    return max(found) if found else np.nan
