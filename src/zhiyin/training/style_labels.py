"""Label sets of a corpus for the style classifier: style, composer, dance, mode; and which labels live in one collection only.

A label that only one collection has cannot be told from that collection's habits: it is marked, here, in the card, and by ``classify``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zhiyin.corpus.collections.catalog import COLLECTIONS
from zhiyin.corpus.store import Corpus, Piece
from zhiyin.encoding.fields import BAR_COLUMN

DANCES = frozenset(
    ["reel", "jig", "slip-jig", "slide", "polka", "hornpipe", "waltz", "mazurka", "polonaise", "minuet", "march", "allemande", "courante", "sarabande", "gigue", "gavotte", "bourree"]
)
NO_DANCE = "not a dance"
COMPOSER_LEAST = 20  # pieces
MODES = ("", "major", "minor")
MODE_STATED = frozenset({"mutopia-open", "cre-irish", "polish-scores", "chopin-first-editions"})  # elsewhere the corpus' mode is itself found from the notes
NOT_A_COMPOSER = frozenset({"", "Anonim", "Traditional"})


def label_sets(corpus: Corpus, pieces: Sequence[Piece], named: str = "", *, rare: bool = False) -> dict[str, np.ndarray]:
    """Label set -> names of the pieces ("" = not known). A user's folder has ``style`` alone. ``named``: which sets, commas between;
    rare: composers of fewer than 20 of the pieces, too."""
    found = {"style": np.array([p.style for p in pieces])}
    if any(p.collection in COLLECTIONS for p in pieces):
        found |= {"composer": _composers(pieces, 1 if rare else COMPOSER_LEAST), "dance": np.array([p.style if p.style in DANCES or not p.style else NO_DANCE for p in pieces]), "mode": _modes(corpus, pieces)}
    chosen = [n.strip() for n in named.split(",") if n.strip()] or list(found)
    return {n: found[n] for n in chosen if n in found}


def one_collection(labels: np.ndarray, pieces: Sequence[Piece], share: float = 0.95) -> dict[str, str]:
    """Label -> the collection that has at least ``share`` of its pieces; labels that several share are left out."""
    places = np.array([p.collection for p in pieces])
    out: dict[str, str] = {}
    for name in np.unique(labels[labels != ""]):
        where, count = np.unique(places[labels == name], return_counts=True)
        if count.max() >= share * count.sum():
            out[str(name)] = str(where[count.argmax()])
    return out


def _composers(pieces: Sequence[Piece], least: int) -> np.ndarray:
    names = np.array(["" if p.composer in NOT_A_COMPOSER else p.composer for p in pieces])
    kinds, count = np.unique(names, return_counts=True)
    return np.where(np.isin(names, kinds[count >= least]), names, "")


def _modes(corpus: Corpus, pieces: Sequence[Piece]) -> np.ndarray:
    table, first = corpus.columns["bars"], corpus.offsets["bars"]
    stated = [table[first[p.index], BAR_COLUMN["mode"]] if p.collection in MODE_STATED and set(p.programs) != {128} else 0 for p in pieces]
    return np.array([MODES[int(m)] for m in stated])
