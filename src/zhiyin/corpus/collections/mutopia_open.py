"""The public-domain and CC-BY part of Mutopia, compiled to MIDI: 1,218 files of 1,016 pieces.

Traps: the licence stands per piece in manifest.tsv; half of the files have one single velocity (so it is unknown);
Bach's four-part chorales are among the 294 Bach files and are held out by ``zhiyin.corpus.holdout``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from zhiyin.corpus.repairs import forget_flat_velocity, without_empty_parts
from zhiyin.corpus.source import Collection, PieceSource
from zhiyin.errors import CorpusError
from zhiyin.score.score import Score

LICENCES = {"PD": "LicenseRef-public-domain", "CC-BY": "CC-BY-3.0"}


def pieces(root: Path) -> Iterator[PieceSource]:
    """Every MIDI file of the manifest below ``root``; the files of one Mutopia piece share its work name."""
    manifest = next(iter(sorted(root.rglob("manifest.tsv"))), None)
    if manifest is None:
        raise CorpusError("The Mutopia collection has no manifest", expected="a manifest.tsv", received=str(root))
    with manifest.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            path = (manifest.parent / "midi" / row["file"]).relative_to(root)
            licence = LICENCES.get(row["licence"], row["licence"])
            yield PieceSource(path, "mutopia/" + row["id"], _labels(row), licence=licence)


def _labels(row: dict[str, str]) -> dict[str, str]:
    names = {"genre": "style", "composer": "composer", "instrument": "instrument", "title": "title", "source": "source"}
    return {ours: row[theirs].strip() for ours, theirs in names.items() if (row.get(theirs) or "").strip()}


def prepare(score: Score, source: PieceSource) -> tuple[Score, Mapping[str, str]]:
    """Velocities that nobody played are forgotten, parts without notes dropped."""
    return without_empty_parts(forget_flat_velocity(score)), source.labels


COLLECTION = Collection(
    name="mutopia-open",
    source="https://github.com/MutopiaProject/MutopiaProject",
    licence="CC-BY-3.0",
    attribution="The Mutopia Project (https://www.mutopiaproject.org): public-domain and CC BY pieces, "
    "typeset by its volunteers",
    citation="The Mutopia Project, https://www.mutopiaproject.org",
    archive="mutopia-open.tar.zst",
    sha256="d68dd2a93313f5db5d62f99aa98e585b06b66b04e80c7e7bc3428f236c4cb884",
    pieces=pieces,
    prepare=prepare,
    top_folder="mutopia_open",
)
