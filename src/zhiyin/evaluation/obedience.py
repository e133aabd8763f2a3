"""Does a piece do what was asked? Meter, bars, parts, tempo; key by music21's finder; style by trees trained on other pieces.

The key finder is music21's Krumhansl-Schmuckler with Aarden-Essen weights, which no sampling or ranking uses; its own score on
human pieces whose source states the key is the ceiling. Weighted score: MIREX's (1 exact, 0.5 a fifth off, 0.3 relative, 0.2
parallel).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zhiyin.errors import InputError
from zhiyin.evaluation.excerpts import Excerpt
from zhiyin.evaluation.matched import Pair
from zhiyin.measures.key import tonic_of
from zhiyin.score import Score

MIREX = {"exact": 1.0, "fifth": 0.5, "relative": 0.3, "parallel": 0.2, "other": 0.0}
STATES_KEYS = ("polish-scores", "openscore-lieder", "mutopia-open")  # collections whose files give key and mode
_LEAST = 30  # pieces of a style from which the style classifier knows it

Progress = Callable[[int, int], None]


def heard_key(score: Score) -> tuple[int, int]:
    """(tonic pitch class, mode 0 or 1) by music21's Aarden-Essen finder."""
    try:
        from music21 import analysis, note, stream
    except ImportError as error:
        raise InputError(
            "Obedience in key needs music21", expected="the extra `scores`", received=str(error), hint="pip install 'zhiyin[scores]'"
        ) from error
    part = stream.Part()
    weights = np.bincount(score.notes["pitch"] % 12, weights=score.notes["duration"], minlength=12)
    for pitch, ticks in enumerate(weights):
        if ticks:
            part.append(note.Note(60 + pitch, quarterLength=float(ticks) / score.ticks_per_quarter))
    found = analysis.discrete.AardenEssen().getSolution(part)
    return int(found.tonic.pitchClass), int(found.mode == "minor")


def relation(asked: tuple[int, int], heard: tuple[int, int]) -> str:
    """How a heard key lies to the one asked for: a name of ``MIREX``."""
    (tonic, mode), (other, kind) = asked, heard
    if tonic == other:
        return "exact" if mode == kind else "parallel"
    if mode == kind and (other - tonic) % 12 in (5, 7):
        return "fifth"
    if mode != kind and (other - tonic) % 12 == (9 if mode == 0 else 3):
        return "relative"
    return "other"


def key_named(text: str) -> tuple[int, int]:
    """(tonic, mode) of "D minor"."""
    from zhiyin.inference.controls import find_key

    key = find_key(text)
    return tonic_of(key.fifths, key.mode), key.mode


def key_table(found: Sequence[str]) -> dict[str, Any]:
    """Shares of each relation, the exact share with a 95 % interval, the weighted score."""
    n = max(len(found), 1)
    hits = np.array([MIREX[f] for f in found])
    exact = np.array([f == "exact" for f in found], dtype=float)
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(found), size=(1000, len(found))) if len(found) else np.zeros((1, 0), dtype=int)
    low, high = np.quantile(exact[drawn].mean(1), (0.025, 0.975)) if len(found) else (0.0, 0.0)
    return {
        "n": len(found), "exact": round(float(exact.sum() / n), 4), "exact_95": [round(float(low), 4), round(float(high), 4)],
        "weighted": round(float(hits.sum() / n), 4), "relations": {name: sum(f == name for f in found) for name in MIREX},
    }  # fmt: skip


def measure_keys(pairs: Sequence[Pair], collections: dict[str, str], progress: Progress = lambda done, total: None) -> dict[str, Any]:
    """Key of the composed pieces against the one asked for, and of the human pieces whose file states it. ``collections``: piece -> name."""
    composed: list[str] = []
    human: list[str] = []
    for i, pair in enumerate(pairs):
        if not pair.wish.key or pair.composed is None or not len(pair.composed.rows):
            continue
        asked = key_named(pair.wish.key)
        composed.append(relation(asked, heard_key(pair.composed.score())))
        if collections.get(pair.wish.piece) in STATES_KEYS:
            human.append(relation(asked, heard_key(pair.human.score())))
        progress(i + 1, len(pairs))
    return {"composed": key_table(composed), "human_stated": key_table(human)}


def measure_form(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Shares of composed pieces that keep meter, number of bars, and parts (each one has a note, none is added)."""
    made = [(p.wish, p.human, p.composed) for p in pairs if p.composed is not None]
    n = len(made)
    return {
        "n": n,
        "meter": round(sum(f"{c.meter[0]}/{c.meter[1]}" == w.meter for w, _, c in made) / n, 4),
        "bars": round(sum(c.bars == min(w.bars, h.bars) for w, h, c in made) / n, 4),
        "parts_exact": round(sum(c.programs == w.programs for w, _, c in made) / n, 4),
        "every_part_plays": round(sum(len(np.unique(c.rows[:, 2])) == len(c.programs) for _, _, c in made) / n, 4),
        "every_part_plays_human": round(sum(len(np.unique(h.rows[:, 2])) == len(h.programs) for _, h, _ in made) / n, 4),
    }  # fmt: skip


def measure_style(train: Sequence[tuple[Excerpt, str]], pairs: Sequence[Pair], features: Callable[[Excerpt], np.ndarray]) -> dict[str, Any]:
    """Random trees on descriptors of other pieces: how often they hear the style asked for, beside the human pieces' own score."""
    from sklearn.ensemble import ExtraTreesClassifier

    names, counts = np.unique([s for _, s in train], return_counts=True)
    known = {n for n, c in zip(names, counts) if c >= _LEAST and n}
    chosen = [(e, s) for e, s in train if s in known]
    table = np.stack([features(e) for e, _ in chosen])
    model = ExtraTreesClassifier(300, min_samples_leaf=2, class_weight="balanced", n_jobs=1, random_state=0)
    model.fit(table, [s for _, s in chosen])
    asked = [p for p in pairs if p.wish.style in known and p.composed is not None]
    truth = np.array([p.wish.style for p in asked])
    out: dict[str, Any] = {"styles": len(known), "train_pieces": len(chosen), "n": len(asked)}
    for side in ("human", "composed"):
        likely = model.predict_proba(np.stack([features(getattr(p, side)) for p in asked]))
        order = model.classes_[np.argsort(-likely, axis=1)]
        out[side] = {"top1": round(float((order[:, 0] == truth).mean()), 4), "top3": round(float((order[:, :3] == truth[:, None]).any(1).mean()), 4)}
    return out
