"""The vectors that lie beside an originality index: every piece of it embedded, and human pieces that it does not hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from zhiyin.corpus.scores import encoded
from zhiyin.corpus.store import Corpus, Piece
from zhiyin.errors import InputError
from zhiyin.inference.embed import embedder
from zhiyin.inference.original import open_reference
from zhiyin.provenance.nearest import NEAREST, Vectors, quantised, write_vectors

CHUNK = 64  # pieces that are embedded together
HUMAN_PIECES = 1000  # held-out pieces of the scale, at most
Progress = Callable[[int, int], None]


def nearest_beside(index: Path, corpus: Corpus, *, progress: Progress | None = None) -> Path:
    """Writes nearest.npz beside an index file of ``corpus``. Raises InputError where the index holds pieces that the corpus does not."""
    reference, model = open_reference(corpus=index), embedder()
    by_id = {p.id: p for p in corpus.table}
    missing = [p.id for p in reference.index.pieces if p.id not in by_id]
    if missing:
        raise InputError(f"{index} is an index of another corpus", expected=f"pieces of {corpus.path}", received=f"{len(missing):,} others, {missing[0]} …")
    held = {p.id for p in reference.index.pieces}
    people = [p for p in corpus.pieces("valid") + corpus.pieces("test") if p.id not in held and p.notes][:HUMAN_PIECES]
    total, done = len(held) + len(people), 0

    def embedded(pieces: Sequence[Piece]) -> np.ndarray:
        nonlocal done
        found = []
        for at in range(0, len(pieces), CHUNK):
            found.append(model.embed([encoded(corpus, p) for p in pieces[at : at + CHUNK]]))
            done += len(found[-1])
            if progress:
                progress(done, total)
        return np.concatenate(found) if found else np.zeros((0, model.width), dtype=np.float32)

    vectors = Vectors(quantised(embedded([by_id[p.id] for p in reference.index.pieces])), np.zeros(0, dtype=np.float32))
    groups = np.array([p.group for p in reference.index.pieces])
    human = [vectors.near(v, (groups == p.group) & (groups != ""))[1] for p, v in zip(people, embedded(people))]
    about = {"embedding": model.hash, "index": str(reference.about["hash"])}
    return write_vectors(index.with_name(NEAREST), Vectors(vectors.vectors, np.sort(np.array(human, dtype=np.float32)), about))
