"""The figures of a scorecard: what is measured of a piece, the same way for any file and for every piece of the reference.

Statistics, descriptors and bar order are the mean over windows of sixteen bars (so that length does not count), faults are
per 100 bars, form is of the whole. Music goes through encode → decode first; velocity, tempo and names are not looked at; playability
is timed at one tempo. Nothing here ranks takes: ``inference/judge.py`` does, by other measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from zhiyin.encoding import EncodedPiece
from zhiyin.errors import InputError
from zhiyin.evaluation.excerpts import Excerpt, excerpt
from zhiyin.evaluation.faults import KINDS, PLAYABILITY, faults, timed
from zhiyin.evaluation.features import BAR_ORDER, features, statistic_columns
from zhiyin.evaluation.form import closed_phrases, ends_on, returning
from zhiyin.measures.descriptors import DESCRIPTORS, style_inputs
from zhiyin.measures.key import find_key
from zhiyin.measures.statistics import STATISTICS
from zhiyin.score import Score

BARS = 16  # of a window
MOST_BARS = 256  # of a piece; what comes later is not looked at
MOST_WINDOWS = 4


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. group: heading that it stands under; text: what it is, for people; unit: as in ``Descriptor``."""

    name: str
    group: str
    text: str
    unit: str


FORM = (
    Figure("final bass is the tonic", "cadence and return", "the last bass note is the tonic", "0 or 1"),
    Figure("phrases that close", "cadence and return", "eight-bar phrases that end at their line", "share"),
    Figure("likeness 8 bars before", "cadence and return", "likest eight bars to the eight before", "cosine"),
    Figure("likeness 16 bars before", "cadence and return", "likest eight bars to those sixteen before", "cosine"),
)


@cache
def figure_table() -> tuple[Figure, ...]:
    """All figures, in the order of ``measure_figures``: statistics, playability, voice leading, form, descriptors, bar order."""
    counted = [Figure(name, "statistics", name.replace("_", " "), "") for name in STATISTICS]
    faulty = [Figure(k, "playability" if k in PLAYABILITY else "voice leading", k, "per 100 bars") for k in KINDS]
    described = [Figure(d.name, d.group, d.text, d.unit) for d in (DESCRIPTORS[i] for i in style_inputs())]
    ordered = [Figure(name, "bar order", name, "") for name in BAR_ORDER]
    return (*counted, *faulty, *FORM, *described, *ordered)


def whole(piece: EncodedPiece, name: str = "") -> Excerpt:
    """An encoded piece as figures are taken of it: without its upbeat, ``MOST_BARS`` bars at most."""
    return excerpt(name, piece.rows, piece.bars, piece.programs, most=MOST_BARS)


def windows_of(part: Excerpt) -> list[Excerpt]:
    """Windows of ``BARS`` bars that cover it (evenly spread, ``MOST_WINDOWS`` at most, so that some may overlap); a short piece is one."""
    if part.bars <= BARS:
        return [part]
    count = min(-(-part.bars // BARS), MOST_WINDOWS)
    places = np.linspace(0, part.bars - BARS, count).round().astype(int)
    return [part.window(int(first), BARS) for first in np.unique(places)]


def measure_figures(part: Excerpt) -> np.ndarray:
    """float32 (len(figure_table()),); nan where a figure is not defined for the piece (form of a short one)."""
    score = timed(part)
    rates = 100 * np.array(list(faults(score).values())) / part.bars
    form = [_ends_on_its_tonic(score), closed_phrases(part), returning(part, 8), returning(part, 16)]
    mean = np.mean([features(w) for w in windows_of(part)], axis=0)
    counted = statistic_columns()
    return np.concatenate([mean[counted], rates, form, np.delete(mean, counted)]).astype(np.float32)


def _ends_on_its_tonic(score: Score) -> float:
    """``ends_on`` for the key that is found in a score; nan where nothing is pitched."""
    try:
        return ends_on(score, find_key(score).tonic)
    except InputError:
        return np.nan
