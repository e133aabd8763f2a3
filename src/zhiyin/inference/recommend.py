"""Recommend: what a listener may like next, or what is like given files, each with its reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import InputError
from zhiyin.inference.bring import find_files
from zhiyin.inference.describing import scores_below
from zhiyin.inference.listening import Ears, hear, heard_rows
from zhiyin.inference.reasons import Reason, content_reason
from zhiyin.inference.shelf import Shelf, shelf_of_files, shelf_of_library
from zhiyin.inference.together import Together, hear_others
from zhiyin.library import open_library
from zhiyin.library.events import read_heard
from zhiyin.library.store import Library
from zhiyin.recommenders.diversify import diversify
from zhiyin.recommenders.taste import Taste, fit_taste

Progress = Callable[[int, int, str], None]
MAX_COUNT = 1000
SAME = 1 - 1e-6  # likeness from which two pieces have the same notes
_POOL = 5000  # pieces that a graph gives in a very large library, beside those heard


@dataclass(frozen=True)
class Recommendation:
    """One piece: its number in the library (-1 where it is not in it), title, composer, files, score, reason."""

    piece: int
    title: str
    composer: str
    files: tuple[str, ...]
    score: float
    reason: Reason

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        parts = {"aspects": list(self.reason.aspects), "near": list(self.reason.near), "others": list(self.reason.others)}
        known = {"piece": self.piece, "title": self.title, "composer": self.composer, "files": list(self.files)}
        return known | {"score": round(self.score, 4), "reason": str(self.reason), "because": parts}


@dataclass(frozen=True)
class Recommended:
    """What ``recommend`` gives. method: what ranked; notes: what is to be known about it; failures: files left out."""

    items: tuple[Recommendation, ...]
    method: str
    notes: tuple[str, ...]
    seconds: float
    failures: tuple[tuple[str, str], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the pieces as ``recommended``, their files as ``files``."""
        files = [i.files[0] for i in self.items if i.files]
        items = [i.as_dict() for i in self.items]
        failures = [{"file": f, "reason": r} for f, r in self.failures]
        return {"files": files, "seconds": round(self.seconds, 3), "method": self.method, "notes": list(self.notes), "recommended": items, "failures": failures}


@dataclass(frozen=True)
class Wish:
    """How to choose. count: how many; new: only pieces nobody has heard; diverse: 0 (the best) .. 1 (all kinds)."""

    count: int = 10
    new: bool = False
    diverse: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_COUNT:
            raise InputError("count out of range", expected=f"1..{MAX_COUNT}", received=str(self.count))
        if not 0 <= self.diverse <= 1:
            raise InputError("diverse out of range", expected="0..1", received=f"{self.diverse:g}")


def recommend(
    listener: str | None = None,
    *,
    like: Sequence[str | Path] = (),
    among: Sequence[str | Path] = (),
    wish: Wish | None = None,
    library: Library | None = None,
    progress: Progress = lambda done, total, words: None,
    **options: Any,
) -> Recommended:
    """What a listener of the library may like next, or the pieces most like some files.

    listener: a name. like: files, instead of a listener. among: files and folders to choose from instead of the library; with
    ``like``, no library, and no ``among``, the scores beside the files are looked at. Fields of ``Wish`` may be given by name (count=5 …).
    """
    began = time.monotonic()
    wish = wish or Wish(**options)
    if bool(listener) == bool(like):
        raise InputError("Whom to recommend to is not clear", expected="a listener's name, or files to be like", received="both" if listener else "neither")
    notes: list[str] = []
    if listener:
        library = library or open_library()
        shelf, ears = shelf_of_library(library), hear(library, listener)
        items, method = _for_listener(shelf, ears, wish, notes)
    else:
        files = find_files(like)
        shelf = _shelf(files, among, library, notes, progress)
        items, method = _like_files(shelf, shelf_of_files(files), wish, _cold(library, shelf) if wish.new else None)
    return Recommended(tuple(items), method, tuple(notes), time.monotonic() - began, shelf.failures)


def _shelf(files: Sequence[Path], among: Sequence[str | Path], library: Library | None, notes: list[str], progress: Progress) -> Shelf:
    """Where to look for pieces like files: what was named, else the library, else the folders that the files are in."""
    if among:
        return shelf_of_files(find_files(among), progress=progress)
    if library is not None:
        shelf = shelf_of_library(library)
        if len(shelf):
            return shelf
    folders = sorted({f.parent for f in files})
    beside = [f for folder in folders for f in scores_below(folder, deep=False) if f.resolve() not in set(files)]
    if not beside:
        raise InputError(
            "There is nothing to choose from", expected="pieces in the library, or scores beside the files", received="neither",
            hint="zhiyin library add FOLDER, or --in FOLDER",
        )  # fmt: skip
    notes.append("the library is empty: chosen among the scores in " + ", ".join(map(str, folders)))
    return shelf_of_files(beside, progress=progress)


def _like_files(shelf: Shelf, liked: Shelf, wish: Wish, cold: np.ndarray | None) -> tuple[list[Recommendation], str]:
    """Pieces by their mean likeness to the files; the files themselves are left out."""
    if not len(liked):
        raise InputError("Nothing to be like", expected="scores with notes that can be read", received="; ".join(r.rstrip(".") for _, r in liked.failures))
    near = shelf.features @ liked.features.T
    scores = near.mean(axis=1)
    own = {f for files in liked.files for f in files}
    out = np.array([bool(own & set(files)) for files in shelf.files]) | (near > SAME).any(axis=1)
    if cold is not None:
        out |= ~cold
    scores[out] = -np.inf
    chosen = diversify(scores, shelf.features, wish.count, wish.diverse)
    reasons = [content_reason(shelf.descriptors[i], liked.descriptors, near[i], liked.titles, given=True) for i in chosen]
    return _items(shelf, chosen, scores, reasons), "likeness"


