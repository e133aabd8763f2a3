"""Composing for a listener: candidates of several styles, of which the ones are kept that the listener may like best.

    styles   drawn by what the listener liked of the pieces composed before (all alike as long as nothing is known)
    written  some candidates of each; ``compose`` drops those too close to the training music or that cannot be played, and
             keeps the better half of each style; of these go those that the classifier takes for another style (if any are left)
    ranked   by expected liking and how little is known of music like it (an upper confidence bound), several takes by
             maximal marginal relevance
    told     why; a rating of the file (``zhiyin library rate``) moves both the styles and the ranking of the next round

A record says how the piece was made, not for whom.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import ControlError
from zhiyin.inference.compose import (
    Composition,
    Options,
    Piece,
    checked,
    compose,
    read_controls,
    split_options,
    take_seed,
)
from zhiyin.inference.controls import Controls
from zhiyin.inference.embed import embedder
from zhiyin.inference.features import features
from zhiyin.inference.listening import hear, heard_rows
from zhiyin.inference.original import open_reference
from zhiyin.inference.recommend import Progress, liked_reasons
from zhiyin.inference.sampler import Sampler
from zhiyin.inference.shelf import Shelf, shelf_of_library
from zhiyin.inference.style_check import StyleCheck
from zhiyin.library import open_library
from zhiyin.library.store import Library
from zhiyin.measures.descriptors import describe
from zhiyin.provenance.package import Package, load_package
from zhiyin.recommenders.diversify import diversify
from zhiyin.recommenders.taste import fit_taste

CANDIDATES = 16
PER_STYLE = 4  # candidates of a style
EXPLORE = 0.3  # weight of the standard deviation of the expected liking
EAGER = 2.0  # how strongly what was liked of a style draws it


@dataclass(frozen=True)
class Memory:
    """What is remembered of a listener: the library's pieces, which of them were heard (rows) and how much each is liked."""

    shelf: Shelf
    rows: np.ndarray
    liking: np.ndarray

    def scores(self, own: np.ndarray, *, explore: float = EXPLORE) -> np.ndarray:
        """Expected liking and ``explore`` standard deviations, float (N,), of pieces with features (N, F)."""
        taste = fit_taste(self.shelf.features[self.rows], self.liking)
        return (taste.mean(own) + explore * taste.deviation(own)).astype(np.float64)

    def style_likings(self) -> dict[str, float]:
        """style -> how much it was liked in -1..1, drawn to 0 where little of it was heard."""
        found: dict[str, list[float]] = {}
        for row, value in zip(self.rows, self.liking):
            if self.shelf.styles[row]:
                found.setdefault(self.shelf.styles[row], []).append(float(value))
        return {style: sum(values) / (len(values) + 1) for style, values in found.items()}


