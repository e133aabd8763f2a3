"""Chords of a plan as people's bars have them: a walk through counts of which chord follows which, per style and mode.

States are a root above the tonic and a quality (``CHORD_QUALITIES``), one a bar, as training tables hold them. A style's counts are smoothed by those of
all styles (Dirichlet, ``WEIGHT`` observations). The counts are ``zhiyin/data/chord_walk.npz``, written by ``tools/make_chord_walk.py``; counts
of chord pairs over thousands of pieces, no piece in them. Why not functional triads: ``docs/lab-notebook.md``, 2026-11-25, the plan gives it away.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from zhiyin.encoding.fields import CHORD_QUALITIES, chord_class
from zhiyin.inference.controls import Key
from zhiyin.inference.form import Section

QUALITIES = len(CHORD_QUALITIES)
STATES = 12 * QUALITIES
BEGIN = STATES  # row of a section's first chord
KEPT = 0.9  # of a row's probability: what is rarer is left out (a walk that knows one chord back would not find home again)
WEIGHT = 20.0  # observations that all styles together weigh in a style's row


@dataclass(frozen=True)
class ChordCounts:
    """counts: uint32 (styles, 2 modes, STATES + 1, STATES), how often the column followed the row; the last row: how often it began."""

    styles: tuple[str, ...]
    counts: np.ndarray

    def odds(self, style: str, mode: int) -> np.ndarray:
        """Probability of each next state (column) after each state (row), float (STATES + 1, STATES); a style without counts: all styles'."""
        every = self.counts[:, mode].sum(axis=0) + 1e-3
        every /= every.sum(axis=1, keepdims=True)
        if style not in self.styles:
            return every
        own = self.counts[self.styles.index(style), mode] + WEIGHT * every
        return np.asarray(own / own.sum(axis=1, keepdims=True))


@cache
def shipped_counts() -> ChordCounts:
    """The counts that zhiyin carries."""
    with (files("zhiyin") / "data" / "chord_walk.npz").open("rb") as handle, np.load(handle, allow_pickle=False) as found:
        counts = np.zeros((len(found["styles"]), 2, STATES + 1, STATES))
        counts[tuple(found["places"].astype(np.int64))] = found["counts"]
        return ChordCounts(tuple(str(s) for s in found["styles"]), counts)


@cache
def _odds(style: str, mode: int) -> np.ndarray:
    """The likeliest of each row that together hold ``KEPT`` of it."""
    odds = shipped_counts().odds(style, mode)
    order = np.argsort(-odds, axis=1)
    ahead = np.cumsum(np.take_along_axis(odds, order, axis=1), axis=1) - np.take_along_axis(odds, order, axis=1)
    kept = np.zeros_like(odds, dtype=bool)
    np.put_along_axis(kept, order, ahead < KEPT, axis=1)
    return np.where(kept, odds, 0.0) / np.where(kept, odds, 0.0).sum(axis=1, keepdims=True)


def walk_chords(sections: tuple[Section, ...], key: Key, rng: np.random.Generator, style: str = "", after: int = 0) -> np.ndarray:
    """Chord class of each bar (``encoding.fields.chord_class``), int64 (bars,). The first bar stands on the tonic, so that the key is heard,
    or follows the chord class ``after`` of the bar before; a returning letter has its first harmony again; a section ends on the dominant
    (half cadence) or with dominant and tonic (authentic).
    """
    odds = _odds(style, key.mode)
    out = np.zeros(sections[-1].last + 1, dtype=np.int64)
    heads: dict[str, list[int]] = {}
    for section in sections:
        first = None if heads else _following(odds, key, rng, after)
        if section.letter not in heads:
            heads[section.letter] = _walk(odds, max(section.bars, 2), rng, first)
        states = heads[section.letter]
        states = [*states, *_walk(odds, max(section.bars - len(states), 1), rng)][: section.bars]
        out[section.first : section.last + 1] = [_class(key, s) for s in _closed(states, section.cadence, key.mode, odds, rng)]
    return out


def _following(odds: np.ndarray, key: Key, rng: np.random.Generator, after: int) -> int:
    """A first chord: what follows a chord class, or the tonic where none is known."""
    if after < chord_class(0, CHORD_QUALITIES[0]):
        return _home(odds, key.mode, rng)
    root, quality = divmod(after - chord_class(0, CHORD_QUALITIES[0]), QUALITIES)
    return int(rng.choice(STATES, p=odds[QUALITIES * ((root - key.tonic) % 12) + quality]))


def _home(odds: np.ndarray, mode: int, rng: np.random.Generator) -> int:
    """A first chord on the tonic: its triad, or what else sections begin with on that root."""
    share = odds[BEGIN, :QUALITIES].copy()
    share[_state(0, "minor" if mode else "major")] += 1e-6
    return int(rng.choice(QUALITIES, p=share / share.sum()))


def _walk(odds: np.ndarray, bars: int, rng: np.random.Generator, first: int | None = None) -> list[int]:
    """States of so many bars, from a first one where it is given."""
    out = [] if first is None else [first]
    while len(out) < bars:
        out.append(int(rng.choice(STATES, p=odds[out[-1] if out else BEGIN])))
    return out


def _closed(states: list[int], cadence: str, mode: int, odds: np.ndarray, rng: np.random.Generator) -> list[int]:
    """The same states with their end bent to a cadence."""
    dominant, tonic = _state(7, "major"), _state(0, "minor" if mode else "major")
    if cadence == "half":
        return [*states[:-1], dominant]
    if len(states) < 2:
        return [tonic]
    ways = np.array([dominant, _state(7, "seventh")])
    share = odds[states[-3] if len(states) > 2 else BEGIN, ways] + 1e-6
    return [*states[:-2], int(rng.choice(ways, p=share / share.sum())), tonic]


def _state(degree: int, quality: str) -> int:
    return QUALITIES * degree + CHORD_QUALITIES.index(quality)


def _class(key: Key, state: int) -> int:
    return chord_class((key.tonic + state // QUALITIES) % 12, CHORD_QUALITIES[state % QUALITIES])
