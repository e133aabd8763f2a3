"""Harmonise, accompany, arrange: new parts beside what is given, which stays note for note.

harmonise: a melody becomes four voices. accompany: all parts stay, new ones join them. arrange: melody and bass stay,
on the instruments of another ensemble, and the parts between them are written anew. Writing files is not done here.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.encoding import encode
from zhiyin.encoding.fields import BAR_COLUMN
from zhiyin.errors import ControlError
from zhiyin.formats.recorded import music_of
from zhiyin.inference.beside import Beside, Wanted
from zhiyin.inference.chart import chart_text, parse_chart
from zhiyin.inference.chords import is_lone, tune_chart
from zhiyin.inference.compose import Options, settings_of, take_seed
from zhiyin.inference.controls import find_named
from zhiyin.inference.instruments import Instrument, find_parts, numbered, part_instrument
from zhiyin.inference.judge import Verdict, check_pick, choose_or_least
from zhiyin.inference.made import Made, Reworked
from zhiyin.inference.original import check_given
from zhiyin.inference.request import make_sampling
from zhiyin.inference.sampler import Sampler, Written
from zhiyin.measures.counterpoint import counterpoint
from zhiyin.measures.key import with_keys
from zhiyin.measures.melody import find_melody, skyline
from zhiyin.measures.playability import Problem, find_problems
from zhiyin.provenance.disclosure import disclosed, listed
from zhiyin.provenance.package import STEP, Package, load_package
from zhiyin.provenance.record import make_record
from zhiyin.score import Part, Score
from zhiyin.score.named_parts import part_title
from zhiyin.version import __version__

VERBS = ("harmonise", "accompany", "arrange")
_FAULT = 0.25  # nats a note that a breach of voice leading in every bar costs


@dataclass(frozen=True)
class Wish:
    """What is asked for. verb: one of VERBS. for_: instruments or an ensemble. melody: a part's name or number. add_part,
    program: name and General MIDI program of one more part. style: of the model's catalog. chords: a chart. scale: a name."""

    verb: str
    for_: str | None = None
    melody: str | None = None
    add_part: str | None = None
    program: int | None = None
    style: str | None = None
    chords: str | None = None
    scale: str | None = None


WISHES = tuple(f.name for f in fields(Wish) if f.name != "verb")  # what a wish says besides its verb


class Arranged(Reworked):
    """One result of harmonise, accompany or arrange."""


class Arrangement(Made[Arranged]):
    """What the three verbs give: the kept results, best first, and the report of the first."""


def harmonise(score: Score, *, melody: str | None = None, for_: str = "SATB", **more: Any) -> Arrangement:
    """Four voices (or ``for_``) of a melody, which is the highest of them and keeps its notes. ``more``: see ``arranged``."""
    return arranged(score, Wish("harmonise", for_, melody, **_wishes(more)), **more)


def accompany(
    score: Score, *, for_: str | None = None, add_part: str | None = None, program: int | None = None, **more: Any
) -> Arrangement:
    """The whole score with new parts for ``for_`` (piano by default), or one of a name and program, beside it."""
    return arranged(score, Wish("accompany", for_, None, add_part, program, **_wishes(more)), **more)


def arrange(score: Score, *, for_: str, melody: str | None = None, **more: Any) -> Arrangement:
    """The music for another ensemble: its melody and bass, octaves apart where ranges need it, and new parts between."""
    return arranged(score, Wish("arrange", for_, melody, **_wishes(more)), **more)


def _wishes(more: dict[str, Any]) -> dict[str, Any]:
    return {name: more.pop(name, None) for name in ("style", "chords", "scale")}


