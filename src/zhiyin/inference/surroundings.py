"""How well what stays follows from what was written: nats of the kept notes beside and after the new ones.

By Bayes' rule a take of the past-only model counts in proportion to the likelihood that it gives to the notes that are
known: those of other parts in its bars, and of all parts in the bars after it. Read by the score graph; nothing samples.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from zhiyin.encoding import EncodedPiece
from zhiyin.encoding.fields import BAR_COLUMN
from zhiyin.encoding.layout import lay_out
from zhiyin.encoding.rows import BAR, PART, PITCH, POSITION
from zhiyin.inference.nats import counted_fields, sequence_nats
from zhiyin.inference.opened import Opened
from zhiyin.inference.sampler import window_of
from zhiyin.inference.session import Graph, open_graph
from zhiyin.provenance.package import SCORE, Package

AFTER = 2  # bars after the new ones that are read


class Surroundings:
    """Weighs takes of an opened score by the notes around them; 0 for all where a package has no score graph."""

    def __init__(self, opened: Opened, package: Package) -> None:
        self.opened, self.package = opened, package

    @cached_property
    def _graph(self) -> Graph | None:
        return open_graph(self.package.score_path) if SCORE in self.package.manifest.get("files", {}) else None

    def nats(self, rows: np.ndarray) -> float:
        """Summed nats of the kept notes in and after the bars of new rows (int64 (R, 6), bars of the piece)."""
        if self._graph is None:
            return 0.0
        piece, gone = self.opened.piece, self.opened.gone
        kept = piece.rows[~gone].astype(np.int64)
        merged = np.concatenate([kept, rows])
        order = np.lexsort((merged[:, PITCH], merged[:, PART], merged[:, POSITION], merged[:, BAR]))
        merged, old = merged[order], np.r_[np.ones(len(kept), bool), np.zeros(len(rows), bool)][order]
        bars = piece.bars.copy()
        bars[:, BAR_COLUMN["chord"]] = 0
        total = 0.0
        for run in self.opened.runs:
            first, last = int(run[0]), int(run[-1]) + AFTER
            upto = merged[:, BAR] <= last
            scored = (old & (merged[:, BAR] >= first))[upto]
            total += _span(self._graph, EncodedPiece(merged[upto], bars, piece.programs, piece.controls), scored, window_of(self.package))
        return total


def _span(graph: Graph, piece: EncodedPiece, scored: np.ndarray, window: int) -> float:
    """Summed nats of some rows (bool (R,)) of a piece, all of it read as written, the last ``window`` rows at most."""
    at = np.flatnonzero(scored)
    if not len(at):
        return 0.0
    sequence = lay_out(piece.rows)
    end = int(at[-1]) + 1
    begin = max(0, end - window)
    at = at[at >= begin]
    nats = sequence_nats(graph, piece, sequence, begin, end) * counted_fields(sequence.targets[begin:end])
    return float(nats[at - begin].sum())
