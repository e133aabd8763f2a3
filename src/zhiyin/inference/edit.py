"""What all editing verbs share: the music that is edited, candidates and the choice among them, reports and records.

A verb says what is selected and how it is written anew (a ``Job``); here it is written, weighed and told. The file that
was read can be written again with only the asked bars changed (``formats.splice``).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.encoding.fields import CONTROL_COLUMN
from zhiyin.errors import ControlError, InputError
from zhiyin.formats.recorded import music_of, origin_of
from zhiyin.formats.splice import Source, Splice, read_source
from zhiyin.inference.compose import MAX_CANDIDATES, take_seed
from zhiyin.inference.controls import find_named
from zhiyin.inference.given import Narrow, Sheet, write
from zhiyin.inference.joining import is_new, join
from zhiyin.inference.judge import Verdict, check_pick, pick_takes
from zhiyin.inference.made import Made, Reworked
from zhiyin.inference.opened import Opened, open_score
from zhiyin.inference.original import check_given
from zhiyin.inference.request import make_sampling
from zhiyin.inference.sampler import Sampler, Written, window_of
from zhiyin.inference.seams import Seam, seams
from zhiyin.inference.selection import Selection, movements
from zhiyin.inference.surroundings import Surroundings
from zhiyin.measures.playability import Problem, find_problems
from zhiyin.provenance.disclosure import bars_of, composed_in, disclosed
from zhiyin.provenance.package import STEP, Package, load_package
from zhiyin.provenance.record import make_record
from zhiyin.score import Score
from zhiyin.score.named_parts import part_title
from zhiyin.version import __version__

_ODDS = 10.0  # nats of the notes around a take that weigh as much as one nat a note of its own
_AROUND = 8  # bars on either side that new bars are compared with


@dataclass(frozen=True)
class Music:
    """What is edited: a score, and the file that it was read from, where there is one."""

    score: Score
    source: Source | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.source.path.name if self.source else self.score.metadata.get("title") or "the score"


@dataclass(frozen=True)
class EditOptions:
    """takes: how many to keep. candidates: how many to write and choose from. pick: best (likeliest to please first) or
    diverse (as different as can be). temperature, top_p, min_p: as in ``compose``."""

    takes: int = 1
    candidates: int = 4
    pick: str = "best"
    temperature: float | Mapping[str, float] | None = None
    top_p: float | Mapping[str, float] | None = None
    min_p: float | Mapping[str, float] | None = None

    def checked(self) -> EditOptions:
        """The options, with enough candidates for the takes. Raises ControlError."""
        for name in ("takes", "candidates"):
            value = getattr(self, name)
            if not 1 <= value <= MAX_CANDIDATES:
                raise ControlError(f"{name} out of range", expected=f"1..{MAX_CANDIDATES}", received=str(value))
        check_pick(self.pick)
        return replace(self, candidates=max(self.candidates, self.takes * (2 if self.pick == "diverse" else 1)))


@dataclass(frozen=True)
class Job:
    """One edit as a verb asks for it.

    settings: all that determines it but seed, take and options, as a record writes it. harmony, narrow: see ``Sheet``.
    join: makes a score of new rows. pitches: only the pitches are new. told: further lines of the report.
    """

    verb: str
    settings: Mapping[str, Any]
    music: Music
    selection: Selection
    style: str | None = None
    harmony: bool = False
    narrow: Narrow | None = None
    opened: Opened | None = None
    join: Callable[[Opened, np.ndarray], Score] = join
    pitches: bool = False
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Edited(Reworked):
    """One edited score, and how it goes into its file."""

    splice: Splice | None = None


class Edition(Made[Edited]):
    """What an editing verb gives: the kept takes, best first, and the report of the first."""

    @property
    def splice(self) -> Splice | None:
        """How the first take goes into the file that was read."""
        return self.pieces[0].splice


def read_music(source: Score | str | Path) -> Music:
    """A score, or a file that is read so that it can be written again in place. Raises InputError for music without notes."""
    if isinstance(source, Score):
        music = Music(source)
    else:
        found = read_source(source)
        music = Music(found.score, found)
    if not len(music.score.notes):
        raise InputError("Nothing to edit", expected="a score with notes", received="0 notes")
    return music


def edit(
    job: Job,
    *,
    model: str | Path | Package = "default",
    seed: int | None = None,
    options: EditOptions | None = None,
    sampler: Sampler | None = None,
) -> Edition:
    """Writes the candidates of a job, keeps the best, and tells how they came about."""
    options = (options or EditOptions()).checked()
    package = model if isinstance(model, Package) else load_package(model)
    if sampler is None:
        package.graph_path(STEP)
    seed = secrets.randbelow(2**31) if seed is None else seed
    editor = Editor(job, package, options, sampler)
    takes = range(options.candidates)
    written, scores = editor.write(seed, takes)
    verdicts = editor.weigh_all(scores, written)
    kept = pick_takes([w.rows for w in written], verdicts, options.takes, options.pick)
    old = [editor.old(scores[i]) for i in kept]
    known = check_given([scores[i] for i in kept], old, job.music.score, job.style or "", package)
    pieces = tuple(
        editor.made(scores[i], written[i], verdicts[i], {"seed": seed, "take": i}, k) for i, k in zip(kept, known)
    )
    return Edition(pieces, {**pieces[0].report, "takes": [dict(p.report) for p in pieces]})


class Editor:
    """Writes takes of one job with one package. Raises ControlError and InputError for what cannot be."""

    def __init__(self, job: Job, package: Package, options: EditOptions, sampler: Sampler | None = None) -> None:
        self.job, self.package, self.options = job, package, options
        self.opened = job.opened or open_score(job.music.score, job.selection)
        controls = self.opened.piece.controls.astype(np.int64)
        if job.style:
            found = find_named("style", job.style, package.manifest.get("styles", ()))
            controls[CONTROL_COLUMN["style"]] = int(found["id"])
        sampling = make_sampling(package.manifest, options.temperature, options.top_p, options.min_p)
        self.sheet = Sheet(sampling, controls, window_of(package), harmony=job.harmony, narrow=job.narrow)
        self.sampler = sampler or Sampler(package)
        self.surroundings = Surroundings(self.opened, package)

    def write(self, seed: int, takes: Sequence[int] | range) -> tuple[list[Written], list[Score]]:
        """The candidates with these numbers, and the scores they make."""
        written = write(self.opened, self.sampler, self.sheet, [take_seed(seed, k) for k in takes])
        return written, [self.job.join(self.opened, w.rows) for w in written]

    def weigh_all(self, scores: Sequence[Score], written: Sequence[Written]) -> list[Verdict]:
        """The verdicts of takes, each with what the notes around it say against it, compared with the best."""
        verdicts = [self.weigh(s, w) for s, w in zip(scores, written)]
        if len(verdicts) < 2:
            return verdicts
        around = np.array([self.surroundings.nats(w.rows) for w in written])
        return [replace(v, penalty=v.penalty + float(a) / _ODDS) for v, a in zip(verdicts, around - around.min())]

    def weigh(self, score: Score, written: Written) -> Verdict:
        """Problems of the new bars, and what leaps at the seams and an odd density cost."""
        job = self.job
        bars = set(job.music.score.bars["number"][job.selection.bars].tolist())
        problems = tuple(p for p in find_problems(score) if p.bar in bars)
        before = {(p.kind, p.bar, p.part) for p in find_problems(job.music.score)}
        problems = tuple(p for p in problems if (p.kind, p.bar, p.part) not in before)
        wide = [s for s in self.seams(score) if s.wide]
        penalty = 2.0 * len(wide) + 0.3 * sum(not p.hard for p in problems) + density_gap(job.music.score, score, job.selection)
        return Verdict(problems, written.nats_per_note, penalty)

    def seams(self, score: Score) -> list[Seam]:
        """The leaps at the seams of a take."""
        return seams(self.job.music.score, score, self.job.selection.cells)

    def old(self, score: Score) -> np.ndarray:
        """Which notes of a take were there before. bool (notes,)."""
        return ~is_new(score, self.job.music.score.notes[~self.job.selection.gone])

    def made(
        self, score: Score, written: Written, verdict: Verdict, which: Mapping[str, int], known: Mapping[str, Any]
    ) -> Edited:
        """A finished take with report and record. which: seed and take."""
        job, package = self.job, self.package
        settings = {**job.settings, **_set(self.options), "style": job.style, **which}
        record = make_record(
            job.verb, __version__, {k: v for k, v in settings.items() if v is not None}, model=package.manifest,
            model_hash=package.hash, notes=music_of(score), inputs=[self._input()],
        )  # fmt: skip
        record |= {"originality": known, "attribution": self._owed(record["attribution"])}
        record = disclosed(record, self._what(len(written.rows)), composed_in(self._origin))
        report = {
            "verb": job.verb, **which, "model": package.manifest.get("name"), "model_hash": package.hash,
            "key": self.opened.key.name, "bars": len(job.selection.bars), "notes": len(written.rows),
            "notes_gone": int(job.selection.gone.sum()), "notes_kept": int((~job.selection.gone).sum()),
            "parts": [part_title(job.music.score, p) for p in job.selection.parts],
            "nats_per_note": round(written.nats_per_note, 4), "understood": [], "ignored": [], "assumed": self._assumed(),
            "problems": [_told(p) for p in verdict.problems],
            "wide_leaps": [_told_seam(score, s) for s in self.seams(score) if s.wide],
            "originality": known, **job.told,
        }  # fmt: skip
        return Edited(score, written.rows, verdict, report, record, self.splice(score))

    def splice(self, score: Score) -> Splice | None:
        """How a take goes into the file that was read, None where there is none or its kind is not changed in place."""
        source, selection = self.job.music.source, self.job.selection
        return Splice(source, selection.cells, selection.gone, score) if source and source.in_place else None

    def _assumed(self) -> list[str]:
        """What was taken for granted about bars."""
        count = movements(self.job.music.score)
        return [f"bars of the first of {count} movements"] if count > 1 and self.job.settings.get("span") else []

    def _what(self, notes: int) -> str:
        """What was written, in words."""
        score, selection = self.job.music.score, self.job.selection
        some = len(selection.parts) < len(np.unique(score.notes["part"]))
        parts = [part_title(score, p) for p in selection.parts] if some else []
        bars = bars_of(score.bars["number"][selection.bars].tolist(), parts)
        return f"{notes} pitches in {bars}" if self.job.pitches else bars

    @cached_property
    def _origin(self) -> Mapping[str, Any]:
        """The record of the file that was edited, {} for none."""
        source = self.job.music.source
        return (origin_of(source.path) or {}) if source else {}

    def _input(self) -> dict[str, Any]:
        """What the record says of the music that was edited."""
        source = self.job.music.source
        told = {"heard": music_of(self.job.music.score).heard["heard"]}
        if source is None:
            return told
        origin = self._origin
        made_by = {k: origin[k] for k in ("verb", "model", "model_hash", "notes") if k in origin}
        return {"name": source.path.name, "sha256": source.sha256, **told, **({"record": made_by} if made_by else {})}

    def _owed(self, own: Sequence[str]) -> list[str]:
        """Attributions of the model's training music, and those that the edited file passes on."""
        return list(dict.fromkeys([*own, *self._origin.get("attribution", ())]))


