"""Files of the style benchmarks as labelled examples, heard once and kept: Pianist8, EMOPIA, Haydn and Mozart, MTC-ANN.

Measurement only (licences: ../shared/data/README.md). Nothing that is shipped is trained on any of it.
"""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zhiyin.formats.catalog import load
from zhiyin.inference.style_inputs import FEWEST_NOTES, Hearing, encoded
from zhiyin.score import Score
from zhiyin.training.style_fit import Examples

ARCHIVES = {"pianist8": "pianist8", "emopia": "emopia", "haydn-mozart": "haydn_mozart", "mtc-ann": "mtc_ann"}
SEGMENT = 512  # notes


@dataclass(frozen=True)
class Heard:
    """What was heard of files: x (n, F), the file of each row (n,), files that could not be read with the reason."""

    x: np.ndarray
    file: np.ndarray
    failed: list[str]


def unpacked(archives: Path, work: Path, name: str) -> Path:
    """The folder of a benchmark, unpacked once below ``work``."""
    folder = work / ARCHIVES[name]
    if not folder.is_dir():
        work.mkdir(parents=True, exist_ok=True)
        subprocess.run(["tar", "--zstd", "-xf", str(archives / f"{name}.tar.zst"), "-C", str(work)], check=True)
    return folder


def hear(files: Sequence[Path], hearing: Hearing, kept: Path, cut: Callable[[Score], list[Score]] = lambda s: [s]) -> Heard:
    """Inputs of files, or of what ``cut`` makes of each; kept in a file for the next time."""
    if kept.is_file():
        with np.load(kept, allow_pickle=False) as a:
            return Heard(a["x"], a["of"], a["failed"].tolist())
    rows, owner, failed = [], [], []
    for number, path in enumerate(files):
        try:
            pieces = [encoded(s) for s in cut(load(path))]
            rows.append(hearing.inputs(pieces))
            owner += [number] * len(pieces)
        except Exception as e:
            failed.append(f"{path.name}: {type(e).__name__}: {e}")
    found = Heard(np.vstack(rows), np.array(owner), failed)
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez(kept, x=found.x, of=found.file, failed=np.array(failed, dtype=str))
    return found


def segments(score: Score) -> list[Score]:
    """Stretches of 512 notes in order of onset, each with its own bars; a last one of less than an eighth is left out (unless it is all)."""
    found = []
    for begin in range(0, len(score.notes), SEGMENT):
        notes = score.notes[begin : begin + SEGMENT].copy()
        if (begin and len(notes) < SEGMENT // 8) or len(notes) < FEWEST_NOTES:
            continue
        found.append(between(score, notes))
    return found


def between(score: Score, notes: np.ndarray) -> Score:
    """A score of some of its notes and the bars that they begin in."""
    of = score.bar_of(notes["onset"])
    bars, notes = score.bars[int(of.min()) : int(of.max()) + 1].copy(), notes.copy()
    notes["onset"] -= bars["onset"][0]
    bars["onset"] -= bars["onset"][0]
    return score.replace(notes=notes, bars=bars, marks=())


def examples(heard: Heard, labels: np.ndarray, groups: np.ndarray) -> Examples:
    """Examples of one label set; labels and groups are those of the rows."""
    return Examples(heard.x, {"style": labels}, groups, np.ones(len(labels)))


def emopia_songs(files: Sequence[Path]) -> np.ndarray:
    """The song of each clip: its name without quadrant and number."""
    return np.array([f.stem.split("_", 1)[1].rsplit("_", 1)[0] for f in files])


def clip_names(path: Path) -> set[str]:
    """Names of the clips of a split file (.csv with clip_name, or lines)."""
    if path.suffix == ".txt":
        return set(path.read_text(encoding="utf-8").split())
    with path.open(encoding="utf-8") as lines:
        return {row["clip_name"] for row in csv.DictReader(lines)}


def quartet_of(path: Path) -> str:
    """The quartet of a movement: its file name up to the movement's number."""
    return f"{path.parent.name}/{path.stem.replace('_', '-').rsplit('-', 1)[0]}"


def published(path: Path) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """(said Haydn, fold) of the published predictions, in the order of the paper's files: Mozart's, then Haydn's, each by name.

    fold: rows of one left-out quartet share it (LOQO files).
    """
    with path.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return np.array([r["test.class"] == "1" for r in rows]), [tuple(v for k, v in r.items() if k not in ("test.pred", "test.class")) for r in rows]


def matched(quartets: Sequence[str], folds: Sequence[tuple[str, ...]]) -> list[tuple[int, int]]:
    """(our index, published index) of movements that are surely the same.

    The paper leaves out 7 of 292 movements and its predictions do not name them; quartets of which fewer movements were predicted than we
    have are left out whole. ``quartets``: of our movements, in the order of the paper.
    """
    ours, theirs = _runs(quartets), _runs(folds)
    pairs = []
    for (begin, count), (first, n) in zip(ours, theirs, strict=True):
        if count == n:
            pairs += [(begin + i, first + i) for i in range(n)]
    return pairs


def _runs(names: Sequence) -> list[tuple[int, int]]:
    """(begin, length) of runs of equal neighbours."""
    begins = [i for i in range(len(names)) if i == 0 or names[i] != names[i - 1]]
    return [(b, e - b) for b, e in zip(begins, [*begins[1:], len(names)])]
