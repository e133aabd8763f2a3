"""Original: which passages of a piece stand in the music of an index, and whether that is more than people's pieces share.

An index of fingerprints is looked up, line by line; what is found is told in notes, bars and pieces, and weighed on
a scale of human pieces that were not in the index. Nothing here decides what a copy is in law.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import InputError, PackageError
from zhiyin.formats.roll_names import drum_mask
from zhiyin.inference.credit import credit, load_table
from zhiyin.inference.nearest_piece import nearest_piece
from zhiyin.inference.originality_report import Copied, OriginalityReport, name_of
from zhiyin.provenance.nearest import NEAREST, Vectors, read_vectors
from zhiyin.provenance.originality import Index, Line, SourcePiece, lines_of, open_index
from zhiyin.provenance.package import ORIGINALITY, Package, file_hash, load_package
from zhiyin.provenance.record import SIDE_SUFFIX, collection_names
from zhiyin.score import Score

MIN_NOTES = 16  # shorter passages do not count as copied: the index of a package need not find them
INDEX_TICKS = 24  # a quarter, of the index
MAX_RECORD_BYTES = 4_000_000
ITSELF = 0.8  # share of its notes from which a piece is taken for a piece of the index


@dataclass(frozen=True)
class Reference:
    """An opened index and what it is called. about: name, hash, pieces, dense; path: its file."""

    index: Index
    about: Mapping[str, Any]
    path: Path

    @cached_property
    def vectors(self) -> Vectors | None:
        """The vectors of its pieces, where there are any beside it. Raises PackageError where they are damaged."""
        return read_vectors(self.path.with_name(NEAREST), len(self.index.pieces), str(self.about["hash"]))


def open_reference(model: str | Path | Package = "default", corpus: str | Path | None = None) -> Reference:
    """The index of a package, or of a corpus (its folder, or the index file). Raises PackageError, InputError."""
    if corpus is not None:
        path = Path(corpus) / ORIGINALITY if Path(corpus).is_dir() else Path(corpus)
        if not path.is_file():
            raise InputError(
                f"{corpus} has no originality index",
                expected=f"a folder with {ORIGINALITY}, or an index file",
                received="no such file" if not Path(corpus).exists() else f"no {ORIGINALITY} in it",
                hint=f"zhiyin corpus index {corpus} makes one",
            )
        return _opened(path, str(corpus), file_hash(path))
    package = model if isinstance(model, Package) else load_package(model)
    found = package.originality_path
    if found is None:
        raise PackageError(
            f"The package {package.name!r} has no originality index",
            expected=f"{ORIGINALITY} in the package",
            received="none (an older zhiyin trained it)",
            hint="train it again, or compare with the corpus itself: zhiyin corpus index CORPUS, then --corpus CORPUS",
        )
    digest = package.manifest["files"].get(ORIGINALITY) or package.manifest["originality"]["sha256"]
    return _opened(found, f"the package {package.name}", digest)


def _opened(path: Path, name: str, digest: str) -> Reference:
    index = open_index(path)
    return Reference(index, {"name": name, "hash": digest, "pieces": int(index.manifest["pieces"]), "dense": bool(index.dense)}, path)


def original(
    score: Score | str | Path,
    *,
    model: str | Path | Package = "default",
    corpus: str | Path | None = None,
    style: str | None = None,
    min_notes: int = MIN_NOTES,
    exclude_itself: bool = False,
) -> OriginalityReport:
    """Compares a score (or a file) with the training music of ``model``, or with a corpus that has an index.

    style: of the scale; left out, the one that the file's own record names, else all styles together. min_notes: of
    passages that count in the share. exclude_itself: a piece that is itself in the index is compared with the other
    pieces only (its near duplicates left out too). Raises PackageError or InputError where there is no index.
    """
    reference = open_reference(model, corpus)
    if isinstance(score, Score):
        return with_nearest(compare(score, reference, style=style or "", min_notes=min_notes, exclude_itself=exclude_itself), score, reference)
    return original_file(Path(score), reference, style=style, min_notes=min_notes, exclude_itself=exclude_itself)


def original_file(file: Path, reference: Reference, *, style: str | None = None, nearest: bool = True, **options: Any) -> OriginalityReport:
    """``compare`` for a file; the style is the one that its record names, unless another is said. nearest: also look for the
    piece that is most alike as a whole (most of the time that a file takes)."""
    from zhiyin.formats.catalog import load

    score = load(file)
    report = compare(score, reference, style=style_of_record(file) if style is None else style, **options)
    report = with_nearest(report, score, reference) if nearest else report
    return report if report.title else replace(report, title=file.stem)


def with_nearest(report: OriginalityReport, score: Score, reference: Reference) -> OriginalityReport:
    """The report with the piece that is most alike as a whole, where vectors lie beside the index; what the report left out is left out."""
    return replace(report, nearest=nearest_piece(score, reference.index, reference.vectors, without=report.without))


def compare(
    score: Score,
    reference: Reference,
    *,
    style: str = "",
    min_notes: int = MIN_NOTES,
    exclude_itself: bool = False,
    given: np.ndarray | None = None,
    without: tuple[SourcePiece, float] | None = None,
) -> OriginalityReport:
    """The report of one score. given: bool (notes,): notes that were there before; they are not compared. without: a
    piece of the index that is left out (its near duplicates too), and the share of the notes that are its own."""
    if min_notes < 4:
        raise InputError("min_notes out of range", expected="≥ 4", received=str(min_notes))
    asked = ~drum_mask(score)
    excluded = [] if asked.all() else ["drum parts: their patterns are everybody's"]
    if given is not None and given.any():
        asked &= ~given
        excluded.append(f"the {int(given.sum()):,} notes that were given")
    lines = lines_of_score(score, asked)
    compared = len(np.unique(np.concatenate([line.note for line in lines]))) if lines else 0  # a chord's inner notes are not
    copied = _find(score, lines, reference.index, without)
    itself = _itself(copied, compared)
    if itself and exclude_itself:
        without, itself = itself, None
        copied = _find(score, lines, reference.index, without)
    if without:
        excluded.append(
            f"{name_of(without[0])} and its near duplicates: {100 * without[1]:.0f} % of the notes are that piece"
            + ("" if given is None else " before it goes on")
        )
    scale = reference.index.scale
    verdict = scale.verdict([c.passage for c in copied], int(asked.sum()), style) if scale and compared else None
    inside = [c.indices for c in copied if c.notes >= min_notes]
    share = len(np.unique(np.concatenate(inside))) / compared if inside else 0.0
    return OriginalityReport(
        score.metadata.get("title", ""), style, compared, tuple(copied), share, min_notes, verdict, itself,
        tuple(excluded), reference.about, without=without[0] if without else None,
    )  # fmt: skip


def lines_of_score(score: Score, asked: np.ndarray) -> list[Line]:
    """The lines that are compared, in the score's ticks. asked: bool (notes,), notes that take part."""
    chosen = np.flatnonzero(asked)
    onset, duration, pitch, part = (score.notes[name][chosen] for name in ("onset", "duration", "pitch", "part"))
    lines = lines_of(onset, duration, pitch, part, score.drums)
    return [replace(line, note=chosen[line.note]) for line in lines]