def arranged(
    score: Score,
    wish: Wish,
    *,
    model: str | Path | Package = "default",
    seed: int | None = None,
    options: Options | None = None,
    sampler: Sampler | None = None,
) -> Arrangement:
    """Does what a wish says. options: takes, candidates and sampling as in ``compose`` (one take of eight by default)."""
    package = model if isinstance(model, Package) else load_package(model)
    if sampler is None:
        package.graph_path(STEP)
    options = options or Options(takes=1, candidates=8)
    check_pick(options.pick)
    seed = secrets.randbelow(2**31) if seed is None else seed
    arranger = Arranger(score, wish, package, options, sampler)
    written, scores = arranger.write(seed, range(max(options.candidates, options.takes)))
    verdicts = [arranger.judge(s, w) for s, w in zip(scores, written)]
    kept = choose_or_least([w.rows for w in written], verdicts, options.takes, options.pick)
    given = [arranger.given(scores[i]) for i in kept]
    known = dict(zip(kept, check_given([scores[i] for i in kept], given, score, wish.style or "", package)))
    settings = {**settings_of({"seed": seed}, replace(options, chords=wish.chords or False)), **vars(wish)}
    shared = {
        "seed": seed, "model": package.manifest.get("name"), "model_hash": package.hash, "given_notes": len(arranger.frame.score.notes),
        "written_parts": arranger.written_parts, "key": arranger.beside.key.name, "bars": len(arranger.beside.table), "assumed": list(arranger.frame.said),
    }  # fmt: skip

    def made(i: int) -> Arranged:
        record = make_record(
            wish.verb, __version__, {**settings, "take": i}, model=package.manifest, model_hash=package.hash,
            notes=music_of(scores[i]), inputs=[{"heard": music_of(score).heard["heard"]}],
        )  # fmt: skip
        found = verdicts[i]
        report = {
            **shared, "take": i, "notes": len(scores[i].notes), "parts": [p.name for p in scores[i].parts],
            "seconds": round(float(scores[i].seconds(scores[i].end)), 2), "nats_per_note": round(found.nats, 4),
            "problems": [f"bar {p.bar}: {p.kind}, {p.detail}" for p in found.problems], "originality": known[i],
        }  # fmt: skip
        record = disclosed(record | {"originality": known[i]}, arranger.what)
        return Arranged(scores[i], written[i].rows, found, report, record)

    pieces = tuple(made(i) for i in kept)
    return Arrangement(pieces, {**pieces[0].report, "takes": [dict(p.report) for p in pieces]})


def with_title(score: Score, source: str, verb: str) -> Score:
    """A result of a piece without a title is named after its file."""
    done = {"harmonise": "harmonised", "accompany": "accompanied", "arrange": "arranged"}[verb]
    if score.metadata.get("title"):
        return score
    return score.replace(metadata={**score.metadata, "title": f"{Path(source).stem} {done}"})


@dataclass(frozen=True)
class Frame:
    """The result before anything is written: given notes in the parts of the result. said: what was taken, in words.
    merged: all parts become one at the end (a keyboard's hands)."""

    score: Score
    parts: tuple[Instrument, ...]
    wanted: Wanted
    said: tuple[str, ...] = ()
    merged: bool = False


