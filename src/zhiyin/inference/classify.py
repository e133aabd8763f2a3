"""The verb classify: which style a piece is in, how sure that is, why, or that it is none of these. No torch, no scikit-learn.

    verdict = classify(score)          # a Score, or anything that zy.load reads
    verdict.style, verdict.answers["style"][0].probability
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.encoding import EncodedPiece
from zhiyin.errors import InputError, ZhiyinError
from zhiyin.formats.catalog import load
from zhiyin.inference.describing import score_files
from zhiyin.inference.style_inputs import Hearing, encoded
from zhiyin.inference.style_model import Head, StyleModel, open_model
from zhiyin.inference.style_reasons import Reason, bars_that_mattered, reasons
from zhiyin.inference.verdict_table import check_table, write_table
from zhiyin.provenance.package import Package
from zhiyin.score import Score

__all__ = ["Answer", "Failure", "Verdict", "check_table", "classify", "classify_files", "score_files", "verdicts", "write_table"]
CHUNK = 32  # files that are read and embedded together
FEW_FILES = 64  # up to so many one process does it

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Answer:
    """A label and its calibrated probability. one_collection: the only collection that the label was learnt from, else ""."""

    label: str
    probability: float
    one_collection: str = ""

    @property
    def marked(self) -> str:
        """The label, with a star where it was learnt from one collection alone."""
        return self.label + "*" * bool(self.one_collection)


@dataclass(frozen=True)
class Verdict:
    """What a piece is taken for. answers: label set -> answers, best first. none: it lies far from all training music, so
    the answers say nothing. distance: over the limit beyond which that is so. Reasons only where they were asked for."""

    answers: dict[str, tuple[Answer, ...]]
    none: bool
    distance: float
    reasons_for: tuple[Reason, ...] = ()
    reasons_against: tuple[Reason, ...] = ()
    bars: tuple[dict[str, Any], ...] = ()

    @property
    def first(self) -> tuple[Answer, ...]:
        """The answers of the first label set."""
        return next(iter(self.answers.values()))

    @property
    def style(self) -> str:
        """The first label set's best answer; "" where it is none of these."""
        return "" if self.none else self.first[0].label

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        told: dict[str, Any] = {
            "none_of_these": self.none, "distance": round(self.distance, 3),
            "answers": {k: [_answer(a) for a in v] for k, v in self.answers.items()},
        }  # fmt: skip
        if self.reasons_for or self.reasons_against or self.bars:
            told |= {"for": _told(self.reasons_for), "against": _told(self.reasons_against), "bars": list(self.bars)}
        return told


def _answer(a: Answer) -> dict[str, Any]:
    told: dict[str, Any] = {"label": a.label, "probability": round(a.probability, 4)}
    return told | ({"one_collection": a.one_collection} if a.one_collection else {})


def _told(found: Sequence[Reason]) -> list[dict[str, Any]]:
    keys = ("name", "text", "unit")
    return [
        {k: getattr(r, k) for k in keys} | {k: round(getattr(r, k), 4) for k in ("value", "usual", "elsewhere", "weight")} for r in found
    ]


@dataclass(frozen=True)
class Failure:
    """A file that could not be classified, and why."""

    path: str
    reason: str


def classify(piece: Any, *, model: str | Path | Package = "style", top: int = 3, explain: bool = True) -> Verdict:
    """Which style a piece is in. ``piece``: a Score, or what ``load`` reads (a path, a symusic or music21 object).

    top: answers per label set. explain: say why (reasons, bars). Raises InputError for fewer than 8 notes, PackageError for a package that does not classify.
    """
    _check_top(top)
    opened = open_model(model)
    rows = encoded(piece if isinstance(piece, Score) else load(piece))
    x = opened.hearing.inputs([rows])
    verdict = verdicts(opened, x, top=top)[0]
    return _explained(opened, verdict, rows, x[0]) if explain else verdict