def _find(score: Score, lines: Sequence[Line], index: Index, without: tuple[SourcePiece, float] | None) -> list[Copied]:
    """Passages with their bars, the one with the most notes first."""
    pieces = [index.pieces.index(without[0])] if without else []
    groups = [without[0].group] if without and without[0].group else []
    found = []
    for passage in index.passages(lines, exclude_pieces=pieces, exclude_groups=groups):
        line = lines[passage.line]
        notes = line.note[passage.first : passage.last + 1]
        bars = score.bars["number"][score.bar_of(score.notes["onset"][notes[[0, -1]]])]
        if passage.tempo_ratio is not None:  # the index counts 24 ticks a quarter
            passage = replace(passage, tempo_ratio=passage.tempo_ratio * INDEX_TICKS / score.ticks_per_quarter)
        found.append(Copied(passage, index.pieces[passage.piece], line.part, int(bars[0]), int(bars[1]), notes))
    return sorted(found, key=lambda c: -c.notes)


def _itself(copied: Sequence[Copied], compared: int) -> tuple[SourcePiece, float] | None:
    """The piece of the index that nearly all notes stand in, and which share of them."""
    by_piece: dict[str, list[Copied]] = {}
    for c in copied:
        by_piece.setdefault(c.source.id, []).append(c)
    shares = {
        name: len(np.unique(np.concatenate([c.indices for c in found]))) / compared for name, found in by_piece.items()
    }
    best = max(shares, key=lambda name: shares[name], default="")
    return (by_piece[best][0].source, shares[best]) if best and shares[best] >= ITSELF else None


