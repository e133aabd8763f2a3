"""What gave way where constraints cannot all be met together, in words: the close, the chart, the scale, the ranges.

Ranges and the scale hold in every note; the close of the piece and the chart's bass give way to them, and the chart to the close.
"""

from __future__ import annotations

from zhiyin.inference.brief import Brief
from zhiyin.inference.chart import Chart
from zhiyin.inference.constraints import Constraints
from zhiyin.inference.instruments import Instrument
from zhiyin.inference.masks import cadence_chord
from zhiyin.inference.narrow import Ensemble
from zhiyin.inference.scales import Scale
from zhiyin.measures.chord_symbol import pitch_class_name

_NAMED = 4  # chords that are named; of more their number


def unmet(asked: Constraints, brief: Brief) -> list[str]:
    """Sentences, one for each constraint that gave way; empty where all of them hold."""
    ensemble, scale = Ensemble(brief.parts, brief.names), asked.find_scale(brief.key)
    if not ensemble.pitched:
        return []
    chart = [asked.chart[bar % len(asked.chart)] for bar in range(brief.bars)] if asked.chart else []
    root = cadence_chord(brief.key, brief.sections[-1].cadence)[0]
    return _of_close(brief, ensemble, scale, chart, root) + (_of_chart(brief, ensemble, scale, chart[:-1], bool(asked.rhythm)) if chart else [])


def _of_close(brief: Brief, ensemble: Ensemble, scale: Scale | None, chart: Chart, root: int) -> list[str]:
    """Whether the last bar has its root in the bass, and agrees with the chart."""
    name = pitch_class_name(root, brief.key.fifths)
    if scale and root not in scale.classes:
        return [f"the last bar does not close on {name}: the scale {scale.name}, which holds, has none"]
    bass = ensemble.lowest
    if not _plays(brief.parts[bass], root):
        one = brief.parts[bass]
        return [f"the last bar has no {name} in the bass: the range of {brief.names[bass]} ({one.span}), which holds, has none"]
    last = [c for c in chart[-1] if c] if chart else []
    return [f"the last bar closes on {name}, not on the chart's {last[-1].symbol}"] if last and last[-1].root != root else []


def _of_chart(brief: Brief, ensemble: Ensemble, scale: Scale | None, chart: Chart, rhythm: bool) -> list[str]:
    """Whether the bass has the bass note of every chord, and the scale its notes."""
    chords = {c.symbol: c for bar in chart for c in bar if c}
    out = []
    outside = [s for s, c in chords.items() if scale and not {*c.classes, c.bass} <= set(scale.classes)]
    if scale and outside:
        out.append(f"notes of the chart's {_listed(outside)} are left out: the scale {scale.name}, which holds, has not all of them")
    bass = ensemble.single_bass
    missing = [s for s, c in chords.items() if bass >= 0 and s not in outside and not _plays(brief.parts[bass], c.bass)]
    if missing:
        one = brief.parts[bass]
        out.append(f"{brief.names[bass]} does not play the bass note of the chart's {_listed(missing)}: its range ({one.span}), which holds, has none")
    if rhythm and bass >= 0:
        out.append("the bass strikes where the rhythm has it, not wherever a chord begins")
    return out


def _plays(part: Instrument, pitch_class: int) -> bool:
    return any(pitch % 12 == pitch_class for pitch in range(part.low, part.high + 1))


def _listed(symbols: list[str]) -> str:
    return ", ".join(symbols) if len(symbols) <= _NAMED else f"{', '.join(symbols[:_NAMED])} and {len(symbols) - _NAMED} more"
