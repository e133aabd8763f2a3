"""MIDI files to scores and back: ticks stay what they are, nothing is quantised.

Reading goes through symusic's note arrays (no Python loop over notes); what it drops (title, copyright, text, the end
of track) is taken from the bytes. Decisions of the reader, each also said in ``metadata["assumed"]`` when it is taken:

* No time signature means 4/4. A change inside a bar cuts that bar short. One short bar before a longer regular meter
  is an upbeat: bar 0. A key change inside a bar counts from the next bar.
* Velocity is "not given" (0) when the whole file has one single velocity, or only the three by which abc2midi accents
  beats (105, 95, 80).
* Timing is ``notated`` when at least 90 % of the onsets lie on the grid of 24 steps a quarter (within a tick, from 240
  ticks a quarter on), ``performed`` under 60 %, else ``unknown``; also unknown under 96 ticks a quarter or 4 notes.
* Tracks without notes are dropped; their lyrics go to the part that has notes at those ticks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import symusic

from zhiyin.errors import FormatError
from zhiyin.formats.files import read_bytes
from zhiyin.formats.limits import LIMITS, Limits, check
from zhiyin.formats.midi_bytes import COPYRIGHT, TEXT, TRACK_NAME, Opening, chunks, decode_text, find_record, opening
from zhiyin.formats.midi_write import write_midi
from zhiyin.score import NOTE, UNKNOWN_KEY, UNSPELLED, Mark, Part, Score, bars_array, meter_ticks
from zhiyin.score.score import Timing

__all__ = ["read_midi", "read_record", "write_midi"]

_ABC2MIDI_ACCENTS = frozenset({105, 95, 80})
_NOT_TITLES = frozenset(
    {"", "control track", "control", "tempo", "tempo track", "conductor", "untitled", "meta", "new song"}
)


def read_midi(source: str | Path | bytes, *, limits: Limits = LIMITS["midi"]) -> Score:
    """The score in a MIDI file (format 0 or 1), given by path or as bytes. Ticks are kept as they are."""
    name = "the MIDI bytes" if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else read_bytes(source, limits.bytes)
    check("bytes", len(data), limits, name)
    raw = _parse(data, name)
    assumed: list[str] = []
    tracks = [t for t in raw.tracks if len(t.notes)]
    check("parts", len(tracks), limits, name)
    notes, parts = _notes(tracks, name, limits)
    heads = [opening(data, start, stop) for start, stop in chunks(data)]
    parts = _with_true_names(parts, heads)
    end = int((notes["onset"].astype(np.int64) + notes["duration"]).max()) if len(notes) else 0
    tempos = _tempos(raw)
    _check_length(end, tempos, raw.ticks_per_quarter, limits, name)
    conductor_end = heads[0].end if heads else -1
    bars = _bars(raw, end, conductor_end, limits, name, assumed)
    marks = _set_tempos(bars, tempos) + _track_marks(raw, tracks, notes, limits, name)
    _set_keys(bars, raw)
    if _velocity_unknown(notes):
        notes["velocity"] = 0
        assumed.append("velocity not given")
    timing = _timing(notes["onset"], raw.ticks_per_quarter)
    metadata = _metadata(heads, tracks)
    if assumed:
        metadata["assumed"] = "; ".join(assumed)
    return Score(notes, bars, parts, raw.ticks_per_quarter, tuple(marks), timing, metadata)


def read_record(path: str | Path | bytes) -> dict[str, Any] | None:
    """The record of how a piece was made that ``write_midi(…, record=…)`` put into a file; None where there is none."""
    return find_record(path if isinstance(path, bytes) else read_bytes(path, LIMITS["midi"].bytes))


def _parse(data: bytes, name: str) -> Any:
    """symusic's score in ticks, or a FormatError that says why there is none."""
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        data = data[20:]
    if data[:4] != b"MThd":
        raise FormatError(
            f"{name} is not a MIDI file",
            expected="a file that begins with 'MThd'",
            received=repr(data[:8])[1:],
            hint="the suffix must say what the file is",
        )
    if len(data) >= 14 and data[12] & 0x80:
        raise FormatError(
            f"{name} counts time in frames (SMPTE)", expected="ticks per quarter", received="frames per second"
        )
    if len(data) >= 14 and data[12:14] == b"\0\0":
        raise FormatError(f"{name} has a damaged header", expected="at least 1 tick per quarter", received="0")
    try:
        return symusic.Score.from_midi(data)
    except Exception as error:
        raise FormatError(
            f"{name} is damaged",
            expected="whole MIDI chunks",
            received=_symusic_reason(error),
        ) from None


