"""Works of the benchmarks that nothing shipped may be trained on: Bach's four-part chorales.

Two nets: words (BWV 250–438, "choral(e)" by Bach) and fingerprints of the outer lines of 788 settings, committed in
``holdout.npz`` by ``tools/make_holdout.py``. Applied at every build of the house collections.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from zhiyin.errors import CorpusError, near_names

HOLDOUT_FILE = Path(__file__).with_name("holdout.npz")
MIN_SHARED = 6
MIN_CONTAINMENT = 0.3

_BACH = re.compile(r"\bbach", re.IGNORECASE)
_CHORALE = re.compile(r"\bchoral(e|es|s)?\b|\bkirnberger\b", re.IGNORECASE)
_BWV = re.compile(r"\bBWV\.?\s*(\d{1,4})", re.IGNORECASE)
_SUNG_CHORALES = re.compile(r"ermuntre dich|gott, wie gro(ss|ß) ist|warum betrübst", re.IGNORECASE)
_KEYBOARD_CHORALE = re.compile(r"prelude|vorspiel|fantas|partita|fug", re.IGNORECASE)


@dataclass(frozen=True)
class HoldOut:
    """Fingerprints of the works held out: ``hashes`` uint64 sorted, ``works`` uint16 (index of each hash's work)."""

    hashes: np.ndarray
    works: np.ndarray
    names: tuple[str, ...]

    def match(self, prints: np.ndarray) -> str:
        """The work that a piece with these fingerprints is a version of, or "". prints: uint64, distinct."""
        low = prints.astype(np.uint64) & np.uint64(0xFFFFFFFF)
        first = np.searchsorted(self.hashes, low, side="left")
        last = np.searchsorted(self.hashes, low, side="right")
        hits = [self.works[a:b] for a, b in zip(first, last) if b > a]
        if not hits:
            return ""
        shared = np.bincount(np.concatenate(hits), minlength=len(self.names))
        sizes = np.bincount(self.works, minlength=len(self.names))
        close = (shared >= MIN_SHARED) & (shared >= MIN_CONTAINMENT * sizes)
        return self.names[int(np.argmax(np.where(close, shared, 0)))] if close.any() else ""


@cache
def chorales() -> HoldOut:
    """The committed hold-out list."""
    with np.load(HOLDOUT_FILE, allow_pickle=False) as stored:
        names = tuple(stored["names"].tobytes().decode().split("\n"))
        return HoldOut(stored["hashes"].astype(np.uint64), stored["works"].astype(np.int64), names)


BENCHMARKS = ("haydn-mozart",)


def reason_not_clean(labels: Mapping[str, str], benchmark: str) -> str:
    """Why a piece must not train a package whose figure on ``benchmark`` is reported; "" when it may.

    haydn-mozart: string quartets of Haydn, Mozart and Beethoven.
    """
    if benchmark not in BENCHMARKS:
        raise CorpusError(
            f"Unknown benchmark {benchmark!r}", expected=near_names(benchmark, BENCHMARKS), received=repr(benchmark)
        )
    quartet = re.search(r"quartet|1 cello 1 viola 2 violn", f"{labels.get('genre')} {labels.get('instrument')}", re.I)
    tested = re.search(r"haydn|mozart|beethoven", labels.get("composer", ""), re.I)
    return f"a quartet by a composer of the {benchmark} benchmark" if quartet and tested else ""


def reason_held_out(labels: Mapping[str, str], prints: np.ndarray) -> str:
    """Why a piece is held out of what is shipped, in words; "" when it is not."""
    by_words = _held_by_words(labels)
    if by_words:
        return by_words
    work = chorales().match(prints)
    return f"its outer lines are those of {work}" if work else ""


def _held_by_words(labels: Mapping[str, str]) -> str:
    if not _BACH.search(labels.get("composer", "")):
        return ""
    title = labels.get("title", "")
    for number in _BWV.findall(title):
        if 250 <= int(number) <= 438:
            return f"BWV {number} is one of Bach's four-part chorales"
    if _CHORALE.search(title) and not _KEYBOARD_CHORALE.search(title):
        return "a chorale by Bach, by its title"
    if _SUNG_CHORALES.search(title):
        return "a sacred song that Bach also set in four parts"
    if "SATB" in labels.get("instrument", "") and len(title) < 60 and "psalm" not in title.lower():
        return "a four-part vocal setting by Bach"
    return ""
