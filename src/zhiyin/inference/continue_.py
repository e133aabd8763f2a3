"""Continue: the given music stays note for note, and new bars follow it in its parts, meter, key and tempo.

The input's last bars are read as if they had been written, then new rows are sampled. New notes are put behind the
untouched input on a tick grid that holds both exactly.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.encoding.fields import CONTROL_COLUMN
from zhiyin.errors import ControlError, InputError
from zhiyin.inference.compose import Options, take_seed
from zhiyin.inference.controls import MAX_BARS, Controls, check_controls, find_named
from zhiyin.inference.judge import Verdict, choose
from zhiyin.inference.past import read_past
from zhiyin.inference.request import make_sampling
from zhiyin.inference.sampler import Sampler, Written, window_of
from zhiyin.measures.playability import Problem, find_problems
from zhiyin.provenance.package import STEP, Package, load_package
from zhiyin.score import Score


@dataclass(frozen=True)
class Continued:
    """One continuation: the whole score, its new rows, and the report of how it came about."""

    score: Score
    rows: np.ndarray
    verdict: Verdict
    report: Mapping[str, Any]


@dataclass(frozen=True)
class Continuation:
    """What ``continue_`` gives: the kept continuations, best first, and the report of the first."""

    pieces: tuple[Continued, ...]
    report: Mapping[str, Any]

    @property
    def score(self) -> Score:
        """The best continuation: the input and the new bars."""
        return self.pieces[0].score

    @property
    def scores(self) -> tuple[Score, ...]:
        """All kept continuations."""
        return tuple(p.score for p in self.pieces)


def continue_(
    score: Score,
    *,
    bars: int = 8,
    model: str | Path | Package = "default",
    seed: int | None = None,
    style: str | None = None,
    cadence: str | None = None,
    options: Options | None = None,
    sampler: Sampler | None = None,
) -> Continuation:
    """Continues a score by exactly ``bars`` bars; its own notes keep their exact times.

    style: of the model's catalog, if the model should be told one. cadence: how the end closes (authentic by default).
    options: takes, candidates and sampling as in ``compose`` (one take of four candidates by default).
    """
    if not 1 <= bars <= MAX_BARS:
        raise ControlError("bars out of range", expected=f"1..{MAX_BARS}", received=str(bars))
    if not len(score.notes):
        raise InputError("Nothing to continue", expected="a score with notes", received="0 notes")
    check_controls(Controls(cadence=cadence), (), ())
    package = model if isinstance(model, Package) else load_package(model)
    package.graph_path(STEP)
    options = options or Options(takes=1, candidates=4)
    seed = secrets.randbelow(2**31) if seed is None else seed
    window = window_of(package)
    past = read_past(score, bars, cadence)
    controls = past.piece.controls.astype(np.int64)
    if style:
        found = find_named("style", style, package.manifest.get("styles", ()))
        controls[CONTROL_COLUMN["style"]] = int(found["id"])
    sampling = make_sampling(package.manifest, options.temperature, options.top_p, options.min_p)
    takes = range(max(options.candidates, options.takes))
    requests = [past.request(controls, sampling, take_seed(seed, k), window) for k in takes]
    written = (sampler or Sampler(package)).sample(requests)
    shift = past.shift(window)
    scores = [past.join(score, w.rows, shift) for w in written]
    verdicts = [Verdict(_new_problems(score, s), w.nats_per_note, 0.0) for s, w in zip(scores, written)]
    kept = choose([w.rows for w in written], verdicts, options.takes)
    if not kept:
        kept = [min(takes, key=lambda i: len(verdicts[i].problems))]
    shared = {
        "seed": seed, "model": package.manifest.get("name"), "model_hash": package.hash, "bars": bars, "key": past.key.name,
        "form": "".join(s.letter for s in past.sections), "given_notes": len(score.notes), "understood": [], "ignored": [],
        "assumed": [f"key {past.key.name}"] + ([] if style else ["no style said to the model"]),
    }  # fmt: skip
    pieces = tuple(
        Continued(scores[i], written[i].rows, verdicts[i], {**shared, **_report(scores[i], written[i], verdicts[i], i)})
        for i in kept
    )
    return Continuation(pieces, {**pieces[0].report, "takes": [dict(p.report) for p in pieces]})


def _new_problems(before: Score, after: Score) -> tuple[Problem, ...]:
    """Problems of the new bars; those of the given music are its own."""
    last = int(before.bars["number"][-1])
    return tuple(p for p in find_problems(after) if p.bar > last)


def _report(score: Score, written: Written, verdict: Verdict, take: int) -> dict[str, Any]:
    return {
        "take": take, "notes": len(written.rows), "seconds": round(float(score.seconds(score.end)), 2),
        "nats_per_note": round(written.nats_per_note, 4), "ticks_per_quarter": score.ticks_per_quarter,
        "problems": [f"bar {p.bar}: {p.kind}, {p.detail}" for p in verdict.problems],
    }  # fmt: skip
