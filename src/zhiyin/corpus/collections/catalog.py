"""The house collections by name: a literal table, nothing is registered anywhere else."""

from __future__ import annotations

from zhiyin.corpus.collections import (
    chopin_first_editions,
    cre_irish,
    groove,
    mutopia_open,
    openscore_lieder,
    openscore_quartets,
    polish_scores,
)
from zhiyin.corpus.source import Collection
from zhiyin.errors import CorpusError, near_names

COLLECTIONS: dict[str, Collection] = {
    "polish-scores": polish_scores.COLLECTION,
    "openscore-lieder": openscore_lieder.COLLECTION,
    "openscore-quartets": openscore_quartets.COLLECTION,
    "chopin-first-editions": chopin_first_editions.COLLECTION,
    "mutopia-open": mutopia_open.COLLECTION,
    "groove": groove.COLLECTION,
    "cre-irish": cre_irish.COLLECTION,
}


def collection(name: str) -> Collection:
    """The collection of that name; raises CorpusError with near names."""
    if name not in COLLECTIONS:
        raise CorpusError(
            f"Unknown collection {name!r}",
            expected=near_names(name, COLLECTIONS),
            received=repr(name),
            hint="`zhiyin corpus list` shows them; a folder of your own is given by its path",
        )
    return COLLECTIONS[name]