def style_of_record(file: Path) -> str:
    """The style that a file's record names: beside it, else inside it; empty where nothing is said."""
    side = file.with_name(file.name + SIDE_SUFFIX)
    record: Any = None
    try:
        if side.is_file() and side.stat().st_size < MAX_RECORD_BYTES:
            record = json.loads(side.read_text(encoding="utf-8"))
        elif file.suffix.lower() in (".mid", ".midi"):
            from zhiyin.formats.midi import read_record

            record = read_record(file)
    except (OSError, ValueError):
        return ""
    if not isinstance(record, dict):
        return ""
    for holder in ("originality", "settings"):
        said = record.get(holder)
        if isinstance(said, dict) and isinstance(said.get("style"), str):
            return said["style"]
    return ""


def check_written(pieces: Sequence[tuple[Score, str]], package: Package) -> list[dict[str, Any]]:
    """What the records of pieces that a package wrote say of their originality, and of what they owe: (score, style) each."""
    reference = _own_reference(package)
    if reference is None:
        return [_unchecked(style) for _, style in pieces]
    return [{**compare(score, reference, style=style).for_record(), **owed(score, package)} for score, style in pieces]


def owed(score: Score, package: Package) -> dict[str, Any]:
    """``credit``: shares of the collections that a score owes to, with intervals, where the credit table knows all that the package
    learnt from; else nothing."""
    learnt = collection_names(package.manifest)
    if not learnt or not len(score.notes):
        return {}
    table = load_table()
    return {"credit": credit(score, table=table).as_dict()} if learnt <= set(table.collections) else {}


def check_continued(scores: Sequence[Score], given: Score, style: str, package: Package) -> list[dict[str, Any]]:
    """The same for continuations of ``given``: only new bars are compared, and not with what the given music itself is."""
    old = [s.notes["onset"] < int(s.bars["onset"][len(given.bars)]) for s in scores]
    return check_given(scores, old, given, style, package)


def check_given(
    scores: Sequence[Score], old: Sequence[np.ndarray], given: Score, style: str, package: Package
) -> list[dict[str, Any]]:
    """The same for scores in which some notes were given (``old``, bool (notes,) of each): only the others are compared,
    and not with what the given music itself is."""
    reference = _own_reference(package)
    if reference is None:
        return [_unchecked(style) for _ in scores]
    known = compare(given, reference).itself
    return [
        compare(s, reference, style=style, given=o, without=known).for_record() for s, o in zip(scores, old)
    ]


def _own_reference(package: Package) -> Reference | None:
    """The package's own index, else that of the package default where it holds all collections that the package learnt from."""
    if package.originality_path:
        return open_reference(package)
    mine = collection_names(package.manifest)
    try:
        other = load_package("default")
    except PackageError:
        return None
    known = bool(mine) and bool(other.originality_path) and mine <= collection_names(other.manifest)
    return open_reference(other) if known else None


def _unchecked(style: str) -> dict[str, Any]:
    return {"level": "unknown", "line": "not checked: the package has no originality index", "style": style}