def _symusic_reason(error: Exception) -> str:
    """What symusic says of a damaged file, without its own trimmings."""
    text = str(error).removeprefix("MiniMidi: ").partition(": iostream")[0].rstrip(" !.")
    return text or type(error).__name__


def _notes(tracks: Sequence[Any], name: str, limits: Limits) -> tuple[np.ndarray, tuple[Part, ...]]:
    """NOTE array (notes,) over all tracks with notes, and their parts."""
    total = sum(len(t.notes) for t in tracks)
    check("notes", total, limits, name)
    notes = np.zeros(total, dtype=NOTE)
    notes["spelling"] = UNSPELLED
    at = 0
    for i, track in enumerate(tracks):
        columns = track.notes.numpy()
        part = notes[at : at + len(track.notes)]
        part["onset"], part["duration"] = columns["time"], np.maximum(columns["duration"], 1)
        part["pitch"], part["velocity"], part["part"] = columns["pitch"], columns["velocity"], i
        at += len(part)
    if total and (notes["onset"].min() < 0 or notes["pitch"].min() < 0):
        raise FormatError(f"{name} is damaged", expected="times and pitches ≥ 0", received="a negative one")
    return notes, tuple(Part(decode_text(t.name.encode()), t.program & 127, bool(t.is_drum)) for t in tracks)


def _with_true_names(parts: tuple[Part, ...], heads: Sequence[Opening]) -> tuple[Part, ...]:
    """Parts whose names are not UTF-8 get them from the bytes, read as Latin-1."""
    if not any("\ufffd" in p.name for p in parts):
        return parts
    raw = [text for head in heads for kind, text in head.texts if kind == TRACK_NAME]
    true = {decode_text(text.decode("utf-8", "replace").encode()): decode_text(text) for text in raw}
    return tuple(Part(true.get(p.name, p.name), p.program, p.drums) for p in parts)


def _tempos(raw: Any) -> np.ndarray:
    """Tempo changes (changes, 2) as onset in ticks and quarters per minute; the last of one tick counts."""
    columns = raw.tempos.numpy()
    time, mspq = columns["time"].astype(np.float64), columns["mspq"].astype(np.float64)
    keep = (mspq > 0) & (time >= 0)
    time, qpm = time[keep], _round_tempos(mspq[keep])
    order = np.argsort(time, kind="stable")
    time, qpm = time[order], qpm[order]
    last = np.r_[time[1:] != time[:-1], True][: len(time)]
    return np.column_stack([time[last], qpm[last]])


def _round_tempos(mspq: np.ndarray) -> np.ndarray:
    """Quarters per minute from microseconds a quarter: the roundest number that is written as these microseconds."""
    out = 60e6 / mspq
    for decimals in (3, 2, 1, 0):
        plain = np.maximum(np.round(60e6 / mspq, decimals), 1e-3)
        out = np.where(np.round(60e6 / plain) == mspq, plain, out)
    return out


def _check_length(end: int, tempos: np.ndarray, tpq: int, limits: Limits, name: str) -> None:
    """Refuses what sounds longer than the limit; ``end`` in ticks."""
    inside = tempos[tempos[:, 0] < end]
    time, qpm = np.r_[0.0, inside[:, 0], end], np.r_[120.0, inside[:, 1]]
    check("hours", float((np.diff(time) * 60 / (qpm * tpq)).sum() / 3600), limits, name)


@dataclass
class _Meters:
    """Meter changes as lists: onset in ticks, numerator, denominator."""

    onset: list[int] = field(default_factory=list)
    numerator: list[int] = field(default_factory=list)
    denominator: list[int] = field(default_factory=list)


