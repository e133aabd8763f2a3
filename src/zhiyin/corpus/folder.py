"""Any folder of the user's own files as a collection: labels from sub-folders or from a CSV table."""

from __future__ import annotations

import csv
from collections.abc import Iterator
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
    return Collection(
        name=name or root.resolve().name,
        source=root.resolve().name,
        licence=licence,
        attribution="",
        citation="",
        archive="",
        sha256="",
        pieces=_pieces,
    )


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
    with table.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.reader(lines))
    if not rows or len(rows[0]) < 2:
        raise CorpusError(
            f"{table} is no table of labels",
            expected="two columns: file,label",
            received=",".join(rows[0]) if rows else "an empty file",
        )
    begin = 1 if rows[0][0].strip().lower() in {"file", "path", "name"} else 0
    return {row[0].strip(): row[1].strip() for row in rows[begin:] if len(row) >= 2}
