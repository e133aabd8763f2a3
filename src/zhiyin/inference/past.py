"""The past of a piece, as a sampler reads it: rows, bar table, parts, and where the new bars begin.

Only as many of the last bars as the model can see are read. Nothing here samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from zhiyin.encoding import EncodedPiece, decode, encode
from zhiyin.encoding.fields import (
    BAR_COLUMN,
    BAR_FLAGS,
    DRUM_PROGRAM,
    LETTERS,
    MAX_BAR_STEPS,
    MAX_PARTS,
    STEPS_PER_QUARTER,
)
from zhiyin.encoding.rows import BAR, PART, PITCH, VELOCITY, with_bars_left
from zhiyin.inference.chord_walk import walk_chords
from zhiyin.inference.controls import Key, key_from
from zhiyin.inference.finish import one_at_a_time
from zhiyin.inference.form import Section, plan_sections
from zhiyin.inference.harmony import plan_chords
from zhiyin.inference.instruments import Instrument, part_instrument
from zhiyin.inference.masks import cadence_masks
from zhiyin.inference.plan import bar_rows, program_row, write_sections
from zhiyin.inference.request import Request, Sampling
from zhiyin.measures.key import with_keys
from zhiyin.measures.playability import KEYBOARDS
from zhiyin.score import BAR as BAR_DTYPE
from zhiyin.score import Mark, Score

_LEAST_BARS = 4  # bars of the past that are read however dense they are
_RECENT = 16  # bars in which a part must have played to be asked to play at the end


@dataclass(frozen=True)
class Past:
    """A quantized piece and the plan of the bars that follow it.

    piece: rows and bars of the past. order: index in the score of each of the piece's parts. table: int64 (N, 13),
    past and new bars. first: row of ``table`` at which the new bars begin. sections: of the new bars, in rows of ``table``.
    """

    piece: EncodedPiece
    order: tuple[int, ...]
    parts: tuple[Instrument, ...]
    single: tuple[bool, ...]
    key: Key
    table: np.ndarray
    first: int
    sections: tuple[Section, ...]

    def request(self, controls: np.ndarray, sampling: Sampling, seed: int, window: int) -> Request:
        """What a sampler is asked: the last bars read, the new ones written, ending together on a long chord."""
        rows = self.piece.rows.astype(np.int64)
        shift = self._shift(rows, window)
        rows = rows[rows[:, BAR] >= shift]
        rows[:, BAR] -= shift
        table = self.table[shift:]
        sections = [replace(s, first=s.first - shift) for s in self.sections]
        recent = rows[rows[:, BAR] >= self.first - shift - _RECENT]
        must, single, hands = (np.zeros(MAX_PARTS, dtype=bool) for _ in range(3))
        must[np.unique(recent[:, PART])] = True
        single[: len(self.parts)] = self.single
        hands[: len(self.parts)] = [p.program in KEYBOARDS for p in self.parts]
        masks = cadence_masks(table, self.parts, self.key, sections)
        return Request(
            table, program_row([int(p) for p in self.piece.programs]), controls, masks, sampling, seed=seed, past=rows,
            first=self.first - shift, must_play=must, single=single, hands=hands,
            final_steps=int(table[-1, BAR_COLUMN["length"]]), keep_velocity=bool((rows[:, VELOCITY] > 0).mean() > 0.5),
        )  # fmt: skip

    def _shift(self, rows: np.ndarray, window: int) -> int:
        """First bar that is read: as many of the last bars as fill three quarters of the window."""
        fits = len(rows) - int(0.75 * window)
        if fits <= 0:
            return 0
        return min(int(rows[fits, BAR]) + 1, max(int(rows[-1, BAR]) + 1 - _LEAST_BARS, 0))

    def walked(self, style: str, seed: int) -> Past:
        """The same with other chords planned for the new bars: as people's bars have them (``chord_walk``), on from the last one."""
        if all(p == DRUM_PROGRAM for p in self.piece.programs.tolist()):
            return self
        table, column = self.table.copy(), BAR_COLUMN["chord"]
        local = tuple(replace(s, first=s.first - self.first) for s in self.sections)
        rng = np.random.Generator(np.random.PCG64([seed, 0x706C_616E]))
        table[self.first :, column] = walk_chords(local, self.key, rng, style, after=int(table[self.first - 1, column]))
        return replace(self, table=table)

    def join(self, score: Score, rows: np.ndarray, shift: int) -> Score:
        """The untouched score with new rows behind it, on ticks that hold both exactly. ``shift``: first bar that was read."""
        ticks = math.lcm(score.ticks_per_quarter, STEPS_PER_QUARTER)
        old, scale = score.with_resolution(ticks), ticks // score.ticks_per_quarter
        begin = int(score.bars["onset"][-1] + score.bars["duration"][-1]) * scale
        new = self._decoded(rows, shift).with_resolution(ticks)
        notes = one_at_a_time(new.notes, list(self.single))
        notes["onset"] += begin
        notes["part"] = np.array(self.order, dtype=notes["part"].dtype)[notes["part"]]
        bars = new.bars.copy()
        bars["onset"] += begin
        bars["number"] = int(score.bars["number"][-1]) + 1 + np.arange(len(bars))
        bars["tempo_qpm"] = 0  # the last tempo goes on
        for name in ("key", "mode"):
            bars[name] = score.bars[name][-1]
        marks = [m for m in old.marks if not (m.kind == "barline" and m.value == "final" and m.onset >= begin)]
        end = int(bars["onset"][-1] + bars["duration"][-1])
        joined = np.concatenate([old.notes, notes])
        return old.replace(
            notes=joined,
            bars=np.concatenate([old.bars, bars]).astype(BAR_DTYPE),
            marks=(*marks, Mark(end, "barline", "final")),
        )

    def _decoded(self, rows: np.ndarray, shift: int) -> Score:
        """New rows as a score of the new bars alone."""
        rows = rows.copy()
        rows[:, BAR] -= self.first - shift
        return decode(EncodedPiece(rows, self.table[self.first :], self.piece.programs, self.piece.controls))

    def shift(self, window: int) -> int:
        """First bar that is read under a window of cache slots."""
        return self._shift(self.piece.rows.astype(np.int64), window)


