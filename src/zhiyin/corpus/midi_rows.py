"""MIDI files straight to rows, some hundred at a time: the fast road for large folders of MIDI.

The rows are those of ``encode(load(path))``, without bar table and plan (nothing that looks at one piece at a time).
Notes of all files of a batch stand in one array and are sorted as packed integers. A file that needs more care
(more than 32 parts, bars that are no whole number of steps, long silences …) takes the ordinary road.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import symusic

from zhiyin.corpus.store import write_array, write_lines
from zhiyin.encoding.fields import (
    DURATIONS,
    MAX_BAR_STEP,
    MAX_BAR_STEPS,
    MAX_PARTS,
    STEPS_PER_QUARTER,
    duration_class,
    velocity_class,
)
from zhiyin.encoding.rows import ROW_COLUMNS, encode
from zhiyin.errors import ZhiyinError
from zhiyin.formats.catalog import load
from zhiyin.formats.midi import _velocity_unknown as velocity_unknown

BATCH = 256  # files whose notes are sorted together; their number must fit the packed file field
MAX_FILE_BYTES = 64 * 2**20
_LONGEST = int(DURATIONS[-1])
_ONSET_BITS, _DURATION_BITS, _VELOCITY_BITS = 22, 11, 7  # of the first sort, under file, part and pitch
_CLASS_OF = duration_class(np.arange(_LONGEST + 1)).astype(np.int64)
_FLOOR_CLASS = (np.searchsorted(DURATIONS, np.arange(_LONGEST + 1), side="right") - 1).clip(0).astype(np.int64)
_VELOCITY_CLASS = velocity_class(np.arange(128)).astype(np.int64)
_DURATIONS = DURATIONS.astype(np.int64)
_FEW_VELOCITIES = 4  # more than any program's set of default velocities


@dataclass(frozen=True)
class FileRows:
    """Rows int16 (T, 6) of several files one after the other; file i is ``rows[offsets[i]:offsets[i + 1]]``.

    failures: index of the file -> reason; a failed file has no rows. slow: files that took the ordinary road.
    """

    rows: np.ndarray
    offsets: np.ndarray
    failures: dict[int, str] = field(default_factory=dict)
    slow: int = 0


@dataclass
class _Batch:
    """Notes of the plain files of a batch, track by track, and the meters of each file."""

    times: list[np.ndarray] = field(default_factory=list)
    durations: list[np.ndarray] = field(default_factory=list)
    pitches: list[np.ndarray] = field(default_factory=list)
    velocities: list[np.ndarray] = field(default_factory=list)
    track_file: list[int] = field(default_factory=list)
    track_part: list[int] = field(default_factory=list)
    scale: list[float] = field(default_factory=list)
    segments: list[tuple[int, int, int, int]] = field(default_factory=list)  # file, first step, bar steps, first bar


def rows_of_files(paths: Sequence[Path]) -> FileRows:
    """The rows of up to BATCH MIDI files. Bad files are listed, never raised."""
    batch, slow, failures = _Batch(), [], {}
    for number, path in enumerate(paths[:BATCH]):
        try:
            data = path.read_bytes()
            if len(data) > MAX_FILE_BYTES or not _add(batch, number, symusic.Score.from_midi(data)):
                slow.append(number)
        except Exception:  # symusic raises bare RuntimeErrors on damaged bytes
            slow.append(number)
    packed, careful = _packed_rows(batch)
    slow += careful
    extra: dict[int, np.ndarray] = {}
    for number in sorted(slow):
        try:
            extra[number] = encode(load(paths[number]))[0].rows
        except (ZhiyinError, OSError, ValueError) as error:
            failures[number] = str(error)
    return _assembled(packed, len(paths), set(slow), extra, failures)


def write_rows(paths: Sequence[Path], out: Path) -> FileRows:
    """Writes rows.npy, rows.offsets.npy and failures.jsonl of any number of MIDI files into the folder ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    made = [rows_of_files(paths[i : i + BATCH]) for i in range(0, len(paths), BATCH)]
    lengths = np.concatenate([np.diff(m.offsets) for m in made]) if made else np.zeros(0, dtype=np.int64)
    offsets = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    failures = {i * BATCH + k: reason for i, m in enumerate(made) for k, reason in m.failures.items()}
    write_array(out / "rows.npy", (int(offsets[-1]), len(ROW_COLUMNS)), np.dtype(np.int16), [m.rows for m in made])
    write_array(out / "rows.offsets.npy", offsets.shape, offsets.dtype, [offsets])
    write_lines(out / "failures.jsonl", [{"path": str(paths[k]), "reason": r} for k, r in sorted(failures.items())])
    rows = np.load(out / "rows.npy", mmap_mode="r", allow_pickle=False)
    return FileRows(rows, offsets, failures, sum(m.slow for m in made))