class Arranger:
    """Writes takes of one wish. Raises ControlError and InputError for what cannot be."""

    def __init__(
        self, score: Score, wish: Wish, package: Package, options: Options, sampler: Sampler | None = None
    ) -> None:
        styles = package.manifest.get("styles", ())
        style = int(find_named("style", wish.style, styles)["id"]) if wish.style else _usual_style(wish.verb, styles)
        wanted = Wanted(parse_chart(wish.chords) if wish.chords else (), wish.scale, style=style)
        build = {"harmonise": _harmonised, "accompany": _accompanied, "arrange": _rearranged}[wish.verb]
        self.wish, self.frame = wish, build(score, wish, wanted)
        self.beside = Beside(self.frame.score, self.frame.parts, self.frame.wanted)
        self.sampling = make_sampling(package.manifest, options.temperature, options.top_p, options.min_p)
        self.sampler = sampler or Sampler(package)

    def write(self, seed: int, takes: Iterable[int]) -> tuple[list[Written], list[Score]]:
        """The candidates with these numbers, and the whole scores they make."""
        written = self.sampler.sample([self.beside.request(self.sampling, take_seed(seed, k)) for k in takes])
        scores = [self.beside.join(w.rows) for w in written]
        return written, [_one_part(s) for s in scores] if self.frame.merged else scores

    @property
    def written_parts(self) -> list[str]:
        """Names of the parts that are written."""
        return list(dict.fromkeys(self.frame.parts[p].name.rstrip(" 0123456789") if self.frame.merged else self.beside.names[p] for p in self.beside.fresh))

    @property
    def what(self) -> str:
        """What is written, in words."""
        return ("the middle of " if self.frame.merged else "") + listed(self.written_parts)

    def given(self, score: Score) -> np.ndarray:
        """Which notes of a result were given, bool (notes,)."""
        if not self.frame.merged:
            return ~np.isin(score.notes["part"], self.beside.fresh)
        scale = score.ticks_per_quarter // self.frame.score.ticks_per_quarter
        notes = self.frame.score.notes
        known = {*zip((notes["onset"] * scale).tolist(), notes["pitch"].tolist())}
        return np.array([n in known for n in zip(score.notes["onset"].tolist(), score.notes["pitch"].tolist())])

    def judge(self, score: Score, written: Written) -> Verdict:
        """Problems of the new parts, and what their breaches of voice leading cost (single lines only)."""
        fresh = set(range(len(score.parts)) if self.frame.merged else self.beside.fresh)
        problems: tuple[Problem, ...] = tuple(p for p in find_problems(score) if p.part in fresh)
        faults = 0
        if all(p.single for p in self.frame.parts):
            faults = sum(bool(fresh & set(f.parts)) for f in counterpoint(score) if f.kind != "gap")
        bars = len(score.bars)
        silent = [1 - len(np.unique(score.bar_of(score.notes["onset"][score.notes["part"] == p]))) / bars for p in fresh]
        penalty = 2 * sum(max(s - 0.25, 0) for s in silent)  # parts that hardly play
        penalty += 0.3 * sum(not p.hard for p in problems) + _FAULT * faults / bars
        return Verdict(problems, written.nats_per_note, penalty)


def _usual_style(verb: str, styles: Sequence[Mapping[str, Any]]) -> int:
    """Voices under a melody are a hymn where the model knows hymns; the rest is left to the music."""
    return next((int(s["id"]) for s in styles if s["name"] == "hymn"), 0) if verb == "harmonise" else 0


def _harmonised(score: Score, wish: Wish, wanted: Wanted) -> Frame:
    melody = find_melody(score, wish.melody)
    parts = find_parts([wish.for_ or "SATB"])
    if len(parts) < 2:
        raise ControlError("Nothing to harmonise with", expected="two parts or more", received=f"for {wish.for_}")
    dropped = [part_title(score, p) for p in _playing(score) if p != melody.part]
    said = [melody.said, f"left out: {', '.join(dropped)}" if dropped else ""]
    notes = _moved(score.notes[melody.rows], 0)
    return _frame(score, notes, parts, replace(wanted, under=0, together=True), said)


def _accompanied(score: Score, wish: Wish, wanted: Wanted) -> Frame:
    playing = _playing(score)
    own = [part_instrument(score.parts[p].name, 128 if score.parts[p].drums else score.parts[p].program) for p in playing]
    alone = wish.add_part is not None or wish.program is not None
    new = list(find_parts([wish.for_ or "piano"])) if wish.for_ or not alone else []
    if alone:
        program = wish.program if wish.program is not None else find_parts([wish.add_part or ""])[0].program
        if not 0 <= program <= 128:
            raise ControlError("program out of range", expected="0..127, or 128 for drums", received=str(program))
        new.append(part_instrument(wish.add_part or "", program))
    place = {p: i for i, p in enumerate(playing)}
    notes = score.notes[np.isin(score.notes["part"], playing)].copy()
    notes["part"] = [place[p] for p in notes["part"].tolist()]
    together = all(p.single for p in new)
    said = []
    if not together and not wanted.chart and any(p.program != 128 for p in new) and is_lone(score):
        wanted = replace(wanted, chart=tune_chart(score))
        said = [f"chords fitted under the tune: {chart_text(wanted.chart)}"]
    return _frame(score, notes, (*own, *new), replace(wanted, together=together), said, places=place)


