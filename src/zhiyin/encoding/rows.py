"""The house encoding: ``Score`` <-> one row per note over a bar table, both directions.

Rows are sorted by (bar, position, part, pitch), no two alike, so a row only ever moves forward. The bar table is
planned or given, never sampled: rows point into it. What a row cannot say is listed by ``quantize``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zhiyin.encoding.fields import (
    BAR_COLUMN,
    BAR_FIELDS,
    BAR_FLAGS,
    BAR_SIZES,
    CONTROL_COLUMN,
    CONTROLS,
    DENSITY_EDGES,
    DRUM_PROGRAM,
    DURATIONS,
    MAX_BAR_STEP,
    MAX_PARTS,
    REGISTER_EDGES,
    STEPS_PER_QUARTER,
    VELOCITY_CLASSES,
    duration_class,
    left_class,
    level,
    tempo_class,
    tempo_of,
    velocity_class,
    velocity_of,
)
from zhiyin.encoding.plan import derive_plan
from zhiyin.encoding.quantize import QuantizeReport, _cut_restruck, quantize
from zhiyin.errors import EncodingError
from zhiyin.score import UNKNOWN_KEY, Part, Score, bars_array, notes_array

ROW_COLUMNS = ("bar", "position", "part", "pitch", "duration", "velocity")
BAR, POSITION, PART, PITCH, DURATION, VELOCITY = range(6)


@dataclass(frozen=True)
class EncodedPiece:
    """A piece as integers.

    rows: int16 (T, 6), columns ROW_COLUMNS: bar = row of the bar table, position in steps, part, MIDI pitch,
    duration class, velocity class. bars: int16 (bars, len(BAR_FIELDS)). programs: uint8 (parts,), 128 = drums.
    controls: int16 (len(CONTROLS),), 0 = not said.
    """

    rows: np.ndarray
    bars: np.ndarray
    programs: np.ndarray
    controls: np.ndarray


def encode(score: Score, *, close_gaps: bool = True) -> tuple[EncodedPiece, QuantizeReport]:
    """Quantizes a score and encodes it; the report lists what the grid changed. close_gaps: see ``quantize``."""
    score, report = quantize(score, close_gaps=close_gaps)
    notes = score.notes
    bar = score.bar_of(notes["onset"])
    rows = np.empty((len(notes), len(ROW_COLUMNS)), dtype=np.int16)
    rows[:, BAR] = bar
    rows[:, POSITION] = notes["onset"] - score.bars["onset"][bar]
    rows[:, PART] = notes["part"]
    rows[:, PITCH] = notes["pitch"]
    rows[:, DURATION] = duration_class(notes["duration"])
    rows[:, VELOCITY] = velocity_class(notes["velocity"])
    programs = np.array([DRUM_PROGRAM if p.drums else p.program for p in score.parts], dtype=np.uint8)
    return EncodedPiece(rows, bar_table(score, rows), programs, _controls(score)), report


def bar_table(score: Score, rows: np.ndarray) -> np.ndarray:
    """The bar table of a quantized score, its plan derived from the music. int16 (bars, len(BAR_FIELDS))."""
    bars = score.bars
    table = np.zeros((len(bars), len(BAR_FIELDS)), dtype=np.int16)
    table[:, BAR_COLUMN["length"]] = bars["duration"]
    table[:, BAR_COLUMN["numerator"]] = bars["meter_numerator"]
    table[:, BAR_COLUMN["denominator"]] = 1 + np.log2(bars["meter_denominator"]).astype(int)
    table[:, BAR_COLUMN["tempo"]] = tempo_class(bars["tempo_qpm"])
    table[:, BAR_COLUMN["key"]] = np.where(bars["key"] == UNKNOWN_KEY, 0, bars["key"].astype(int) + 8)
    table[:, BAR_COLUMN["mode"]] = bars["mode"] + 1
    plan = derive_plan(score)
    for name in ("chord", "section", "section_bar", "phrase_left", "cadence"):
        table[:, BAR_COLUMN[name]] = plan[name]
    return with_bars_left(table, upbeat=int(bars["number"][0]) == 0)


def with_bars_left(table: np.ndarray, *, upbeat: bool = False) -> np.ndarray:
    """Fills the columns that follow from the number of bars alone: ``left`` and ``flag``."""
    count = len(table)
    table[:, BAR_COLUMN["left"]] = left_class(np.arange(count, 0, -1))
    flag = np.full(count, BAR_FLAGS.index("plain"))
    flag[-1] = BAR_FLAGS.index("last")
    if upbeat and count > 1:
        flag[0] = BAR_FLAGS.index("upbeat")
    table[:, BAR_COLUMN["flag"]] = 1 + flag
    return table


def _controls(score: Score) -> np.ndarray:
    """Controls that the music itself tells; style and composer are the corpus' to fill in."""
    out = np.zeros(len(CONTROLS), dtype=np.int16)
    quarters = float(score.bars["duration"].sum()) / STEPS_PER_QUARTER
    out[CONTROL_COLUMN["density"]] = level(len(score.notes) / quarters, DENSITY_EDGES)
    drums = score.drums[score.notes["part"]]
    if not drums.all():
        out[CONTROL_COLUMN["register"]] = level(float(score.notes["pitch"][~drums].mean()), REGISTER_EDGES)
    out[CONTROL_COLUMN["timing"]] = {"unknown": 0, "notated": 1, "performed": 2}[score.timing]
    return out


