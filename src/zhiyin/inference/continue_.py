"""Continue: the given music stays note for note, and new bars follow it in its parts, meter, key and tempo.

The input's last bars are read as if they had been written, then new rows are sampled. New notes are put behind the
untouched input on a tick grid that holds both exactly.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.encoding.fields import CONTROL_COLUMN
from zhiyin.errors import ControlError, InputError
from zhiyin.formats.recorded import music_of
from zhiyin.inference.compose import Options, settings_of, take_seed
from zhiyin.inference.controls import MAX_BARS, Controls, check_controls, find_named
from zhiyin.inference.judge import Verdict, check_pick, choose_or_least
from zhiyin.inference.made import Made, Reworked
from zhiyin.inference.original import check_continued
from zhiyin.inference.past import read_past
from zhiyin.inference.request import Request, make_sampling
from zhiyin.inference.sampler import Sampler, Written, window_of
from zhiyin.measures.playability import Problem, find_problems
from zhiyin.provenance.disclosure import bars_of, disclosed
from zhiyin.provenance.package import STEP, Package, load_package
from zhiyin.provenance.record import make_record
from zhiyin.score import Score
from zhiyin.version import __version__

HARMONIES = ("walk", "plain")


class Continued(Reworked):
    """One continuation."""


class Continuation(Made[Continued]):
    """What ``continue_`` gives: the kept continuations, best first, and the report of the first."""


@dataclass(frozen=True)
class Wish:
    """What is asked of a continuation besides the music: bars, style ("" = none said), how it closes ("" = authentic).

    harmony: how chords are planned: "walk" as people's bars have them, "plain" functional triads (records before 2026-11-25 18:00).
    """

    bars: int = 8
    style: str | None = None
    cadence: str | None = None
    harmony: str = "walk"


def continue_(
    score: Score,
    *,
    bars: int = 8,
    model: str | Path | Package = "default",
    seed: int | None = None,
    style: str | None = None,
    cadence: str | None = None,
    harmony: str = "walk",
    options: Options | None = None,
    sampler: Sampler | None = None,
) -> Continuation:
    """Continues a score by exactly ``bars`` bars; its own notes keep their exact times.

    style: of the model's catalog, if the model should be told one. cadence: how the end closes (authentic by default). harmony: "walk",
    chords planned as people's bars have them, or "plain", functional triads.
    options: takes, candidates and sampling as in ``compose`` (one take of four candidates by default).
    """
    package = model if isinstance(model, Package) else load_package(model)
    if sampler is None:
        package.graph_path(STEP)
    options = options or Options(takes=1, candidates=4)
    check_pick(options.pick)
    seed = secrets.randbelow(2**31) if seed is None else seed
    wish = Wish(bars, style, cadence, harmony)
    further = Further(score, wish, package, options, sampler)
    takes = range(max(options.candidates, options.takes))
    written, scores = further.write(seed, takes)
    verdicts = [Verdict(_new_problems(score, s), w.nats_per_note, 0.0) for s, w in zip(scores, written)]
    kept = choose_or_least([w.rows for w in written], verdicts, options.takes, options.pick)
    key = further.past.key.name
    shared = {
        "seed": seed, "model": package.manifest.get("name"), "model_hash": package.hash, "bars": bars, "key": key,
        "form": "".join(s.letter for s in further.past.sections), "given_notes": len(score.notes), "understood": [], "ignored": [],
        "assumed": [f"key {key}"] + ([] if style else ["no style said to the model"]),
    }  # fmt: skip
    settings = settings_of({**vars(wish), "seed": seed}, options)

    first = int(score.bars["number"][-1]) + 1
    new_bars = bars_of(range(first, first + bars))
    known = dict(zip(kept, check_continued([scores[i] for i in kept], score, style or "", package)))

    def made(i: int) -> Continued:
        record = make_record(
            "continue", __version__, {**settings, "take": i}, model=package.manifest, model_hash=package.hash,
            notes=music_of(scores[i]), inputs=[{"heard": music_of(score).heard["heard"]}],
        )  # fmt: skip
        record = disclosed(record | {"originality": known[i]}, new_bars)
        report = {**shared, **_report(scores[i], written[i], verdicts[i], i), "originality": known[i]}
        return Continued(scores[i], written[i].rows, verdicts[i], report, record)

    pieces = tuple(made(i) for i in kept)
    return Continuation(pieces, {**pieces[0].report, "takes": [dict(p.report) for p in pieces]})


class Further:
    """Writes continuations of one score under one wish. Raises ControlError and InputError for what cannot be."""

    def __init__(
        self, score: Score, wish: Wish, package: Package, options: Options, sampler: Sampler | None = None
    ) -> None:
        if not 1 <= wish.bars <= MAX_BARS:
            raise ControlError("bars out of range", expected=f"1..{MAX_BARS}", received=str(wish.bars))
        if not len(score.notes):
            raise InputError("Nothing to continue", expected="a score with notes", received="0 notes")
        if wish.harmony not in HARMONIES:
            raise ControlError(f"Unknown harmony {wish.harmony!r}", expected=" or ".join(HARMONIES), received=repr(wish.harmony))
        check_controls(Controls(cadence=wish.cadence), (), ())
        self.score, self.window = score, window_of(package)
        self.past = read_past(score, wish.bars, wish.cadence)
        self.controls = self.past.piece.controls.astype(np.int64)
        self.harmony, self.style = wish.harmony, ""
        if wish.style:
            found = find_named("style", wish.style, package.manifest.get("styles", ()))
            self.controls[CONTROL_COLUMN["style"]], self.style = int(found["id"]), str(found["name"])
        self.sampling = make_sampling(package.manifest, options.temperature, options.top_p, options.min_p)
        self.sampler = sampler or Sampler(package)

    def write(self, seed: int, takes: Iterable[int]) -> tuple[list[Written], list[Score]]:
        """The candidates with these numbers, and the whole scores they make."""
        requests = [self._request(take_seed(seed, k)) for k in takes]
        written = self.sampler.sample(requests)
        shift = self.past.shift(self.window)
        return written, [self.past.join(self.score, w.rows, shift) for w in written]

    def _request(self, seed: int) -> Request:
        past = self.past.walked(self.style, seed) if self.harmony == "walk" else self.past
        return past.request(self.controls, self.sampling, seed, self.window)


def with_title(score: Score, source: str) -> Score:
    """A continuation of a piece without a title is named after the file it goes on from."""
    if score.metadata.get("title"):
        return score
    return score.replace(metadata={**score.metadata, "title": f"{Path(source).stem} continued"})


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
