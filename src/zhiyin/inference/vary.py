"""Vary: a share of the notes resampled, while rhythm, harmony or contour stays as it is.

* ``rhythm``: some notes get other pitches; every note keeps its exact time, length and velocity.
* ``contour``: the same, and each line still goes up, down or on where it did (in parts of several notes at once only the
  highest of each chord is varied).
* ``harmony``: some bars of some parts are written anew from the pitch classes that sounded in each quarter.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.encoding.fields import BAR_COLUMN, DURATIONS, STEPS_PER_QUARTER
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH, POSITION
from zhiyin.errors import ControlError
from zhiyin.inference.contour import Contour
from zhiyin.inference.edit import Edition, EditOptions, Job, Music, edit, read_music
from zhiyin.inference.given import Run
from zhiyin.inference.instruments import Instrument
from zhiyin.inference.latent import Latents, vary_latent
from zhiyin.inference.masks import PitchSets, class_mask, range_mask
from zhiyin.inference.narrowing import Asked, open_asked
from zhiyin.inference.opened import Opened
from zhiyin.inference.sampler import Sampler
from zhiyin.inference.selection import Selection, select, select_cells, select_notes, slack
from zhiyin.provenance.package import Package
from zhiyin.score import UNSPELLED, Score

KEEPS = ("rhythm", "harmony", "contour")
METHODS = ("masked", "latent")


def vary(
    source: Score | str | Path,
    *,
    method: str = "masked",
    keep: str = "rhythm",
    amount: float = 0.3,
    more: Sequence[str] = (),
    less: Sequence[str] = (),
    span: str | None = None,
    parts: Sequence[str | int] = (),
    lock: Sequence[str] = (),
    scale: str | None = None,
    ranges: Sequence[str] = (),
    style: str | None = None,
    model: str | Path | Package = "default",
    seed: int | None = None,
    options: EditOptions | None = None,
    sampler: Sampler | None = None,
) -> Edition | Latents:
    """A variation: ``amount`` (0..1) of the notes (of the bars, where harmony stays) written anew, ``keep`` as it is.

    span, parts, lock, scale, ranges: as in ``infill`` (the whole piece by default). Which notes change depends on the
    seed alone. method "latent": neighbours of a melody in the latent space of a package (see ``latent.vary_latent``);
    more, less: its attributes. Raises ControlError for what cannot be met.
    """
    music = read_music(source)
    if method == "latent":
        return _in_latent_space(music.score, amount, more, less, parts, model, seed, options or EditOptions())
    if method not in METHODS or more or less:
        raise ControlError(
            "Attributes need a latent space" if method in METHODS else "Unknown method", expected=" or ".join(METHODS),
            received=repr(method), hint="more and less go with the method latent",
        )  # fmt: skip
    seed = secrets.randbelow(2**31) if seed is None else seed
    settings = {
        "keep": keep, "amount": amount, "span": span, "parts": list(parts), "lock": list(lock),
        **Asked(scale, tuple(ranges)).said(), "seed": seed,
    }  # fmt: skip
    job = vary_job(music, {k: v for k, v in settings.items() if v is not None}, style)
    return edit(job, model=model, seed=seed, options=options, sampler=sampler)


def _in_latent_space(
    score: Score, amount: float, more: Sequence[str], less: Sequence[str], parts: Sequence[str | int],
    model: str | Path | Package, seed: int | None, options: EditOptions,
) -> Latents:  # fmt: skip
    if len(parts) > 1 or any(not str(p).isdigit() for p in parts):
        raise ControlError("A latent space reads one part", expected="its number, from 1", received=", ".join(map(str, parts)))
    temperature = options.temperature if isinstance(options.temperature, (int, float)) else 0.0
    return vary_latent(
        score, amount=amount, takes=options.takes, more=more, less=less, part=int(parts[0]) if parts else None,
        model="melody" if model == "default" else model, temperature=temperature, seed=seed,
    )  # fmt: skip


def vary_job(music: Music, settings: Mapping[str, Any], style: str | None = None) -> Job:
    """The job of a variation, from the settings that its record holds (the seed among them)."""
    keep, amount = settings["keep"], float(settings["amount"])
    if keep not in KEEPS:
        raise ControlError("Unknown thing to keep", expected=", ".join(KEEPS), received=repr(keep))
    if not 0 < amount <= 1:
        raise ControlError("amount out of range", expected="over 0 and at most 1", received=f"{amount:g}")
    score = music.score
    whole = select(score, settings.get("span"), settings.get("parts") or (), lock=settings.get("lock") or ())
    rng = np.random.default_rng([int(settings["seed"]), 0x76617279])
    plain = {k: v for k, v in settings.items() if k != "seed"}
    asked, told = Asked.of(settings), {"keep": keep, "amount": amount, **({"span": settings["span"]} if settings.get("span") else {})}
    if keep == "harmony":
        selection = _some_cells(score, whole, amount, rng)
        opened, narrow = open_asked(score, selection, asked)
        return Job(
            "vary", plain, music, selection, style, harmony=True, narrow=_then(narrow, _narrow_to_harmony), opened=opened, told=told
        )
    selection = _some_notes(score, whole, amount, keep, bool(settings.get("parts")), rng)
    opened, narrow = open_asked(score, selection, asked)
    placing = _place_with_contour if keep == "contour" else place
    return Job("vary", plain, music, selection, style, narrow=_then(narrow, placing), opened=opened, join=repitched, pitches=True, told=told)


def _then(first: Callable[[Run], Run] | None, second: Callable[[Run], Run]) -> Callable[[Run], Run]:
    return second if first is None else lambda run: second(first(run))


def _some_notes(
    score: Score, whole: Selection, amount: float, keep: str, named: bool, rng: np.random.Generator
) -> Selection:
    """A random share of the selected notes: pitched ones unless parts were named, no graces, tops only where contour stays."""
    notes = score.notes
    inside = whole.cells[score.bar_of(notes["onset"]), notes["part"]] & ~notes["grace"]
    if not named:
        inside &= ~score.drums[notes["part"]]
    if keep == "contour":
        inside &= _tops(notes)
    first = score.bar_of(notes["onset"])
    end = notes["onset"] + np.maximum(notes["duration"] - 1 - slack(score), 0)
    last = score.bar_of(np.minimum(end, score.end - 1))
    inside &= whole.cells[last, notes["part"]]  # a note that is tied into bars that stay, stays
    at = np.flatnonzero(inside)
    if not len(at):
        raise ControlError("Nothing to vary", expected="notes in the selection", received="none")
    gone = np.zeros(len(notes), dtype=bool)
    gone[rng.choice(at, size=max(1, round(amount * len(at))), replace=False)] = True
    selection = select_notes(score, gone)
    for i in np.flatnonzero(gone & (last > first)):
        selection.cells[first[i] : last[i] + 1, notes["part"][i]] = True  # its tied ends change too
    return selection


def _tops(notes: np.ndarray) -> np.ndarray:
    """Which notes are the highest that their part strikes at their onset. bool (notes,). ``notes``: sorted as in a score."""
    following = np.r_[(np.diff(notes["onset"]) == 0) & (np.diff(notes["part"]) == 0), False]
    return ~following


def _some_cells(score: Score, whole: Selection, amount: float, rng: np.random.Generator) -> Selection:
    """A random share of the selected cells in which a part plays."""
    played = np.zeros_like(whole.cells)
    pitched = ~score.drums[score.notes["part"]]
    played[score.bar_of(score.notes["onset"][pitched]), score.notes["part"][pitched]] = True
    at = np.argwhere(whole.cells & played)
    if not len(at):
        raise ControlError("Nothing to vary", expected="notes in the selection", received="none")
    cells = np.zeros_like(whole.cells)
    for bar, part in at[rng.choice(len(at), size=max(1, round(amount * len(at))), replace=False)]:
        cells[bar, part] = True
    return select_cells(score, cells)


# ---------------------------------------------------------------- rhythm and contour


def place(run: Run) -> Run:
    """A run that writes one note at each place where one went, out of its cell's pitches and none that sounds there already."""
    request, opened = run.request, run.opened
    old = gone_in(opened, run.bars)
    standing = opened.piece.rows[~opened.gone].astype(np.int64)
    begin, end = _times(opened, standing)
    starts, ends = _times(opened, old)
    sets, places = PitchSets(request.masks.pitch[1:]), np.zeros((len(old), 5), dtype=np.int64)
    chords = np.split(np.arange(len(old)), np.flatnonzero((np.diff(old[:, :3], axis=0) != 0).any(axis=1)) + 1)
    for chord in chords:
        bar, position, part = old[chord[0], :3].tolist()
        cell = request.masks.pitch_index[bar - run.shift, position // STEPS_PER_QUARTER, part]
        room = _room(opened.parts[part], request.masks.pitch[cell])
        beside = (standing[:, PART] == part) & (begin < ends[chord].max()) & (end > starts[chord[0]])
        room[standing[beside, PITCH]] = False
        for above, i in enumerate(reversed(chord.tolist())):  # lower notes leave room for the higher ones of their chord
            mask = room.copy()
            mask[np.flatnonzero(room)[::-1][above : above + 1].max(initial=-1) + 1 :] = False
            if not mask.any():
                mask[old[i, PITCH]] = True
            places[i] = (bar - run.shift, position, part, old[i, DURATION], sets.add(mask))
    masks = replace(request.masks, pitch=np.array(sets.rows))
    return replace(run, request=replace(request, masks=masks, places=places, reach=None))


def _times(opened: Opened, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps from the beginning at which rows begin and end, int64 (R,) each."""
    lengths = opened.piece.bars[:, BAR_COLUMN["length"]].astype(np.int64)
    begin = (np.cumsum(lengths) - lengths)[rows[:, BAR]] + rows[:, POSITION]
    return begin, begin + DURATIONS[rows[:, DURATION]]


def _room(part: Instrument, cell: np.ndarray) -> np.ndarray:
    """Pitches of a cell, or the instrument's own where the cell is closed (a line under a note that stays)."""
    return cell.copy() if cell.any() else range_mask(part)


def _place_with_contour(run: Run) -> Run:
    """The same, each line going up, down or on as it did."""
    placed = place(run)
    request, opened = placed.request, run.opened
    masks = request.masks
    table = np.concatenate([masks.pitch, np.zeros((1, 128), dtype=bool)])  # the last row is the lead's own
    contour = Contour(opened, gone_in(opened, run.bars), [masks.pitch[r] for r in request.places[:, 4]], run.shift)
    return replace(placed, request=replace(request, masks=replace(masks, pitch=table), lead=contour))


def gone_in(opened: Opened, bars: np.ndarray) -> np.ndarray:
    """Rows that go in some bars, int64 (G, 6), sorted as rows are."""
    rows = opened.piece.rows[opened.gone].astype(np.int64)
    return rows[np.isin(rows[:, BAR], bars)]


def repitched(opened: Opened, rows: np.ndarray) -> Score:
    """The score whose selected notes have the pitches of new rows, one for each that went; times, lengths and marks stay.

    A note whose new pitch still sounds, or is struck again before it ends, keeps its old one.
    """
    score, notes = opened.score, opened.score.notes.copy()
    old = np.concatenate([gone_in(opened, bars) for bars in opened.runs])
    new = {tuple(place): pitch for place, pitch in zip(old[:, :4].tolist(), rows[:, PITCH].tolist(), strict=True)}
    begin = np.cumsum(opened.piece.bars[:, BAR_COLUMN["length"]].astype(np.int64)) - opened.piece.bars[:, BAR_COLUMN["length"]]
    part_of = {original: p for p, original in enumerate(opened.order)}
    for i in np.flatnonzero(opened.selection.gone):
        step = int(np.floor(notes["onset"][i] * STEPS_PER_QUARTER / score.ticks_per_quarter + 0.5))
        bar = int(np.searchsorted(begin, step, side="right")) - 1
        place = (bar, step - int(begin[bar]), part_of.get(int(notes["part"][i]), -1), int(notes["pitch"][i]))
        pitch = new.get(place, place[3])
        if pitch != place[3]:
            notes["pitch"][i], notes["spelling"][i] = pitch, UNSPELLED
    before = score.notes["pitch"]
    while (clash := (notes["pitch"] != before) & _clashing(notes)).any():
        for name in ("pitch", "spelling"):
            notes[name][clash] = score.notes[name][clash]
    return score.replace(notes=notes)


def _clashing(notes: np.ndarray) -> np.ndarray:
    """Which notes overlap one of the same pitch in their part. bool (notes,)."""
    order = np.lexsort((notes["onset"], notes["pitch"], notes["part"]))
    n = notes[order]
    same = (n["part"][1:] == n["part"][:-1]) & (n["pitch"][1:] == n["pitch"][:-1])
    over = same & (n["onset"][1:] < n["onset"][:-1].astype(np.int64) + n["duration"][:-1])
    out = np.zeros(len(notes), dtype=bool)
    out[order[1:][over]] = True
    out[order[:-1][over]] = True
    return out


# ---------------------------------------------------------------- harmony


def _narrow_to_harmony(run: Run) -> Run:
    """A run whose new notes belong to the pitch classes that sounded in their quarter (in their bar, where that was one)."""
    request, opened = run.request, run.opened
    masks, sets = request.masks, PitchSets(request.masks.pitch[1:])
    index = masks.pitch_index.copy()
    heard = heard_classes(opened)
    for bar, quarter, part in np.argwhere(index > 0).tolist():
        if opened.parts[part].program == 128:
            continue
        here = heard[min(bar + run.shift, len(heard) - 1)]
        classes = here[quarter] if here[quarter].sum() > 1 else here.any(axis=0)
        mask = masks.pitch[masks.pitch_index[bar, quarter, part]] & class_mask(np.flatnonzero(classes).tolist())
        if mask.any():
            index[bar, quarter, part] = sets.add(mask)
    return replace(run, request=replace(request, masks=replace(masks, pitch=np.array(sets.rows), pitch_index=index)))


def heard_classes(opened: Opened) -> np.ndarray:
    """Pitch classes that sound in each quarter of each bar of the old music. bool (N, 16, 12)."""
    rows, table = opened.piece.rows.astype(np.int64), opened.piece.bars
    begin = np.r_[0, np.cumsum(table[:, BAR_COLUMN["length"]].astype(np.int64))]
    heard = np.zeros((len(table), 16, 12), dtype=bool)
    for row in rows[opened.piece.programs[rows[:, PART]] != 128].tolist():
        at = int(begin[row[BAR]]) + row[POSITION]
        end = min(at + int(DURATIONS[row[DURATION]]), int(begin[-1]))
        while at < end:
            bar = int(np.searchsorted(begin, at, side="right")) - 1
            quarter = (at - int(begin[bar])) // STEPS_PER_QUARTER
            heard[bar, quarter, row[PITCH] % 12] = True
            at = min(int(begin[bar]) + (quarter + 1) * STEPS_PER_QUARTER, int(begin[bar + 1]))
    return heard
