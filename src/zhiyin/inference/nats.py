"""How well a model package predicts given pieces: nats per note with a table per field, through its score graph.

Long pieces go through overlapping windows: each window's first half is context that is not counted (but for the
first window), so that every written row is counted once. Nothing here samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from zhiyin.encoding import EncodedPiece
from zhiyin.encoding.fields import END, MAX_PARTS, ROW_FIELDS
from zhiyin.encoding.layout import Sequence, lay_out
from zhiyin.errors import InputError
from zhiyin.inference.plan import NO_PART
from zhiyin.inference.sampler import window_of
from zhiyin.inference.session import Graph, open_graph
from zhiyin.provenance.package import Package

RESAMPLINGS = 1000


def score_nats(
    package: Package, pieces: Iterable[EncodedPiece], *, graph: Graph | None = None, window: int = 0
) -> dict[str, Any]:
    """Nats per written note, the end included, over pieces (each laid out with nothing given).

    Result: ``nats`` (mean over notes), ``fields`` (share of each row field in it), ``n`` pieces, ``notes``,
    ``low`` and ``high`` (95 % interval of the mean by pieces, from 1,000 resamplings with a fixed seed).
    """
    graph = graph or open_graph(package.score_path)
    window = window or window_of(package)
    sums = [piece_nats(graph, piece, window) for piece in pieces]
    if not sums:
        raise InputError("Nothing to score", expected="at least one piece", received="0 pieces")
    fields = np.array([s for s, _ in sums])  # (pieces, 6)
    notes = np.array([n for _, n in sums], dtype=np.float64)
    low, high = interval(fields.sum(axis=1), notes)
    mean = fields.sum(axis=0) / notes.sum()
    return {
        "nats": float(mean.sum()), "fields": dict(zip(ROW_FIELDS, (float(v) for v in mean))), "low": low, "high": high,
        "n": len(sums), "notes": int(notes.sum()),
    }  # fmt: skip


def piece_nats(graph: Graph, piece: EncodedPiece, window: int) -> tuple[np.ndarray, int]:
    """Summed nats per field (6,) of one piece, and its number of notes."""
    sequence = lay_out(piece.rows)
    total = np.zeros(len(ROW_FIELDS))
    for begin, end, counted in windows(len(sequence.inputs), window):
        nats = sequence_nats(graph, piece, sequence, begin, end)
        rows = slice(counted - begin, end - begin)
        keep = sequence.scored[counted:end, None] & counted_fields(sequence.targets[counted:end])
        total += (nats[rows] * keep).sum(axis=0)
    return total, len(piece.rows)


def windows(length: int, window: int) -> Iterator[tuple[int, int, int]]:
    """(begin, end, first counted) of windows over ``length`` inputs; later windows count only their second half."""
    yield 0, min(length, window), 0
    done = min(length, window)
    while done < length:
        end = min(length, done + window // 2)
        yield end - window, end, done
        done = end


def counted_fields(targets: np.ndarray) -> np.ndarray:
    """Which fields of each target are scored: only the step of the end, no velocity that is not known. bool (T, 6)."""
    keep = np.ones(targets.shape, dtype=bool)
    keep[:, 1:] &= (targets[:, 0] != END)[:, None]
    keep[:, 5] &= targets[:, 5] > 0
    return keep


def sequence_nats(graph: Graph, piece: EncodedPiece, sequence: Sequence, begin: int, end: int) -> np.ndarray:
    """Nats (T, 6) of one window; bars are cut to those it reaches and counted from the first."""
    inputs = sequence.inputs[begin:end].astype(np.int64)
    first = int(inputs[:, 7:9].min()) if begin else 0
    inputs[:, 7:9] -= first
    last = int(inputs[:, 7:9].max()) + first
    step = sequence.targets[begin:end, 0].max(initial=0, where=sequence.targets[begin:end, 0] < END)
    bars = piece.bars[first : last + int(step) + 2].astype(np.int64)
    programs = np.full(MAX_PARTS, NO_PART, dtype=np.int64)
    programs[: len(piece.programs)] = piece.programs
    feed = {
        "inputs": inputs[None],
        "targets": sequence.targets[None, begin:end].astype(np.int64),
        "previous_pitch": sequence.previous_pitch[None, begin:end].astype(np.int64),
        "bars": bars[None],
        "programs": programs[None],
        "controls": piece.controls[None].astype(np.int64),
    }
    names = {i.name for i in graph.get_inputs()}
    return graph.run(["nats"], {n: a for n, a in feed.items() if n in names})[0][0]


def interval(sums: np.ndarray, notes: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval over pieces of nats per note; sums of nats and numbers of notes, both (pieces,)."""
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(sums), size=(RESAMPLINGS, len(sums)))
    means = sums[picks].sum(axis=1) / notes[picks].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