def density_gap(before: Score, after: Score, selection: Selection) -> float:
    """How far notes a bar in the new bars are from those around them, in octaves beyond one, and twice the share of bars
    in which a part is silent beyond that around them; the mean over parts."""
    rows = selection.bars
    near = np.zeros(len(before.bars), dtype=bool)
    near[max(int(rows[0]) - _AROUND, 0) : int(rows[-1]) + _AROUND + 1] = True
    gaps = []
    for part in selection.parts:
        inside = selection.cells[:, part]
        outside = near & ~inside
        counts = [
            np.bincount(s.bar_of(s.notes["onset"][s.notes["part"] == part]), minlength=len(s.bars)) for s in (before, after)
        ]
        if not outside.any() or not counts[0][outside].any():
            continue
        usual, found = counts[0][outside].mean(), counts[1][: len(inside)][inside].mean()
        silent = float((counts[1][: len(inside)][inside] == 0).mean() - (counts[0][outside] == 0).mean())
        gaps.append(max(abs(np.log2(max(found, 0.1) / max(usual, 0.1))) - 1, 0.0) + 2 * max(silent, 0.0))
    return float(np.mean(gaps)) if gaps else 0.0


def _set(options: EditOptions) -> dict[str, Any]:
    """The options that are set, as a record writes them."""
    return {n: v for n, v in vars(options).items() if v is not None}


def _told(problem: Problem) -> str:
    return f"bar {problem.bar}: {problem.kind}, {problem.detail}"


def _told_seam(score: Score, seam: Seam) -> str:
    name = part_title(score, seam.part)
    return f"bar {int(score.bars['number'][seam.bar])}: {name} leaps {abs(seam.leap)} semitones"
