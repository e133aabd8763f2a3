"""Calibrating the originality index on human music, and proving it with planted passages.

Human scores and the scale made of them are ``corpus.calibrate``'s. Groups are dealt to two halves by a hash of their name; the scale of the
calibration half fixes the thresholds, false alarms and detection are counted on the other half.

*Planted*: a run of notes of a random training line (at least 4 different intervals) is put into a held-out piece of the test half:
into one part, at a random onset, the part's own notes there taken out. It is *found* when a passage covers at least half of the
planted notes, *detected* when its score is over that piece's threshold, *named* when its source is of the right group.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from zhiyin.corpus.calibrate import pitched
from zhiyin.corpus.index import piece_lines, sounding
from zhiyin.corpus.store import Corpus, Piece
from zhiyin.errors import InputError
from zhiyin.provenance.originality import LEAST_INTERVALS, TOP, Index, Line, Scale, lines_of

KINDS = ("exact", "transposed", "half tempo", "ornaments", "1 in 8 changed", "split between parts")
LENGTHS = (8, 16, 32)
MOST = 1000  # passages of a host that are looked through for the planted one
Progress = Callable[[int, int], None]


def half(group: str) -> int:
    """0 (calibration) or 1 (test) for all pieces of a group."""
    return hashlib.sha256(group.encode()).digest()[0] & 1


@dataclass(frozen=True)
class Tune:
    """Notes to plant, in time order: onset (ticks from 0), duration, pitch, part 0 or 1 (which of two parts), arrays (notes,)."""

    onset: np.ndarray
    duration: np.ndarray
    pitch: np.ndarray
    part: np.ndarray


def vary(tune: Tune, kind: str, rng: np.random.Generator) -> Tune:
    """A copy of ``tune`` as one of KINDS."""
    onset, duration, pitch, part = tune.onset, tune.duration, tune.pitch, tune.part
    if kind == "transposed":
        shifts = [s for s in range(-7, 8) if s and pitch.min() + s >= 0 and pitch.max() + s < 128]
        pitch = pitch + rng.choice(shifts)
    elif kind == "half tempo":
        onset, duration = onset * 2, duration * 2
    elif kind == "ornaments":
        return _ornamented(tune, rng)
    elif kind == "1 in 8 changed":
        places = np.array([min(b + int(rng.integers(8)), len(pitch) - 1) for b in range(0, len(pitch), 8)])
        pitch = pitch.copy()
        pitch[places] = np.clip(pitch[places] + rng.choice([-4, -3, -2, -1, 1, 2, 3, 4], len(places)), 0, 127)
    elif kind == "split between parts":
        part = (np.arange(len(pitch)) // max(2, len(pitch) // 4)) % 2
    elif kind != "exact":
        raise InputError("No such kind of copy", expected=", ".join(KINDS), received=repr(kind))
    return Tune(onset, duration, pitch, part)


def _ornamented(tune: Tune, rng: np.random.Generator) -> Tune:
    """One note in eight gets a neighbour note in its second half (a quarter note becomes two eighths …)."""
    longer = np.flatnonzero(tune.duration >= 2)
    places = rng.permutation(longer)[: max(1, len(tune.pitch) // 8)]
    step = tune.duration[places] // 2
    duration = tune.duration.copy()
    duration[places] -= step
    extra = tune.onset[places] + duration[places], step, np.clip(tune.pitch[places] + rng.choice([-2, -1, 1, 2], len(places)), 0, 127)
    onset, lasting, pitch = (np.r_[a, b] for a, b in zip((tune.onset, duration, tune.pitch), extra))
    order = np.argsort(onset, kind="stable")
    return Tune(onset[order], lasting[order], pitch[order], np.zeros(len(order), dtype=np.int64))


def draw_tune(lines: Sequence[Line], length: int, rng: np.random.Generator) -> Tune | None:
    """A run of ``length`` notes of a random line of a part, with at least 4 different intervals, or None where 20 draws find none."""
    parts = [line for line in lines if line.part != TOP and len(line.pitch) > length]
    for _ in range(20 if parts else 0):
        line = parts[int(rng.integers(len(parts)))]
        at = int(rng.integers(len(line.pitch) - length))
        pitch, onset = line.pitch[at : at + length], line.onset[at : at + length + 1]
        if len(np.unique(np.diff(pitch))) >= LEAST_INTERVALS:
            return Tune(onset[:-1] - onset[0], np.diff(onset), pitch, np.zeros(length, dtype=np.int64))
    return None


@dataclass(frozen=True)
class Host:
    """A piece to plant in: notes (onset, duration, pitch, part) int64 (4, notes) and drums bool (parts,)."""

    notes: np.ndarray
    drums: np.ndarray
    style: str

    @classmethod
    def of(cls, corpus: Corpus, piece: Piece) -> Host:
        """A piece of the corpus."""
        arrays = corpus.arrays(piece)
        return cls(*sounding(arrays["rows"], arrays["bars"], arrays["programs"]), piece.style)


def plant(host: Host, tune: Tune, rng: np.random.Generator) -> tuple[list[Line], int, tuple[int, int]]:
    """(lines of the host with the tune in it, pitched notes, first and last onset of the tune).

    The parts that get it are silent around it; of a tune split between two parts it is the top, so higher notes are silent too.
    """
    onset, duration, pitch, part = host.notes
    owners = np.flatnonzero(~host.drums)
    drums, first = host.drums, int(rng.choice(owners))
    split = bool(tune.part.any())
    second = first
    if split:
        others = owners[owners != first]
        second = int(rng.choice(others)) if len(others) else len(drums)
        drums = drums if len(others) else np.r_[drums, False]
    at = int(rng.choice(onset))
    end = at + int(tune.onset[-1] + tune.duration[-1])
    during = (onset < end) & (onset + duration > at)
    above = split & during & (pitch > tune.pitch.min()) & ~drums[part]
    out = (np.isin(part, (first, second)) & during) | above
    planted = np.stack([tune.onset + at, tune.duration, tune.pitch, np.where(tune.part > 0, second, first)])
    notes = np.concatenate([host.notes[:, ~out], planted], axis=1)
    return lines_of(notes[0], notes[1], notes[2], notes[3], drums), int(np.count_nonzero(~drums[notes[3]])), (at, at + int(tune.onset[-1]))


@dataclass(frozen=True)
class Finding:
    """What the index said of one planted passage. named: its source is of the right group; thresholds: of the host."""

    named: bool
    score: float
    threshold: float  # 99th percentile of human pieces
    threshold_p95: float

    @property
    def detected(self) -> bool:
        """Whether it raises an alarm."""
        return self.score > self.threshold


def try_plant(
    index: Index, scale: Scale, host: Host, tune: Tune, group: str, rng: np.random.Generator
) -> Finding:
    """Plants, searches and judges."""
    lines, notes, (begin, end) = plant(host, tune, rng)
    verdict = scale.verdict((), notes, host.style)
    best, named = 0.0, False
    for passage in index.passages(lines, limit=MOST):
        onset = lines[passage.line].onset[passage.first : passage.last + 1]
        inside = int(np.count_nonzero((onset >= begin) & (onset <= end)))
        if 2 * inside >= len(tune.pitch) and passage.score > best:
            best, named = passage.score, index.pieces[passage.piece].group == group
    return Finding(named, best, verdict.threshold_p99, verdict.threshold_p95)


def plant_all(
    corpus: Corpus, index: Index, scale: Scale, *, each: int, seed: int, kinds: Sequence[str] = KINDS, progress: Progress | None = None
) -> dict[tuple[str, int], list[Finding]]:
    """``each`` passages of every kind and length, planted in held-out pieces of the test half."""
    rng = np.random.default_rng(seed)
    sources = corpus.pieces("train")
    hosts = [Host.of(corpus, p) for p, _, _ in pitched(corpus, [p for p in (*corpus.pieces("valid"), *corpus.pieces("test")) if half(p.group)])]
    if not hosts:
        raise InputError("No piece to plant in", expected="held-out pitched pieces", received="none")
    out: dict[tuple[str, int], list[Finding]] = {}
    for kind in kinds:
        for length in LENGTHS:
            found = out.setdefault((kind, length), [])
            while len(found) < each:
                source = sources[int(rng.integers(len(sources)))]
                arrays = corpus.arrays(source)
                tune = draw_tune(piece_lines(arrays["rows"], arrays["bars"], arrays["programs"])[0], length, rng)
                if tune is not None:
                    host = hosts[int(rng.integers(len(hosts)))]
                    found.append(try_plant(index, scale, host, vary(tune, kind, rng), source.group, rng))
            if progress:
                progress(len(out), len(kinds) * len(LENGTHS))
    return out
