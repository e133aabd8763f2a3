"""Batches for the encoder: pairs of windows of one piece that do not overlap, each varied, some rows hidden.

Batch k depends on (seed, k) alone. Two batches of three are drawn from a single collection, so that telling collections
apart does not help. Knows no networks.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zhiyin.corpus.store import Corpus, Piece
from zhiyin.encoding.rows import BAR, PART
from zhiyin.encoding.view import View, look, pad
from zhiyin.models.encoder import EncoderSizes
from zhiyin.training.batches import Batch, draw_weights, held_out_split, trainable
from zhiyin.training.recipe import Recipe
from zhiyin.training.relabel import RelabelledCorpus

SHORTEST = 32  # rows of a window; a piece of less than two such windows is seen whole, twice
ONE_COLLECTION = 2 / 3  # share of batches that are drawn from one
WHOLE = 0.25  # share of windows in which no row but one is hidden, as in use
SPAN = 4  # mean rows of a hidden span


class Pairs:
    """Training batches of a corpus under a recipe: windows 2i and 2i + 1 are of one piece."""

    def __init__(self, corpus: Corpus | RelabelledCorpus, recipe: Recipe, *, split: str = "train") -> None:
        self.corpus, self.recipe = corpus, recipe
        self.sizes = EncoderSizes(**recipe.sizes)
        self.pieces = trainable(corpus, split)
        self.rows = sum(p.notes for p in self.pieces)
        notes = np.array([p.notes for p in self.pieces], dtype=np.float64)
        weights = draw_weights(self.pieces, np.sqrt(notes), recipe.style_temperature)
        lengths = np.array([_length(p.notes, recipe.window) for p in self.pieces])
        collections = np.array([p.collection for p in self.pieces])
        self._odds = weights / weights.sum()
        self._kin = {g: i for i, g in enumerate(sorted({_kin(p) for p in corpus.table}))}
        self._one = _cells(weights, lengths, collections)
        self._all = _cells(weights, lengths, np.zeros_like(collections))

    def batch(self, k: int, *, rank: int = 0) -> Batch:
        """The k-th batch (of one data-parallel rank)."""
        rng = np.random.default_rng([self.recipe.seed, k, rank])
        cells, shares = self._one if rng.random() < ONE_COLLECTION else self._all
        length, members, odds = cells[int(rng.choice(len(cells), p=shares))]
        length = max(SHORTEST, length >> int(rng.integers(0, 3)))
        size = self.recipe.batch_pieces or max(2, self.recipe.batch_rows // (2 * length))
        many = len(members) >= size
        chosen = rng.choice(members, size=size, replace=not many, p=odds)
        return self._collate([self.pieces[i] for i in chosen], length, rng)

    def held_out(self, limit: int) -> Iterator[tuple[list[Piece], Batch]]:
        """Batches of pairs of held-out pieces (of training pieces where none are), about ``limit`` rows (0 = all)."""
        pieces = [p for p in self.corpus.pieces(held_out_split(self.corpus)) if p.notes >= 2]
        order = np.random.default_rng(0).permutation(len(pieces))
        size, done = max(2, 4096 // self.recipe.window), 0
        for number, begin in enumerate(range(0, len(order), size)):
            chosen = [pieces[i] for i in order[begin : begin + size]]
            length = max(_length(p.notes, self.recipe.window) for p in chosen)
            yield chosen, self._collate(chosen, length, np.random.default_rng([0, number]))
            done += 2 * length * len(chosen)
            if limit and done >= limit:
                return

    def plain(self, windows: int) -> Iterator[Batch]:
        """Batches (columns, time) of about ``windows`` windows of training pieces, drawn as in training, nothing varied."""
        rng, size = np.random.default_rng(self.recipe.seed), max(1, 4096 // self.recipe.window)
        for _ in range(-(-windows // size)):
            views = []
            for i in rng.choice(len(self.pieces), size=size, p=self._odds):
                arrays = self.corpus.arrays(self.pieces[i])
                begin = int(rng.integers(0, max(1, len(arrays["rows"]) - self.recipe.window + 1)))
                rows = arrays["rows"][begin : begin + self.recipe.window]
                views.append(look(rows, arrays["bars"], arrays["programs"]))
            yield dict(zip(("columns", "time"), pad(views)))

    def _collate(self, pieces: list[Piece], length: int, rng: np.random.Generator) -> Batch:
        """columns (B, T, C), time (B, T), targets (B, T, 4), scored (B, T), kin (B,); B = 2 windows a piece."""
        made: list[tuple[View, np.ndarray]] = []
        for piece in pieces:
            arrays = self.corpus.arrays(piece)
            made += [self._window(arrays, *place, rng) for place in _two_places(len(arrays["rows"]), length, rng)]
        columns, time = pad([view for view, _ in made])
        targets = np.zeros((*time.shape, made[0][0].targets.shape[1]), dtype=np.int64)
        scored = np.zeros(time.shape, dtype=bool)
        for i, (view, hidden) in enumerate(made):
            targets[i, : len(view.time)], scored[i, : len(view.time)] = view.targets, hidden
        kin = np.repeat([self._kin[_kin(p)] for p in pieces], 2)
        return {"columns": columns, "time": time, "targets": targets, "scored": scored, "kin": kin}

    def _window(
        self, arrays: dict[str, np.ndarray], begin: int, end: int, rng: np.random.Generator
    ) -> tuple[View, np.ndarray]:
        rows = without_parts(arrays["rows"][begin:end], self.sizes.part_dropout, rng)
        hidden = hide(rows, self.sizes.hidden_share, rng)
        shift = int(rng.integers(-self.recipe.transpose, self.recipe.transpose + 1))
        return look(rows, arrays["bars"], arrays["programs"], shift=shift, hidden=hidden), hidden


def _kin(piece: Piece) -> str:
    """What pieces share that must not repel each other: near-duplicates and movements of one work."""
    return piece.group or piece.work or piece.id


def _length(notes: int, window: int) -> int:
    """Rows of a window of a piece: half of it, rounded up to a power of two times SHORTEST, at most the recipe's window."""
    length = SHORTEST
    while length < min(notes // 2, window):
        length *= 2
    return min(length, window)


def _cells(
    weights: np.ndarray, lengths: np.ndarray, labels: np.ndarray
) -> tuple[list[tuple[int, np.ndarray, np.ndarray]], np.ndarray]:
    """Per label and length: (length, pieces, their odds); and the share of each cell."""
    cells, mass = [], []
    for label in np.unique(labels):
        for length in np.unique(lengths[labels == label]):
            members = np.flatnonzero((labels == label) & (lengths == length))
            mass.append(weights[members].sum())
            cells.append((int(length), members, weights[members] / mass[-1]))
    return cells, np.array(mass) / sum(mass)


def _two_places(total: int, length: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Two windows (begin, end) that do not overlap, in any order; a piece under 2 * SHORTEST rows whole, twice."""
    if total < 2 * SHORTEST:
        return [(0, min(total, length))] * 2
    length = min(length, total // 2)
    spare = total - 2 * length
    first, gap = np.sort(rng.integers(0, spare + 1, 2))
    places = [(int(first), int(first) + length), (int(gap) + length, int(gap) + 2 * length)]
    return places if rng.random() < 0.5 else places[::-1]


def without_parts(rows: np.ndarray, chance: float, rng: np.random.Generator) -> np.ndarray:
    """Rows with each part left out by ``chance``, unless that leaves less than half of the rows."""
    parts = np.unique(rows[:, PART])
    if len(parts) < 2:
        return rows
    kept = rows[np.isin(rows[:, PART], parts[rng.random(len(parts)) >= chance])]
    return kept if 2 * len(kept) >= len(rows) else rows


def hide(rows: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Which rows are hidden (bool (T,)): about ``share`` of them, in spans or whole bars; only one row where WHOLE says so."""
    hidden = np.zeros(len(rows), dtype=bool)
    if len(rows) < 4 or rng.random() < WHOLE:
        hidden[int(rng.integers(0, len(rows)))] = True
        return hidden
    wanted = max(1, round(share * len(rows)))
    by_bar = rng.random() < 0.5
    while hidden.sum() < wanted:
        at = int(rng.integers(0, len(rows)))
        if by_bar:
            hidden |= rows[:, BAR] == rows[at, BAR]
        else:
            hidden[at : at + int(rng.geometric(1 / SPAN))] = True
    if hidden.all():
        hidden[int(rng.integers(0, len(rows)))] = False
    return hidden
