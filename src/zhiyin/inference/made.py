"""What a composing verb gives: the kept pieces, best first after the first, and the report they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from zhiyin.inference.judge import Verdict
from zhiyin.score import Score


class Written(Protocol):
    """One piece: its score, the report of how it came about, and the record that travels in its files."""

    @property
    def score(self) -> Score:
        """The whole piece."""

    @property
    def report(self) -> Mapping[str, Any]:
        """What is told about it."""

    @property
    def record(self) -> Mapping[str, Any]:
        """What determines it (see ``provenance.record``)."""


@dataclass(frozen=True)
class Reworked:
    """What was made of a given score: the whole score, its new rows, the report of how it came about, and its record."""

    score: Score
    rows: np.ndarray
    verdict: Verdict
    report: Mapping[str, Any]
    record: Mapping[str, Any] = field(default_factory=dict)


P = TypeVar("P", bound=Written)


@dataclass(frozen=True)
class Made(Generic[P]):
    """The kept pieces and the report they share. ``zy.save`` takes it as it is and writes the first with its record."""

    pieces: tuple[P, ...]
    report: Mapping[str, Any]

    @property
    def score(self) -> Score:
        """The first piece's score."""
        return self.pieces[0].score

    @property
    def scores(self) -> tuple[Score, ...]:
        """The scores of all kept pieces."""
        return tuple(p.score for p in self.pieces)

    @property
    def record(self) -> Mapping[str, Any]:
        """The first piece's record."""
        return self.pieces[0].record
