"""Notes taken out of a MIDI file and others put in, all other events left as they are, in their order, tick for tick.

Only the note events of changed notes differ (running status is written out). A part of the score is found in the file
by its notes, as the reader made parts of tracks: one per chunk, channel and program.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zhiyin.errors import FormatError
from zhiyin.formats.midi_bytes import RECORD_PREFIX, TEXT, chunks, file_bytes, read_number, record_events, track_chunk
from zhiyin.formats.midi_write import DEFAULT_VELOCITY, note_events, part_events
from zhiyin.provenance.disclosure import SIGN
from zhiyin.score import Score

_BEFORE, _AS_IT_WAS, _AFTER = 0, 1, 2  # order among events of one tick: new ends, the file's own, new beginnings
_META, _END = 0xFF, 0x2F


@dataclass
class _Track:
    """One MTrk chunk: (tick, bytes with status) of its events, the end of track apart."""

    events: list[tuple[int, bytes]] = field(default_factory=list)
    end: int = 0
    gone: set[int] = field(default_factory=set)  # events that are left out
    new: list[tuple[int, int, bytes]] = field(default_factory=list)


@dataclass
class _Voice:
    """The notes of one chunk, channel and program: rows (onset, duration, pitch, velocity, index on, index off)."""

    track: int
    channel: int
    notes: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)


def splice_midi(
    data: bytes, before: Score, gone: np.ndarray, after: Score, *, record: Mapping[str, Any] | None = None
) -> bytes:
    """The file ``data``, read as ``before``, without the notes ``gone`` (bool (notes,)) and with those of ``after`` that it lacks.

    ``after`` has the same ticks; parts beyond those of ``before`` become further tracks. Raises FormatError where the
    score's parts cannot be found in the file.
    """
    if data[:4] == b"RIFF":
        data = data[20:]
    tracks = [_walk(data, start, stop) for start, stop in chunks(data)]
    voices = _voices_of_parts(before, _voices(tracks))
    for part, voice in enumerate(voices):
        _take_out(tracks[voice.track], voice, before.notes[gone & (before.notes["part"] == part)])
        _put_in(tracks[voice.track], voice, new_notes(before, gone, after, part))
    more = [_new_track(after, part, voices) for part in range(len(before.parts), len(after.parts))]
    if record is not None:
        _tell(tracks[0], record)
    return file_bytes([*(_chunk(t) for t in tracks), *more], before.ticks_per_quarter)


def new_notes(before: Score, gone: np.ndarray, after: Score, part: int) -> np.ndarray:
    """Notes of a part of ``after`` that are not among those of ``before`` that stay."""
    kept = _keys(before.notes[~gone & (before.notes["part"] == part)])
    mine = after.notes[after.notes["part"] == part]
    fresh = np.ones(len(mine), dtype=bool)
    for i, key in enumerate(map(tuple, mine[["onset", "duration", "pitch", "velocity"]].tolist())):
        if kept.get(key, 0):
            kept[key] -= 1
            fresh[i] = False
    return mine[fresh]


def _keys(notes: np.ndarray) -> dict[tuple[int, ...], int]:
    found: dict[tuple[int, ...], int] = defaultdict(int)
    for key in map(tuple, notes[["onset", "duration", "pitch", "velocity"]].tolist()):
        found[key] += 1
    return found


def _walk(data: bytes, at: int, stop: int) -> _Track:
    """All events of a track body; FormatError where it is damaged."""
    track, now, status = _Track(), 0, 0
    while at < stop:
        delta, at = read_number(data, at, stop)
        now += delta
        if at >= stop:
            break
        if data[at] & 0x80:
            status, at = data[at], at + 1
        if status == _META:
            kind = data[at : at + 1]
            length, body = read_number(data, at + 1, stop)
            if kind == bytes((_END,)):
                break
            track.events.append((now, bytes((_META,)) + data[at : body + length]))
            at = body + length
        elif status in (0xF0, 0xF7):
            length, body = read_number(data, at, stop)
            track.events.append((now, bytes((status,)) + data[at : body + length]))
            at = body + length
        elif status >= 0x80:
            size = 1 if 0xC0 <= status < 0xE0 else 2
            track.events.append((now, bytes((status,)) + data[at : at + size]))
            at += size
        else:
            raise FormatError("The MIDI file is damaged", expected="a status byte", received=f"0x{data[at]:02x}")
    track.end = now
    return track


def _voices(tracks: Sequence[_Track]) -> list[_Voice]:
    """The notes of all tracks by chunk, channel and program; the first beginning ends first, as readers pair them."""
    voices: dict[tuple[int, int, int], _Voice] = {}
    for number, track in enumerate(tracks):
        program = [0] * 16
        sounding: dict[tuple[int, int], deque[tuple[int, int, int, int]]] = defaultdict(deque)
        for i, (tick, event) in enumerate(track.events):
            kind, channel = event[0] & 0xF0, event[0] & 0x0F
            if kind == 0xC0:
                program[channel] = event[1] & 127
            elif kind == 0x90 and event[2]:
                sounding[channel, event[1]].append((tick, event[2], i, program[channel]))
            elif kind in (0x80, 0x90) and sounding[channel, event[1]]:
                onset, velocity, on, sound = sounding[channel, event[1]].popleft()
                voice = voices.setdefault((number, channel, sound), _Voice(number, channel))
                voice.notes.append((onset, max(tick - onset, 1), event[1], velocity, on, i))
    return list(voices.values())


def _voices_of_parts(before: Score, voices: list[_Voice]) -> list[_Voice]:
    """The voice of each part of the score: the first that has just its notes."""
    known = [sorted(n[:3] for n in v.notes) for v in voices]
    out: list[_Voice] = []
    free = set(range(len(voices)))
    for part in range(len(before.parts)):
        mine = before.notes[before.notes["part"] == part]
        wanted = sorted(map(tuple, mine[["onset", "duration", "pitch"]].tolist()))
        found = next((i for i in sorted(free) if known[i] == wanted), None)
        if found is None:
            raise FormatError(
                "The parts of the score are not found in the MIDI file", expected=f"the {len(wanted)} notes of part {part + 1}",
                received=f"{len(voices)} voices with other notes", hint="it is written anew instead",
            )  # fmt: skip
        free.discard(found)
        out.append(voices[found])
    return out


def _take_out(track: _Track, voice: _Voice, notes: np.ndarray) -> None:
    """Leaves out the events of notes (NOTE array) of a voice."""
    places: dict[tuple[int, ...], list[tuple[int, int]]] = defaultdict(list)
    for onset, duration, pitch, _, on, off in voice.notes:
        places[onset, duration, pitch].append((on, off))
    for key in map(tuple, notes[["onset", "duration", "pitch"]].tolist()):
        track.gone |= set(places[key].pop())


def _put_in(track: _Track, voice: _Voice, notes: np.ndarray) -> None:
    """Adds notes (NOTE array) to a voice; those without a velocity get its usual one."""
    if not len(notes):
        return
    usual = int(np.median([n[3] for n in voice.notes])) if voice.notes else DEFAULT_VELOCITY
    notes = notes.copy()
    notes["velocity"][notes["velocity"] == 0] = usual
    count = len(notes)
    for i, (tick, _, event) in enumerate(note_events(notes, voice.channel)):
        track.new.append((tick, _AFTER if i < count else _BEFORE, event))


def _new_track(after: Score, part: int, voices: Sequence[_Voice]) -> bytes:
    """A further track for a part that the file does not have, on a free channel."""
    player, mine = after.parts[part], after.notes[after.notes["part"] == part].copy()
    used = {v.channel for v in voices} | {9}
    free = [c for c in range(16) if c not in used]
    channel = 9 if player.drums else free[(part - len(voices)) % len(free)] if free else part % 9
    mine["velocity"][mine["velocity"] == 0] = DEFAULT_VELOCITY
    return track_chunk(part_events(after, mine, part, player, channel), after.end)


def _tell(track: _Track, record: Mapping[str, Any]) -> None:
    """Puts a record at the beginning of a track, in the place of an older one of ours."""
    mine = record_events(record)
    prefix = bytes((_META, TEXT))
    for i, (_, event) in enumerate(track.events):
        if event[:2] == prefix and (RECORD_PREFIX in event[:16] or SIGN.encode() in event):
            track.gone.add(i)
    track.new += [(0, _BEFORE, event) for event in mine]


def _chunk(track: _Track) -> bytes:
    kept = [(tick, _AS_IT_WAS, event) for i, (tick, event) in enumerate(track.events) if i not in track.gone]
    return track_chunk([*kept, *track.new], track.end)
