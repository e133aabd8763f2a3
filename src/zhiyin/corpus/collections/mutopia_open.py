"""The public-domain and CC-BY part of Mutopia, compiled to MIDI: 1,218 files of 1,016 pieces.

Traps: the licence stands per piece in manifest.tsv; half of the files have one single velocity (so it is unknown), and
program 0 where no instrument was said;
Bach's four-part chorales are among the 294 Bach files and are held out by ``zhiyin.corpus.holdout``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from zhiyin.corpus.repairs import CHOIR, forget_flat_velocity, joined_staves, named_programs, without_empty_parts
from zhiyin.corpus.source import Collection, PieceSource
from zhiyin.errors import CorpusError
from zhiyin.score.score import Score

# Where LilyPond was told no instrument the MIDI says piano: what the manifest says instead.
_ONE_INSTRUMENT = (
    (r"(choir|voice)\W*( \(?(satb|ttbb)\)?.*)?", CHOIR),
    (r"(classical |\d )?guitars?|lute, guitar", 24),
    (r"organ", 19),
    (r"violin", 40),
    (r"cello", 42),
    (r"flute", 73),
    (r"clarinet", 71),
)
_KEYBOARD = re.compile(r"organ|harpsichord|clavi|piano", re.IGNORECASE)
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
    """Velocities that nobody played are forgotten, empty parts dropped, programs and keyboards set right."""
    score = without_empty_parts(forget_flat_velocity(score))
    instrument = source.labels.get("instrument", "")
    program = next((p for pattern, p in _ONE_INSTRUMENT if re.fullmatch(pattern, instrument, re.IGNORECASE)), None)
    if program is not None and all(part.program == 0 for part in score.parts):
        score = score.replace(parts=tuple(replace(part, program=program) for part in score.parts))
    score = named_programs(score)
    return joined_staves(score, most=3) if _KEYBOARD.search(instrument) else joined_staves(score), source.labels


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
