"""From a brief to the integers a model reads: bar table, programs, controls, and what returns.

The same columns that training derives from music (``encoding.plan``) are written here from the form. Nothing here
samples notes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from zhiyin.encoding.fields import (
    BAR_COLUMN,
    BAR_FIELDS,
    CADENCES,
    CONTROL_COLUMN,
    CONTROLS,
    DRUM_PROGRAM,
    LETTERS,
    MAX_PARTS,
    MAX_PHRASE_LEFT,
    MAX_SECTION_BAR,
    STEPS_PER_QUARTER,
    tempo_class,
)
from zhiyin.encoding.rows import with_bars_left
from zhiyin.inference.brief import Brief
from zhiyin.inference.chart import Chart, chord_column, lay_chart
from zhiyin.inference.chord_walk import walk_chords
from zhiyin.inference.controls import Key
from zhiyin.inference.form import Section, returns, vary_returns

NO_PART = 129  # program class of parts that do not exist
NOTATED = 1  # class of the control "timing"


@dataclass(frozen=True)
class Plan:
    """What a piece is written over.

    bars: int64 (N, 13), BAR_FIELDS. programs: int64 (32,), NO_PART beyond the parts. controls: int64 (5,).
    source: int64 (N,), the earlier bar that each bar returns note for note, -1 where it is written anew.
    """

    bars: np.ndarray
    programs: np.ndarray
    controls: np.ndarray
    source: np.ndarray


def make_plan(brief: Brief, *, variation: float = 0.35, chords: bool = True) -> Plan:
    """The plan of a brief. ``variation``: share of each return that is written anew; ``chords``: plan a harmony per bar."""
    rng = np.random.Generator(np.random.PCG64([brief.seed, 0x706C_616E]))
    table = bar_rows(brief.bars, brief.meter, brief.key, brief.tempo_qpm)
    write_sections(table, brief.sections)
    source = vary_returns(returns(brief.sections), brief.sections, variation, rng)
    if chords:
        table[:, BAR_COLUMN["chord"]] = walk_chords(brief.sections, brief.key, rng, brief.style)
    if all(p.program == DRUM_PROGRAM for p in brief.parts):
        table[:, [BAR_COLUMN[n] for n in ("key", "mode", "chord", "cadence")]] = 0
    with_bars_left(table)
    return Plan(table, program_row([p.program for p in brief.parts]), control_row(brief), source)


def chart_plan(plan: Plan, chart: Chart) -> Plan:
    """The plan with the chords of a chart; a bar returns an earlier one only where their chords agree."""
    spans = lay_chart(chart, plan.bars)
    table = plan.bars.copy()
    table[:, BAR_COLUMN["chord"]] = chord_column(spans, table[:, BAR_COLUMN["chord"]])
    of_bar: dict[int, list[tuple[int, int, object]]] = {}
    for s in spans:
        of_bar.setdefault(s.bar, []).append((s.begin, s.end, s.chord))
    source = np.array([b if b >= 0 and of_bar[b] == of_bar[i] else -1 for i, b in enumerate(plan.source.tolist())])
    return replace(plan, bars=table, source=source)


def bar_rows(bars: int, meter: tuple[int, int], key: Key, tempo_qpm: float) -> np.ndarray:
    """A bar table of one meter, key and tempo; its plan columns still 0. int64 (bars, 13)."""
    table = np.zeros((bars, len(BAR_FIELDS)), dtype=np.int64)
    columns = {
        "length": round(4 * STEPS_PER_QUARTER * meter[0] / meter[1]),
        "numerator": meter[0],
        "denominator": meter[1].bit_length(),
        "tempo": int(tempo_class(tempo_qpm)),
        "key": key.fifths + 8,
        "mode": key.mode + 1,
        "cadence": 1 + CADENCES.index("none"),
    }
    for name, value in columns.items():
        table[:, BAR_COLUMN[name]] = value
    return table


def write_sections(table: np.ndarray, sections: tuple[Section, ...]) -> None:
    """Fills the columns section, section_bar, phrase_left and cadence of a bar table in place."""
    for s in sections:
        at = np.arange(s.first, s.last + 1)
        table[at, BAR_COLUMN["section"]] = 1 + LETTERS.index(s.letter)
        table[at, BAR_COLUMN["section_bar"]] = np.minimum(at - s.first + 1, MAX_SECTION_BAR)
        table[at, BAR_COLUMN["phrase_left"]] = np.minimum(s.last + 1 - at, MAX_PHRASE_LEFT)
        table[s.last, BAR_COLUMN["cadence"]] = 1 + CADENCES.index(s.cadence)


def program_row(programs: list[int]) -> np.ndarray:
    """Programs of the parts, padded. int64 (32,)."""
    return np.array(programs + [NO_PART] * (MAX_PARTS - len(programs)), dtype=np.int64)


def control_row(brief: Brief) -> np.ndarray:
    """Controls of a brief. int64 (5,)."""
    row = np.zeros(len(CONTROLS), dtype=np.int64)
    values = {
        "style": brief.style_id,
        "composer": brief.composer_id,
        "density": brief.density,
        "register": brief.register,
    }
    for name, value in {**values, "timing": NOTATED}.items():
        row[CONTROL_COLUMN[name]] = value
    return row
