"""Original: which passages of a piece stand in the music of an index, and whether that is more than people's pieces share.

An index of fingerprints is looked up, line by line; what is found is told in notes, bars and pieces, and weighed on
a scale of human pieces that were not in the index. Nothing here decides what a copy is in law.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import InputError, PackageError
from zhiyin.formats.roll_names import drum_mask
from zhiyin.inference.originality_report import Copied, OriginalityReport, how, name_of, place
from zhiyin.provenance.originality import TOP, Index, Line, Passage, SourcePiece, lines_of, open_index
from zhiyin.provenance.package import ORIGINALITY, Package, file_hash, load_package
from zhiyin.provenance.record import SIDE_SUFFIX
from zhiyin.score import Score

MIN_NOTES = 16  # shorter passages do not count as copied: the index of a package need not find them
ITSELF = 0.8  # share of its notes from which a piece is taken for a piece of the index


@dataclass(frozen=True)
class Reference:
    """An opened index and what it is called. about: name, hash, pieces, dense."""

    index: Index
    about: Mapping[str, Any]


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
    if ORIGINALITY not in package.manifest["files"]:
        raise PackageError(
            f"The package {package.name!r} has no originality index",
            expected=f"{ORIGINALITY} in the package",
            received="none (an older zhiyin trained it)",
            hint="train it again, or compare with the corpus itself: zhiyin corpus index CORPUS, then --corpus CORPUS",
        )
    return _opened(package.folder / ORIGINALITY, f"the package {package.name}", package.manifest["files"][ORIGINALITY])


def _opened(path: Path, name: str, digest: str) -> Reference:
    index = open_index(path)
    return Reference(index, {"name": name, "hash": digest, "pieces": len(index.pieces), "dense": bool(index.dense)})


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

    style: of the scale; left out, the one that the file's own record names, else all styles together. exclude_itself:
    a piece that is itself in the index is compared with the other pieces only (its near duplicates left out too).
    """
    reference = open_reference(model, corpus)
    if not isinstance(score, Score):
        from zhiyin.formats.catalog import load

        style = style or style_of_record(Path(score))
        score = load(score)
    return compare(score, reference, style=style or "", min_notes=min_notes, exclude_itself=exclude_itself)


def compare(
    score: Score,
    reference: Reference,
    *,
    style: str = "",
    min_notes: int = MIN_NOTES,
    exclude_itself: bool = False,
    given: np.ndarray | None = None,
) -> OriginalityReport:
    """The report of one score. given: bool (notes,): notes that were there before; they are not compared."""
    if min_notes < 4:
        raise InputError("min_notes out of range", expected="≥ 4", received=str(min_notes))
    drums = drum_mask(score)
    asked = np.flatnonzero(~drums if given is None else ~(drums | given))
    lines = _lines(score, asked)
    compared = np.unique(np.concatenate([line.note for line in lines])) if lines else asked[:0]
    excluded = _left_out(score, drums, given)
    copied = _find(score, lines, reference.index)
    itself = _itself(copied, len(compared))
    if itself and exclude_itself:
        piece = itself[0]
        copied = _find(score, lines, reference.index, pieces=[piece.id], groups=[piece.group] if piece.group else [])
        excluded.append(f"{name_of(piece)} and its near duplicates, because the piece is {100 * itself[1]:.0f} % that piece")
    scale = reference.index.scale
    verdict = scale.verdict([c.passage for c in copied], len(compared), style) if scale else None
    inside = [c.indices for c in copied if c.notes >= min_notes]
    share = len(np.unique(np.concatenate(inside))) / len(compared) if inside else 0.0
    return OriginalityReport(
        score.metadata.get("title", ""), style, len(compared), tuple(copied), share, min_notes, verdict,
        None if exclude_itself else itself, tuple(excluded), reference.about,
    )  # fmt: skip
