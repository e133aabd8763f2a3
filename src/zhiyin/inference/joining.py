"""New rows put among the notes of a score that stay; those keep their exact ticks, and their marks.

No note overlaps or hangs: new notes end where their stretch of bars ends and where a line or their own pitch is struck
again, and none begins under a note of a line that still sounds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from zhiyin.encoding.fields import DURATIONS, STEPS_PER_QUARTER, velocity_of
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH, POSITION, VELOCITY
from zhiyin.inference.dressing import dress
from zhiyin.inference.opened import Opened
from zhiyin.inference.selection import Selection, reach_of, slack
from zhiyin.score import UNSPELLED, Mark, Score, notes_array

ON_NOTES = ("slur", "articulation", "ornament", "fermata", "lyric")  # marks that hang on notes


def join(opened: Opened, rows: np.ndarray) -> Score:
    """The score with its selected notes replaced by new rows; all other notes, marks and bars as they were."""
    score = opened.score
    kept = score.notes[~opened.selection.gone]
    new = fitted(score, kept, new_notes(opened, rows), opened) if len(rows) else score.notes[:0]
    marks = marks_after(score, opened.selection, kept, new)
    made = score.replace(notes=np.concatenate([kept, new]), marks=marks)
    return made.replace(marks=(*marks, *dress(made, opened.selection.cells, is_new(made, kept))))


def is_new(made: Score, kept: np.ndarray) -> np.ndarray:
    """Which notes of a score are not among those that were kept (NOTE array). bool (notes,)."""
    columns = ["onset", "duration", "pitch", "part"]
    known = set(map(tuple, kept[columns].tolist()))
    return np.array([n not in known for n in map(tuple, made.notes[columns].tolist())], dtype=bool)


def marks_after(score: Score, selection: Selection, kept: np.ndarray, new: np.ndarray) -> tuple[Mark, ...]:
    """The marks of a score whose selected notes have been replaced: those on notes that went go with them, but slurs that
    reach out of the selection are held by the nearest note."""
    struck = {p: np.unique(np.concatenate([n["onset"][n["part"] == p] for n in (kept, new)])) for p in selection.parts}
    stays = {p: set(kept["onset"][kept["part"] == p].tolist()) for p in selection.parts}

    def inside(mark: Mark, at: int) -> bool:
        return bool(selection.cells[score.bar_of(at), mark.part]) and at not in stays[mark.part]

    out = []
    for mark in score.marks:
        if mark.part not in stays or mark.kind not in ON_NOTES:
            out.append(mark)
            continue
        ends = [inside(mark, mark.onset), mark.end >= 0 and inside(mark, mark.end)]
        if not any(ends):
            out.append(mark)
        elif mark.kind == "slur" and not all(ends) and len(struck[mark.part]):
            places = struck[mark.part]
            if ends[0]:
                mark = replace(mark, onset=int(places[min(int(np.searchsorted(places, mark.onset)), len(places) - 1)]))
            else:
                mark = replace(mark, end=int(places[max(int(np.searchsorted(places, mark.end, side="right")) - 1, 0)]))
            out += [mark] if mark.onset < mark.end else []
    return tuple(out)


def new_notes(opened: Opened, rows: np.ndarray) -> np.ndarray:
    """NOTE array of new rows on the score's own ticks, not yet fitted among the notes that stay."""
    score = opened.score
    bars = score.bars[opened.home[rows[:, BAR]]]
    per_step = score.ticks_per_quarter / STEPS_PER_QUARTER
    steps = opened.offset[rows[:, BAR]] + rows[:, POSITION]
    onset = bars["onset"] + np.floor(steps * per_step + 0.5).astype(np.int64)
    end = bars["onset"] + np.floor((steps + DURATIONS[rows[:, DURATION]]) * per_step + 0.5).astype(np.int64)
    last = bars["onset"] + bars["duration"] - 1
    onset = np.minimum(onset, last)
    return notes_array(
        onset=onset, duration=np.maximum(end - onset, 1), pitch=rows[:, PITCH], velocity=velocity_of(rows[:, VELOCITY]),
        part=np.array(opened.order)[rows[:, PART]], spelling=UNSPELLED,
    )  # fmt: skip


def fitted(score: Score, kept: np.ndarray, new: np.ndarray, opened: Opened) -> np.ndarray:
    """New notes that leave those that stay alone: cut where their stretch of bars ends, where a line or their own pitch is
    struck again; none where one is still sounding."""
    cells = opened.selection.cells
    reach = reach_of(score, cells)[score.bar_of(new["onset"]), new["part"]]
    new["duration"] = np.maximum(np.minimum(new["duration"], reach - new["onset"]), 1)
    single = {opened.order[p] for p in np.flatnonzero(opened.single)}
    out = []
    for part in np.unique(new["part"]):
        mine, old = new[new["part"] == part], kept[(kept["part"] == part) & ~kept["grace"]]
        if int(part) in single:
            out.append(_fit_line(mine, old, slack(score)))
            continue
        for pitch in np.unique(mine["pitch"]):
            out.append(_fit_line(mine[mine["pitch"] == pitch], old[old["pitch"] == pitch], 0))
    return np.concatenate(out) if out else new


def _fit_line(new: np.ndarray, old: np.ndarray, slack: int) -> np.ndarray:
    """New notes of one line between old ones: those under a sounding old note go (or wait up to ``slack`` ticks of the same
    pitch), the others end where the next note begins."""
    new = new[np.argsort(new["onset"], kind="stable")].copy()
    ends = old["onset"].astype(np.int64) + old["duration"]
    for note in new:
        sounding = (old["onset"] <= note["onset"]) & (ends > note["onset"] + slack)
        same = (old["pitch"] == note["pitch"]) & (old["onset"] <= note["onset"]) & (ends > note["onset"])
        if sounding.any():
            note["duration"] = 0
        elif same.any():
            late = int(ends[same].max()) - int(note["onset"])
            note["onset"], note["duration"] = note["onset"] + late, max(int(note["duration"]) - late, 0)
    new = new[new["duration"] > 0]
    starts = np.unique(np.concatenate([new["onset"], old["onset"]]))
    following = np.searchsorted(starts, new["onset"], side="right")
    room = np.r_[starts, np.iinfo(np.int32).max][following] - new["onset"]
    new["duration"] = np.minimum(new["duration"], room)
    return new
