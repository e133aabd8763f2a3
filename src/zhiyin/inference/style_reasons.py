"""Why a piece was called what it was called: descriptors in musical words, and the bars that mattered most.

What each descriptor did is its integrated gradient (Sundararajan et al. 2017) of the answer's score against the other answers, weighed by
their probabilities, on the way from the mean of those others to the piece. It is told only where its value, too, lies on the side that
it spoke for. Descriptors that say the same (bins of one histogram) are told once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zhiyin.encoding import EncodedPiece
from zhiyin.inference.style_inputs import windows
from zhiyin.inference.style_model import Head, StyleModel
from zhiyin.measures.descriptors import DESCRIPTORS

WAY = 16  # steps of the integral
LEAST = 0.01  # of all that was said, below which nothing is told


@dataclass(frozen=True)
class Reason:
    """One descriptor that spoke: its words, value in the piece, means over training pieces of the answer and of the others, unit,
    weight (> 0 for; a share of the score's way from the others to the piece)."""

    name: str
    text: str
    value: float
    usual: float
    elsewhere: float
    unit: str
    weight: float

    def said(self) -> str:
        """One line of it: "bars in compound meter: 100 % (usual here 98 %, elsewhere 12 %)"."""
        value, usual, other = (_number(v, self.unit) for v in (self.value, self.usual, self.elsewhere))
        return f"{self.text}: {value} (usual here {usual}, elsewhere {other})"


def _number(value: float, unit: str) -> str:
    return f"{100 * value:.0f} %" if unit == "share" else f"{value:.3g}"


def reasons(model: StyleModel, head: Head, x: np.ndarray, answer: int, most: int = 4) -> tuple[list[Reason], list[Reason]]:
    """Descriptors for and against ``answer`` (index of a label) in inputs x (F,), the strongest first."""
    columns = model.hearing.columns
    z = model.standard(x[None])[0]
    others = _others(head.probabilities(model.likeness(z[None]))[0], answer)
    usual, elsewhere = head.means[:, answer], head.means @ others
    spoke = _integrated(model, head, elsewhere, z, np.eye(len(others))[answer] - others)
    nearer = (np.abs(z - elsewhere) - np.abs(z - usual))[: len(spoke)]  # > 0: more like the answer
    spoke = np.where(np.sign(spoke) == np.sign(nearer), spoke, 0) / max(float(np.abs(spoke).sum()), 1e-12)
    both: tuple[list[Reason], list[Reason]] = ([], [])
    told: set[str] = set()
    for i in np.argsort(-np.abs(spoke[: len(columns)])):
        d, side = DESCRIPTORS[columns[i]], both[int(spoke[i] < 0)]
        if abs(spoke[i]) < LEAST or len(side) >= most or d.source + d.unit + d.group in told:
            continue
        told.add(d.source + d.unit + d.group)
        back = model.mean[i] + model.scale[i] * np.array([usual[i], elsewhere[i]])
        side.append(Reason(d.name, d.text, float(x[i]), float(back[0]), float(back[1]), d.unit, float(spoke[i])))
    return both


def _integrated(model: StyleModel, head: Head, begin: np.ndarray, end: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """What each input (descriptors and embedding) added to the contrast (C,) of the scores on the straight way from begin to end."""
    lead = model.lead  # profiles of figures have no words
    begin, end = begin[:lead], end[:lead]
    points, pull = model.points[head.rows, :lead], head.weight @ contrast
    way = begin + (np.arange(WAY)[:, None] + 0.5) / WAY * (end - begin)
    like = model.near(way.astype(np.float32))[:, head.rows] * pull
    slope = 2 * model.gamma / lead * (like @ points - like.sum(axis=1)[:, None] * way)
    return np.asarray(slope.mean(axis=0) * (end - begin))


def _others(p: np.ndarray, answer: int) -> np.ndarray:
    """Weights of the other labels: by probability, and a little of each."""
    others = p + 0.02
    others[answer] = 0
    return np.asarray(others / max(others.sum(), 1e-9))


def bars_that_mattered(model: StyleModel, head: Head, piece: EncodedPiece, answer: int, most: int = 3) -> list[dict[str, float | str]]:
    """Stretches of four bars whose own descriptors speak most for the answer: {"bars": "5-8", "score": log odds against the rest}."""
    found = [(first, last, model.hearing.described(score)) for first, last, score in windows(piece)]
    if len(found) < 2:
        return []
    width = len(model.hearing.columns)
    x = np.hstack([np.stack([f[2] for f in found]), np.tile(model.mean[width:], (len(found), 1))])
    p = head.probabilities(model.likeness(model.standard(x)))[:, answer]
    odds = np.log(np.maximum(p, 1e-9) / np.maximum(1 - p, 1e-9))
    best = np.argsort(-odds, kind="stable")[:most]
    return [{"bars": f"{found[i][0]}-{found[i][1]}", "score": round(float(odds[i]), 2)} for i in best]
