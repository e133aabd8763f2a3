"""Infill: some bars of some parts written anew between what stands before, after and beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zhiyin.inference.edit import Edition, EditOptions, Job, Music, edit, read_music
from zhiyin.inference.narrowing import Asked, open_asked
from zhiyin.inference.sampler import Sampler
from zhiyin.inference.selection import select
from zhiyin.provenance.package import Package
from zhiyin.score import Score


def infill(
    source: Score | str | Path,
    span: str,
    *,
    parts: Sequence[str | int] = (),
    lock: Sequence[str] = (),
    scale: str | None = None,
    ranges: Sequence[str] = (),
    chords: str | None = None,
    style: str | None = None,
    model: str | Path | Package = "default",
    seed: int | None = None,
    options: EditOptions | None = None,
    sampler: Sampler | None = None,
) -> Edition:
    """Writes the bars of a span ("5-8", "1-2,9") anew, in all parts or in those named; everything else stays as it is.

    lock: parts and bars of the selection that stay. scale, ranges, chords: what the new notes must keep to, as in
    ``compose`` (the chart begins with the span). ``zy.save`` writes a MIDI or MusicXML file that was given by its path with
    nothing but the new bars changed. Raises ControlError for bars and parts that are not there.
    """
    asked = Asked(scale, tuple(ranges), chords)
    job = infill_job(read_music(source), {"span": span, "parts": list(parts), "lock": list(lock), **asked.said()}, style)
    return edit(job, model=model, seed=seed, options=options, sampler=sampler)


def infill_job(music: Music, settings: Mapping[str, Any], style: str | None = None) -> Job:
    """The job of an infill, from the settings that its record holds."""
    selection = select(music.score, settings.get("span"), settings.get("parts") or (), lock=settings.get("lock") or ())
    opened, narrow = open_asked(music.score, selection, Asked.of(settings))
    return Job("infill", settings, music, selection, style, narrow=narrow, opened=opened, told={"span": settings.get("span") or "all"})
