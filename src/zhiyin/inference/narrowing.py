"""Constraints on the new notes of an edit: scale, ranges, chords, as masks of each run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from zhiyin.encoding.fields import BAR_COLUMN
from zhiyin.inference.chart import Chart, chord_column, lay_chart, parse_chart
from zhiyin.inference.constraints import parse_range, with_ranges
from zhiyin.inference.given import Narrow, Run
from zhiyin.inference.narrow import Ensemble, narrow_to_chart, narrow_to_scale
from zhiyin.inference.opened import Opened, open_score
from zhiyin.inference.scales import Scale, find_scale
from zhiyin.inference.selection import Selection
from zhiyin.score import Score


@dataclass(frozen=True)
class Asked:
    """What new notes must keep to, as a user says it: a scale's name, "Flute=C4..A5", "Dm | G7 C/E | C"."""

    scale: str | None = None
    ranges: tuple[str, ...] = ()
    chords: str | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Asked:
        """From the settings of a record."""
        return cls(settings.get("scale"), tuple(settings.get("ranges") or ()), settings.get("chords"))

    def said(self) -> dict[str, Any]:
        """What is set, as a record writes it."""
        told = {"scale": self.scale, "ranges": list(self.ranges), "chords": self.chords}
        return {name: value for name, value in told.items() if value}


def open_asked(score: Score, selection: Selection, asked: Asked) -> tuple[Opened, Narrow | None]:
    """The score laid out under ranges, and what narrows its runs to scale and chart. Raises ControlError for what cannot be met."""
    opened = open_score(score, selection)
    if asked.ranges:
        parts = with_ranges(opened.parts, opened.names, [parse_range(r) for r in asked.ranges])
        opened = replace(opened, parts=parts)
    scale = find_scale(asked.scale, opened.key) if asked.scale else None
    chart: Chart = parse_chart(asked.chords) if asked.chords else ()
    if not scale and not chart:
        return opened, None
    first = int(opened.runs[0][0])
    return opened, lambda run: _narrowed(run, scale, chart, first)


def _narrowed(run: Run, scale: Scale | None, chart: Chart, first: int) -> Run:
    """A run whose new notes keep to a scale and a chart, which begins at bar ``first`` of the piece."""
    request, opened = run.request, run.opened
    ensemble, masks, table = Ensemble(opened.parts, opened.names), request.masks, request.bars
    if chart:
        at = (run.shift - first) % len(chart)
        turned = [*chart[at:], *chart[:at]]
        spans = lay_chart(turned, table)
        masks = narrow_to_chart(masks, spans, opened.key, ensemble)
        table = table.copy()
        table[:, BAR_COLUMN["chord"]] = chord_column(spans, table[:, BAR_COLUMN["chord"]])
    if scale:
        masks = narrow_to_scale(masks, scale, ensemble)
    return replace(run, request=replace(request, masks=masks, bars=table))
