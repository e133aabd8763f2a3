"""Repair: bars that are empty or marked damaged are written from what stands around them; and a test of how well that goes.

A bar is empty where no part plays in it and music stands before and after; it is marked damaged by words over it
(``DAMAGED``), which count for the part that they stand over. Bars named by a span are taken as damaged too.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.encoding.rows import PART, PITCH
from zhiyin.errors import ControlError, InputError
from zhiyin.inference.edit import Edition, EditOptions, Editor, Job, Music, edit, read_music
from zhiyin.inference.joining import join
from zhiyin.inference.opened import open_score
from zhiyin.inference.sampler import Sampler
from zhiyin.inference.selection import find_bars, select_cells, select_notes, without_locked
from zhiyin.inference.vary import place, repitched
from zhiyin.measures.distribution import wilson
from zhiyin.provenance.package import STEP, Package, load_package
from zhiyin.score import Score
from zhiyin.score.named_parts import named_parts, part_titles

DAMAGED = re.compile(r"damaged|unreadable|illegible|missing|lacuna|lost|\[\?+\]|损坏|缺失|残缺", re.I)
TAMER = 0.7  # temperature where none is said: what was there is likelier than what surprises
SURE = 0.05  # temperature at which the likeliest pitch is written
HIDDEN = 0.1  # share of the notes that a test hides


def repair(
    source: Score | str | Path,
    *,
    span: str | None = None,
    parts: Sequence[str | int] = (),
    lock: Sequence[str] = (),
    style: str | None = None,
    model: str | Path | Package = "default",
    seed: int | None = None,
    options: EditOptions | None = None,
    sampler: Sampler | None = None,
) -> Edition:
    """The score with its empty and damaged bars written; span: bars that are damaged besides. parts: only in these.

    Raises InputError where there is nothing to repair.
    """
    settings = {"span": span, "parts": list(parts), "lock": list(lock)}
    job = repair_job(read_music(source), {k: v for k, v in settings.items() if v is not None}, style)
    return edit(job, model=model, seed=seed, options=_tamed(options), sampler=sampler)


def repair_job(music: Music, settings: Mapping[str, Any], style: str | None = None) -> Job:
    """The job of a repair, from the settings that its record holds."""
    score = music.score
    cells = damaged_cells(score, settings.get("parts") or ())
    if settings.get("span"):
        cells |= find_bars(score, settings["span"])[:, None] & _playing(score, settings.get("parts") or ())
    if not cells.any():
        raise InputError(
            "Nothing to repair", expected="bars that are empty between others, or marked as damaged", received="none",
            hint="name the bars: --span 5-8; or mark them with the words 'damaged' or '[?]' over the staff",
        )  # fmt: skip
    selection = select_cells(score, without_locked(score, cells, settings.get("lock") or ()))
    bars = [int(n) for n in score.bars["number"][selection.bars]]
    return Job("repair", settings, music, selection, style, told={"repaired": bars})


def damaged_cells(score: Score, parts: Sequence[str | int] = ()) -> np.ndarray:
    """Bars that hold nothing between others (of the named parts, where any are), and bars marked damaged. bool (bars, parts)."""
    playing: np.ndarray = np.asarray(_playing(score, parts))
    bar, part = score.bar_of(score.notes["onset"]), score.notes["part"]
    sounding = np.zeros((len(score.bars), len(score.parts)), dtype=bool)
    end = np.minimum(score.notes["onset"] + np.maximum(score.notes["duration"], 1) - 1, score.end - 1)
    for first, last, p in zip(bar.tolist(), score.bar_of(end).tolist(), part.tolist()):
        sounding[first : last + 1, p] = True
    cells = np.zeros_like(sounding)
    alike: Any = sounding.any(axis=1)
    heard: Any = sounding if parts else np.repeat(alike[:, None], len(score.parts), axis=1)
    for p in np.flatnonzero(playing[:1].any(axis=0)):
        rows = np.flatnonzero(heard[:, p])
        if len(rows):
            cells[rows[0] : rows[-1], p] = ~heard[rows[0] : rows[-1], p]
    for mark in score.marks:
        if mark.kind == "text" and DAMAGED.search(mark.value):
            row = int(score.bar_of(mark.onset))
            cells[row] |= playing[row] & ((np.arange(len(score.parts)) == mark.part) | (mark.part < 0))
    return cells


def _playing(score: Score, parts: Sequence[str | int]) -> np.ndarray:
    """Parts that are repaired: the named ones, else all that play at all. bool (bars, parts), the same in each bar."""
    chosen = np.zeros(len(score.parts), dtype=bool)
    if parts:
        chosen[[row for p in parts for row in named_parts(str(p), part_titles(score))]] = True
    else:
        chosen[np.unique(score.notes["part"])] = True
    return np.repeat(chosen[None], len(score.bars), axis=0)


def repair_test(
    source: Score | str | Path,
    *,
    hidden: float = HIDDEN,
    parts: Sequence[str | int] = (),
    model: str | Path | Package = "default",
    seed: int | None = None,
    options: EditOptions | None = None,
    sampler: Sampler | None = None,
) -> dict[str, Any]:
    """Hides a random share of the notes, restores them in one take, and counts how many come back, in two ways.

    Result: ``hidden`` notes; ``returned`` of them when only their pitches were hidden (time, length and part were legible),
    ``free_returned`` and ``free_places`` when nothing of them was left (same part, onset and pitch; same part and onset),
    each with its share and 95 % interval (Wilson); ``free_written`` notes, seed and model.
    """
    if not 0 < hidden < 1:
        raise ControlError("The share of hidden notes is out of range", expected="over 0 and under 1", received=f"{hidden:g}")
    music, package = read_music(source), model if isinstance(model, Package) else load_package(model)
    if sampler is None:
        package.graph_path(STEP)
        sampler = Sampler(package)
    seed = secrets.randbelow(2**31) if seed is None else seed
    score = music.score
    inside = _playing(score, parts)[0][score.notes["part"]] & ~score.notes["grace"] & ~score.drums[score.notes["part"]]
    at = np.flatnonzero(inside)
    rng = np.random.default_rng([seed, 0x68696465])
    gone = np.zeros(len(score.notes), dtype=bool)
    gone[rng.choice(at, size=max(1, round(hidden * len(at))), replace=False)] = True
    selection = select_notes(score, gone)
    opened = open_score(score, selection)
    old = opened.piece.rows[opened.gone]
    legible = Job("repair", {}, music, selection, opened=opened, narrow=place, join=repitched)
    sure = replace(options or EditOptions(), temperature=SURE)
    pitched = Editor(legible, package, sure.checked(), sampler).write(seed, [0])[0][0].rows
    free = Editor(replace(legible, narrow=None, join=join), package, _tamed(options).checked(), sampler).write(seed, [0])[0][0].rows
    told = {"hidden": len(old), **_share("returned", _same(old, pitched, PITCH), len(old))}
    told |= _share("free_returned", _same(old, free, PITCH), len(old)) | _share("free_places", _same(old, free, PART), len(old))
    return told | {"free_written": len(free), "seed": seed, "model": package.manifest.get("name"), "bars": len(selection.bars)}


def _same(old: np.ndarray, new: np.ndarray, last: int) -> int:
    """How many old rows agree with a new one in bar, position … up to column ``last``."""
    known = set(map(tuple, new[:, : last + 1].tolist()))
    return sum(tuple(r) in known for r in old[:, : last + 1].tolist())


def _share(name: str, count: int, n: int) -> dict[str, Any]:
    low, high = wilson(count, n)
    return {name: count, f"{name}_share": round(count / n, 4), f"{name}_interval": [round(low, 4), round(high, 4)]}


def _tamed(options: EditOptions | None) -> EditOptions:
    """Options with a tamer temperature where none is said."""
    options = options or EditOptions()
    return replace(options, temperature=TAMER) if options.temperature is None else options
