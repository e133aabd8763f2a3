"""Windows of bars on the grid of sixteenths, for the VAE and the GAN: which bars, which lines, how varied.

Every start in a piece where all bars of a window have one length and its lines lose no note. Windows that are alike up to a
transposition count once on each side of the split. Batch k depends on (seed, k) alone. Knows no networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from zhiyin.corpus.scores import encoded
from zhiyin.corpus.store import Corpus, Piece
from zhiyin.encoding.rows import EncodedPiece
from zhiyin.encoding.sixteenths import (
    BAR_LENGTHS,
    BAR_SLOTS,
    FIRST_PITCH,
    NONE,
    first_whole_bar,
    lines_of,
    pitched_parts,
)
from zhiyin.errors import TrainingError
from zhiyin.training.batches import Batch, held_out_split
from zhiyin.training.recipe import Recipe
from zhiyin.training.relabel import RelabelledCorpus

LEAST_STRUCK = 1.5  # onsets a bar and line that a window has at least
VALID_BATCH = 256


@dataclass(frozen=True)
class Pool:
    """Windows of one side of the split. bars: uint8 (M, 16, K), all bars one after the other; begin: first bar of each
    window; length: class of BAR_LENGTHS; piece: index into the corpus; each (windows,)."""

    bars: np.ndarray
    begin: np.ndarray
    length: np.ndarray
    piece: np.ndarray
    size: int  # bars of a window

    def take(self, which: np.ndarray) -> np.ndarray:
        """The grids of some windows: uint8 (B, N, 16, K)."""
        return self.bars[self.begin[which][:, None] + np.arange(self.size)]


class Windows:
    """Batches of windows of a corpus under a recipe. ``rows``: sixteenths of lines in the training windows."""

    def __init__(self, corpus: Corpus | RelabelledCorpus, recipe: Recipe) -> None:
        self.corpus, self.recipe = corpus, recipe
        self.size, self.lines = int(recipe.sizes.get("bars", 2)), int(recipe.sizes.get("lines", 1))
        self.beta, self.anneal = float(recipe.sizes.get("beta", 0.1)), int(recipe.sizes.get("anneal", 500))
        self.pieces = corpus.pieces("train")
        self.pool = pool_of(corpus, self.pieces, self.size, self.lines)
        if not len(self.pool.begin):
            raise TrainingError(
                "Nothing to train on",
                expected=f"≥ 1 window of {self.size} bars of 8, 12 or 16 sixteenths with {self.lines} lines on the grid",
                received=f"none in {len(self.pieces)} pieces",
                hint="a recipe with fewer bars or lines, or more files",
            )
        self.rows = int((np.array(BAR_LENGTHS)[self.pool.length]).sum()) * self.size * self.lines

    @cached_property
    def held(self) -> Pool:
        """The windows of the held-out pieces, the training windows where there are none."""
        pool = pool_of(self.corpus, self.corpus.pieces(held_out_split(self.corpus)), self.size, self.lines)
        return pool if len(pool.begin) else self.pool

    def batch(self, k: int, *, rank: int = 0) -> Batch:
        """The k-th batch (of one data-parallel rank): windows drawn evenly, each moved by up to ``transpose`` semitones."""
        rng = np.random.default_rng([self.recipe.seed, k, rank])
        count = self.recipe.batch_pieces or max(1, self.recipe.batch_rows // (self.size * BAR_SLOTS * self.lines))
        which = rng.integers(0, len(self.pool.begin), count)
        grid = moved(self.pool.take(which), rng.integers(-self.recipe.transpose, self.recipe.transpose + 1, count))
        return self.collate(grid, self.pool.length[which], min(1.0, k / self.anneal) if self.anneal else 1.0)

    def held_out(self, limit: int) -> Iterator[tuple[list[Piece], Batch]]:
        """Windows of held-out pieces (of training pieces where none are), about ``limit`` rows (0 = all), always the same."""
        pool = self.held
        order, done = np.random.default_rng(0).permutation(len(pool.begin)), 0
        for begin in range(0, len(order), VALID_BATCH):
            which = order[begin : begin + VALID_BATCH]
            made = self.collate(pool.take(which), pool.length[which])
            yield [self.corpus.table[i] for i in pool.piece[which]], made
            done += int(made["scored"].sum())
            if limit and done >= limit:
                return

    def collate(self, grid: np.ndarray, length: np.ndarray, along: float = 1.0) -> Batch:
        """grid (B, N, 16, K), length (B,), scored (B, N 16 K), beta (): what ``VAE.nats`` takes."""
        beta = np.array(self.beta * along, dtype=np.float32)
        return {
            "grid": grid.astype(np.int64), "length": length.astype(np.int64),
            "scored": (grid != NONE).reshape(len(grid), -1), "beta": beta,
        }  # fmt: skip


def pool_of(corpus: Corpus | RelabelledCorpus, pieces: list[Piece], size: int, lines: int) -> Pool:
    """All windows of ``size`` bars and ``lines`` lines in some pieces, alike ones (up to a transposition) once."""
    bars: list[np.ndarray] = []
    found: list[np.ndarray] = []
    total = 0
    for piece in pieces:
        for grid, starts, length in _windows(encoded(corpus, piece), size, lines):
            bars.append(grid)
            table = np.stack([total + starts, length, np.full(len(starts), piece.index)], -1)
            found.append(np.concatenate([table, _print(grid, starts, size)[:, None].astype(np.int64)], -1))
            total += len(grid)
    if not found:
        empty = np.zeros(0, dtype=np.int64)
        return Pool(np.zeros((0, BAR_SLOTS, lines), dtype=np.uint8), empty, empty, empty, size)
    table = np.concatenate(found)
    _, first = np.unique(table[:, 3], return_index=True)
    table = table[np.sort(first)]
    return Pool(np.concatenate(bars), table[:, 0], table[:, 1], table[:, 2], size)


def _windows(piece: EncodedPiece, size: int, lines: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(grid (N, 16, K), starts, length classes) for every set of lines: each part alone, or the first K parts together."""
    parts = pitched_parts(piece.programs)
    if len(parts) < lines or len(piece.bars) < size:
        return
    made = lines_of(piece, parts[:MOST_PARTS] if lines == 1 else parts[:lines])
    for chosen in [[k] for k in range(made.grid.shape[2])] if lines == 1 else [list(range(lines))]:
        good = (made.length > 0) & (made.lost[:, chosen].sum(1) == 0)
        good[: first_whole_bar(piece.bars)] = False
        starts = _starts(good, made.length, made.struck[:, chosen], size)
        if len(starts):
            yield made.grid[..., chosen], starts, np.searchsorted(BAR_LENGTHS, made.length[starts])


