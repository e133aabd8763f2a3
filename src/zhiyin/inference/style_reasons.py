"""Why a piece was called what it was called: descriptors in musical words, and the bars that mattered most.

A descriptor is named only where two views agree: its share in the linear score of the answer against the other answers
(weighed by their probabilities), and how much likelier its value is in training pieces of the answer than elsewhere.
Descriptors that say the same (correlated bins of one histogram) are named once per family.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zhiyin.encoding import EncodedPiece
from zhiyin.inference.style_inputs import windows
from zhiyin.inference.style_model import Head, StyleModel, softmax
from zhiyin.measures.descriptors import DESCRIPTORS


@dataclass(frozen=True)
class Reason:
    """One descriptor that spoke: its words, value in the piece and mean over training pieces of the answer, unit, weight (> 0 for)."""

    name: str
    text: str
    value: float
    usual: float
    elsewhere: float
    unit: str
    weight: float

    def said(self) -> str:
        """One line of it: "notes per beat 2.9 (jig 3.0, others 1.8)"."""
        value, usual, other = (_number(v, self.unit) for v in (self.value, self.usual, self.elsewhere))
        return f"{self.text}: {value} (usual here {usual}, elsewhere {other})"


def _number(value: float, unit: str) -> str:
    return f"{100 * value:.0f} %" if unit == "share" else f"{value:.3g}"


def reasons(model: StyleModel, head: Head, x: np.ndarray, answer: int, most: int = 4) -> tuple[list[Reason], list[Reason]]:
    """Descriptors for and against ``answer`` (index of a class) in inputs x (F,), the strongest first."""
    columns = model.hearing.columns
    width = len(columns)
    z = model.standard(x[None])[0]
    p = head.probabilities(z[None])[0]
    others = _others(p, answer)
    linear = (z * (head.weight[:, answer] - head.weight @ others))[:width]
    usual, elsewhere = head.means[:width, answer], (head.means @ others)[:width]
    likely = 0.5 * ((z[:width] - elsewhere) ** 2 - (z[:width] - usual) ** 2)
    agree = np.where(np.sign(linear) == np.sign(likely), np.minimum(np.abs(linear) / np.abs(linear).mean(), np.abs(likely)), 0)
    signed = agree * np.sign(linear)
    order = np.argsort(-np.abs(signed))
    both: tuple[list[Reason], list[Reason]] = ([], [])
    told: set[str] = set()
    for i in order:
        d, side = DESCRIPTORS[columns[i]], both[int(signed[i] < 0)]
        if agree[i] < 0.05 or len(side) >= most or d.source + d.unit + d.group in told:
            continue
        told.add(d.source + d.unit + d.group)
        back = model.mean[i] + model.scale[i] * np.array([usual[i], elsewhere[i]])
        side.append(Reason(d.name, d.text, float(x[i]), float(back[0]), float(back[1]), d.unit, float(signed[i])))
    return both


def _others(p: np.ndarray, answer: int) -> np.ndarray:
    """Weights of the other classes: by probability, and a little of each."""
    others = p + 0.02
    others[answer] = 0
    return others / max(others.sum(), 1e-9)


def bars_that_mattered(model: StyleModel, head: Head, piece: EncodedPiece, answer: int, most: int = 3) -> list[dict[str, float | str]]:
    """Stretches of four bars whose own descriptors speak most for the answer: {"bars": "5-8", "score": log odds against the rest}."""
    found = [(first, last, model.hearing.described(score)) for first, last, score in windows(piece)]
    if len(found) < 2:
        return []
    width = len(model.hearing.columns)
    z = model.standard(np.hstack([np.stack([f[2] for f in found]), np.tile(model.mean[width:], (len(found), 1))]))
    p = softmax(head.scores(z))[:, answer]
    odds = np.log(np.maximum(p, 1e-9) / np.maximum(1 - p, 1e-9))
    best = np.argsort(-odds, kind="stable")[:most]
    return [{"bars": f"{found[i][0]}-{found[i][1]}", "score": round(float(odds[i]), 2)} for i in best]