def _meters(raw: Any, assumed: list[str]) -> _Meters:
    """Legal meter changes in order, the last of one tick; 4/4 at the start where none is given there."""
    columns = raw.time_signatures.numpy()
    rows = zip(columns["time"].tolist(), columns["numerator"].tolist(), columns["denominator"].tolist())
    table = {t: (n, d) for t, n, d in rows if t >= 0 and n > 0 and d in (1, 2, 4, 8, 16, 32, 64)}
    if len(table) < len(set(columns["time"].tolist())):
        assumed.append("illegal time signatures left out")
    if 0 not in table:
        table[0] = (4, 4)
        assumed.append("meter 4/4" if len(table) == 1 else "meter 4/4 up to the first time signature")
    out = _Meters()
    for t in sorted(table):
        out.onset.append(t)
        out.numerator.append(table[t][0])
        out.denominator.append(table[t][1])
    return out


def _bars(raw: Any, end: int, conductor_end: int, limits: Limits, name: str, assumed: list[str]) -> np.ndarray:
    """BAR array that covers ``end`` (ticks), and more bars only where a conductor track ends on their bar line."""
    meters, tpq = _meters(raw, assumed), raw.ticks_per_quarter
    stop = max(end, 1)
    durations: list[np.ndarray] = []
    columns: list[tuple[int, int, int]] = []
    count = 0
    for i, start in enumerate(meters.onset):
        if start >= max(stop, conductor_end) and i:
            break
        length = max(meter_ticks(meters.numerator[i], meters.denominator[i], tpq), 1)
        last = i + 1 == len(meters.onset) or meters.onset[i + 1] >= max(stop, conductor_end)
        until = _last_bar_line(start, length, stop, conductor_end) if last else meters.onset[i + 1]
        bars = -(-(until - start) // length)
        count += bars
        check("bars", count, limits, name)
        part = np.full(bars, length, dtype=np.int64)
        part[-1] = length if last else (until - start) - (bars - 1) * length
        durations.append(part)
        columns.append((bars, meters.numerator[i], meters.denominator[i]))
    repeat = [c[0] for c in columns]
    out = bars_array(
        np.concatenate(durations).tolist(),
        meter_numerator=np.repeat([c[1] for c in columns], repeat),
        meter_denominator=np.repeat([c[2] for c in columns], repeat),
    )
    return _number_upbeat(out, tpq)


def _last_bar_line(start: int, length: int, stop: int, conductor_end: int) -> int:
    """Where the last meter's bars end: the first bar line not before ``stop``, or a conductor's end on a bar line."""
    line = start + max(-(-(stop - start) // length), 1) * length
    on_line = conductor_end > line and (conductor_end - start) % length == 0
    return conductor_end if on_line else line


def _number_upbeat(bars: np.ndarray, tpq: int) -> np.ndarray:
    """A first bar shorter than the next one's meter becomes bar 0 with the next bar's meter."""
    if len(bars) < 2:
        return bars
    nominal = meter_ticks(int(bars["meter_numerator"][1]), int(bars["meter_denominator"][1]), tpq)
    if bars["duration"][0] < nominal == bars["duration"][1]:
        bars["number"] -= 1
        bars["meter_numerator"][0], bars["meter_denominator"][0] = (
            bars["meter_numerator"][1],
            bars["meter_denominator"][1],
        )
    return bars


def _set_tempos(bars: np.ndarray, tempos: np.ndarray) -> list[Mark]:
    """Fills ``tempo_qpm`` of each bar with the tempo in force at its onset; changes inside bars become marks."""
    if not len(tempos):
        return []
    at = np.searchsorted(tempos[:, 0], bars["onset"], side="right") - 1
    bars["tempo_qpm"] = np.where(at >= 0, tempos[np.maximum(at, 0), 1], 0)
    inside = ~np.isin(tempos[:, 0], bars["onset"])
    changed = np.r_[True, np.diff(tempos[:, 1]) != 0]
    end = int(bars["onset"][-1] + bars["duration"][-1])
    rows = tempos[inside & changed & (tempos[:, 0] < end)]
    return [Mark(int(t), "tempo", f"={qpm:.6f}".rstrip("0").rstrip(".")) for t, qpm in rows.tolist()]


def _set_keys(bars: np.ndarray, raw: Any) -> None:
    """Fills ``key`` and ``mode`` of each bar with the key signature in force at its onset."""
    table = {k.time: (k.key, k.tonality) for k in raw.key_signatures if -7 <= k.key <= 7 and k.tonality in (0, 1)}
    if not table:
        return
    times = sorted(table)
    at = np.searchsorted(times, bars["onset"], side="right") - 1
    for column, i in (("key", 0), ("mode", 1)):
        values = np.array([table[t][i] for t in times], dtype=np.int8)
        bars[column] = np.where(at >= 0, values[np.maximum(at, 0)], UNKNOWN_KEY if column == "key" else -1)


def _track_marks(raw: Any, tracks: Sequence[Any], notes: np.ndarray, limits: Limits, name: str) -> list[Mark]:
    """Lyrics, pedals and markers as marks."""
    count = len(raw.markers) + sum(len(t.lyrics) for t in raw.tracks) + sum(len(t.controls) for t in tracks) // 2
    check("marks", count, limits, name)
    marks = [Mark(m.time, "text", decode_text(m.text.encode())) for m in raw.markers]
    for i, track in enumerate(tracks):
        marks += _pedals(track, i)
        marks += _lyrics(track, i)
    for track in raw.tracks:
        if len(track.lyrics) and not len(track.notes):
            marks += _lyrics(track, _singer(track, tracks, notes))
    return [m for m in marks if m.onset >= 0 and (m.value or m.kind == "pedal")]


def _pedals(track: Any, part: int) -> list[Mark]:
    """Pedal marks from controller 64 (symusic 0.6's own table has wrong onsets on all channels but the first)."""
    columns = track.controls.numpy()
    pedal = columns["number"] == 64
    time, down = columns["time"][pedal], columns["value"][pedal] >= 64
    if not down.any():
        return []
    turns = np.r_[down[0], down[1:] != down[:-1]]
    edges = time[turns].tolist()
    if len(edges) % 2:
        edges.append(max(int(track.end()), edges[-1]))
    return [Mark(a, "pedal", part=part, end=b) for a, b in zip(edges[::2], edges[1::2]) if b > a]


def _lyrics(track: Any, part: int) -> list[Mark]:
    return [Mark(x.time, "lyric", decode_text(x.text.encode()), part) for x in track.lyrics]


def _singer(lyrics: Any, tracks: Sequence[Any], notes: np.ndarray) -> int:
    """The part that a track of mere lyrics belongs to: the one with most onsets at its ticks, its namesake first."""
    ticks = np.array([x.time for x in lyrics.lyrics])
    hits = np.bincount(notes["part"][np.isin(notes["onset"], ticks)], minlength=len(tracks)).astype(float)
    hits += [0.5 if t.name == lyrics.name else 0.0 for t in tracks]
    hits[: len(tracks)] *= [2.0 if t.name == lyrics.name else 1.0 for t in tracks]
    return int(np.argmax(hits)) if len(hits) and hits.max() > 0 else -1


def _velocity_unknown(notes: np.ndarray) -> bool:
    """Whether the velocities are a program's default rather than music (the rule stands above)."""
    used = set(np.flatnonzero(np.bincount(notes["velocity"], minlength=128)).tolist())
    return len(used) == 1 or (bool(used) and used <= _ABC2MIDI_ACCENTS)


def _timing(onsets: np.ndarray, tpq: int) -> Timing:
    """Notated, performed or unknown, by the share of onsets on the grid (the rule stands above)."""
    if len(onsets) < 4 or tpq < 96:
        return "unknown"
    step = tpq / 24
    off = np.abs(onsets / step - np.round(onsets / step)) * step
    share = float((off <= (1.01 if tpq >= 240 else 0.51)).mean())
    return "notated" if share >= 0.9 else "performed" if share < 0.6 else "unknown"


def _metadata(heads: Sequence[Opening], tracks: Sequence[Any]) -> dict[str, str]:
    """Title (the name of a first track without notes), copyright and texts of the file's opening."""
    if not heads:
        return {}
    out: dict[str, str] = {}
    first = [(kind, decode_text(text)) for kind, text in heads[0].texts if not text.startswith(b"zhiyin:")]
    names = [text for kind, text in first if kind == TRACK_NAME]
    if names and names[0].lower() not in _NOT_TITLES and (heads[0].end >= 0 or (len(tracks) > 1 and len(heads) == 1)):
        out["title"] = names[0]
    copyrights = [text for kind, text in first if kind == COPYRIGHT and text]
    if copyrights:
        out["copyright"] = copyrights[0]
    for text in (text for kind, text in first if kind == TEXT and text):
        key, _, value = text.partition(": ")
        if key == "composer" and value:
            out["composer"] = value
    return out
