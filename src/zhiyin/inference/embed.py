"""One vector per piece: close where the music is alike, whatever its key, tempo, instruments or length.

A piece is cut into windows of about equal length; the encoder gives each window its vectors and how much they weigh, and
the windows join as if all notes had been attended to at once (docs/concepts/embedding.md). No torch here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from zhiyin.encoding import EncodedPiece, encode
from zhiyin.encoding.view import View, look, pad
from zhiyin.inference.session import Graph, open_graph
from zhiyin.provenance.package import Package, load_package
from zhiyin.score import Score

BATCH_ROWS = 1024  # rows that go through the graph at once; 4,096 took 15 % longer (caches)
Windows = tuple[np.ndarray, np.ndarray]  # vector (windows, P, D/P), weight (windows, P)


class Embedder:
    """Embeds pieces with the graph of a package (or any graph that speaks its protocol). ``width``: D; ``hash``: of the package."""

    def __init__(self, package: Package | None = None, *, graph: Graph | None = None, window: int = 0) -> None:
        if graph is None:
            package = package or load_package("embedding")
            graph, window = open_graph(package.embed_path), int(package.manifest["graphs"]["window"])
        self.hash = package.hash if package else ""
        self.graph, self.window = graph, window
        _, heads, share = next(o.shape for o in graph.get_outputs() if o.name == "vector")
        self.width = int(heads) * int(share)

    def embed(self, pieces: Iterable[Score | EncodedPiece]) -> np.ndarray:
        """float32 (N, D), each row of length 1; zeros for a piece without notes. Pieces share batches of windows."""
        encoded = [_encoded(p) for p in pieces]
        owners, views = [], []
        for i, piece in enumerate(encoded):
            cut = list(_views(piece, self.window)) if piece is not None else []
            owners += [i] * len(cut)
            views += cut
        out = np.zeros((len(encoded), self.width), dtype=np.float32)
        if not views:
            return out
        vector, weight = self._run(views)
        owner = np.array(owners)
        for i in np.unique(owner):
            out[i] = join(vector[owner == i], weight[owner == i])
        return out

    def _run(self, views: Sequence[View]) -> Windows:
        """Every window through the graph, those of like length together, results in their order."""
        order = sorted(range(len(views)), key=lambda i: len(views[i].time))
        vectors: list[np.ndarray] = [np.empty(0)] * len(views)
        weights: list[np.ndarray] = [np.empty(0)] * len(views)
        for group in _groups(order, [len(v.time) for v in views]):
            columns, time = pad([views[i] for i in group])
            vector, weight = self.graph.run(["vector", "weight"], {"columns": columns, "time": time})
            for place, i in enumerate(group):
                vectors[i], weights[i] = vector[place], weight[place]
        return np.stack(vectors), np.stack(weights)


def embed(piece: Score | EncodedPiece, *, model: str | Path | Package = "embedding") -> np.ndarray:
    """The embedding of a piece: float32 (D,), length 1, so that a dot product is the cosine. Zeros where no note is.

    ``piece``: a score, or rows over their bar table. Any length. Many pieces: ``Embedder(package).embed(pieces)``.
    """
    return embedder(model).embed([piece])[0]


def embedder(model: str | Path | Package = "embedding") -> Embedder:
    """The embedder of a package; the last ones used are kept, by the package's hash."""
    package = model if isinstance(model, Package) else load_package(model)
    return _kept(package.hash, package.folder)


@lru_cache(maxsize=2)
def _kept(hash_: str, folder: Path) -> Embedder:
    return Embedder(load_package(folder))


def join(vector: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Windows of one piece, vector (W, P, D/P) and log weight (W, P), as one vector float32 (D,) of length 1."""
    share = np.exp(weight - weight.max(axis=0))
    share /= share.sum(axis=0)
    joined = (share[..., None] * vector).sum(axis=0).ravel()
    return (joined / max(float(np.linalg.norm(joined)), 1e-12)).astype(np.float32)


def _encoded(piece: Score | EncodedPiece) -> EncodedPiece | None:
    """Rows over bars; None where there is no note."""
    if isinstance(piece, EncodedPiece):
        return piece if len(piece.rows) else None
    return encode(piece)[0] if len(piece.notes) else None


def _views(piece: EncodedPiece, window: int) -> Iterator[View]:
    """A piece cut into the fewest windows of about equal length."""
    count = math.ceil(len(piece.rows) / window)
    edges = np.linspace(0, len(piece.rows), count + 1).round().astype(int)
    for begin, end in zip(edges, edges[1:]):
        yield look(piece.rows[begin:end], piece.bars, piece.programs)


def _groups(order: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    """Runs of windows in order (shortest first) that fill about BATCH_ROWS rows each."""
    group: list[int] = []
    for i in order:
        if group and (len(group) + 1) * lengths[i] > BATCH_ROWS:
            yield group
            group = []
        group.append(i)
    if group:
        yield group