def decode(piece: EncodedPiece, names: tuple[str, ...] = ()) -> Score:
    """The score that a legal piece says (24 ticks a quarter). ``names``: part names, else empty. Checks legality."""
    check_legal(piece)
    rows, table = piece.rows.astype(np.int64), piece.bars.astype(np.int64)
    numerator = np.maximum(table[:, BAR_COLUMN["numerator"]], 1)
    denominator = 2 ** (np.maximum(table[:, BAR_COLUMN["denominator"]], 1) - 1)
    key = table[:, BAR_COLUMN["key"]]
    upbeat = table[0, BAR_COLUMN["flag"]] == 1 + BAR_FLAGS.index("upbeat")
    bars = bars_array(
        table[:, BAR_COLUMN["length"]].tolist(),
        number=np.arange(len(table)) + (0 if upbeat else 1),
        meter_numerator=numerator,
        meter_denominator=denominator,
        key=np.where(key == 0, UNKNOWN_KEY, key - 8),
        mode=table[:, BAR_COLUMN["mode"]] - 1,
        tempo_qpm=tempo_of(table[:, BAR_COLUMN["tempo"]]),
    )
    names = names or ("",) * len(piece.programs)
    parts = tuple(
        Part(name, 0 if program == DRUM_PROGRAM else int(program), bool(program == DRUM_PROGRAM))
        for name, program in zip(names, piece.programs, strict=True)
    )
    timing = ("unknown", "notated", "performed")[int(piece.controls[CONTROL_COLUMN["timing"]])]
    return Score(notes_of(rows, bars["onset"]), bars, parts, STEPS_PER_QUARTER, timing=timing)  # type: ignore[arg-type]


def notes_of(rows: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """NOTE array of rows (int (R, 6)) whose bars begin at ``begin`` (steps, int (bars,)), with no check: the bars between
    two rows may be more than a step can say."""
    notes = notes_array(
        onset=begin[rows[:, BAR]] + rows[:, POSITION],
        duration=DURATIONS[rows[:, DURATION]],
        pitch=rows[:, PITCH],
        velocity=velocity_of(rows[:, VELOCITY]),
        part=rows[:, PART],
    )
    return _cut_restruck(notes)[0]


def check_legal(piece: EncodedPiece) -> None:
    """Raises EncodingError where rows or bars are not legal: a field out of range, rows out of order, a step too long."""
    rows, bars = piece.rows.astype(np.int64), piece.bars
    sizes = (len(bars), 0, len(piece.programs), 128, len(DURATIONS), VELOCITY_CLASSES)
    if not len(bars) or not len(rows) or not 1 <= len(piece.programs) <= MAX_PARTS:
        raise EncodingError(
            "Nothing to decode",
            expected=f"≥ 1 row, ≥ 1 bar, 1..{MAX_PARTS} parts",
            received=f"{len(rows)} rows, {len(bars)} bars, {len(piece.programs)} parts",
        )
    for name, column, size in zip(BAR_FIELDS, bars.T, BAR_SIZES):
        low = 1 if name == "length" else 0
        if column.min() < low or column.max() >= size:
            _out_of_range(f"bar {name}", low, size - 1, column, np.arange(len(column)))
    for name, column, size in zip(ROW_COLUMNS, rows.T, sizes):
        if name == "position":
            lengths = bars[rows[:, BAR], BAR_COLUMN["length"]]
            if (column < 0).any() or (column >= lengths).any():
                _out_of_range(name, 0, "its bar's length - 1", np.where(column >= lengths, 9999, column), rows[:, BAR])
        elif column.min() < 0 or column.max() >= size:
            _out_of_range(name, 0, size - 1, column, rows[:, BAR])
    check_order(rows)


def check_order(rows: np.ndarray) -> None:
    """Raises EncodingError where rows (int (R, 6)) are out of order or step over too many bars."""
    key = np.ravel_multi_index(
        (rows[:, BAR], rows[:, POSITION], rows[:, PART], rows[:, PITCH]), (1 << 15, 512, 32, 128)
    )
    if (np.diff(key) <= 0).any():
        at = int(np.argmax(np.diff(key) <= 0)) + 1
        raise EncodingError(
            "Rows out of order",
            expected="rows ascending by bar, position, part, pitch, none twice",
            received=f"row {at}: {rows[at].tolist()}",
        )
    steps = np.diff(rows[:, BAR], prepend=0)
    if steps.max() > MAX_BAR_STEP:
        raise EncodingError(
            "A row steps over too many bars", expected=f"≤ {MAX_BAR_STEP}", received=str(int(steps.max()))
        )


def _out_of_range(name: str, low: int, high: int | str, column: np.ndarray, bar: np.ndarray) -> None:
    wrong = (column < low) | (column > (high if isinstance(high, int) else 9998))
    at = int(np.argmax(wrong))
    raise EncodingError(
        f"{name} out of range", expected=f"{low}..{high}", received=f"{int(column[at])} in row {at}, bar {int(bar[at])}"
    )


def same_music(a: Score, b: Score) -> bool:
    """Whether two scores agree in all that rows carry: notes, bars, meters, keys, tempos, programs."""
    carried = ["onset", "duration", "pitch", "velocity", "part"]
    bar_columns = ["onset", "duration", "number", "meter_numerator", "meter_denominator", "key", "mode", "tempo_qpm"]
    return (
        a.ticks_per_quarter == b.ticks_per_quarter
        and np.array_equal(a.notes[carried], b.notes[carried])
        and np.array_equal(a.bars[bar_columns], b.bars[bar_columns])
        and [(p.program * (not p.drums), p.drums) for p in a.parts]
        == [(p.program * (not p.drums), p.drums) for p in b.parts]
    )
