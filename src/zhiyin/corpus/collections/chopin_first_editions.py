"""First editions of Chopin's works: 512 kern files, several editions of one work and some single part books.

Traps: a work stands here up to five times (Paris, Leipzig, London …), so all its files together weigh one piece and
share one work name; many of the same works are in other collections too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from zhiyin.corpus.humdrum_header import reference_records
from zhiyin.corpus.repairs import joined_staves, named_programs
from zhiyin.corpus.source import Collection, PieceSource
from zhiyin.score.score import Score

_BOOK = re.compile(r"-(piano|violino|violoncello)$")


def pieces(root: Path) -> Iterator[PieceSource]:
    """Every kern file below ``root``; the files of one work share its weight."""
    listed = [(path, _BOOK.sub("", path.stem)) for path in sorted(root.rglob("*.krn"))]
    works = [(path, _work(stem), path.stem != stem) for path, stem in listed]
    files = Counter(work for _, work, _ in works)
    for path, work, is_book in works:
        yield PieceSource(path.relative_to(root), work, _labels(path, is_book), weight=1.0 / files[work])


def _work(stem: str) -> str:
    opus = re.split(r"[-_]", stem)[0].lstrip("0")
    number = re.search(r"-(\d{3})[a-z]?$", stem)
    return f"chopin-op{opus}" + (f"-{int(number[1])}" if number else "")


def _labels(path: Path, is_book: bool) -> dict[str, str]:
    records = reference_records(path)
    labels = {
        "genre": records.get("AGN", ""),
        "title": records.get("rism-title") or records.get("OTL", ""),
        "composer": "Chopin, Fryderyk",
        "instrument": "part book" if is_book else "",
        "publisher": records.get("PPR", ""),
    }
    return {name: value for name, value in labels.items() if value}


def prepare(score: Score, source: PieceSource) -> tuple[Score, Mapping[str, str]]:
    """Singers, violins and cellos get their programs; a piano's two staves become one part."""
    return joined_staves(named_programs(score)), source.labels


COLLECTION = Collection(
    name="chopin-first-editions",
    source="https://github.com/pl-wnifc/humdrum-chopin-first-editions",
    licence="CC-BY-4.0",
    attribution="Chopin Heritage in Open Access, copyright The Fryderyk Chopin Institute "
    "(https://chopinscores.org), CC BY 4.0",
    citation="M. Konik, C. S. Sapp, J. Iwaszko et al., Humdrum digital scores of Chopin first editions",
    archive="chopin-first-editions.tar.zst",
    sha256="84e89d41f342c5528b520ee3bf56b5ceb215c21bcbe6fde6ba6479184ce0affb",
    pieces=pieces,
    prepare=prepare,
    top_folder="chopin_fe",
    weight_note="the files of one work together weigh one piece",
)
