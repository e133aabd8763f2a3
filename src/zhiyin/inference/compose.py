"""Compose: from words and controls to finished pieces.

Brief -> plan -> rows -> score: several candidates are written, those that cannot be played are dropped, and the best
ones that differ from each other are kept. Writing files is not done here.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zhiyin.encoding.fields import DRUM_PROGRAM, MAX_PARTS
from zhiyin.errors import ControlError, RecordError
from zhiyin.formats.recorded import music_of
from zhiyin.inference.brief import Brief, make_brief
from zhiyin.inference.chart import lay_chart
from zhiyin.inference.constraints import plain_controls, settle, told, with_ranges, with_registers
from zhiyin.inference.controls import Controls, merge
from zhiyin.inference.finish import finish, seconds_of, steps_of_bar, with_symbols
from zhiyin.inference.guard import Guard, check_limit
from zhiyin.inference.judge import Verdict, check_pick, choose, judge
from zhiyin.inference.made import Made
from zhiyin.inference.masks import cadence_masks
from zhiyin.inference.narrow import Ensemble, due_bass, lay_rhythm, narrow_positions, narrow_to_chart, narrow_to_scale
from zhiyin.inference.original import check_written, open_reference
from zhiyin.inference.plan import Plan, chart_plan, make_plan
from zhiyin.inference.request import Request, Sampling, make_sampling
from zhiyin.inference.sampler import Sampler, Written
from zhiyin.inference.unmet import unmet
from zhiyin.inference.words import Words, parse_words
from zhiyin.measures.playability import KEYBOARDS, find_problems
from zhiyin.provenance.package import STEP, Package, load_package
from zhiyin.provenance.record import make_record
from zhiyin.score import Score
from zhiyin.version import __version__

if TYPE_CHECKING:
    from zhiyin.inference.style_check import StyleCheck

MAX_CANDIDATES = 64
_ALONE = 3  # candidates written one by one until the first that can be kept: each costs half a second
_ROUNDS = 3  # batches of candidates at most, where too few can be played
_OF_RHYTHM = ("empty",)  # bars in which the given rhythm rests are no fault of what is written over it


@dataclass(frozen=True)
class Options:
    """How composing is done. temperature, top_p, min_p: one number or a mapping of row fields; variation: share of each
    return that is written anew; chords: plan a harmony (or not), or a chart of it ("Dm | G7 C/E | C"); original: "p95" or
    "p99": no passage may come closer to the training music than that share of human pieces come to each other; check_style:
    keep only candidates that the package "style" takes for the style asked for; pick: "best" takes, or
    "diverse" ones: as different as can be among the better half."""

    takes: int = 3
    candidates: int = 8
    temperature: float | Mapping[str, float] | None = None
    top_p: float | Mapping[str, float] | None = None
    min_p: float | Mapping[str, float] | None = None
    variation: float = 0.35
    chords: bool | str = True
    original: str | None = None
    check_style: bool | None = None
    pick: str = "best"


@dataclass(frozen=True)
class Piece:
    """One composed piece: its score, its rows and plan, the report of how it came about, and its record."""

    score: Score
    rows: np.ndarray
    plan: Plan
    brief: Brief
    verdict: Verdict
    report: Mapping[str, Any]
    record: Mapping[str, Any] = field(default_factory=dict)


class Composition(Made[Piece]):
    """What ``compose`` gives: the kept pieces, best first after the first, and the report they share."""


def compose(
    words: str = "",
    *,
    model: str | Path | Package = "default",
    options: Options | None = None,
    on_take: Callable[[Piece], None] | None = None,
    sampler: Sampler | None = None,
    take: int | None = None,
    **controls: Any,
) -> Composition:
    """Composes pieces from words, controls (fields of ``Controls``: bars=16, seed=7, style="waltz" …), or nothing.

    ``on_take`` is called with the first piece as soon as it is written; it is among those kept. Options may also be
    given by name (takes=1, temperature=0.9 …). take: only this candidate, whatever it is like.
    """
    options, controls = split_options(options or Options(), controls)
    controls = plain_controls(controls)
    package = model if isinstance(model, Package) else load_package(model)
    if sampler is None:
        package.graph_path(STEP)
    said = read_controls(words, Controls(**controls), package.manifest)
    seed = said.controls.seed if said.controls.seed is not None else secrets.randbelow(2**31)
    guard = Guard(open_reference(package), options.original) if options.original else None
    studio = Studio(sampler or Sampler(package), package.manifest, options, said.controls, guard)
    settings = settings_of({"words": words, **controls, "seed": seed}, options)

    def recorded(piece: Piece) -> Piece:
        """The piece with its record."""
        record = make_record(
            "compose", __version__, {**settings, "take": piece.report["take"]}, model=package.manifest,
            model_hash=package.hash, notes=music_of(piece.score),
        )  # fmt: skip
        return replace(piece, record=record)

    if take is not None:
        pieces = [recorded(studio.take(seed, take))]
    else:
        pieces = [recorded(p) for p in studio.compose(seed, lambda p: on_take(recorded(p)) if on_take else None)]
    shared = {
        "seed": seed, "model": package.manifest.get("name"), "model_hash": package.hash,
        "understood": said.understood, "ignored": said.ignored,
        "assumed": [*said.assumed, *studio.assumed, *pieces[0].brief.assumed], "candidates": studio.counts, "constraints": told(studio.asked), "gave_way": unmet(studio.asked, pieces[0].brief),
    }  # fmt: skip
    known = check_written([(p.score, p.brief.style or "") for p in pieces], package)
    pieces = [
        replace(p, report={**shared, **p.report, "originality": k}, record={**p.record, "originality": k})
        for p, k in zip(pieces, known)
    ]
    return Composition(tuple(pieces), {**pieces[0].report, "takes": [dict(p.report) for p in pieces]})


def read_controls(words: str, flags: Controls, manifest: Mapping[str, Any]) -> Words:
    """Words and flags as one; each flag that is set counts as understood."""
    said = parse_words(words, manifest.get("styles", ()), manifest.get("composers", ()))
    said.controls = merge(said.controls, flags)
    return said


def split_options(options: Options, given: dict[str, Any]) -> tuple[Options, dict[str, Any]]:
    """Keyword arguments sorted into options and controls; ControlError for names that are neither."""
    known = {n: given.pop(n) for n in list(given) if n in Options.__dataclass_fields__ and given[n] is not None}
    unknown = [n for n in given if n not in Controls.__dataclass_fields__]
    if unknown:
        raise ControlError(
            "Unknown control", expected=", ".join(Controls.__dataclass_fields__), received=", ".join(unknown)
        )
    options = replace(options, **known)
    for name, high in (("takes", MAX_CANDIDATES), ("candidates", MAX_CANDIDATES)):
        if not 1 <= getattr(options, name) <= high:
            raise ControlError(f"{name} out of range", expected=f"1..{high}", received=str(getattr(options, name)))
    check_pick(options.pick)
    if not 0 <= options.variation <= 1:
        raise ControlError("variation out of range", expected="0..1", received=f"{options.variation:g}")
    if options.original is not None:
        check_limit(options.original)
    if isinstance(given.get("parts"), str):
        given["parts"] = tuple(p for p in given["parts"].split(",") if p.strip())
    for name in ("parts", "ranges", "mood", "tempo_range"):
        if given.get(name) is not None:
            given[name] = (given[name],) if isinstance(given[name], str) else tuple(given[name])
    return replace(options, candidates=max(options.candidates, options.takes)), {
        k: v for k, v in given.items() if v is not None
    }


def settings_of(given: Mapping[str, Any], options: Options) -> dict[str, Any]:
    """All that determines a piece as a record writes it: what was given and every option that is set."""
    chosen = {name: value for name, value in vars(options).items() if value is not None}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in {**given, **chosen}.items()}


class Studio:
    """Writes candidates of one wish and keeps the best. ``counts``: how many were written, unplayable, kept (and agreed)."""

    def __init__(
        self,
        sampler: Sampler,
        manifest: Mapping[str, Any],
        options: Options,
        controls: Controls,
        guard: Guard | None = None,
    ) -> None:
        self.guard = guard
        self.sampler, self.manifest, self.options = sampler, manifest, options
        self.controls, self.asked, self.assumed = settle(controls, options.chords)
        self.sampling: Sampling = make_sampling(manifest, options.temperature, options.top_p, options.min_p)
        self.pieces: list[Piece] = []
        self.counts = {"written": 0, "unplayable": 0, "kept": 0}
        if guard:
            self.counts |= {"went_back": 0, "too_close": 0}
        self.check: StyleCheck | None = None
        if options.check_style:
            from zhiyin.inference.style_check import (
                StyleCheck,  # describes music: 60 ms that composing alone need not wait for
            )

            self.check = StyleCheck(make_brief(self.controls, manifest, 0).style)

    def compose(self, seed: int, on_take: Callable[[Piece], None] | None = None) -> list[Piece]:
        """The kept pieces. First candidates are written alone, until one can be kept, so that it is heard early."""
        options = self.options
        alone = min(_ALONE, options.candidates) if options.takes > 1 else 1
        good = False
        for take in range(alone):
            self._write(seed, [take])
            good = bool(self.pieces) and self.pieces[-1].verdict.good
            if good:
                break
        alone = self.counts["written"]
        heard = self.pieces and (options.candidates == 1 or (good and options.takes > 1))
        kept = [len(self.pieces) - 1] if heard else []
        if kept and on_take:
            on_take(self.pieces[kept[0]])
        told = bool(kept)
        for turn in range(_ROUNDS):
            first = self.counts["written"]
            wanted = options.candidates - (alone if turn == 0 else 0)
            if wanted and (turn == 0 or len(kept) < options.takes):
                self._write(seed, list(range(first, first + wanted)))
            kept = choose([p.rows for p in self.pieces], [p.verdict for p in self.pieces], options.takes, kept, options.pick)
            if len(kept) >= options.takes:
                break
        if not self.pieces and self.guard:
            raise self.guard.failure(self.counts)
        if not kept:  # nothing can be played or is agreed as it stands: the one with the fewest problems, of these the nearest to the style
            kept = [min(range(len(self.pieces)), key=self._faults)]
        if on_take and not told:
            on_take(self.pieces[kept[0]])
        self.counts |= {
            "unplayable": sum(not p.verdict.playable for p in self.pieces),
            "kept": len(kept),
        }
        if self.check:
            self.counts["agreed"] = sum(p.verdict.agreed for p in self.pieces)
        return [self.pieces[i] for i in kept]

    def _faults(self, i: int) -> tuple[int, float]:
        piece = self.pieces[i]
        return len(piece.verdict.problems), -float(piece.report.get("style_check", {}).get("probability", 0))

    def take(self, seed: int, number: int) -> Piece:
        """One candidate by its number, written alone: the same notes as among the others."""
        self._write(seed, [number])
        if not self.pieces:
            raise RecordError(
                "The piece cannot be made again",
                expected="a take that the guard lets pass, as when it was made",
                received=f"take {number} of seed {seed} comes too close to the index",
                hint="another index or onnxruntime was used then",
            )
        return self.pieces[-1]

    def _write(self, seed: int, takes: list[int]) -> None:
        briefs = [self._brief(seed, take) for take in takes]
        plans = [self._plan(b) for b in briefs]
        requests = [self._request(b, p) for b, p in zip(briefs, plans)]
        for take, brief, plan, written in zip(takes, briefs, plans, self._sample(requests, briefs)):
            piece = make_piece(brief, plan, written, take=take, excused=_OF_RHYTHM if self.asked.rhythm else ()) if written else None
            if piece and self.asked.chart:
                piece = replace(piece, score=with_symbols(piece.score, lay_chart(self.asked.chart, plan.bars), brief))
            if piece and not (self.guard and self.guard.objects(piece.score, brief.style or "")):
                self.pieces.append(checked(piece, self.check) if self.check else piece)
        self.counts["written"] += len(takes)
        if self.guard:
            self.counts["too_close"] = self.counts["written"] - len(self.pieces)

    def _sample(self, requests: Sequence[Request], briefs: Sequence[Brief]) -> Sequence[Written | None]:
        """What was written; None for a take that the guard gave up."""
        if self.guard is None:
            return self.sampler.sample(requests)
        found = self.guard.sample(self.sampler.session, requests, [b.style or "" for b in briefs])
        self.counts["went_back"] += sum(g.backups for g in found)
        return [g.written if g.clean else None for g in found]

    def _brief(self, seed: int, take: int) -> Brief:
        """All takes share what the first one assumed; title, harmony, returns and notes have the take's own seed."""
        first = self._ranged(make_brief(self.controls, self.manifest, seed))
        if take == 0:
            return first
        own = make_brief(self.controls, self.manifest, take_seed(seed, take))
        return replace(first, seed=own.seed, title=self.controls.title or own.title)

    def _ranged(self, brief: Brief) -> Brief:
        parts = with_registers(brief.parts, self.asked.rhythm)
        return replace(brief, parts=with_ranges(parts, brief.names, self.asked.ranges))

    def _plan(self, brief: Brief) -> Plan:
        """The plan of a brief: under a rhythm nothing is copied, under a chart only bars with the same chords are."""
        plan = make_plan(brief, variation=self.options.variation, chords=bool(self.options.chords))
        if self.asked.rhythm:
            return replace(plan, source=np.full_like(plan.source, -1))
        return chart_plan(plan, self.asked.chart) if self.asked.chart else plan

    def _request(self, brief: Brief, plan: Plan) -> Request:
        """What the sampler is asked: masks narrowed to what must hold, places of a rhythm."""
        chart = lay_chart(self.asked.chart, plan.bars) if self.asked.chart else []
        closing = brief.sections[-1:] if chart else brief.sections  # within a piece its chart says how sections close
        request = make_request(replace(brief, sections=closing), plan, self.sampling)
        ensemble, masks = Ensemble(brief.parts, brief.names), request.masks
        if chart:
            masks = narrow_to_chart(masks, chart, brief.key, ensemble)
        if scale := self.asked.find_scale(brief.key):
            masks = narrow_to_scale(masks, scale, ensemble)
        if self.asked.rhythm:
            masks, places = lay_rhythm(masks, self.asked.rhythm, plan.bars, ensemble)
            return replace(request, masks=masks, places=places, final_steps=0)
        if self.asked.like:
            masks = narrow_positions(masks, self.asked.like.position_mask())
        if not chart:
            return replace(request, masks=masks)
        masks, due = due_bass(masks, chart, plan.source, ensemble)
        return replace(request, masks=masks, due=due)


