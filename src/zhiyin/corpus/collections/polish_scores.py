"""Heritage of Polish Music in Open Access: 7,657 kern scores, from Renaissance motets to songs of 1900.

Traps: two thirds of the labelled notes are sacred choral music; a movement of a mass is a file of its own (the work is
its shelf mark without the movement's number); about 60 files have rhythm lines that contradict themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from zhiyin.corpus.humdrum_header import reference_records
from zhiyin.corpus.repairs import joined_staves, named_programs, without_empty_parts
from zhiyin.corpus.source import Collection, PieceSource
from zhiyin.score.score import Score


def pieces(root: Path) -> Iterator[PieceSource]:
    """Every kern file below ``root`` with the labels of its reference records."""
    for path in sorted(root.rglob("*.krn")):
        records = reference_records(path)
        yield PieceSource(path.relative_to(root), _work(path, records), _labels(records))


def _work(path: Path, records: dict[str, str]) -> str:
    shelf = path.stem.split("_", 1)[0]
    is_movement = records.get("SMS-shelfwork", "").endswith(" M")
    return re.sub(r"-\d+$", "", shelf) if is_movement else shelf


def _labels(records: dict[str, str]) -> dict[str, str]:
    labels = {
        "genre": records.get("AGN", ""),
        "title": records.get("OTL", ""),
        "parent": records.get("OPR", ""),
        "set": records.get("GTL", ""),
        "composer": records.get("COM", ""),
        "dates": records.get("CDT", ""),
        "instrument": records.get("AIN", ""),
        "date": records.get("PDT", ""),
    }
    return {name: value for name, value in labels.items() if value}


def prepare(score: Score, source: PieceSource) -> tuple[Score, Mapping[str, str]]:
    """Parts without an instrument code get their program by words or name; a piano's two staves become one part."""
    return joined_staves(named_programs(without_empty_parts(score))), source.labels


COLLECTION = Collection(
    name="polish-scores",
    source="https://github.com/pl-wnifc/humdrum-polish-scores",
    licence="CC-BY-4.0",
    attribution="Polish Music Heritage in Open Access, copyright 2019-2024 The Fryderyk Chopin Institute "
    "(https://polishscores.org), CC BY 4.0",
    citation="M. Konik, C. S. Sapp, J. Iwaszko et al., Humdrum Polish Scores, doi:10.5281/zenodo.7118989",
    archive="polish-scores.tar.zst",
    sha256="e2ff37691112fd86d9653798bb6cd733694cac9a56ae2557847d259345f242c1",
    pieces=pieces,
    prepare=prepare,
    top_folder="polish_scores",
)
