"""Scores to MIDI files, byte for byte the same for the same score. Knows nothing of reading.

The writer makes its bytes itself rather than through symusic, which drops pedals, text and copyright and ends tracks
a tick late. A conductor track (title, meters, keys, tempos, markers, the record) stands first; each part has a track.

Repeats are unfolded. Velocity that is not given comes from the dynamic marks and hairpins, else it is 80. A note is
cut where the same pitch starts again in its part, so that none hangs. An irregular bar is written as a meter of its
actual length where that is a fraction with a power of two below 128, else the meter is restated at the next bar line.
Every track ends exactly where the last bar ends.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import FormatError
from zhiyin.formats.files import atomic_write
from zhiyin.formats.limits import LIMITS, check
from zhiyin.formats.midi_bytes import (
    COPYRIGHT,
    KEY,
    LYRIC,
    MARKER,
    METER,
    TEMPO,
    TEXT,
    TRACK_NAME,
    Event,
    file_bytes,
    meta,
    record_events,
    text_meta,
    track_chunk,
)
from zhiyin.score import UNKNOWN_KEY, Part, Score, meter_ticks
from zhiyin.score.dynamics import marks_to_velocity
from zhiyin.score.repeats import expand_repeats

_CHANNELS = tuple(c for c in range(16) if c != 9)
_NOTE_OFF_ORDER, _CONTROL_ORDER, _NOTE_ON_ORDER = 2, 3, 4
DEFAULT_VELOCITY = 80  # where neither a velocity nor a dynamic mark is given
_SLOWEST = 16_777_215  # microseconds a quarter, the most that a tempo event holds


def write_midi(score: Score, path: str | Path, *, record: Mapping[str, Any] | None = None, unfold: bool = True) -> Path:
    """Writes a format 1 file and returns its path; ``record`` travels inside as text events (see ``read_record``)."""
    return atomic_write(path, midi_bytes(score, record=record, unfold=unfold))


def midi_bytes(score: Score, *, record: Mapping[str, Any] | None = None, unfold: bool = True) -> bytes:
    """The bytes that ``write_midi`` writes."""
    score = expand_repeats(score) if unfold else score
    check("parts", len(score.parts), LIMITS["midi"], "the score")
    if score.ticks_per_quarter > 32767:
        raise FormatError(
            "Ticks too fine for MIDI",
            expected="≤ 32767 a quarter",
            received=str(score.ticks_per_quarter),
            hint="score.with_resolution(480)",
        )
    notes = sounding_notes(score)
    end = max(score.end, int((notes["onset"] + notes["duration"]).max()) if len(notes) else 0)
    channels = part_channels(score.parts)
    tracks = [track_chunk(_conductor(score, record), end)]
    for i, part in enumerate(score.parts):
        tracks.append(track_chunk(part_events(score, notes[notes["part"] == i], i, part, channels[i]), end))
    return file_bytes(tracks, score.ticks_per_quarter)


def part_channels(parts: tuple[Part, ...]) -> list[int]:
    """A channel for each part: 9 for drums, else its own; past 15 parts, parts of one program share one.

    Past 15 programs, too, channels are used twice and a warning says so.
    """
    pitched = [p for p in parts if not p.drums]
    if len(pitched) <= len(_CHANNELS):
        free = iter(_CHANNELS)
        return [9 if p.drums else next(free) for p in parts]
    programs = list(dict.fromkeys(p.program for p in pitched))
    if len(programs) > len(_CHANNELS):
        warnings.warn(
            f"{len(programs)} programs share {len(_CHANNELS)} MIDI channels: some parts sound with another's program",
            stacklevel=4,
        )
    channel = {program: _CHANNELS[i % len(_CHANNELS)] for i, program in enumerate(programs)}
    return [9 if p.drums else channel[p.program] for p in parts]


def sounding_notes(score: Score) -> np.ndarray:
    """NOTE array as played: velocities given, grace notes before the beat, no overlap of one pitch in a part."""
    notes = (marks_to_velocity(score) if (score.notes["velocity"] == 0).any() else score).notes.copy()
    notes["velocity"][notes["velocity"] == 0] = DEFAULT_VELOCITY
    grace = notes["grace"] | (notes["duration"] == 0)
    short = max(score.ticks_per_quarter // 12, 1)
    notes["onset"][grace] = np.maximum(notes["onset"][grace] - short, 0)
    notes["duration"][grace] = short
    notes = notes[np.lexsort((-notes["duration"], notes["onset"], notes["pitch"], notes["part"]))]
    if len(notes) < 2:
        return notes
    same = (notes["part"][1:] == notes["part"][:-1]) & (notes["pitch"][1:] == notes["pitch"][:-1])
    notes = notes[np.r_[True, ~(same & (notes["onset"][1:] == notes["onset"][:-1]))]]
    same = (notes["part"][1:] == notes["part"][:-1]) & (notes["pitch"][1:] == notes["pitch"][:-1])
    room = notes["onset"][1:] - notes["onset"][:-1]
    notes["duration"][:-1] = np.where(same, np.minimum(notes["duration"][:-1], room), notes["duration"][:-1])
    return notes[np.lexsort((notes["pitch"], notes["onset"]))]


def _conductor(score: Score, record: Mapping[str, Any] | None) -> list[Event]:
    """Events of the first track: title, copyright, composer, record, meters, keys, tempos, markers."""
    events: list[Event] = []
    for kind, key, prefix in (
        (TRACK_NAME, "title", ""),
        (COPYRIGHT, "copyright", ""),
        (TEXT, "composer", "composer: "),
    ):
        if score.metadata.get(key):
            events.append((0, 0, text_meta(kind, prefix + score.metadata[key])))
    if record is not None:
        events += [(0, 0, data) for data in record_events(record)]
    events += _meter_events(score.bars, score.ticks_per_quarter)
    events += _key_events(score.bars)
    events += [(int(t), 1, meta(TEMPO, _microseconds(qpm).to_bytes(3, "big"))) for t, qpm in _tempos(score)]
    for mark in score.marks:
        if mark.kind in ("text", "chord") and mark.value:
            events.append((mark.onset, 1, text_meta(MARKER, mark.value)))
    return events


def _tempos(score: Score) -> list[tuple[float, float]]:
    """The tempo map, without the default tempo where the score gives none at all."""
    given = bool((score.bars["tempo_qpm"] > 0).any()) or any(m.kind == "tempo" and "=" in m.value for m in score.marks)
    return [(t, qpm) for t, qpm in score.tempo_map().tolist()] if given else []


def _microseconds(qpm: float) -> int:
    return min(max(round(60e6 / qpm), 1), _SLOWEST)


def _meter_events(bars: np.ndarray, tpq: int) -> list[Event]:
    """A time signature where the meter changes and around irregular bars."""
    events: list[Event] = []
    current: tuple[int, int] | None = None
    for bar in bars:
        nominal = int(bar["meter_numerator"]), int(bar["meter_denominator"])
        wanted: tuple[int, int] = nominal
        restate = False
        if int(bar["duration"]) != meter_ticks(*nominal, tpq):
            actual = _as_meter(int(bar["duration"]), tpq)
            wanted, restate = (actual or nominal), actual is None
        if wanted != current and wanted[0] < 256:
            data = bytes((wanted[0], wanted[1].bit_length() - 1, 24, 8))
            events.append((int(bar["onset"]), 1, meta(METER, data)))
        current = None if restate else wanted
    return events


def _as_meter(duration: int, tpq: int) -> tuple[int, int] | None:
    """A bar's actual length in ticks as a legal meter, quarters or finer; None where there is none."""
    fraction = Fraction(duration, 4 * tpq)
    if fraction.denominator & (fraction.denominator - 1) or fraction.denominator > 64:
        return None
    scale = max(4 // fraction.denominator, 1)
    meter = fraction.numerator * scale, fraction.denominator * scale
    return meter if meter[0] < 256 else None


def _key_events(bars: np.ndarray) -> list[Event]:
    """A key signature where key or mode change; an unknown mode is written as major."""
    events: list[Event] = []
    current = (UNKNOWN_KEY, -1)
    for bar in bars:
        key = int(bar["key"]), int(bar["mode"])
        if key[0] != UNKNOWN_KEY and key != current:
            events.append((int(bar["onset"]), 1, meta(KEY, bytes((key[0] & 0xFF, int(key[1] == 1))))))
            current = key
    return events


def part_events(score: Score, notes: np.ndarray, index: int, part: Part, channel: int) -> list[Event]:
    """Events of one part's track: name, program, lyrics, pedal, notes."""
    events: list[Event] = []
    if part.name:
        events.append((0, 0, text_meta(TRACK_NAME, part.name)))
    events.append((0, 1, bytes((0xC0 | channel, part.program))))
    for mark in score.marks:
        if mark.part != index:
            continue
        if mark.kind == "lyric":
            events.append((mark.onset, _CONTROL_ORDER, text_meta(LYRIC, mark.value)))
        elif mark.kind == "pedal" and mark.end > mark.onset:
            events.append((mark.onset, _CONTROL_ORDER, bytes((0xB0 | channel, 64, 127))))
            events.append((mark.end, _NOTE_OFF_ORDER, bytes((0xB0 | channel, 64, 0))))
    return events + note_events(notes, channel)


def note_events(notes: np.ndarray, channel: int) -> list[Event]:
    """Note-on and note-off events of notes of one part."""
    onsets, ends = notes["onset"].tolist(), (notes["onset"] + notes["duration"]).tolist()
    message = np.empty((len(notes), 3), dtype=np.uint8)
    message[:, 1] = notes["pitch"]
    message[:, 0], message[:, 2] = 0x90 | channel, notes["velocity"]
    on = message.tobytes()
    message[:, 0], message[:, 2] = 0x80 | channel, 64
    off = message.tobytes()
    events = [(t, _NOTE_ON_ORDER, on[3 * i : 3 * i + 3]) for i, t in enumerate(onsets)]
    return events + [(t, _NOTE_OFF_ORDER, off[3 * i : 3 * i + 3]) for i, t in enumerate(ends)]
