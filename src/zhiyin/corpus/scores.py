"""A piece of a corpus as an encoded piece, and as a score, again."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from zhiyin.corpus.store import Piece, open_corpus
from zhiyin.encoding import EncodedPiece, decode
from zhiyin.errors import CorpusError
from zhiyin.score import Score


class Arrays(Protocol):
    """A corpus, or what stands in for one: the arrays of its pieces by name."""

    def arrays(self, piece: Piece) -> dict[str, np.ndarray]:
        """Arrays of one piece by name."""


def encoded(corpus: Arrays, piece: Piece) -> EncodedPiece:
    """A corpus' piece as an encoded one."""
    arrays = corpus.arrays(piece)
    return EncodedPiece(arrays["rows"], arrays["bars"], arrays["programs"].reshape(-1), arrays["controls"].reshape(-1))


def score_of(folder: str | Path, piece_id: str) -> Score:
    """The score of the piece with this id in a built corpus (24 ticks a quarter); raises CorpusError where it is not."""
    corpus = open_corpus(folder)
    piece = next((p for p in corpus.table if p.id == piece_id), None)
    if piece is None:
        raise CorpusError(
            f"{folder} does not hold {piece_id!r}",
            expected=f"one of its {len(corpus.table)} pieces",
            received=repr(piece_id),
            hint="the index was made from another corpus: zhiyin corpus index makes it again",
        )
    return decode(encoded(corpus, piece)).replace(metadata={"title": piece.title, "composer": piece.composer})
