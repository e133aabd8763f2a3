"""From a corpus to batches: which piece, which window, which rows are given, how it is varied.

Batch k of a run depends on (seed, k) alone, so that a resumed run sees what an unbroken one would have seen. Pieces are
drawn by rows, tempered over styles; sequences are bucketed by length. Knows no networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zhiyin.corpus.store import Corpus, Piece
from zhiyin.encoding.fields import BAR_COLUMN, CONTROL_COLUMN, DRUM_PROGRAM, MAX_BAR_STEP, MAX_PARTS
from zhiyin.encoding.layout import START, Sequence, lay_out
from zhiyin.encoding.rows import BAR, PART, PITCH
from zhiyin.errors import TrainingError
from zhiyin.training.recipe import Recipe
from zhiyin.training.relabel import RelabelledCorpus

NO_PART = 129
BUCKETS = (64, 128, 256, 512)

# Columns that are left out together, and how often relative to the recipe's control_dropout.
_BAR_GROUPS = (
    ("chord", 3.5),
    ("section section_bar", 1.0),
    ("phrase_left cadence", 1.0),
    ("tempo", 1.0),
    ("key mode", 0.5),
    ("left", 0.2),
)
_CONTROL_GROUPS = (("style", 0.7), ("composer", 2.5), ("density", 1.5), ("register", 1.5), ("timing", 0.5))

Batch = dict[str, np.ndarray]


@dataclass(frozen=True)
class PieceArrays:
    """One piece's arrays, as encoding.rows has them."""

    rows: np.ndarray
    bars: np.ndarray
    programs: np.ndarray
    controls: np.ndarray


