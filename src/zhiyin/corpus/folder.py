"""Any folder of the user's own files as a collection: labels from sub-folders or from a CSV table; or a table alone, with what it lists."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from zhiyin.corpus.reading import readable_suffixes
from zhiyin.corpus.source import Collection, PieceSource
from zhiyin.errors import CorpusError

LABEL_TABLES = ("labels.csv", "files.csv")


def folder_collection(root: Path, *, licence: str = "LicenseRef-own", name: str = "") -> Collection:
    """The files below ``root`` that can be read, as a collection named after the folder.

    The label (style) of a file is its row of labels.csv (columns file,label), else its first sub-folder's name.
    """
    if not root.is_dir():
        raise CorpusError(
            f"{root} is not a folder",
            expected="a folder of scores",
            received="a file" if root.exists() else "nothing there",
        )
    return _own(root, licence, name or root.resolve().name, _pieces)


def table_collection(table: Path, *, licence: str = "LicenseRef-own") -> Collection:
    """The files that a CSV table lists (columns file,label and, where there is a third, work), as a collection named after it.

    Paths are counted from the table's folder. Files of one work never stand on both sides of a split.
    """
    return _own(table.parent, licence, table.stem, lambda _: _listed(table))


def _own(root: Path, licence: str, name: str, pieces: Callable[[Path], Iterator[PieceSource]]) -> Collection:
    return Collection(
        name=name, source=root.resolve().name, licence=licence, attribution="", citation="", archive="", sha256="", pieces=pieces
    )


def _listed(table: Path) -> Iterator[PieceSource]:
    for row in _rows(table):
        path = Path(os.path.relpath(table.parent / row[0].strip(), table.parent))
        label = row[1].strip()
        work = row[2].strip() if len(row) > 2 and row[2].strip() else path.with_suffix("").as_posix()
        yield PieceSource(path, work, {"title": path.stem} | ({"style": label} if label else {}))


def _pieces(root: Path) -> Iterator[PieceSource]:
    labels, suffixes = _label_table(root), readable_suffixes()
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        relative = path.relative_to(root)
        label = labels.get(relative.as_posix()) or (relative.parts[0] if len(relative.parts) > 1 else "")
        given = {"title": path.stem} | ({"style": label} if label else {})
        yield PieceSource(relative, relative.with_suffix("").as_posix(), given)


def _label_table(root: Path) -> dict[str, str]:
    table = next((root / name for name in LABEL_TABLES if (root / name).is_file()), None)
    if table is None:
        return {}
    return {row[0].strip(): row[1].strip() for row in _rows(table)}


def _rows(table: Path) -> list[list[str]]:
    """Rows of a table with at least two columns, without its heading."""
    with table.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.reader(lines))
    if not rows or len(rows[0]) < 2:
        raise CorpusError(
            f"{table} is no table of labels",
            expected="two columns: file,label",
            received=",".join(rows[0]) if rows else "an empty file",
        )
    begin = 1 if rows[0][0].strip().lower() in {"file", "path", "name"} else 0
    return [row for row in rows[begin:] if len(row) >= 2]
