"""OpenScore Lieder: 1,231 songs of the long nineteenth century for voice and piano, in MusicXML.

Traps: none grave; the songs of one cycle stand under one set but are works of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zhiyin.corpus.collections.openscore import composer_labels, composer_table, prepare, scores_below
from zhiyin.corpus.source import Collection, PieceSource


def pieces(root: Path) -> Iterator[PieceSource]:
    """Every song below ``root``: composer, set and title from its folders."""
    table = composer_table(root)
    for path, folders in scores_below(root):
        labels = {"genre": "art song", "title": folders[-1].replace("_", " "), **composer_labels(folders[0], table)}
        if len(folders) > 2 and folders[1] != "_":
            labels["set"] = folders[1].replace("_", " ")
        yield PieceSource(path.relative_to(root), "/".join(folders), labels)


COLLECTION = Collection(
    name="openscore-lieder",
    source="https://github.com/OpenScore/Lieder",
    licence="CC0-1.0",
    attribution="OpenScore Lieder Corpus (https://musescore.com/openscore-lieder-corpus), CC0",
    citation="M. R. H. Gotham and P. Jonas, The OpenScore Lieder Corpus, Music Encoding Conference 2021",
    archive="openscore-lieder.tar.zst",
    sha256="cae34d2e808e904df0d901a373c9ace70229c7fdb3b2fdfb128c3e633f6ee830",
    pieces=pieces,
    prepare=prepare,
    top_folder="openscore_lieder",
)
