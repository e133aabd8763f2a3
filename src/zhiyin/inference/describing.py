"""Descriptors of files: one file in musical words, many files as a table.

A file that cannot be read or described stops nothing: it is named with its reason.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zhiyin.errors import InputError, ZhiyinError
from zhiyin.formats import catalog
from zhiyin.measures.descriptors import DESCRIPTORS, NAMES, describe

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Described:
    """What was found. files: paths described; values: float32 (files, D); failures: (path, reason)."""

    files: tuple[Path, ...]
    values: np.ndarray
    failures: tuple[tuple[Path, str], ...]

    def csv(self) -> str:
        """A table with a header: file, then one column per descriptor by its name."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["file", *NAMES])
        for path, row in zip(self.files, self.values):
            writer.writerow([path.as_posix(), *(f"{v:.7g}" for v in row)])
        return out.getvalue()


def score_files(given: Sequence[str | Path]) -> list[Path]:
    """The files named, and those that can be read below the folders named, in order. InputError where a folder has none."""
    return list(dict.fromkeys(f for path in map(Path, given) for f in (scores_below(path) if path.is_dir() else [path])))


def scores_below(folder: Path, *, deep: bool = True) -> list[Path]:
    """The files below a folder (``deep`` False: in it) that can be read, sorted; InputError when there is none."""
    suffixes = {suffix for suffix, kind in catalog.FORMATS.items() if kind.read}
    found = sorted(
        p for p in (folder.rglob("*") if deep else folder.iterdir()) if p.is_file() and p.suffix.lower() in suffixes and not p.name.startswith(".")
    )
    if not found:
        expected = "score files (" + " ".join(sorted(suffixes)) + ")"
        raise InputError(f"Nothing to describe in {folder}", expected=expected, received="none below it")
    return found


def describe_files(paths: Sequence[Path], *, progress: Progress = lambda done, total, words: None) -> Described:
    """Describes files one after the other; what fails is listed, the rest goes on."""
    files, values, failures = [], [], []
    for i, path in enumerate(paths):
        try:
            values.append(describe(catalog.load(path)))
            files.append(path)
        except ZhiyinError as error:
            failures.append((path, str(error)))
        progress(i + 1, len(paths), path.name)
    table = np.stack(values) if values else np.zeros((0, len(NAMES)), dtype=np.float32)
    return Described(tuple(files), table, tuple(failures))


def in_words(values: np.ndarray) -> list[tuple[str, list[tuple[str, str]]]]:
    """(group, [(what, how much)]) of one piece's descriptors; those that are 0 are left out."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for descriptor, value in zip(DESCRIPTORS, values.tolist()):
        rows = groups.setdefault(descriptor.group, [])
        if value:
            rows.append((descriptor.text, _amount(value, descriptor.unit)))
    return list(groups.items())


def _amount(value: float, unit: str) -> str:
    if unit == "share":
        return f"{100 * value:.0f} %" if value >= 0.095 else f"{100 * value:.1f} %"
    if unit == "0 or 1":
        return "yes"
    return f"{value:.3g}" if unit in ("count", "ratio", "index", "cosine", "correlation") else f"{value:.3g} {unit}"