def checked(piece: Piece, check: StyleCheck) -> Piece:
    """The piece with what the classifier took it for, in its verdict and its report."""
    heard = check.hear(piece.score)
    told = {"agrees": heard.agrees, "said": heard.said, "probability": round(heard.probability, 4), "none_of_these": heard.far}
    return replace(piece, verdict=replace(piece.verdict, agreed=heard.agrees), report={**piece.report, "style_check": told})


def take_seed(seed: int, take: int) -> int:
    """The seed of a further take: its own, and the same for the same pair always."""
    return (
        seed
        if take == 0
        else int(np.random.SeedSequence([seed, take]).generate_state(2, np.uint32).view(np.uint64)[0] >> 1)
    )


def make_request(brief: Brief, plan: Plan, sampling: Sampling) -> Request:
    """What the sampler is asked for a brief: every part plays and ends in the last bar, on one long chord."""
    parts = len(brief.parts)
    must, single = np.zeros(MAX_PARTS, dtype=bool), np.zeros(MAX_PARTS, dtype=bool)
    must[:parts] = True
    single[:parts] = [p.single for p in brief.parts]
    hands = np.zeros(MAX_PARTS, dtype=bool)
    hands[:parts] = [p.program in KEYBOARDS for p in brief.parts]
    return Request(
        plan.bars, plan.programs, plan.controls, cadence_masks(plan.bars, brief.parts, brief.key, brief.sections), sampling,
        seed=brief.seed, source=plan.source, must_play=must, single=single, hands=hands, final_steps=steps_of_bar(brief),
    )  # fmt: skip


def make_piece(brief: Brief, plan: Plan, written: Written, take: int, excused: Sequence[str] = ()) -> Piece:
    """Finishes and judges one take. excused: kinds of problems that were asked for."""
    score = finish(written.rows, plan, brief)
    verdict = judge(score, brief, written.nats_per_note, tuple(p for p in find_problems(score) if p.kind not in excused))
    report = {
        "title": brief.title, "take": take, "take_seed": brief.seed, "style": brief.style,
        "key": "" if all(p.program == DRUM_PROGRAM for p in brief.parts) else brief.key.name,
        "meter": f"{brief.meter[0]}/{brief.meter[1]}", "tempo_qpm": round(brief.tempo_qpm, 2), "tempo": brief.tempo_word,
        "form": brief.form, "bars": brief.bars, "notes": len(score.notes), "seconds": round(seconds_of(score), 2),
        "parts": list(brief.names), "nats_per_note": round(written.nats_per_note, 4),
        "problems": [f"bar {p.bar}: {p.kind}, {p.detail}" for p in verdict.problems],
    }  # fmt: skip
    return Piece(score, written.rows, plan, brief, verdict, report)
