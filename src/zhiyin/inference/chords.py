"""The verb chords: chord symbols written into a score, found in what sounds or, for a lone tune, fitted under it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zhiyin.errors import InputError
from zhiyin.formats.recorded import music_of
from zhiyin.inference.chart import Chart
from zhiyin.inference.controls import Key, key_from
from zhiyin.inference.harmony import Moment, fit_chords
from zhiyin.inference.lead_sheet import in_note_values, on_beat
from zhiyin.measures.chord_symbol import chord_name, parse_chord
from zhiyin.measures.chords import ChordAt, find_chords
from zhiyin.measures.key import with_keys
from zhiyin.measures.melody import find_melody
from zhiyin.provenance.disclosure import disclosed
from zhiyin.provenance.record import make_record
from zhiyin.score import Mark, Part, Score
from zhiyin.version import __version__

_TOGETHER = 0.02  # share of notes that sound with another from which music has harmony of its own


@dataclass(frozen=True)
class Chorded:
    """A score with chord symbols. score: the same notes, chord marks added. chords: in order of time. fitted: they were fitted
    under a tune (it has no harmony of its own). said: what was taken, in words. record: how it was made, for its files."""

    score: Score
    chords: tuple[ChordAt, ...]
    fitted: bool
    said: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)


def chords(score: Score, *, melody: str | None = None, lead_sheet: bool = False) -> Chorded:
    """Finds the chords of a score and writes them over it (marks of kind ``chord`` that stand there are replaced).

    lead_sheet: keep the melody alone under the symbols, with the key that is found where none is stated; played-in music is
    brought to its beat and into note values that can be read. melody: its part, by name or number. Raises InputError for a score
    without pitched notes.
    """
    if not len(score.notes) or score.drums[score.notes["part"]].all():
        raise InputError("No chords to find", expected="a score with pitched notes", received="none")
    lone, given, played = is_lone(score), score, False
    said: list[str] = []
    if lead_sheet:
        beaten = on_beat(score)
        score, played, said = with_keys(beaten.score), beaten.played, list(beaten.said)
    found = _under_tune(score) if lone else find_chords(score)
    said += ["chords fitted under the tune"] if lone else []
    marks = [m for m in score.marks if m.kind != "chord"]
    part = 0
    if lead_sheet:
        line = find_melody(score, melody)
        notes = score.notes[line.rows].copy()
        said += [line.said] if line.said else []
        notes["part"], notes["voice"], notes["staff"] = 0, 0, 0
        if played:
            notes, lost = in_note_values(notes)
            said += [lost] if lost else []
        marks = [
            Mark(m.onset, m.kind, m.value, min(m.part, 0), m.end, 0, 0, m.pitch) for m in marks if m.part in (-1, line.part)
        ]
        name = score.parts[line.part].name or "Melody"
        score = score.replace(notes=notes, parts=(Part(name, score.parts[line.part].program),), marks=())
    elif not lone:
        part = int(find_melody(score, melody).part)
    marks += [Mark(c.onset, "chord", c.symbol, part) for c in found]
    score = score.replace(marks=tuple(marks))
    return Chorded(score, found, lone, tuple(said), _record(score, given, {"melody": melody, "lead_sheet": lead_sheet}))


def _record(score: Score, given: Score, settings: Mapping[str, Any]) -> dict[str, Any]:
    """How the symbols came about: no model, and no note was composed."""
    record = make_record(
        "chords", __version__, settings, model={}, model_hash="", notes=music_of(score), inputs=[{"heard": music_of(given).heard["heard"]}],
    )  # fmt: skip
    return disclosed(record | {"originality": {"level": "clear", "line": "no note was composed", "style": ""}}, "")


def is_lone(score: Score) -> bool:
    """Whether hardly any two pitched notes sound at once."""
    notes = score.notes[~score.drums[score.notes["part"]] & ~score.notes["grace"]]
    end = np.maximum.accumulate(notes["onset"].astype(np.int64) + notes["duration"])
    return len(notes) < 2 or float((notes["onset"][1:] < end[:-1]).mean()) < _TOGETHER


def _under_tune(score: Score) -> tuple[ChordAt, ...]:
    """A chord for each full bar of a tune."""
    keyed = with_keys(score)
    key = key_from(int(keyed.bars["key"][-1]), int(keyed.bars["mode"][-1] == 1))
    moments, places = [], []
    for i, bar in enumerate(keyed.bars):
        begin, end = int(bar["onset"]), int(bar["onset"]) + int(bar["duration"])
        inside = keyed.notes[(keyed.notes["onset"] < end) & (keyed.notes["onset"] + keyed.notes["duration"] > begin)]
        heard = np.zeros(12)
        share = np.minimum(inside["onset"] + inside["duration"], end) - np.maximum(inside["onset"], begin)
        np.add.at(heard, inside["pitch"] % 12, 2.0 * share / max(end - begin, 1) * np.where(inside["onset"] <= begin, 1.5, 1.0))
        if bar["number"] == 0 and i == 0:
            continue
        moments.append(Moment(np.minimum(heard, 1.5), True, "authentic" if i == len(keyed.bars) - 1 else ""))
        places.append((begin, end))
    if not moments:
        return ()
    found = fit_chords(moments, key, np.random.default_rng(0), sharpness=6.0)
    return _merged([_chord(c, key, place) for c, place in zip(found, places)])


def tune_chart(score: Score) -> Chart:
    """The chords that fit under a tune as a chart, one a bar from the first full bar on."""
    found = _under_tune(score)
    first = int(score.bars["number"][0] == 0)
    symbols = [next((c.symbol for c in found if c.onset <= int(b["onset"]) < c.end), "N.C.") for b in score.bars[first:]]
    return tuple((parse_chord(s),) for s in symbols)


def _chord(classes: tuple[int, ...], key: Key, place: tuple[int, int]) -> ChordAt:
    kind = "m" if (classes[1] - classes[0]) % 12 == 3 else "7" if len(classes) > 3 else ""
    return ChordAt(*place, chord_name(classes[0], kind, None, key.fifths), classes[0], kind)


def _merged(found: list[ChordAt]) -> tuple[ChordAt, ...]:
    out: list[ChordAt] = []
    for c in found:
        if out and out[-1].symbol == c.symbol:
            out[-1] = ChordAt(out[-1].onset, c.end, c.symbol, c.root, c.kind)
        else:
            out.append(c)
    return tuple(out)
