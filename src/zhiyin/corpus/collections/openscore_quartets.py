"""OpenScore String Quartets: 122 whole quartets in MusicXML, split into movements where the score marks their end.

Traps: 53 are by Haydn, Mozart and Beethoven; packages for the composer benchmark are trained without them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zhiyin.corpus.collections.openscore import composer_labels, composer_table, prepare, scores_below
from zhiyin.corpus.source import Collection, PieceSource


def pieces(root: Path) -> Iterator[PieceSource]:
    """Every quartet below ``root``: composer and title from its folders."""
    table = composer_table(root)
    for path, folders in scores_below(root):
        labels = {
            "genre": "string quartet",
            "title": folders[-1].replace("_", " "),
            **composer_labels(folders[0], table),
        }
        yield PieceSource(path.relative_to(root), "/".join(folders), labels, split_movements=True)


COLLECTION = Collection(
    name="openscore-quartets",
    source="https://github.com/OpenScore/StringQuartets",
    licence="CC0-1.0",
    attribution="OpenScore String Quartets (https://musescore.com/openscore-string-quartets), CC0",
    citation="M. R. H. Gotham et al., The OpenScore String Quartet Corpus, DLfM 2023, doi:10.5281/zenodo.21862554",
    archive="openscore-quartets.tar.zst",
    sha256="07a1f26b62727d21251f4826a9c06bdddaebb2a02ae2149c828b0d30fd3420c4",
    pieces=pieces,
    prepare=prepare,
    top_folder="openscore_quartets",
)