def verdicts(model: StyleModel, x: np.ndarray, *, top: int = 3) -> list[Verdict]:
    """Verdicts of inputs (N, F), without reasons."""
    z = model.standard(x)
    like, distance = model.likeness(z), model.distance(z)
    found: list[dict[str, tuple[Answer, ...]]] = [{} for _ in x]
    for head in model.heads:
        p = head.probabilities(like)
        order = np.argsort(-p, axis=1)[:, :top]
        for i, best in enumerate(order):
            found[i][head.name] = tuple(Answer(head.classes[k], float(p[i, k]), head.one_collection.get(head.classes[k], "")) for k in best)
    return [Verdict(f, bool(d > 1), float(d)) for f, d in zip(found, distance)]


def _explained(model: StyleModel, verdict: Verdict, rows: EncodedPiece, x: np.ndarray) -> Verdict:
    head: Head = model.heads[0]
    answer = head.classes.index(verdict.answers[head.name][0].label)
    for_, against = reasons(model, head, x, answer)
    bars = bars_that_mattered(model, head, rows, answer)
    return Verdict(verdict.answers, verdict.none, verdict.distance, tuple(for_), tuple(against), tuple(bars))


def _check_top(top: int) -> None:
    if top < 1:
        raise InputError("top out of range", expected="at least 1", received=str(top))


def classify_files(
    files: Iterable[str | Path], *, model: str | Path | Package = "style", top: int = 3, workers: int = 0, progress: Progress | None = None
) -> tuple[dict[str, Verdict], list[Failure]]:
    """Verdicts of many files by path, and the files that failed with the reason; a bad file never stops the others.

    workers: processes (0 = one per core where there are more than 64 files).
    """
    _check_top(top)
    paths = [str(f) for f in files]
    opened = open_model(model)
    cut = [paths[i : i + CHUNK] for i in range(0, len(paths), CHUNK)]
    done, found, failed = 0, dict[str, Verdict](), list[Failure]()
    for good, x, bad in _read(cut, opened.hearing, _workers(workers, len(paths))):
        failed += bad
        if good:
            found |= zip(good, verdicts(opened, x, top=top))
        done += len(good) + len(bad)
        if progress:
            progress(done, len(paths), f"{len(failed)} failed" if failed else "")
    return found, failed


Chunk = tuple[list[str], np.ndarray, list[Failure]]


def _workers(asked: int, files: int) -> int:
    if asked < 0:
        raise InputError("workers out of range", expected="0 or more", received=str(asked))
    return asked or (min(os.cpu_count() or 1, files // FEW_FILES + 1) if files > FEW_FILES else 1)


def _read(cut: Sequence[list[str]], hearing: Hearing, workers: int) -> Iterable[Chunk]:
    if workers < 2 or len(cut) < 2:
        yield from (inputs_of_files(paths, hearing) for paths in cut)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(inputs_of_files, cut, [hearing] * len(cut))


def inputs_of_files(paths: Sequence[str], hearing: Hearing) -> Chunk:
    """(paths that could be read, their inputs (N, F), failures)."""
    good, pieces, failed = list[str](), list[EncodedPiece](), list[Failure]()
    for path in paths:
        try:
            pieces.append(encoded(load(path)))
            good.append(path)
        except Exception as e:  # a file that breaks a library must not cost the batch its other files
            failed.append(_failure(path, e))
    if not pieces:
        return [], np.empty((0, 0)), failed
    try:
        return good, hearing.inputs(pieces), failed
    except Exception as e:
        if len(pieces) == 1:
            return [], np.empty((0, 0)), [*failed, _failure(good[0], e)]
    alone = [inputs_of_files([path], hearing) for path in good]  # one of them cannot be heard: find out which
    heard = [x for _, x, _ in alone if len(x)]
    return [p for g, _, _ in alone for p in g], np.vstack(heard) if heard else np.empty((0, 0)), failed + [f for _, _, bad in alone for f in bad]


def _failure(path: str, error: Exception) -> Failure:
    return Failure(path, str(error) if isinstance(error, ZhiyinError) else f"{type(error).__name__}: {error}")
