"""What the two OpenScore collections share: the composers' table and the folder layout composer/set/work."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from zhiyin.corpus.repairs import named_programs
from zhiyin.corpus.source import PieceSource
from zhiyin.score.score import Score


def composer_table(root: Path) -> dict[str, dict[str, str]]:
    """Rows of data/composers.tsv below ``root`` by folder name; empty where the table is missing."""
    table = next(iter(sorted(root.rglob("composers.tsv"))), None)
    if table is None:
        return {}
    with table.open(encoding="utf-8", newline="") as lines:
        return {row["path"]: row for row in csv.DictReader(lines, delimiter="\t")}


def scores_below(root: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """(path, folder names from the composer down to the work) for each .mxl file below ``root``, sorted."""
    for path in sorted(root.rglob("*.mxl")):
        folders = path.relative_to(root).parts[:-1]
        yield path, folders[folders.index("scores") + 1 :] if "scores" in folders else folders


def composer_labels(folder: str, table: dict[str, dict[str, str]]) -> dict[str, str]:
    """Composer, birth year, gender and nationality (first word of the description) where the table has them."""
    row = table.get(folder, {})
    description = row.get("desc", "").split()
    labels = {
        "composer": folder.replace("_", " "),
        "born": row.get("born", ""),
        "gender": row.get("gender", ""),
        "nation": description[0] if description else "",
    }
    return {name: value for name, value in labels.items() if value}


def prepare(score: Score, source: PieceSource) -> tuple[Score, Mapping[str, str]]:
    """Voices play as oboes in these files; a part with words is a voice."""
    return named_programs(score), source.labels
