"""The piece of the training music that a score is most alike to as a whole, by embedding, and how unusual that nearness is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from zhiyin.inference.embed import embedder
from zhiyin.provenance.nearest import Vectors
from zhiyin.provenance.originality import Index, SourcePiece
from zhiyin.score import Score


@dataclass(frozen=True)
class NearestPiece:
    """piece: most alike; cosine: of the embeddings, 1 = the same; percentile: share of human pieces that are less near; n: of those."""

    piece: SourcePiece
    cosine: float
    percentile: float
    n: int

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"piece": asdict(self.piece), "cosine": round(self.cosine, 4), "percentile": round(self.percentile, 1), "n": self.n}


def nearest_piece(score: Score, index: Index, vectors: Vectors | None, *, without: SourcePiece | None = None) -> NearestPiece | None:
    """The nearest piece of an index whose pieces have these vectors; None where there are none, or of another embedding, or the score has no notes.

    without: a piece that is left out, with its near duplicates (its group).
    """
    if vectors is None or not len(score.notes):
        return None
    model = embedder()
    if vectors.about.get("embedding") != model.hash:
        return None
    left_out = None if without is None else np.array([p == without or (bool(p.group) and p.group == without.group) for p in index.pieces])
    at, cosine = vectors.near(model.embed([score])[0], left_out)
    return NearestPiece(index.pieces[at], cosine, vectors.percentile(cosine), len(vectors.human))
