"""What a collection is and what it says about each of its pieces. Knows nothing about encoding or storing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zhiyin.score.score import Score


@dataclass(frozen=True)
class PieceSource:
    """One file of a collection, before it is read.

    path: relative to the collection's root. work: name of the work (all its editions and movements share it; they
    never straddle the split). labels: raw words of the source (genre, composer, title, dance, instrument …).
    weight: how much of one piece it counts for in sampling and counting (one of four editions: 0.25).
    licence: SPDX; empty = the collection's. split: ``train`` ``valid`` ``test`` where the source prescribes it.
    """

    path: Path
    work: str
    labels: Mapping[str, str] = field(default_factory=dict)
    weight: float = 1.0
    licence: str = ""
    split: str = ""
    split_movements: bool = False


Prepare = Callable[[Score, PieceSource], tuple[Score, Mapping[str, str]]]


def unchanged(score: Score, source: PieceSource) -> tuple[Score, Mapping[str, str]]:
    """The default ``prepare``: the score and the labels as they are."""
    return score, source.labels


@dataclass(frozen=True)
class Collection:
    """A body of scores with its papers.

    pieces: lists the files below the unpacked root. prepare: repairs what is known to be wrong in a score that was
    read and may refine its labels. weight_note: in words, how editions or duplicates inside are weighted.
    """

    name: str
    source: str
    licence: str
    attribution: str
    citation: str
    archive: str
    sha256: str
    pieces: Callable[[Path], Iterator[PieceSource]]
    prepare: Prepare = unchanged
    commit: str = ""
    url: str = ""
    top_folder: str = ""
    weight_note: str = ""
