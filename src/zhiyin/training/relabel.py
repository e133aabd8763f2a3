"""A corpus seen with another package's style and composer classes, for training that package further."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.corpus.store import Corpus, Piece
from zhiyin.encoding.fields import CONTROL_COLUMN, CONTROL_SIZES
from zhiyin.errors import TrainingError


@dataclass(frozen=True)
class RelabelledCorpus:
    """Offers what Corpus offers to training, with its style and composer classes renamed. Styles a package knows by
    name keep their class; new ones take the next free."""

    corpus: Corpus
    style_ids: Mapping[str, int]
    composer_ids: Mapping[str, int]

    @property
    def path(self) -> Path:
        """Folder of the corpus."""
        return self.corpus.path

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The corpus' manifest."""
        return self.corpus.manifest

    @property
    def table(self) -> tuple[Piece, ...]:
        """All pieces."""
        return self.corpus.table

    @property
    def styles(self) -> Mapping[str, Mapping[str, Any]]:
        """Styles of the corpus under their new classes."""
        return {n: {**s, "id": self.style_ids[n]} for n, s in self.corpus.styles.items()}

    @property
    def composers(self) -> Mapping[str, Mapping[str, Any]]:
        """Composer groups that the package knows, under its classes."""
        return {
            n: {**c, "id": self.composer_ids[n]} for n, c in self.corpus.composers.items() if n in self.composer_ids
        }

    def pieces(self, split: str = "", **named: str) -> list[Piece]:
        """As Corpus.pieces."""
        return self.corpus.pieces(split, **named)

    def arrays(self, piece: Piece | int) -> dict[str, np.ndarray]:
        """As Corpus.arrays, with the control row renamed."""
        arrays = self.corpus.arrays(piece)
        found = self.table[piece] if isinstance(piece, int) else piece
        controls = np.array(arrays["controls"]).copy()
        flat = controls.reshape(-1)
        flat[CONTROL_COLUMN["style"]] = self.style_ids.get(found.style, 0)
        flat[CONTROL_COLUMN["composer"]] = self.composer_ids.get(found.composer, 0)
        return {**arrays, "controls": controls}


def relabel(corpus: Corpus, manifest: Mapping[str, Any]) -> RelabelledCorpus:
    """The corpus under the classes of a package's manifest; TrainingError where its styles no longer fit."""
    known = {s["name"]: int(s["id"]) for s in manifest.get("styles", ())}
    free = (i for i in range(1, CONTROL_SIZES[CONTROL_COLUMN["style"]]) if i not in set(known.values()))
    ids: dict[str, int] = {}
    for name in corpus.styles:
        ids[name] = known[name] if name in known else next(free, 0)
        if not ids[name]:
            raise TrainingError(
                "No room for more styles",
                expected=f"≤ {CONTROL_SIZES[0] - 1} styles in a package",
                received=f"{len(known)} known, {len(corpus.styles)} in the folder",
            )
    composers = {c["name"]: int(c["id"]) for c in manifest.get("composers", ())}
    return RelabelledCorpus(corpus, ids, composers)
