"""New parts written beside given ones: the core of harmonise, accompany and arrange.

The given rows are woven among the new ones as if they had been written, because the shipped default makes little of rows
that are given ahead (lab notebook).
A frame is a score that holds the given notes in the parts of the result; the parts without notes are written. The given
notes keep their exact ticks. Nothing here reads files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from zhiyin.encoding import encode, notes_of
from zhiyin.encoding.fields import (
    BAR_COLUMN,
    CADENCES,
    CONTROL_COLUMN,
    DENSITY_EDGES,
    DRUM_PROGRAM,
    DURATIONS,
    MAX_PARTS,
    STEPS_PER_QUARTER,
    level,
)
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH, POSITION
from zhiyin.errors import ControlError, InputError
from zhiyin.inference.chart import Chart, beat_steps, chord_column, lay_chart
from zhiyin.inference.finish import joined, one_at_a_time
from zhiyin.inference.harmony import Moment, fit_chords
from zhiyin.inference.instruments import VOICE, Instrument
from zhiyin.inference.leading import Slot, VoiceLeading
from zhiyin.inference.masks import GRID, Masks, PitchSets, bass_part, cadence_chord, class_mask, plain_masks, range_mask
from zhiyin.inference.narrow import Ensemble, narrow_to_chart, narrow_to_scale
from zhiyin.inference.past import kept_parts, key_of
from zhiyin.inference.plan import program_row
from zhiyin.inference.request import Request, Sampling
from zhiyin.inference.scales import find_scale
from zhiyin.measures.key import with_keys
from zhiyin.measures.playability import KEYBOARDS
from zhiyin.score import Score

_QUARTERS = 16


@dataclass(frozen=True)
class Wanted:
    """What is asked of the new parts besides their instruments. chart: chords to keep to. scale: its name. under: the part
    that no new part below it may sound above (-1 = none). together: new parts strike where the given notes do, on beats. style: class of the package's control. chords: the plan's
    chord of each bar, int (bars,), where the given notes do not say it themselves."""

    chart: Chart = ()
    scale: str | None = None
    under: int = -1
    together: bool = False
    style: int = 0
    chords: np.ndarray | None = None


class Beside:
    """A frame made ready: rows that are given, the bar table, masks of the new parts.

    frame: score whose parts are those of the result, top to bottom. parts: their instruments. Parts without notes are new.
    """

    def __init__(self, frame: Score, parts: Sequence[Instrument], wanted: Wanted) -> None:
        if not len(frame.notes):
            raise InputError("Nothing to write parts for", expected="a score with notes", received="0 notes")
        if len(parts) > MAX_PARTS:
            raise ControlError("Too many parts", expected=f"≤ {MAX_PARTS}", received=str(len(parts)))
        self.frame, self.parts, self.wanted = frame, tuple(parts), wanted
        self.names = tuple(p.name for p in frame.parts)
        self.piece, _ = encode(with_keys(frame), close_gaps=False)
        order = np.array(kept_parts(frame), dtype=np.int64)
        self._upbeat = int(frame.bars["number"][0] == 0)
        self.given = self.piece.rows.astype(np.int64)
        self.given[:, PART] = order[self.given[:, PART]]
        self.fresh = [p for p in range(len(parts)) if p not in order]
        if not self.fresh:
            raise ControlError("There is no part to write", expected="a part without notes", received="none")
        self.key = key_of(self.piece.bars[-1].astype(np.int64))
        self.table = self._plan()
        self._begin = np.concatenate([[0], np.cumsum(self.table[:, BAR_COLUMN["length"]])])
        self._start = self._begin[self.given[:, BAR]] + self.given[:, POSITION]
        self._end = np.minimum(self._start + DURATIONS[self.given[:, DURATION]], self._begin[-1])
        self.masks = self._masks()
        self.moments = self._moments() if wanted.together else []

    def request(self, sampling: Sampling, seed: int) -> Request:
        """What a sampler is asked: the new parts, each of which plays in the last bar."""
        controls = np.zeros(len(CONTROL_COLUMN), dtype=np.int64)
        controls[CONTROL_COLUMN["style"]] = self.wanted.style
        controls[CONTROL_COLUMN["density"]] = self._density()
        controls[CONTROL_COLUMN["timing"]] = int(self.piece.controls[CONTROL_COLUMN["timing"]])
        cells = np.zeros((len(self.table), MAX_PARTS), dtype=bool)
        cells[:, self.fresh] = True
        must, single, hands = (np.zeros(MAX_PARTS, dtype=bool) for _ in range(3))
        must[self.fresh] = True
        single[: len(self.parts)] = [p.single for p in self.parts]
        hands[: len(self.parts)] = [p.program in KEYBOARDS for p in self.parts]
        request = Request(
            self.table, program_row([p.program for p in self.parts]), controls, self.masks, sampling, seed=seed,
            woven=self.given, cells=cells, must_play=must, single=single, hands=hands,
        )  # fmt: skip
        if not self.moments:
            return request
        masks, places, lead = self._together(seed)
        return replace(request, masks=masks, places=places, lead=lead)

    def _density(self) -> int:
        """Class of notes a quarter if every part moved as the given ones do."""
        quarters = float(self.table[:, BAR_COLUMN["length"]].sum()) / STEPS_PER_QUARTER
        given = len(self.parts) - len(self.fresh)
        return level(len(self.given) / quarters * len(self.parts) / max(given, 1), DENSITY_EDGES)

    def join(self, rows: np.ndarray) -> Score:
        """The frame with new rows in its empty parts, on ticks that hold both exactly."""
        ticks = math.lcm(self.frame.ticks_per_quarter, STEPS_PER_QUARTER)
        frame = self.frame.with_resolution(ticks)
        rows = self._held_to_the_end(rows)
        notes = one_at_a_time(notes_of(rows, self._begin), [p.single for p in self.parts])
        notes = joined(notes, [p.program == VOICE for p in self.parts])
        for column in ("onset", "duration"):
            notes[column] *= ticks // STEPS_PER_QUARTER
        loudness = frame.notes["velocity"][frame.notes["velocity"] > 0]
        notes["velocity"] = int(np.median(loudness)) if len(loudness) else 0
        return frame.replace(notes=np.concatenate([frame.notes, notes]))

    def _held_to_the_end(self, rows: np.ndarray) -> np.ndarray:
        """Rows whose last chord lasts until the given music ends."""
        rows = rows.copy()
        begin, end = self._begin, int(self._end.max())
        for part in self.fresh:
            at = np.flatnonzero(rows[:, PART] == part)
            onset = begin[rows[at, BAR]] + rows[at, POSITION]
            last = at[onset == onset.max(initial=-1)]
            if len(last) and self.parts[part].program != DRUM_PROGRAM and rows[last[0], BAR] == len(self.table) - 1:
                left = max(end - int(onset.max()), 1)
                rows[last, DURATION] = max(int(np.searchsorted(DURATIONS, left, side="right")) - 1, 0)
        return rows

    def _plan(self) -> np.ndarray:
        """The given music's bar table; chords of the chart or of the wish, cadences read off the given melody alone."""
        table = self.piece.bars.astype(np.int64)
        if self.wanted.chords is not None:
            table[:, BAR_COLUMN["chord"]] = self.wanted.chords
        if self.wanted.chart:
            spans = lay_chart(self.wanted.chart, table, self._upbeat)
            table[:, BAR_COLUMN["chord"]] = chord_column(spans, table[:, BAR_COLUMN["chord"]])
        table[-1, BAR_COLUMN["cadence"]] = 1 + CADENCES.index("authentic")
        return table

    def _masks(self) -> Masks:
        """Ranges, nothing above the part that new ones lie under, the tonic under the last note, then chart and scale."""
        ensemble = Ensemble(self.parts, self.names)
        masks = plain_masks(self.table, self.parts)
        masks.pitch_index[:, :, [p for p in range(len(self.parts)) if p not in self.fresh]] = 0  # given parts stay as they are
        if self.wanted.under >= 0:
            masks = self._below(masks)
        if self.wanted.chart:
            spans = lay_chart(self.wanted.chart, self.table, self._upbeat)
            masks = narrow_to_chart(masks, spans, self.key, ensemble)
        masks = self._close(masks)
        return narrow_to_scale(masks, find_scale(self.wanted.scale, self.key), ensemble) if self.wanted.scale else masks

    def _moments(self) -> list[tuple[int, int]]:
        """Where new parts that move together strike, and until when (steps from the beginning): at each given onset that
        falls on a beat, or lasts one, until the next of them or until the given parts rest."""
        start, end = self._start, self._end
        beat = np.array([beat_steps(b) for b in self.table])[self.given[:, BAR]]
        strong = (self.given[:, POSITION] % beat == 0) | (end - start >= beat)
        struck = np.unique(np.r_[start[:1], start[strong]]).tolist()
        following = [*struck[1:], int(end.max())]
        return [(a, int(end[(start < b) & (end > a)].clip(max=b).max(initial=a + 1))) for a, b in zip(struck, following)]

    def _together(self, seed: int) -> tuple[Masks, np.ndarray, VoiceLeading]:
        """One note of every new part at each moment, out of the chord that is planned there: masks, places, the lead."""
        rng = np.random.Generator(np.random.PCG64([seed, 0x686172]))
        slots = self._slots(rng)
        sets, places = PitchSets(self.masks.pitch[1:]), []
        for (at, until), slot in zip(self.moments, slots):
            row = int(np.searchsorted(self._begin, at, side="right")) - 1
            position = at - int(self._begin[row])
            length = max(int(np.searchsorted(DURATIONS, until - at, side="right")) - 1, 0)
            for part in self.fresh:
                mask = self.masks.pitch[self.masks.pitch_index[row, position // STEPS_PER_QUARTER, part]]
                narrowed = mask & class_mask(slot.classes)
                places.append((row, position, part, length, sets.add(narrowed if narrowed.any() else mask)))
        given = np.full((2, len(self.moments), len(self.parts)), -1)
        for i, (at, _) in enumerate(self.moments):
            for when, row in ((at - 1, given[0, i]), (at, given[1, i])):
                sounding = (self._start <= when) & (self._end > when)
                np.maximum.at(row, self.given[sounding, PART], self.given[sounding, PITCH])
        table = np.concatenate([np.array(sets.rows), np.zeros((1, 128), dtype=bool)])  # the last row is the lead's
        return replace(self.masks, pitch=table), np.array(places, dtype=np.int64), VoiceLeading(self.fresh, given, slots)

    def _slots(self, rng: np.random.Generator) -> list[Slot]:
        """The chord of each moment: the chart's, else one that fits what is heard."""
        leading = (self.key.tonic + 11) % 12
        if self.wanted.chart:
            spans = lay_chart(self.wanted.chart, self.table, self._upbeat)
            begins = np.array([self._begin[s.bar] + s.begin for s in spans])
            found = [spans[max(int(np.searchsorted(begins, at, side="right")) - 1, 0)].chord for at, _ in self.moments]
            return [Slot(c.classes if c else tuple(range(12)), leading) for c in found]
        moments = []
        for i, (at, until) in enumerate(self.moments):
            sounding = (self._start < until) & (self._end > at)
            heard = np.zeros(12)
            share = (np.minimum(self._end, until) - np.maximum(self._start, at))[sounding] / (until - at)
            np.add.at(heard, self.given[sounding, PITCH] % 12, np.where(self._start[sounding] <= at, 1.0, 0.4 * share))
            close = "authentic" if i == len(self.moments) - 1 else ""
            moments.append(Moment(np.minimum(heard, 1.0), bool(np.isin(at, self._begin)), close))
        return [Slot(c, leading) for c in fit_chords(moments, self.key, rng)]

    def _below(self, masks: Masks) -> Masks:
        """Parts under the given one stay at or below the lowest note that it sounds in each quarter."""
        sets, index = PitchSets(masks.pitch[1:]), masks.pitch_index.copy()
        ceiling = self._lowest(self.wanted.under)
        for part in (p for p in self.fresh if p > self.wanted.under and self.parts[p].program != DRUM_PROGRAM):
            inside = range_mask(self.parts[part])
            for bar, quarter in np.argwhere(ceiling < 128).tolist():
                mask = inside & (np.arange(128) <= ceiling[bar, quarter])
                if mask.any():
                    index[bar, quarter, part] = sets.add(mask)
        return replace(masks, pitch=np.array(sets.rows), pitch_index=index)

    def _lowest(self, part: int) -> np.ndarray:
        """Lowest pitch of a given part that sounds in each quarter of each bar, 128 = none. int (bars, 16)."""
        out = np.full((len(self.table), _QUARTERS), 128)
        begin = self._begin
        for start, end, row in zip(self._start.tolist(), self._end.tolist(), self.given.tolist()):
            if row[PART] != part:
                continue
            pitch = row[PITCH]
            while start < end:
                bar = int(np.searchsorted(begin, start, side="right")) - 1
                quarter = int(start - begin[bar]) // STEPS_PER_QUARTER
                if quarter < _QUARTERS:
                    out[bar, quarter] = min(out[bar, quarter], pitch)
                start = min(begin[bar] + (quarter + 1) * STEPS_PER_QUARTER, begin[bar + 1])
        return out

    def _close(self, masks: Masks) -> Masks:
        """From the last given onset on the tonic chord, its root in the bass, where the last given notes belong to it."""
        last = self.given[self.given[:, BAR] == len(self.table) - 1]
        root, tonic = cadence_chord(self.key, "authentic")
        pitched = [p for p in self.fresh if self.parts[p].program != DRUM_PROGRAM]
        if not len(last) or not pitched:
            return masks
        final = last[last[:, POSITION] == last[:, POSITION].max()]
        if not np.isin(final[:, PITCH] % 12, tonic).all():
            return masks
        sets, index = PitchSets(masks.pitch[1:]), masks.pitch_index.copy()
        bass = bass_part(self.parts)
        before = masks.position[GRID] & (np.arange(len(masks.position[GRID])) <= final[0, POSITION])
        masks.position_index[-1] = len(masks.position)
        masks.position = np.concatenate([masks.position, before[None]])
        quarter = int(final[0, POSITION]) // STEPS_PER_QUARTER
        final_bass = masks.final_bass
        for part in pitched:
            inside = masks.pitch[index[-1, quarter, part]]
            chord, low = inside & class_mask(tonic), inside & class_mask([root])
            rooted = part == bass and low.any() and (self.parts[part].single or quarter == 0)
            if rooted and not self.parts[part].single:  # after its root it may add the rest of the chord
                final_bass = (part, sets.add(chord))
            if chord.any():
                index[-1, quarter:, part] = sets.add(low if rooted else chord)
        return replace(masks, pitch=np.array(sets.rows), pitch_index=index, final_bass=final_bass)
