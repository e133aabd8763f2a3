"""Verdicts of many files as one table: CSV, or Parquet where pyarrow is installed. One row a file, failures with their reason."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zhiyin.errors import FormatError
from zhiyin.files import atomic_path, atomic_write

if TYPE_CHECKING:
    from zhiyin.inference.classify import Failure, Verdict

SUFFIXES = (".csv", ".parquet")


def check_table(path: Path) -> None:
    """Raises FormatError before the work begins where a table of that suffix cannot be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise FormatError(f"{path} is no table", expected=" or ".join(SUFFIXES), received=path.suffix or "no suffix")
    if path.suffix.lower() == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError:
            raise FormatError(
                "Parquet needs pyarrow", expected="pyarrow installed", received="none", hint="pip install pyarrow, or name a .csv"
            ) from None


def table_rows(found: Mapping[str, Verdict], failed: Sequence[Failure]) -> list[dict[str, Any]]:
    """Rows: file, none_of_these, distance, then for every label set and place the label, its probability and the only collection
    that it was learnt from ("" where there are more), and the error last."""
    rows = []
    for path, verdict in found.items():
        row: dict[str, Any] = {"file": path, "none_of_these": verdict.none, "distance": round(verdict.distance, 4)}
        for name, answers in verdict.answers.items():
            for place, answer in enumerate(answers, 1):
                column = f"{name}_{place}"
                row |= {column: answer.label, f"{column}_probability": round(answer.probability, 5), f"{column}_one_collection": answer.one_collection}
        rows.append(row | {"error": ""})
    columns = list(rows[0]) if rows else ["file", "error"]
    rows += [dict.fromkeys(columns) | {"file": f.path, "error": f.reason} for f in failed]
    return rows


def write_table(path: Path, found: Mapping[str, Verdict], failed: Sequence[Failure]) -> Path:
    """Writes the table, whole or not at all."""
    check_table(path)
    rows = table_rows(found, failed)
    if path.suffix.lower() == ".csv":
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, list(rows[0]) if rows else ["file", "error"])
        writer.writeheader()
        writer.writerows(rows)
        return atomic_write(path, out.getvalue())
    import pyarrow
    import pyarrow.parquet

    with atomic_path(path) as temporary:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), temporary)
    return path
