"""Batches of frames: stretches of training pieces, drawn by seed and step alone, and whole pieces of a held-out split.

Shapes: B stretches, T frames, K keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zhiyin.evaluation.frame_sets import SPLITS, FrameSet
from zhiyin.evaluation.recall import Recall
from zhiyin.models.frames import BEFORE, FURTHEST
from zhiyin.training.batches import Batch
from zhiyin.training.recipe import Recipe


@dataclass(frozen=True)
class Piece:
    """Frames uint8 (T, K) and, where a network is given them, what earlier matches recall: (T, 4, K) and (T, 4)."""

    frames: np.ndarray
    shares: np.ndarray | None = None
    lengths: np.ndarray | None = None


@dataclass(frozen=True)
class Stretch:
    """``count`` frames of a piece from ``at`` on, of which the first ``known`` are not scored; moved by semitones."""

    piece: Piece
    at: int
    count: int
    known: int = 0
    moved: int = 0


@dataclass(frozen=True)
class _Corpus:
    """What the training loop asks of a corpus: something that says which files a run learnt from."""

    manifest: dict[str, Any]


class FrameBatches:
    """Batches of a set under a recipe. ``first``: whether a piece's first frame is scored; ``whole``: whether held-out pieces are read at one go,

    or in windows that overlap by half, each frame given at least half a window before it.
    """

    def __init__(self, frames: FrameSet, recipe: Recipe, *, first: bool, whole: bool) -> None:
        self.recipe, self.first, self.whole = recipe, first, whole
        self.corpus = _Corpus({"files": {"rows.npy": frames.sha256}})
        self.rows = frames.frames("train")
        recall = Recall(frames.pieces["train"]) if recipe.sizes.get("recall") else None
        lengths = np.array([len(p) for p in frames.pieces["train"]])
        self.counts = np.minimum(lengths, recipe.window)
        weights = np.where(lengths > 1, np.maximum(1.0, lengths / recipe.window), 0.0)  # so that every frame comes up equally often
        self.share = weights / weights.sum()
        self.pieces = {s: [_known(recall, t, i if s == "train" else -1) for i, t in enumerate(frames.pieces[s])] for s in SPLITS}

    def batch(self, k: int, *, rank: int = 0) -> Batch:
        """The k-th batch: stretches of about ``batch_rows`` frames in all, each of at most ``window``."""
        rng = np.random.default_rng([self.recipe.seed, k, rank])
        train, chosen, total = self.pieces["train"], list[Stretch](), 0
        size = self.counts[rng.choice(len(train), p=self.share)]  # the others are about as long
        share = np.where((self.counts >= 0.7 * size) & (self.counts <= 1.4 * size), self.share, 0.0)
        while total < self.recipe.batch_rows:
            index = int(rng.choice(len(train), p=share / share.sum()))
            at = int(rng.integers(len(train[index].frames) - self.counts[index] + 1))
            chosen.append(Stretch(train[index], at, int(self.counts[index]), moved=self._move(train[index], rng)))
            total += int(self.counts[index])
        return self._collate(chosen)

    def _move(self, piece: Piece, rng: np.random.Generator) -> int:
        """Half of the pieces stay, the others go up or down as far as the recipe says and the keyboard reaches."""
        reach = min(self.recipe.transpose, FURTHEST)
        if not reach or rng.random() < 0.5 or not piece.frames.any():
            return 0
        used = np.flatnonzero(piece.frames.any(0))
        return int(np.clip(rng.integers(-reach, reach + 1), -used[0], piece.frames.shape[1] - 1 - used[-1]))

    def held_out(self, limit: int) -> Iterator[tuple[list[Any], Batch]]:
        """The validation pieces, whole; about ``limit`` frames of them (0 = all), always the same."""
        order = np.random.default_rng(0).permutation(len(self.pieces["valid"]))
        total = np.cumsum([len(self.pieces["valid"][i].frames) for i in order])
        kept = order[: int(np.searchsorted(total, limit)) + 1] if limit else order
        for indices, batch in self.split("valid", sorted(kept)):
            yield list(indices), batch

    def split(self, name: str, only: Sequence[int] | None = None) -> Iterator[tuple[list[int], Batch]]:
        """All pieces of a split with their indices, in batches of about the recipe's size, every frame scored once."""
        pieces = self.pieces[name]
        cut = [(i, s) for i in (range(len(pieces)) if only is None else only) for s in self._stretches(pieces[i])]
        cut.sort(key=lambda pair: pair[1].count)
        while cut:
            size = max(1, min(len(cut), 2 * self.recipe.batch_rows // max(cut[-1][1].count, 1)))
            part, cut = cut[-size:], cut[:-size]
            yield [i for i, _ in part], self._collate([s for _, s in part])

    def _stretches(self, piece: Piece) -> list[Stretch]:
        total, window = len(piece.frames), self.recipe.window
        if not total:
            return []
        if self.whole or total <= window:
            return [Stretch(piece, 0, total)]
        starts = range(0, total - window // 2, window // 2)
        return [Stretch(piece, at, min(window, total - at), known=window // 2 if at else 0) for at in starts]

    def _collate(self, stretches: Sequence[Stretch]) -> Batch:
        longest, keys = max(s.count for s in stretches), stretches[0].piece.frames.shape[1]
        batch: dict[str, np.ndarray] = {
            "frames": np.zeros((len(stretches), longest, keys), np.uint8),
            "before": np.zeros((len(stretches), BEFORE, keys), np.uint8),
            "scored": np.zeros((len(stretches), longest), bool),
            "at": np.array([s.at for s in stretches]),
            "moved": np.array([s.moved for s in stretches]),
        }
        if stretches[0].piece.shares is not None:
            batch["shares"] = np.zeros((len(stretches), longest, *stretches[0].piece.shares.shape[1:]), np.uint8)
            batch["lengths"] = np.zeros((len(stretches), longest, stretches[0].piece.shares.shape[1]), np.int64)
        for row, s in enumerate(stretches):
            end = s.at + s.count
            batch["frames"][row, : s.count] = np.roll(s.piece.frames[s.at : end], s.moved, -1)
            earlier = s.piece.frames[max(0, s.at - BEFORE) : s.at]
            batch["before"][row, BEFORE - len(earlier) :] = np.roll(earlier, s.moved, -1)
            batch["scored"][row, s.known + (s.at == 0 and not self.first) : s.count] = True
            if s.piece.shares is not None and s.piece.lengths is not None:
                batch["shares"][row, : s.count] = _moved(s.piece.shares[s.at : end], s.moved)
                batch["lengths"][row, : s.count] = s.piece.lengths[s.at : end]
        return batch


def _known(recall: Recall | None, table: np.ndarray, own: int) -> Piece:
    return Piece(table, *recall.look(table, own)) if recall else Piece(table)


def _moved(shares: np.ndarray, by: int) -> np.ndarray:
    """Moved along the keys; what falls off the end is gone."""
    out = np.roll(shares, by, -1)
    if by > 0:
        out[..., :by] = 0
    elif by < 0:
        out[..., by:] = 0
    return out
