"""Chords of a score: which chord symbol is in force when, beat by beat.

Each beat's sounding time per pitch class is compared with chord templates; the best path through the beats (Viterbi)
weighs the match against changing, which costs less on a downbeat (after Pardo & Birmingham 2002, "Algorithms for chordal
analysis", and the template HMMs of Papadopoulos & Peeters 2007). Pure functions on a ``Score``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from zhiyin.measures.chord_symbol import KINDS, chord_name
from zhiyin.measures.key import with_keys
from zhiyin.measures.sonority import chord_templates
from zhiyin.measures.surface import Slices, read_surface
from zhiyin.score import UNKNOWN_KEY, Score

RARENESS = {  # kinds and what each costs: incomplete chords are read as the commonest that they may be
    "": 0.0, "m": 0.02, "dim": 0.15, "aug": 0.3, "7": 0.08, "maj7": 0.15, "m7": 0.12, "m7b5": 0.2, "dim7": 0.25, "sus4": 0.15,
}  # fmt: skip
SYMBOLS = tuple(RARENESS)
_CHANGE, _CHANGE_ON_DOWNBEAT = 1.6, 0.6  # what another chord costs, in units of the match
_MATCH = 4.0  # weight of a beat's match
_FOREIGN = 1.3  # what a share of sound outside the chord costs
_ROOT, _BASS = 0.15, 0.2  # what a sounding root, and the root in the bass, add
_NONE = -0.2  # match of "no chord" where something sounds


@dataclass(frozen=True, slots=True)
class ChordAt:
    """A chord in force. onset, end: ticks. symbol: "Dm7/F" or "N.C."; root: pitch class, -1 none; kind: of ``SYMBOLS``."""

    onset: int
    end: int
    symbol: str
    root: int
    kind: str


def find_chords(score: Score) -> tuple[ChordAt, ...]:
    """The chords of a score's pitched parts, each until the next; () for drums alone."""
    drums = score.drums
    if not len(score.notes) or drums[score.notes["part"]].all():
        return ()
    score = with_keys(score)
    surface = read_surface(score.notes, score.bars, drums, score.ticks_per_quarter)
    edges, bar = surface.beat_edges
    weights = np.roll(surface.beat_weights, surface.tonic, axis=1)  # degrees -> pitch classes
    bass = _bass_classes(surface.slices, edges)
    down = np.r_[True, np.diff(bar) > 0]
    path = _best_path(_matches(weights, bass), down)
    out: list[ChordAt] = []
    count = len(SYMBOLS)
    begins = np.flatnonzero(np.r_[True, np.diff(path) != 0])
    for i, end in zip(begins, [*begins[1:], len(path)]):
        onset, until = round(float(edges[i])), round(float(edges[end]))
        if path[i] == 12 * count:
            out.append(ChordAt(onset, until, "N.C.", -1, ""))
            continue
        root, kind = int(path[i]) // count, SYMBOLS[int(path[i]) % count]
        tones = {(root + s) % 12 for s in KINDS[kind]}
        low = int(bass[i]) if int(bass[i]) in tones else root
        fifths = int(score.bars["key"][int(bar[i])])
        name = chord_name(root, kind, low, None if fifths == UNKNOWN_KEY else fifths)
        out.append(ChordAt(onset, until, name, root, kind))
    return tuple(out)


@cache
def _templates() -> tuple[np.ndarray, np.ndarray]:
    """Pitch classes of each chord, float (120, 12), kind by kind within a root; and what it costs, (120,)."""
    return chord_templates([KINDS[kind] for kind in SYMBOLS]), np.tile(list(RARENESS.values()), 12)


def _matches(weights: np.ndarray, bass: np.ndarray) -> np.ndarray:
    """How well each chord, and none, fits each beat. weights: (beats, 12); bass: (beats,), -1 none. float (beats, 121)."""
    templates, rare = _templates()
    total = weights.sum(axis=1, keepdims=True)
    share = weights / np.maximum(total, 1e-9)
    inside = share @ templates.T
    fit = inside - _FOREIGN * (1 - inside) - rare
    roots = np.repeat(np.arange(12), len(SYMBOLS))
    fit += _ROOT * share[:, roots] + _BASS * (bass[:, None] == roots)
    silent = total[:, 0] <= 0
    none = np.where(silent, 0.0, _NONE)
    return _MATCH * np.concatenate([np.where(silent[:, None], 0.0, fit), none[:, None]], axis=1)


def _best_path(matches: np.ndarray, down: np.ndarray) -> np.ndarray:
    """The chord of each beat on the best path, int (beats,)."""
    best, back = matches[0].copy(), np.zeros(matches.shape, dtype=np.int64)
    for i in range(1, len(matches)):
        top = int(best.argmax())
        moved = best[top] - (_CHANGE_ON_DOWNBEAT if down[i] else _CHANGE)
        back[i] = np.where(best >= moved, np.arange(len(best)), top)
        best = np.maximum(best, moved) + matches[i]
    path = np.empty(len(matches), dtype=np.int64)
    path[-1] = int(best.argmax())
    for i in range(len(matches) - 1, 0, -1):
        path[i - 1] = back[i, path[i]]
    return path


def _bass_classes(slices: Slices, edges: np.ndarray) -> np.ndarray:
    """Pitch class of the lowest note that sounds in each beat, -1 where none does."""
    start, length = slices.start, slices.length
    low, some = slices.low, slices.sounding > 0
    out = np.full(len(edges) - 1, -1)
    for i, (a, b) in enumerate(zip(edges[:-1], edges[1:])):
        first, last = np.searchsorted(start, a, side="right") - 1, np.searchsorted(start, b, side="left")
        first = max(int(first), 0)
        inside = np.arange(first, int(last))
        inside = inside[some[inside] & (start[inside] + length[inside] > a)]
        if len(inside):
            out[i] = int(low[inside].min()) % 12
    return out