def _add(batch: _Batch, number: int, score: Any) -> bool:
    """Adds a parsed file to the batch; False when it must take the ordinary road."""
    tracks = [track for track in score.tracks if len(track.notes)]
    tpq = score.ticks_per_quarter
    if not 1 <= len(tracks) <= MAX_PARTS or tpq < STEPS_PER_QUARTER:
        return False
    segments = _segments(number, score.time_signatures, tpq)
    if segments is None:
        return False
    for part, track in enumerate(tracks):
        notes = track.notes.numpy()
        batch.times.append(notes["time"])
        batch.durations.append(notes["duration"])
        batch.pitches.append(notes["pitch"])
        batch.velocities.append(notes["velocity"])
        batch.track_file.append(number)
        batch.track_part.append(part)
        batch.scale.append(STEPS_PER_QUARTER / tpq)
    batch.segments += segments
    return True


def _segments(number: int, signatures: Any, tpq: int) -> list[tuple[int, int, int, int]] | None:
    """(file, first step, steps of a bar, first bar) of each meter; None where a bar is no whole number of steps."""
    table = {0: (4, 4)} | {s.time: (s.numerator, s.denominator) for s in signatures}
    found: list[tuple[int, int, int, int]] = []
    bar = 0
    for time in sorted(table):
        numerator, denominator = table[time]
        if time < 0 or numerator <= 0 or denominator not in (1, 2, 4, 8, 16, 32, 64):
            return None
        steps, start = 4 * STEPS_PER_QUARTER * numerator / denominator, time * STEPS_PER_QUARTER / tpq
        exact_ticks = 4 * tpq * numerator % denominator == 0
        if steps != int(steps) or start != int(start) or not 0 < steps <= MAX_BAR_STEPS or not exact_ticks:
            return None
        if found:
            bar += -(-(int(start) - found[-1][1]) // found[-1][2])
        found.append((number, int(start), int(steps), bar))
    return found


def _packed_rows(batch: _Batch) -> tuple[np.ndarray, list[int]]:
    """Sorted packed rows (file, bar, position, part, pitch, duration, velocity) and the files that do not fit."""
    if not batch.times:
        return np.zeros(0, dtype=np.int64), []
    lengths = [len(t) for t in batch.times]
    owner = np.repeat(np.array(batch.track_file) * MAX_PARTS + np.array(batch.track_part), lengths)
    scale = np.repeat(np.array(batch.scale), lengths)
    time, ticks = np.concatenate(batch.times), np.concatenate(batch.durations)
    onset = (time * scale + 0.5).astype(np.int64)
    duration = ((time + np.maximum(ticks, 1)) * scale + 0.5).astype(np.int64) - onset
    np.clip(duration, 1, _LONGEST + 1, out=duration)
    pitch = np.concatenate(batch.pitches)
    velocity = np.concatenate(batch.velocities).astype(np.int64)
    wrong = (time < 0) | (onset >= 1 << _ONSET_BITS) | (pitch < 0)
    careful: set[int] = set()
    if wrong.any():
        careful = set((owner[wrong] // MAX_PARTS).tolist())
        onset[wrong] = 0
    _forget_defaults(owner // MAX_PARTS, velocity)
    key = ((owner << 7) | pitch) << _ONSET_BITS
    key |= onset
    key <<= _DURATION_BITS
    key |= duration
    key <<= _VELOCITY_BITS
    key |= velocity
    key.sort()
    files, rows = _finish(key, batch)
    return rows, sorted(careful | _silent_files(files, rows))


def _forget_defaults(files: np.ndarray, velocity: np.ndarray) -> None:
    """Velocities become 0 in files where the reader takes them for a program's default."""
    table = np.bincount(files * 128 + velocity, minlength=128 * BATCH).reshape(-1, 128) > 0
    few = np.flatnonzero((table.sum(axis=1) > 0) & (table.sum(axis=1) <= _FEW_VELOCITIES))
    used = {f: np.flatnonzero(table[f]).astype("u1").view([("velocity", "u1")]) for f in few.tolist()}
    flat = [f for f, velocities in used.items() if velocity_unknown(velocities)]
    if flat:
        velocity[np.isin(files, flat)] = 0


def _finish(key: np.ndarray, batch: _Batch) -> tuple[np.ndarray, np.ndarray]:
    """From notes sorted by file, part, pitch, onset, duration to sorted packed rows and the file of each."""
    velocity = key & ((1 << _VELOCITY_BITS) - 1)
    note = key >> (_VELOCITY_BITS + _DURATION_BITS)  # file, part, pitch, onset: the last of equals is the longest
    again = note[1:] == note[:-1]
    if again.any():
        starts = np.flatnonzero(np.r_[True, ~again])
        velocity = np.maximum.reduceat(velocity, starts)
        key, note = key[np.r_[~again, True]], note[np.r_[~again, True]]
    duration = (key >> _VELOCITY_BITS) & ((1 << _DURATION_BITS) - 1)
    gap = np.full(len(note), _LONGEST + 1)
    same_pitch = note[1:] >> _ONSET_BITS == note[:-1] >> _ONSET_BITS
    gap[:-1][same_pitch] = np.minimum(note[1:] - note[:-1], _LONGEST + 1)[same_pitch]
    length = _duration_classes(duration, gap)
    onset = note & ((1 << _ONSET_BITS) - 1)
    pitch = (note >> _ONSET_BITS) & 127
    part = (note >> (_ONSET_BITS + 7)) & (MAX_PARTS - 1)
    files = note >> (_ONSET_BITS + 7 + 5)
    bar, position = _bars_of(files, onset, batch.segments)
    head = (((files << 15) | np.minimum(bar, (1 << 15) - 1)) << 9) | position
    rows = (((head << 5 | part) << 7 | pitch) << 8 | length) << 5 | _VELOCITY_CLASS[velocity]
    rows.sort()
    return rows >> 49, rows


def _duration_classes(duration: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Classes of durations, cut to what rows can say where the pitch is struck again after ``gap`` steps."""
    capped = np.minimum(duration, _LONGEST)
    first = np.where(duration > gap, _FLOOR_CLASS[np.minimum(gap, _LONGEST)], _CLASS_OF[capped])
    return np.where(_DURATIONS[first] > gap, _FLOOR_CLASS[np.minimum(gap, _LONGEST)], first)


def _bars_of(
    files: np.ndarray, onset: np.ndarray, segments: Sequence[tuple[int, int, int, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Bar index and position in steps of each onset."""
    table = np.array(sorted(segments), dtype=np.int64)
    starts = (table[:, 0] << _ONSET_BITS) | table[:, 1]
    at = np.searchsorted(starts, (files << _ONSET_BITS) | onset, side="right") - 1
    since, steps = onset - table[at, 1], table[at, 2]
    bar = since // steps
    return table[at, 3] + bar, since - bar * steps


def _silent_files(files: np.ndarray, rows: np.ndarray) -> set[int]:
    """Files in which more than MAX_BAR_STEP bars are silent, or with more bars than a row can number."""
    bar = (rows >> 34) & ((1 << 15) - 1)
    step = np.diff(bar, prepend=0)
    first = np.r_[True, np.diff(files) != 0]
    step = np.where(first, bar + 1, step)
    return set(files[(step > MAX_BAR_STEP) | (bar == (1 << 15) - 1)].tolist())


def _assembled(
    packed: np.ndarray, count: int, slow: set[int], extra: dict[int, np.ndarray], failures: dict[int, str]
) -> FileRows:
    files = packed >> 49
    columns = np.empty((len(packed), len(ROW_COLUMNS)), dtype=np.int16)
    for column, (shift, bits) in enumerate(((34, 15), (25, 9), (20, 5), (13, 7), (5, 8), (0, 5))):
        columns[:, column] = (packed >> shift) & ((1 << bits) - 1)
    edges = np.searchsorted(files, np.arange(count + 1))
    if not slow:
        return FileRows(columns, edges.astype(np.int64), failures, 0)
    empty = columns[:0]
    parts = [extra.get(i, empty) if i in slow else columns[edges[i] : edges[i + 1]] for i in range(count)]
    offsets = np.r_[0, np.cumsum([len(p) for p in parts])].astype(np.int64)
    return FileRows(np.concatenate(parts), offsets, failures, len(slow))
