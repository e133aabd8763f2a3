"""Originality: which passages of a piece stand in the music that a model learned from, and how unusual that is.

A *passage* is a run of notes of one line (the top notes of a part, or of all parts together) that some training piece has
too, at any pitch and tempo, with single notes changed or added. Its *score* is in bits: how surprising the agreeing notes are one after
the other (a scale or a figure that repeats itself says little), less a fine for each note that differs. How large a score
is unusual is measured on human music (see ``originality_scale``). Plain arrays; nothing here knows scores or files of music.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import InputError, PackageError
from zhiyin.provenance.fingerprint import outer_line
from zhiyin.provenance.originality_build import GUARANTEED, LEAST_INTERVALS, SourceLine, build_store
from zhiyin.provenance.originality_scale import Scale, Verdict
from zhiyin.provenance.originality_search import Match, Query, search
from zhiyin.provenance.originality_store import Store, open_store, pack, write_store
from zhiyin.provenance.package import file_hash

__all__ = [
    "GUARANTEED", "LEAST_INTERVALS", "TOP", "Index", "Line", "Passage", "Scale", "SourceLine", "SourcePiece", "Verdict",
    "build_index", "lines_of", "open_index", "write_index",
]  # fmt: skip

TOP = -1  # the top line over all pitched parts; parts are numbered from 0


@dataclass(frozen=True)
class Line:
    """One line of a piece: part (or TOP), onset, pitch int64 (notes,), and ``note``, each note's index at the caller's."""

    part: int
    onset: np.ndarray
    pitch: np.ndarray
    note: np.ndarray


def lines_of(onset: np.ndarray, duration: np.ndarray, pitch: np.ndarray, part: np.ndarray, drums: np.ndarray) -> list[Line]:
    """The lines of a piece: one per pitched part (its top notes), then the top line over all where there are two or more.

    onset, duration (any unit), pitch, part: (notes,) in any order; drums: bool (parts,).
    """
    onset, duration, pitch, part = (np.asarray(a, dtype=np.int64) for a in (onset, duration, pitch, part))
    if len({len(onset), len(duration), len(pitch), len(part)}) != 1:
        raise InputError(
            "The notes' columns differ", expected="as many onsets as durations, pitches and parts",
            received=f"{len(onset)}, {len(duration)}, {len(pitch)}, {len(part)}",
        )  # fmt: skip
    if len(part) and (part.min() < 0 or part.max() >= len(drums)):
        raise InputError("A note's part is not there", expected=f"0..{len(drums) - 1}", received=f"{part.min()}..{part.max()}")
    pitched = ~np.asarray(drums, dtype=bool)
    owners = [int(p) for p in np.unique(part) if pitched[p]]
    chosen = [(p, np.flatnonzero(part == p)) for p in owners]
    if len(owners) > 1:
        chosen.append((TOP, np.flatnonzero(pitched[part])))
    found = []
    for name, notes in chosen:
        note = notes[outer_line(onset[notes], duration[notes], pitch[notes])]
        found.append(Line(name, onset[note], pitch[note], note))
    return found


@dataclass(frozen=True)
class SourcePiece:
    """A piece of the index, as credits name it. ``group``: pieces that are related by their corpus share it."""

    id: str
    title: str
    composer: str
    collection: str
    style: str
    licence: str
    group: str
    path: str


@dataclass(frozen=True)
class Passage:
    """A run of notes that a source has too. ``line``: index into the lines; first, last: indices of its notes in that line.

    notes: that agree; piece: index into ``Index.pieces``; bars as a notation program numbers them; transposition: semitones up from
    the source; tempo_ratio: its onsets are so many times as far apart as the source's (None where the index does not know); intervals:
    different ones in it; score: bits; changed: notes between first and last that differ.
    """

    line: int
    first: int
    last: int
    notes: int
    piece: int
    source_part: int
    source_first_bar: int
    source_last_bar: int
    transposition: int | None
    tempo_ratio: float | None
    intervals: int
    score: float
    changed: int = 0


@dataclass(frozen=True)
class Index:
    """An index opened for search. ``path``: of its file ("" = in memory)."""

    store: Store
    path: str = ""

    @property
    def dense(self) -> bool:
        """Whether it holds every note of every line (built locally), not the winnowed choice that is shipped."""
        return self.store.dense

    @property
    def manifest(self) -> dict[str, Any]:
        """What the file says of itself: n, window, notes, pieces, guaranteed, content (a hash), corpus …"""
        return {k: v for k, v in self.store.header.items() if k != "arrays"}

    @cached_property
    def pieces(self) -> tuple[SourcePiece, ...]:
        """The pieces, unfolded when first asked for."""
        rows = self.store.table("pieces")
        try:
            found = tuple(SourcePiece(*(str(x) for x in row)) for row in rows)
        except TypeError as problem:
            raise PackageError("The originality index is damaged", expected="8 words for each piece", received=str(problem)) from None
        if len(self.store.segment_piece) and self.store.segment_piece.max() >= len(found):
            raise PackageError(
                "The originality index is damaged", expected=f"{int(self.store.segment_piece.max()) + 1} pieces", received=f"{len(found)}"
            )
        return found

    @cached_property
    def groups(self) -> tuple[dict[str, int], np.ndarray]:
        """(number of each group, group int64 (pieces,) of each piece)."""
        names: dict[str, int] = {}
        return names, np.array([names.setdefault(p.group, len(names)) for p in self.pieces], dtype=np.int64)

    @cached_property
    def scale(self) -> Scale | None:
        """The calibrated scale that lies in the file, or None."""
        table = self.store.table("scale")
        return Scale.from_table(table) if table else None

    def passages(
        self, lines: Sequence[Line], *, exclude_pieces: Collection[int] = (), exclude_groups: Collection[str] = (), limit: int = 20
    ) -> list[Passage]:
        """The passages of ``lines`` that stand in the index, best first, overlapping ones merged, trivial ones left out.

        Pieces excluded by number (index into ``pieces``) or by group are not compared with.
        """
        query = Query.of([(line.onset, line.pitch) for line in lines], self.store)
        found = search(self.store, query, self._excluded(exclude_pieces, exclude_groups), limit)
        return [self._passage(lines, match) for match in _distinct(lines, found)[:limit]]

    def _excluded(self, pieces: Collection[int], groups: Collection[str]) -> np.ndarray | None:
        """bool (pieces,), or None where nothing is excluded."""
        if not len(pieces) and not len(groups):
            return None
        names, group = self.groups
        out = np.isin(group, [names[g] for g in groups if g in names])
        out[np.array(sorted(pieces), dtype=np.int64)] = True
        return out

    def _passage(self, lines: Sequence[Line], match: Match) -> Passage:
        store, line = self.store, lines[match.line]
        first_bar, last_bar = store.bar_numbers(match.segment, match.source_first, match.source_last)
        places, pitches = store.known_pitches(match.anchor_first, match.anchor_last)
        inner = places >= match.anchor_first + 2  # its first notes may be strangers that agree by chance
        near = int(np.argmin(np.abs(places - match.anchor - 3) + np.where(inner, 0, 1 << 20))) if len(places) else 0
        shift = int(line.pitch[places[near] - match.anchor_shift] - pitches[near]) if len(places) else None
        ratio = None
        if self.dense:
            ours = int(line.onset[match.anchor_last - match.anchor_shift] - line.onset[match.anchor_first - match.anchor_shift])
            theirs = int(store["onset"][match.anchor_last]) - int(store["onset"][match.anchor_first])
            ratio = ours / theirs if theirs > 0 else None
        return Passage(
            match.line, match.first, match.last, match.notes, int(store.segment_piece[match.segment]), int(store["segment_part"][match.segment]),
            first_bar, last_bar, shift, ratio, len(np.unique(np.diff(line.pitch[match.first : match.last + 1]))), round(match.score, 2),
            match.changed,
        )  # fmt: skip


def _distinct(lines: Sequence[Line], matches: list[Match]) -> list[Match]:
    """Leaves out what a better passage has already: most of its notes at the same time."""
    kept: list[tuple[int, int, Match]] = []
    for match in matches:
        onset = lines[match.line].onset
        begin, end = int(onset[match.first]), int(onset[match.last])
        if not any(min(end, e) - max(begin, b) >= 0.5 * (end - begin) for b, e, _ in kept):
            kept.append((begin, end, match))
    return [m for _, _, m in kept]


def build_index(
    pieces: Sequence[SourcePiece], lines: Iterable[SourceLine], *, dense: bool = True, **meta: Any
) -> Index:
    """An index in memory of the lines of ``pieces``. ``meta``: what its file should say of itself (corpus, split …)."""
    return Index(build_store(pieces, lines, dense=dense, meta=meta))


def write_index(path: str | Path, index: Index, scale: Scale | None = None) -> Path:
    """Writes the index, with a scale where one is given (else with its own), atomically."""
    scale = scale or index.scale
    arrays = dict(index.store.arrays) | ({"scale": pack(scale.table())} if scale else {})
    write_store(Path(path), index.manifest, arrays)
    return Path(path)


def open_index(path: str | Path, *, sha256: str = "") -> Index:
    """Maps the index at ``path``; with ``sha256`` (from a package's manifest) its bytes must have that hash."""
    path = Path(path)
    store = open_store(path)
    if sha256 and (received := file_hash(path)) != sha256:
        raise PackageError(
            f"{path.name}: the index was altered", expected=f"sha256 {sha256[:16]}…", received=f"{received[:16]}…",
            hint="install the package again; it is not used as it is",
        )  # fmt: skip
    return Index(store, str(path))