def _cold(library: Library | None, shelf: Shelf) -> np.ndarray:
    """Which pieces nobody has heard: bool (N,)."""
    return ~np.isin(shelf.ids, read_heard(library).piece) if library is not None else np.ones(len(shelf), dtype=bool)


def _for_listener(shelf: Shelf, ears: Ears, wish: Wish, notes: list[str]) -> tuple[list[Recommendation], str]:
    """A listener's unheard pieces by expected liking."""
    if not len(shelf):
        raise InputError("The library has no pieces", expected="pieces to choose from", received="none", hint="zhiyin library add FOLDER")
    rows, liking = heard_rows(shelf, ears)
    together = _together(shelf, ears, rows, liking, notes)
    scores, method = _scores(shelf, ears, rows, liking, notes)
    if together:
        scores, method = together.blend(scores), "taste and others"
    scores[rows] = -np.inf
    if wish.new:
        scores[np.isin(shelf.ids, ears.anyone)] = -np.inf
    _leave_out_twins(shelf, scores, rows, wish.count)
    chosen = diversify(scores, shelf.features, wish.count, wish.diverse)
    if not len(chosen):
        notes.append("every piece that is asked for has been heard already")
    if method in ("popularity", "typical"):
        said = "liked by other listeners" if method == "popularity" else "typical of the library"
        reasons = [Reason((), (), said=said) for _ in chosen]
    else:
        reasons = liked_reasons(shelf, rows, liking, shelf.features[chosen], shelf.descriptors[chosen])
    if together:
        because = [tuple(dict.fromkeys(shelf.titles[j] for j in together.because(int(i)))) for i in chosen]
        reasons = [replace(r, others=others) for r, others in zip(reasons, because)]
    return _items(shelf, chosen, scores, reasons), method


def _leave_out_twins(shelf: Shelf, scores: np.ndarray, rows: np.ndarray, count: int) -> None:
    """Among the best, pieces that are a heard one in another file (of the same notes) get -inf, in place."""
    if not len(rows):
        return
    best = np.argsort(-scores)[: 4 * count + 50]
    near = shelf.features[best] @ shelf.features[rows].T
    scores[best[(near > SAME).any(axis=1)]] = -np.inf


def _together(shelf: Shelf, ears: Ears, rows: np.ndarray, liking: np.ndarray, notes: list[str]) -> Together | None:
    """What others like, where there are any with something in common; without SciPy it is said that they are not looked at."""
    try:
        return hear_others(shelf, ears, rows, liking)
    except ImportError:
        notes.append("what other listeners like is not looked at: pip install 'zhiyin[recommend]'")
        return None


def _scores(shelf: Shelf, ears: Ears, rows: np.ndarray, liking: np.ndarray, notes: list[str]) -> tuple[np.ndarray, str]:
    """Scores float (N,) and what gave them: taste; without a history popularity; without anybody's, what is typical."""
    if len(rows):
        return _tasted(shelf, fit_taste(shelf.features[rows], liking), len(rows)), "taste"
    counts = np.array([ears.popularity.get(int(i), 0.0) for i in shelf.ids])
    if counts.any():
        notes.append(f"nothing is known of what {ears.name} likes: pieces that others liked")
        return counts, "popularity"
    notes.append(f"nothing is known of what {ears.name} or anybody likes: pieces typical of the library, of all kinds")
    return (shelf.features @ shelf.features.mean(axis=0)).astype(np.float64), "typical"


def _tasted(shelf: Shelf, taste: Taste, heard: int) -> np.ndarray:
    """Expected liking float (N,); in a very large library only of the pieces that a graph finds near the taste, -inf for the rest."""
    near = shelf.near(taste.weights, _POOL + heard)
    if near is None:
        return taste.mean(shelf.features).astype(np.float64)
    scores = np.full(len(shelf), -np.inf)
    scores[near] = taste.mean(shelf.features[near])
    return scores


def liked_reasons(shelf: Shelf, rows: np.ndarray, liking: np.ndarray, own: np.ndarray, described: np.ndarray) -> list[Reason]:
    """Reasons of pieces with features ``own`` (N, F) and descriptors ``described`` (N, D), from the pieces heard, ``rows`` of the shelf."""
    liked = rows[liking > 0]
    if not len(liked):
        return [Reason((), (), said="unlike what you did not like") for _ in own]
    near = own @ shelf.features[liked].T * liking[liking > 0]
    titles = [shelf.titles[i] for i in liked]
    return [
        content_reason(d, shelf.descriptors[liked], n, titles) if (n > 0).any() else Reason((), (), said="other than what you liked so far")
        for d, n in zip(described, near)
    ]


def _items(shelf: Shelf, chosen: np.ndarray, scores: np.ndarray, reasons: Sequence[Reason]) -> list[Recommendation]:
    return [
        Recommendation(int(shelf.ids[i]), shelf.titles[i], shelf.composers[i], shelf.files[i], float(scores[i]), reason)
        for i, reason in zip(chosen, reasons)
    ]
