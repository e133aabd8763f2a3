"""What a style classifier sees of a piece: descriptors that give no collection away, and the embedding of an excerpt.

Left out: velocity, tempo, programs, part names, length and format (``Descriptor.left_out``), the register (it moves when the piece is
transposed), and whatever lies finer than the grid of the rows: a piece is quantized first. So the same notes in
another key, at another tempo, from another kind of file give the same descriptors. docs/concepts/style.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from zhiyin.encoding import EncodedPiece, decode, encode
from zhiyin.errors import InputError
from zhiyin.inference.embed import Embedder, embedder
from zhiyin.inference.style_grams import SIZE, grams
from zhiyin.measures.descriptors import DESCRIPTORS, describe
from zhiyin.score import Score

INPUTS = "style-inputs/1"
FEWEST_NOTES = 8
EXCERPT = 256  # rows of the excerpt that is embedded
WINDOW_BARS, MOST_WINDOWS, FEWEST_IN_WINDOW = 4, 24, 6
HEARD = ("velocity", "tempo", "program", "register", "grams")  # what a classifier of one's own files may be told to hear besides


@dataclass(frozen=True)
class Hearing:
    """What of a piece becomes inputs. hear: words of HEARD with commas between; embedding: name of a package, "" = no vector."""

    hear: str = ""
    embedding: str = "embedding"

    @cached_property
    def also(self) -> frozenset[str]:
        """The words of ``hear``; InputError for one that is not known."""
        also = frozenset(w.strip() for w in self.hear.split(",") if w.strip())
        if unknown := also - set(HEARD):
            raise InputError("Unknown kind of inputs", expected=", ".join(HEARD), received=", ".join(sorted(unknown)))
        return also

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """Columns of ``describe`` that are inputs: style inputs that do not move with transposition, and what is heard besides."""
        return tuple(
            i for i, d in enumerate(DESCRIPTORS)
            if (not d.left_out or d.left_out in self.also) and (not d.moves or "register" in self.also)
        )  # fmt: skip

    @property
    def grams(self) -> int:
        """How many of the inputs, the last ones, are the profile of figures (``style_grams``)."""
        return SIZE if "grams" in self.also else 0

    def inputs(self, pieces: Sequence[EncodedPiece]) -> np.ndarray:
        """Inputs of pieces, float32 (N, F): descriptors (of ``columns``), the embedding, the profile of figures."""
        scores = [decode(p) for p in pieces]
        blocks = [np.stack([self.described(s) for s in scores])]
        if self.embedding:
            blocks.append(embedded(pieces, embedder(self.embedding)))
        if self.grams:
            blocks.append(np.stack([grams(s) for s in scores]))
        return np.hstack(blocks)

    def described(self, score: Score) -> np.ndarray:
        """The descriptors of a score that are inputs, float32 (len(columns),)."""
        return describe(score)[list(self.columns)]


def embedded(pieces: Sequence[EncodedPiece], of: Embedder) -> np.ndarray:
    """The embedding of the excerpts of each piece, float32 (N, D), joined to length 1."""
    cut = [excerpts(p) for p in pieces]
    vectors = of.embed([e for some in cut for e in some])
    owner = np.repeat(np.arange(len(pieces)), [len(some) for some in cut])
    out = np.zeros((len(pieces), of.width), dtype=np.float32)
    np.add.at(out, owner, vectors)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)


def excerpts(piece: EncodedPiece) -> list[EncodedPiece]:
    """A short piece whole, the middle of a longer one, both ends, or two stretches of a long one: the cost of a long piece is bounded."""
    rows = len(piece.rows)
    if rows <= EXCERPT:
        return [piece]
    begins = [(rows - EXCERPT) // 2] if rows < 1.5 * EXCERPT else [0, rows - EXCERPT] if rows < 3 * EXCERPT else [rows // 4, 3 * rows // 4 - EXCERPT // 2]
    return [EncodedPiece(piece.rows[b : b + EXCERPT], piece.bars, piece.programs, piece.controls) for b in begins]


def encoded(score: Score) -> EncodedPiece:
    """A score as rows; InputError where there is too little of it to say anything."""
    if len(score.notes) < FEWEST_NOTES:
        raise InputError(
            "Too few notes to recognise a style", expected=f"at least {FEWEST_NOTES} notes", received=f"{len(score.notes)}"
        )
    return encode(score)[0]


def windows(piece: EncodedPiece) -> Iterator[tuple[int, int, Score]]:
    """(first bar, last bar, score) of stretches of four bars, as a page numbers them; at most 24, evenly spread, no near-empty ones."""
    score = decode(piece)
    of = score.bar_of(score.notes["onset"])
    begins = list(range(0, max(len(score.bars) - WINDOW_BARS // 2, 1), WINDOW_BARS))
    if len(begins) > MOST_WINDOWS:
        begins = [begins[i] for i in np.linspace(0, len(begins) - 1, MOST_WINDOWS).round().astype(int)]
    for begin in begins:
        inside = (of >= begin) & (of < begin + WINDOW_BARS)
        if inside.sum() < FEWEST_IN_WINDOW:
            continue
        bars, notes = score.bars[begin : begin + WINDOW_BARS].copy(), score.notes[inside].copy()
        first, last = int(bars["number"][0]), int(bars["number"][-1])
        notes["onset"] -= bars["onset"][0]
        bars["onset"] -= bars["onset"][0]
        yield first, last, score.replace(notes=notes, bars=bars, marks=())