def _rearranged(score: Score, wish: Wish, wanted: Wanted) -> Frame:
    parts = find_parts([wish.for_ or ""])
    merged = len(parts) == 1
    if merged and parts[0].single:
        raise ControlError(
            f"Nothing to write beside the melody of one {parts[0].name}", expected="an ensemble, or an instrument that plays chords",
            received=f"for {wish.for_}",
        )  # fmt: skip
    if merged:
        middle = replace(parts[0], high=min(parts[0].high, 84), low=max(parts[0].low, 40))
        parts = (replace(parts[0], single=True), middle, replace(parts[0], single=True))
    melody = find_melody(score, wish.melody)
    rows = np.flatnonzero(~score.drums[score.notes["part"]] & ~score.notes["grace"])
    top = score.notes[melody.rows if wish.melody or melody.said.startswith("melody") else skyline(score.notes, rows)]
    bass = score.notes[skyline(score.notes, rows, lowest=True)]
    said = [melody.said]
    kept = [_fitted(_moved(top, 0), parts[0], said, "melody")]
    if len(parts) > 2 and len(bass) and not _same_line(top, bass):
        kept.append(_fitted(_moved(bass, len(parts) - 1), parts[-1], said, "bass"))
    chords = encode(with_keys(score), close_gaps=False)[0].bars[:, BAR_COLUMN["chord"]].astype(np.int64)
    inner = parts[1 : len(parts) - (len(kept) > 1)]
    wanted = replace(wanted, under=0, chords=chords, together=all(p.single for p in inner))
    return replace(_frame(score, np.concatenate(kept), parts, wanted, said), merged=merged)


def _frame(
    score: Score, notes: np.ndarray, parts: Sequence[Instrument], wanted: Wanted, said: Sequence[str],
    places: Mapping[int, int] | None = None,
) -> Frame:  # fmt: skip
    """A frame with given notes. places: new index of each part whose marks are kept; none keeps those of the whole score."""
    named = parts if len({p.name for p in parts}) == len(parts) else tuple(
        replace(p, name=n) for p, n in zip(parts, numbered(tuple(parts)))
    )  # fmt: skip
    marks = [replace(m, part=(places or {}).get(m.part, -1)) for m in score.marks if m.part < 0 or m.part in (places or {})]
    whole = tuple(Part(p.name, 0 if p.program == 128 else p.program, p.program == 128) for p in named)
    frame = score.replace(notes=notes, parts=whole, marks=tuple(marks))
    return Frame(frame, tuple(named), wanted, tuple(s for s in said if s))


def _playing(score: Score) -> list[int]:
    return [int(p) for p in np.unique(score.notes["part"])]


def _moved(notes: np.ndarray, part: int) -> np.ndarray:
    """Notes brought to another part, as its only voice on its first staff."""
    notes = notes.copy()
    notes["part"], notes["voice"], notes["staff"] = part, 0, 0
    return notes


def _fitted(notes: np.ndarray, part: Instrument, said: list[str], what: str) -> np.ndarray:
    """Notes moved by the octave that leaves the fewest of them out of a part's range."""
    pitch = notes["pitch"].astype(int)
    outside = {s: int(((pitch + s < part.low) | (pitch + s > part.high)).sum()) for s in (0, -12, 12, -24, 24)}
    shift = min(outside, key=lambda s: (outside[s], abs(s)))
    notes["pitch"] = np.clip(pitch + shift, 0, 127)
    if shift:
        said.append(f"the {what} lies {abs(shift) // 12} octave{'s' * (abs(shift) > 12)} {'higher' if shift > 0 else 'lower'}")
    if outside[shift]:
        said.append(f"{outside[shift]} notes of the {what} lie outside the range of {part.name}")
    return notes


def _same_line(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two lines share most of their notes (music of one line has no bass of its own)."""
    one, two = ({*zip(n["onset"].tolist(), n["pitch"].tolist())} for n in (a, b))
    return len(one & two) > 0.5 * min(len(one), len(two))


def _one_part(score: Score) -> Score:
    """All parts as one, none of whose notes stands twice."""
    notes = score.notes.copy()
    notes["part"] = 0
    order = np.lexsort((-notes["duration"].astype(int), notes["pitch"], notes["onset"]))
    notes = notes[order]
    same = np.r_[False, (np.diff(notes["onset"]) == 0) & (np.diff(notes["pitch"].astype(int)) == 0)]
    name = score.parts[0].name.rstrip(" 0123456789")
    return score.replace(notes=notes[~same], parts=(Part(name, score.parts[0].program),), marks=score.marks)
