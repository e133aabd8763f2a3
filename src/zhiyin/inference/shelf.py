"""The pieces that can be recommended, as arrays: those of the library, or files read on the spot."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from zhiyin.errors import ZhiyinError
from zhiyin.files import data_folder
from zhiyin.inference.bring import DESCRIPTORS, embedding_kind, load_with_notes
from zhiyin.inference.embed import embedder
from zhiyin.inference.features import features
from zhiyin.library.pieces import list_pieces, read_vectors
from zhiyin.library.store import Library
from zhiyin.measures.descriptors import NAMES, describe
from zhiyin.recommenders.nearest import EXACT_BELOW, Nearest

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Shelf:
    """Pieces side by side. ids: int64 (N,), numbers in the library (-1 for a file that is not in it); descriptors
    float32 (N, D); embeddings float32 (N, E); titles, composers, styles, files: N each; failures: (path, reason)."""

    ids: np.ndarray
    descriptors: np.ndarray
    embeddings: np.ndarray
    titles: tuple[str, ...]
    composers: tuple[str, ...]
    styles: tuple[str, ...]
    files: tuple[tuple[str, ...], ...]
    failures: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        """How many pieces."""
        return len(self.ids)

    @cached_property
    def features(self) -> np.ndarray:
        """float32 (N, F), rows of length 1."""
        return features(self.descriptors, self.embeddings)

    def near(self, query: np.ndarray, count: int) -> np.ndarray | None:
        """Rows of the ``count`` pieces with the largest dot product to a query (F,), through a graph kept in the data folder; None
        where the shelf is small enough to look at every piece."""
        if len(self) < EXACT_BELOW:
            return None
        key = hashlib.sha256(self.ids.tobytes() + self.features[:: max(1, len(self) // 64)].tobytes()).hexdigest()[:24]
        return Nearest(self.features, place=data_folder() / "graphs" / f"{key}.voyager").search(query, count)


def shelf_of_library(library: Library) -> Shelf:
    """All pieces of the library that have notes and their vectors."""
    ids, descriptors = read_vectors(library, DESCRIPTORS)
    other, embeddings = read_vectors(library, embedding_kind())
    both = np.intersect1d(ids, other)
    if not len(both):
        return empty_shelf()
    facts = {r["id"]: r for r in list_pieces(library) if r["notes"]}
    both = both[np.array([int(i) in facts for i in both], dtype=bool)]
    if not len(both):
        return empty_shelf()
    rows = [facts[int(i)] for i in both]
    return Shelf(
        both, descriptors[np.searchsorted(ids, both)], embeddings[np.searchsorted(other, both)],
        tuple(r["title"] for r in rows), tuple(r["composer"] for r in rows), tuple(r["style"] for r in rows),
        tuple(tuple(r["files"]) for r in rows),
    )  # fmt: skip


def shelf_of_files(paths: Sequence[Path], *, progress: Progress = lambda done, total, words: None) -> Shelf:
    """Files read, described and embedded now; those that fail, or have no notes, are listed."""
    found, failures = [], []
    for number, path in enumerate(paths):
        progress(number, len(paths), path.name)
        try:
            score = load_with_notes(path)
            found.append((path, score.metadata, describe(score), embedder().embed([score])[0]))
        except ZhiyinError as error:
            failures.append((str(path), str(error)))
    if not found:
        return Shelf(**(vars(empty_shelf()) | {"failures": tuple(failures)}))
    return Shelf(
        np.full(len(found), -1), np.stack([f[2] for f in found]), np.stack([f[3] for f in found]),
        tuple(f[1].get("title") or f[0].stem for f in found), tuple(f[1].get("composer", "") for f in found),
        ("",) * len(found), tuple((str(f[0]),) for f in found), tuple(failures),
    )  # fmt: skip


def empty_shelf() -> Shelf:
    """No pieces."""
    return Shelf(np.zeros(0, np.int64), np.zeros((0, len(NAMES)), np.float32), np.zeros((0, embedder().width), np.float32), (), (), (), ())
