"""What a model gains from seeing both sides of a span: nats per note of the true bars, past only against past and future.

For each held-out piece one span of bars is drawn; its true rows are scored (a) after the past alone, (b) with the given
rows after it (two bars ahead, as the layout has them), and for one part (c) among all parts after the past, (d) with the
other parts and the bars after the span given. The harmony column is not told. Same rows, same context rows at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from zhiyin.encoding import EncodedPiece
from zhiyin.encoding.fields import BAR_COLUMN
from zhiyin.encoding.layout import LOOKAHEAD, lay_out
from zhiyin.encoding.rows import BAR, PART
from zhiyin.inference.nats import counted_fields, interval, sequence_nats
from zhiyin.inference.sampler import window_of
from zhiyin.inference.session import Graph, open_graph
from zhiyin.provenance.package import Package

SPAN, LEAST_BEFORE, LEAST_NOTES = 4, 8, 4
CONDITIONS = ("past", "both sides", "part after past", "part with others and future")


def infill_nats(package: Package, pieces: Iterable[tuple[str, EncodedPiece]], *, seed: int = 0) -> dict[str, Any]:
    """Per group: nats per note of each condition with 95 % intervals by pieces, their difference, and n. pieces: (group, piece)."""
    graph, window = open_graph(package.score_path), window_of(package)
    rng = np.random.default_rng(seed)
    sums: dict[str, list[dict[str, tuple[float, int]]]] = {}
    for group, piece in pieces:
        found = _piece(graph, piece, window, rng)
        if found:
            sums.setdefault(group, []).append(found)
    return {group: _told(found) for group, found in sums.items()}


def _piece(graph: Graph, piece: EncodedPiece, window: int, rng: np.random.Generator) -> dict[str, tuple[float, int]]:
    """(summed nats, notes) of each condition for one span of one piece; nothing where it is too short."""
    rows, last = piece.rows, int(piece.rows[:, BAR].max())
    first = int(rng.integers(LEAST_BEFORE, max(LEAST_BEFORE + 1, last - SPAN - LOOKAHEAD + 1)))
    inside = (rows[:, BAR] >= first) & (rows[:, BAR] < first + SPAN)
    if first + SPAN + LOOKAHEAD > last + 1 or inside.sum() < LEAST_NOTES:
        return {}
    bars = piece.bars.copy()
    bars[:, BAR_COLUMN["chord"]] = 0
    piece = EncodedPiece(rows, bars, piece.programs, piece.controls)
    after = rows[:, BAR] >= first + SPAN
    found = {
        CONDITIONS[0]: span_nats(graph, piece, ~after, np.zeros(len(rows), bool), inside, window),
        CONDITIONS[1]: span_nats(graph, piece, np.ones(len(rows), bool), after, inside, window),
    }
    parts = [p for p in np.unique(rows[inside, PART]) if (inside & (rows[:, PART] == p)).sum() >= LEAST_NOTES]
    if len(parts) and len(np.unique(rows[:, PART])) > 1:
        mine = rows[:, PART] == rng.choice(parts)
        found[CONDITIONS[2]] = span_nats(graph, piece, ~after, np.zeros(len(rows), bool), inside & mine, window)
        found[CONDITIONS[3]] = span_nats(graph, piece, np.ones(len(rows), bool), after | ~mine, inside & mine, window)
    return found


def span_nats(
    graph: Graph, piece: EncodedPiece, seen: np.ndarray, given: np.ndarray, scored: np.ndarray, window: int
) -> tuple[float, int]:
    """Summed nats and number of the rows ``scored``; ``seen`` rows are laid out, ``given`` ones of them as given (all bool (R,))."""
    rows, given, scored = piece.rows[seen], given[seen], scored[seen]
    sequence = lay_out(rows, given)
    targets = np.flatnonzero(sequence.scored[:-1])[scored[~given]]
    end = int(targets[-1]) + 1
    begin = max(0, end - window)
    targets = targets[targets >= begin]
    nats = sequence_nats(graph, piece, sequence, begin, end) * counted_fields(sequence.targets[begin:end])
    return float(nats[targets - begin].sum()), len(targets)


def _told(found: list[dict[str, tuple[float, int]]]) -> dict[str, Any]:
    """Means, intervals and paired differences of the conditions over pieces."""
    out: dict[str, Any] = {"pieces": len(found)}
    for one, other in (CONDITIONS[:2], CONDITIONS[2:]):
        pairs = [(f[one], f[other]) for f in found if one in f]
        if not pairs:
            continue
        a, b = (np.array([p[i][0] for p in pairs]) for i in (0, 1))
        notes = np.array([p[0][1] for p in pairs], dtype=np.float64)
        for name, sums in ((one, a), (other, b), (f"{other} minus {one}", b - a)):
            low, high = interval(sums, notes)
            out[name] = {
                "nats": round(float(sums.sum() / notes.sum()), 4), "low": round(low, 4), "high": round(high, 4),
                "n": len(pairs), "notes": int(notes.sum()),
            }  # fmt: skip
    return out