class Batches:
    """Training batches of a corpus under a recipe. ``batch(k)`` is the k-th, a dict of int64 arrays (bool for scored)."""

    def __init__(self, corpus: Corpus | RelabelledCorpus, recipe: Recipe, *, split: str = "train") -> None:
        self.corpus, self.recipe = corpus, recipe
        self.pieces = trainable(corpus, split)
        rows = np.array([p.notes for p in self.pieces], dtype=np.float64)
        self.rows = int(rows.sum())
        length = np.minimum(rows + 1, recipe.window)
        edges = [b for b in BUCKETS if b < recipe.window] + [recipe.window]
        self._bucket_of = np.searchsorted(edges, length)
        self._edges = edges
        weights = draw_weights(self.pieces, rows, recipe.style_temperature)
        self._members = [np.flatnonzero(self._bucket_of == b) for b in range(len(edges))]
        mass = np.array([weights[m].sum() for m in self._members])
        self._bucket_share = mass / mass.sum()
        self._piece_share = [weights[m] / weights[m].sum() if len(m) else weights[m] for m in self._members]

    def batch(self, k: int, *, rank: int = 0) -> Batch:
        """The k-th batch (of one data-parallel rank)."""
        rng = np.random.default_rng([self.recipe.seed, k, rank])
        bucket = int(rng.choice(len(self._edges), p=self._bucket_share))
        length = self._edges[bucket]
        size = self.recipe.batch_pieces or max(1, self.recipe.batch_rows // length)
        chosen = rng.choice(self._members[bucket], size=size, p=self._piece_share[bucket])
        return collate([self._example(self.pieces[i], length, rng) for i in chosen])

    def held_out(self, limit: int) -> Iterator[tuple[list[Piece], Batch]]:
        """Batches of held-out pieces (of training pieces where none are), about ``limit`` rows (0 = all)."""
        return valid_batches(self.corpus, self.recipe, split=held_out_split(self.corpus), limit=limit)

    def _example(self, piece: Piece, length: int, rng: np.random.Generator) -> tuple[Sequence, PieceArrays]:
        arrays = PieceArrays(
            **{n: a for n, a in self.corpus.arrays(piece).items() if n in ("rows", "bars", "programs", "controls")}
        )
        start = _window_start(len(arrays.rows) + 1, length, rng)
        arrays = transposed(arrays, int(rng.integers(-self.recipe.transpose, self.recipe.transpose + 1)))
        arrays = with_dropout(arrays, self.recipe.control_dropout, rng)
        given = None
        if rng.random() < self.recipe.given_share:
            given = draw_given(arrays.rows[_window_rows(start, length)], rng)
        return window(arrays, start, length, given=given, layout=self.recipe.layout)


def trainable(corpus: Corpus | RelabelledCorpus, split: str) -> list[Piece]:
    """The pieces of a split that have two notes or more; TrainingError where there are none."""
    pieces = [p for p in corpus.pieces(split) if p.notes >= 2]
    if not pieces:
        raise TrainingError(
            "Nothing to train on",
            expected=f"pieces of ≥ 2 notes in the split {split!r}",
            received=f"{len(corpus.table)} pieces in all",
            hint="look at failures.jsonl in the corpus folder, or add files",
        )
    return pieces


def held_out_split(corpus: Corpus | RelabelledCorpus) -> str:
    """``valid``, or ``train`` where a corpus is too small to hold pieces out."""
    return "valid" if corpus.pieces("valid") else "train"


def draw_weights(pieces: list[Piece], mass: np.ndarray, temperature: float) -> np.ndarray:
    """mass * weight * M_style^(temperature - 1), M_style the style's summed mass: rare styles count more than their mass."""
    totals: dict[str, float] = {}
    for piece, m in zip(pieces, mass):
        totals[piece.style] = totals.get(piece.style, 0.0) + m
    return mass * np.array([p.weight * totals[p.style] ** (temperature - 1.0) for p in pieces])


def _window_start(total: int, length: int, rng: np.random.Generator) -> int:
    """Where a window begins: anywhere, and more often than by chance at the piece's beginning or end."""
    last = total - length
    if last <= 0:
        return 0
    draw = rng.random()
    return 0 if draw < 0.12 else last if draw < 0.22 else int(rng.integers(0, last + 1))


def _window_rows(start: int, length: int) -> slice:
    """The rows that a window of inputs touches: the row before it, its own, and the one its last input predicts."""
    return slice(max(start - 1, 0), start + length)


def window(
    arrays: PieceArrays, start: int, length: int, *, given: np.ndarray | None = None, layout: str = "interleaved"
) -> tuple[Sequence, PieceArrays]:
    """Inputs start … start+length-1 of a piece's sequence (input 0 is the start row), its bars cut and counted from its first.

    ``given``: mask over the rows of the window. Inputs after the start see the row before them, as in generation.
    """
    rows = arrays.rows[_window_rows(start, length)]
    ends = start + length >= len(arrays.rows) + 1
    first_bar = int(rows[0, BAR]) if start else 0
    rows = rows.astype(np.int32)
    rows[:, BAR] -= first_bar
    if given is not None and start:
        given[0] = False  # the row before the window is the past
    sequence = lay_out(rows, given, layout=layout)
    keep = slice(1 if start else 0, None if ends else -1)
    count = slice(None, length)
    sequence = Sequence(*(getattr(sequence, n)[keep][count] for n in ("inputs", "targets", "scored", "previous_pitch")))
    if not start:
        assert sequence.inputs[0, 6] == START
    last_bar = int(rows[:, BAR].max()) + first_bar
    bars = arrays.bars[first_bar : last_bar + 2]
    return sequence, PieceArrays(rows, bars, arrays.programs, arrays.controls)


def draw_given(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """A mask of given rows (bool, (R,)): parts (harmonise), all but a span of bars (infill), or a random share (repair)."""
    kind = rng.choice(["parts", "span", "part_span", "mask"], p=[0.4, 0.3, 0.2, 0.1])
    parts = np.unique(rows[:, PART])
    given = np.zeros(len(rows), dtype=bool)
    if kind in ("parts", "part_span") and len(parts) > 1:
        count = int(rng.integers(1, len(parts)))
        given |= np.isin(rows[:, PART], rng.choice(parts, size=count, replace=False))
    if kind in ("span", "part_span") or not given.any():
        low, high = int(rows[0, BAR]), int(rows[-1, BAR]) + 1
        span = int(rng.integers(1, max(2, min(16, high - low))))
        begin = int(rng.integers(low, max(low + 1, high - span + 1)))
        outside = (rows[:, BAR] < begin) | (rows[:, BAR] >= begin + span)
        # the past stays written context; what comes after the span is given
        given |= outside & (rows[:, BAR] >= begin)
    if kind == "mask":
        given = rng.random(len(rows)) < rng.uniform(0.3, 0.9)
    return given if splits(rows, given) else None


def splits(rows: np.ndarray, given: np.ndarray) -> bool:
    """Whether a mask leaves both given and written rows, the written ones never further apart than a row can step."""
    if not given.any() or given.all():
        return False
    bars = rows[~given, BAR].astype(int)
    return bool(np.diff(bars, prepend=int(rows[0, BAR])).max() <= MAX_BAR_STEP)


def transposed(arrays: PieceArrays, semitones: int) -> PieceArrays:
    """A piece moved by semitones: pitches of pitched parts, keys and chords of the bar table. Unmoved where a pitch would leave 0..127."""
    pitched = arrays.programs[arrays.rows[:, PART]] != DRUM_PROGRAM
    moved = arrays.rows[:, PITCH].astype(np.int32) + semitones * pitched
    if semitones == 0 or not pitched.any() or moved.min() < 0 or moved.max() > 127:
        return arrays
    rows, bars = arrays.rows.copy(), arrays.bars.copy()
    rows[:, PITCH] = moved
    key, chord = bars[:, BAR_COLUMN["key"]], bars[:, BAR_COLUMN["chord"]]
    fifths = (key.astype(int) - 8 + semitones * 7 + 6) % 12 - 6
    bars[:, BAR_COLUMN["key"]] = np.where(key > 0, fifths + 8, 0)
    bars[:, BAR_COLUMN["chord"]] = np.where(chord >= 2, 2 + (chord - 2 + 7 * semitones) % 84, chord)
    return PieceArrays(rows, bars, arrays.programs, arrays.controls)


def with_dropout(arrays: PieceArrays, rate: float, rng: np.random.Generator) -> PieceArrays:
    """Leaves out controls and plan columns at random (class 0), each group by its own chance."""
    if rate <= 0:
        return arrays
    bars, controls = arrays.bars.copy(), arrays.controls.copy()
    for names, scale in _BAR_GROUPS:
        if rng.random() < rate * scale:
            bars[:, [BAR_COLUMN[n] for n in names.split()]] = 0
    for name, scale in _CONTROL_GROUPS:
        if rng.random() < rate * scale:
            controls[CONTROL_COLUMN[name]] = 0
    return PieceArrays(arrays.rows, bars, arrays.programs, controls)


def collate(examples: list[tuple[Sequence, PieceArrays]]) -> Batch:
    """Pads examples to one batch: inputs (B,T,9), targets (B,T,6), previous_pitch, scored (B,T), bars (B,N,13), programs (B,32), controls (B,5).

    Padding rows are not scored; padding bars have length 0.
    """
    size, length = len(examples), max(len(s.inputs) for s, _ in examples)
    bar_count = max(len(a.bars) for _, a in examples)
    first = examples[0]
    out: Batch = {
        "inputs": np.zeros((size, length, first[0].inputs.shape[1]), dtype=np.int64),
        "targets": np.zeros((size, length, 6), dtype=np.int64),
        "previous_pitch": np.zeros((size, length), dtype=np.int64),
        "scored": np.zeros((size, length), dtype=bool),
        "bars": np.zeros((size, bar_count, first[1].bars.shape[1]), dtype=np.int64),
        "programs": np.full((size, MAX_PARTS), NO_PART, dtype=np.int64),
        "controls": np.zeros((size, len(first[1].controls)), dtype=np.int64),
    }
    for i, (sequence, arrays) in enumerate(examples):
        n = len(sequence.inputs)
        for name in ("inputs", "targets", "previous_pitch", "scored"):
            out[name][i, :n] = getattr(sequence, name)
        out["bars"][i, : len(arrays.bars)] = arrays.bars
        out["programs"][i, : len(arrays.programs)] = arrays.programs
        out["controls"][i] = arrays.controls.ravel()
    return out


def valid_batches(
    corpus: Corpus | RelabelledCorpus, recipe: Recipe, *, split: str = "valid", limit: int = 0
) -> Iterator[tuple[list[Piece], Batch]]:
    """Held-out pieces in whole, cut into windows, nothing varied or left out: (the piece of each sequence, batch).

    ``limit``: stop after about this many rows, pieces taken evenly over the split (0 = all).
    """
    pieces = [p for p in corpus.pieces(split) if p.notes >= 2]
    total = sum(p.notes for p in pieces)
    if limit and total > limit:
        rng = np.random.default_rng(0)
        order = rng.permutation(len(pieces))
        share = np.cumsum([min(pieces[i].notes, 4 * recipe.window) for i in order])
        pieces = [pieces[i] for i in order[: max(1, int(np.searchsorted(share, limit)))]]
    pending: dict[int, list[tuple[Piece, Sequence, PieceArrays]]] = {}
    for piece in pieces:
        arrays = PieceArrays(
            **{n: a for n, a in corpus.arrays(piece).items() if n in ("rows", "bars", "programs", "controls")}
        )
        most = len(arrays.rows) + 1 if not limit else min(len(arrays.rows) + 1, 4 * recipe.window)
        for start in range(0, most, recipe.window):
            sequence, cut = window(arrays, start, recipe.window)
            bucket = next((b for b in BUCKETS if len(sequence.inputs) <= b), recipe.window)
            group = pending.setdefault(bucket, [])
            group.append((piece, sequence, cut))
            if len(group) * bucket >= 8192:
                yield [g[0] for g in group], collate([(g[1], g[2]) for g in group])
                group.clear()
    for group in pending.values():
        if group:
            yield [g[0] for g in group], collate([(g[1], g[2]) for g in group])