MOST_PARTS = 12  # of a piece: large scores repeat themselves in many parts


def _starts(good: np.ndarray, length: np.ndarray, struck: np.ndarray, size: int) -> np.ndarray:
    """Bars at which a window may begin: all bars good and of one length, no two silent in a row, onsets enough in every line."""
    count = len(good) - size + 1
    if count < 1:
        return np.zeros(0, dtype=np.int64)
    changed = np.r_[False, length[1:] != length[:-1]]
    bad = np.r_[0, np.cumsum(~good)]
    turns = np.r_[0, np.cumsum(changed)]
    onsets = np.concatenate([np.zeros((1, struck.shape[1]), dtype=np.int64), np.cumsum(struck, 0)])
    silent = np.r_[0, np.cumsum((struck.sum(1) == 0) & np.r_[True, struck[:-1].sum(1) == 0])]
    at = np.arange(count)
    enough = (onsets[at + size] - onsets[at] >= LEAST_STRUCK * size).all(1)
    fits = (bad[at + size] == bad[at]) & (turns[at + size] == turns[at + 1]) & (silent[at + size] == silent[at])
    return np.flatnonzero(fits & enough)


def _print(grid: np.ndarray, starts: np.ndarray, size: int) -> np.ndarray:
    """A number for each window, equal where they are alike up to a transposition: uint64 (windows,)."""
    flat = grid[starts[:, None] + np.arange(size)].reshape(len(starts), -1).astype(np.int64)
    struck = (flat >= FIRST_PITCH) & (flat != NONE)
    lowest = np.where(struck, flat, 1 << 20).min(1, keepdims=True)
    relative = np.where(struck, flat - lowest + FIRST_PITCH, flat).astype(np.uint64)
    factors = np.random.default_rng(99).integers(1, 1 << 62, flat.shape[1], dtype=np.int64).astype(np.uint64) | np.uint64(1)
    mixed = relative * factors
    mixed ^= mixed >> np.uint64(29)
    return (mixed * np.uint64(0x9E3779B97F4A7C15)).sum(1)


def moved(grid: np.ndarray, semitones: np.ndarray) -> np.ndarray:
    """Grids (B, N, 16, K), each transposed; one that would leave 0..127 stays where it is."""
    struck = (grid >= FIRST_PITCH) & (grid != NONE)
    to = grid.astype(np.int64) + semitones.reshape(-1, 1, 1, 1)
    legal = ((to >= FIRST_PITCH) & (to < NONE) | ~struck).reshape(len(grid), -1).all(1)
    return np.where(struck & legal[:, None, None, None], to, grid).astype(np.uint8)
