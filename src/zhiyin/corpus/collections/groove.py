"""Groove MIDI: 1,150 drum performances with style, tempo and the official split.

Traps: performed timing, so onsets lie off any grid; 647 of the files are fills of a bar or two.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from zhiyin.corpus.source import Collection, PieceSource
from zhiyin.errors import CorpusError

SPLITS = {"train": "train", "validation": "valid", "test": "test"}


def pieces(root: Path) -> Iterator[PieceSource]:
    """Every performance of info.csv below ``root``, with the split that its authors fixed."""
    info = next(iter(sorted(root.rglob("info.csv"))), None)
    if info is None:
        raise CorpusError("The Groove collection has no table", expected="an info.csv", received=str(root))
    with info.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            path = (info.parent / row["midi_filename"]).relative_to(root)
            labels = {
                "genre": row["style"].split("/")[0],
                "substyle": row["style"],
                "tempo": row["bpm"],
                "beat": row["beat_type"],
                "drummer": row["drummer"],
                "instrument": "drums",
                "title": f"{row['style']} {row['beat_type']} {row['bpm']} qpm",
            }
            yield PieceSource(path, "groove/" + row["id"], labels, split=SPLITS[row["split"]])


COLLECTION = Collection(
    name="groove",
    source="https://magenta.tensorflow.org/datasets/groove",
    licence="CC-BY-4.0",
    attribution="Groove MIDI Dataset, Google LLC, CC BY 4.0",
    citation="J. Gillick et al., Learning to Groove with Inverse Sequence Transformations, ICML 2019",
    archive="groove.tar.zst",
    sha256="724097c4680e79eac01f2088ca57baf516d0bb9d5465f19af03a5bd6e0eb7e4c",
    pieces=pieces,
    top_folder="groove",
)