def compose_for(
    listener: str,
    words: str = "",
    *,
    model: str | Path | Package = "default",
    diverse: float = 0.2,
    library: Library | None = None,
    progress: Progress = lambda done, total, words: None,
    **given: Any,
) -> Composition:
    """Composes for a listener of the library: the pieces with reasons in their reports (``for``, ``reason``, ``expected_liking``).

    given: controls and options of ``compose``; candidates is 16 where it is not given, original "p99" where the package has a scale.
    InputError with near names for an unknown listener; where nothing is known of a listener, all styles are as likely and the
    first take is the one that is most typical of its style.
    """
    if not 0 <= diverse <= 1:
        raise ControlError("diverse out of range", expected="0..1", received=f"{diverse:g}")
    memory = remember(library or open_library(), listener)
    package = model if isinstance(model, Package) else load_package(model)
    options, controls = split_options(Options(candidates=CANDIDATES, original=_limit(package)), given)
    seed = controls.pop("seed", None)
    seed = secrets.randbelow(2**31) if seed is None else int(seed)
    asked = read_controls(words, Controls(**controls), package.manifest).controls.style
    styles = [asked] if asked else draw_styles(package.manifest, memory.style_likings(), -(-options.candidates // PER_STYLE), seed)
    made = _write(words, controls, (package, options), (seed, styles), progress)
    candidates = [p for m in made for p in m.pieces]
    heard = len(candidates)
    agreed = [p for p in candidates if p.report.get("style_check", {}).get("agrees", True)]
    candidates = agreed or candidates
    kept = _choose(memory, candidates, options.takes, diverse, listener)
    counts = {name: sum(m.report["candidates"].get(name, 0) for m in made) for name in made[0].report["candidates"]}
    counts |= {"heard": heard, "of_style": len(agreed), "kept": len(kept)}
    report = {**kept[0].report, "seed": seed, "styles": styles, "candidates": counts, "of_listener": _notes(memory, listener)}
    return Composition(tuple(kept), {**report, "takes": [dict(p.report) for p in kept]})


def remember(library: Library, listener: str) -> Memory:
    """What is known of a listener; InputError that lists near names where there is none of that name."""
    ears, shelf = hear(library, listener), shelf_of_library(library)
    return Memory(shelf, *heard_rows(shelf, ears))


def draw_styles(manifest: Mapping[str, Any], likings: Mapping[str, float], count: int, seed: int) -> list[str]:
    """Styles of a package, no two alike, the more probable the better liked: weight e^(2·liking)."""
    names = [str(s["name"]) for s in manifest.get("styles", ())]
    if not names:
        return [""]
    weight = np.exp(EAGER * np.array([likings.get(n, 0.0) for n in names]) * np.log(len(names)) / 2)
    rng = np.random.Generator(np.random.PCG64([seed, 0x7461_7374]))
    return [names[i] for i in rng.choice(len(names), min(count, len(names)), replace=False, p=weight / weight.sum())]


def _write(
    words: str, controls: dict[str, Any], how: tuple[Package, Options], what: tuple[int, Sequence[str]], progress: Progress
) -> list[Composition]:
    """Some candidates of every style; the better half of each comes back. A style of which nothing can be kept is passed over."""
    (package, options), (seed, styles) = how, what
    sampler, found, failed = Sampler(package), [], None
    share = -(-options.candidates // len(styles))
    for number, style in enumerate(styles):
        progress(number, len(styles), style)
        own = {**controls, **({"style": style} if style else {}), "seed": take_seed(seed, number) % 2**31}
        few = replace(options, candidates=share, takes=max(1, share // 2, options.takes if len(styles) == 1 else 1))
        try:
            found.append(_checked(compose(words, model=package, options=few, sampler=sampler, **own), style))
        except ControlError as error:
            failed = error
    if not found and failed:
        raise failed
    return found


def _checked(made: Composition, style: str) -> Composition:
    """The pieces with what the classifier takes them for, where it knows the style and has not been asked yet."""
    if "style_check" in made.pieces[0].report:
        return made
    try:
        check = StyleCheck(style)
    except ControlError:  # a style that it does not know
        return made
    return Composition(tuple(checked(p, check) for p in made.pieces), made.report)


def _choose(memory: Memory, pieces: Sequence[Piece], count: int, diverse: float, listener: str) -> list[Piece]:
    own, described = vectors([p.score for p in pieces])
    if not len(memory.rows):
        chosen = diversify(-np.array([p.verdict.penalty for p in pieces]), own, count, diverse)
        told: list[dict[str, Any]] = [{"reason": "nothing is known yet", "expected_liking": None} for _ in chosen]
    else:
        chosen = diversify(memory.scores(own), own, count, diverse)
        expected = memory.scores(own[chosen], explore=0.0)
        reasons = liked_reasons(memory.shelf, memory.rows, memory.liking, own[chosen], described[chosen])
        told = [{"reason": str(r), "expected_liking": round(float(e), 3)} for r, e in zip(reasons, expected)]
    return [replace(pieces[i], report={**pieces[i].report, "for": listener, **t}) for i, t in zip(chosen, told)]


def vectors(scores: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 (N, F) and descriptors float32 (N, D) of scores."""
    described = np.stack([describe(s) for s in scores])
    return features(described, embedder().embed(scores)), described


def _limit(package: Package) -> str | None:
    """How close to the training music a candidate may come: p99 of human pieces, where the package can tell."""
    return "p99" if package.originality_path and open_reference(package).index.scale is not None else None


def _notes(memory: Memory, listener: str) -> list[str]:
    if not len(memory.rows):
        return [f"nothing is known of what {listener} likes: styles as they come; rate the pieces, and the next ones are chosen by that"]
    return [] if (memory.liking > 0).any() else [f"{listener} liked nothing so far: what is unlike it comes first"]