def read_past(score: Score, bars: int, cadence: str | None = None) -> Past:
    """Quantizes and encodes a score, and plans ``bars`` bars after it in its last meter, key and tempo, on plain triads (see ``walked``)."""
    piece, _ = encode(with_keys(score))
    order = kept_parts(score)
    last = piece.bars[-1].astype(np.int64)
    key = key_of(last)
    count = len(piece.bars)
    sections = _sections(piece.bars, bars, cadence)
    new = bar_rows(bars, _meter_of(last), key, 0)
    new[:, BAR_COLUMN["tempo"]] = last[BAR_COLUMN["tempo"]]
    table = np.concatenate([piece.bars.astype(np.int64), new])
    write_sections(table, sections)
    local = tuple(replace(s, first=s.first - count) for s in sections)
    table[count:, BAR_COLUMN["chord"]] = plan_chords(local, key, np.random.default_rng(0))
    upbeat = bool(table[0, BAR_COLUMN["flag"]] == 1 + BAR_FLAGS.index("upbeat"))
    parts, single = zip(*(played_instrument(score, piece, p, order[p]) for p in range(len(order))))
    return Past(piece, order, parts, single, key, with_bars_left(table, upbeat=upbeat), count, sections)


def kept_parts(score: Score) -> tuple[int, ...]:
    """Indices of the parts that the encoding keeps: those with notes, the fullest 32 of them."""
    counts = np.bincount(score.notes["part"][~score.notes["grace"]], minlength=len(score.parts))
    ranked = sorted(np.flatnonzero(counts), key=lambda p: -counts[p])[:MAX_PARTS]
    return tuple(sorted(int(p) for p in ranked))


def played_instrument(score: Score, piece: EncodedPiece, part: int, original: int) -> tuple[Instrument, bool]:
    """A part's instrument, its range widened to what it has played, and whether it has played one note at a time."""
    rows = piece.rows[piece.rows[:, PART] == part]
    low, high = int(rows[:, PITCH].min()), int(rows[:, PITCH].max())
    program = int(piece.programs[part])
    known = part_instrument(score.parts[original].name, program)
    single = len(np.unique(rows[:, :2], axis=0)) == len(rows) and len(rows) > 8 and program != DRUM_PROGRAM
    room = replace(
        known, low=min(low, max(known.low, low - 5)), high=max(high, min(known.high, high + 5)), single=single
    )
    return room, single


def _sections(past: np.ndarray, bars: int, cadence: str | None) -> tuple[Section, ...]:
    """Sections of the new bars: a return to A where the past has moved on from it, else new letters."""
    seen = int(past[:, BAR_COLUMN["section"]].max())
    sections = plan_sections(bars, cadence=cadence, first=len(past))
    if seen > 1:
        return sections
    moved = {letter: LETTERS[(i + 1) % len(LETTERS)] for i, letter in enumerate(LETTERS)}
    return tuple(replace(s, letter=moved[s.letter]) for s in sections)


def key_of(bar: np.ndarray) -> Key:
    """The key that a bar of a bar table is in (major where it says no mode)."""
    fifths, mode = int(bar[BAR_COLUMN["key"]]), int(bar[BAR_COLUMN["mode"]])
    return key_from(fifths - 8 if fifths else 0, int(mode == 2))


def _meter_of(bar: np.ndarray) -> tuple[int, int]:
    """The nominal meter of a bar, or its own length where the meter would not fit in a bar of the encoding."""
    numerator, denominator = int(bar[BAR_COLUMN["numerator"]]), 2 ** (int(bar[BAR_COLUMN["denominator"]]) - 1)
    if numerator < 1 or 4 * STEPS_PER_QUARTER * numerator / denominator > MAX_BAR_STEPS:
        return max(1, int(bar[BAR_COLUMN["length"]]) // STEPS_PER_QUARTER), 4
    return numerator, denominator
