"""A piece of a corpus as a score again."""

from __future__ import annotations

from pathlib import Path

from zhiyin.corpus.store import open_corpus
from zhiyin.encoding import EncodedPiece, decode
from zhiyin.errors import CorpusError
from zhiyin.score import Score


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
    found = corpus.arrays(piece)
    score = decode(EncodedPiece(found["rows"], found["bars"], found["programs"].reshape(-1), found["controls"].reshape(-1)))
    return score.replace(metadata={"title": piece.title, "composer": piece.composer})
