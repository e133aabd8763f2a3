"""Simulated listeners on the house corpus: cold start of pieces, and composing for a listener over rounds of feedback.

SIMULATION, not people. A listener's taste is a random direction in one group of descriptors (harmony, rhythm …). That group is
withheld from what recommends and ranks: it sees the other groups and the embedding. What a listener says is the true utility (mean 0,
standard deviation 1 over the corpus) with noise of standard deviation 0.5, cut to 1..5 stars. Run through benchmarks/recommend.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.corpus.store import open_corpus
from zhiyin.encoding import EncodedPiece, decode
from zhiyin.inference.compose import compose
from zhiyin.inference.compose_for import EXPLORE, PER_STYLE, draw_styles
from zhiyin.inference.embed import embedder
from zhiyin.inference.features import features, heard_columns, standard
from zhiyin.inference.sampler import Sampler
from zhiyin.measures.descriptors import DESCRIPTORS, describe
from zhiyin.provenance.package import load_package
from zhiyin.recommenders.taste import fit_taste

NOISE, HEARD, LIKED = 0.5, 20, 0.1
Say = Callable[[str], None]


@dataclass(frozen=True)
class Vectors:
    """Descriptors float32 (N, D), embeddings float32 (N, E) and styles of pieces."""

    described: np.ndarray
    embedded: np.ndarray
    styles: tuple[str, ...]


@dataclass(frozen=True)
class Listener:
    """A simulated one: the withheld group, the columns that are left, and the direction (D,) that the taste is."""

    group: str
    left: np.ndarray
    direction: np.ndarray


def kept(path: Path | None, make: Callable[[], Vectors]) -> Vectors:
    """Vectors from a file of an earlier run, where one is named and there."""
    if path is not None and path.is_file():
        with np.load(path, allow_pickle=False) as found:
            return Vectors(found["described"], found["embedded"], tuple(found["styles"].tolist()))
    made = make()
    if path is not None:
        np.savez(path, described=made.described, embedded=made.embedded, styles=np.array(made.styles))
    return made


def corpus_vectors(folder: Path, count: int, say: Say) -> Vectors:
    """Pieces of the house corpus drawn at random, pitched, of 24 to 6,000 notes."""
    corpus = open_corpus(folder)
    pieces = [p for p in corpus.table if set(p.programs) != {128} and 24 <= p.notes <= 6000]
    chosen = [pieces[i] for i in np.random.default_rng(0).permutation(len(pieces))[:count]]
    encoded = []
    for piece in chosen:
        found = corpus.arrays(piece)
        encoded.append(EncodedPiece(np.array(found["rows"]), found["bars"], found["programs"].reshape(-1), found["controls"].reshape(-1)))
    described = np.stack([describe(decode(e)) for e in encoded])
    say(f"described {len(chosen)} pieces")
    return Vectors(described, embedder().embed(encoded), tuple(p.style or "" for p in chosen))


def composed_vectors(bars: int, per_style: int, say: Say) -> Vectors:
    """Pieces that the default package wrote: of every style the better half of the candidates, as ``compose --for`` has it."""
    package = load_package("default")
    sampler, scores, styles = Sampler(package), [], []
    for number, style in enumerate(s["name"] for s in package.manifest["styles"]):
        made = compose(model=package, sampler=sampler, style=style, bars=bars, seed=number, takes=per_style // 2, candidates=per_style)
        scores += [p.score for p in made.pieces]
        styles += [style] * len(made.pieces)
        say(f"composed {len(scores)} pieces, {style}")
    return Vectors(np.stack([describe(s) for s in scores]), embedder().embed(scores), tuple(styles))


def listener(rng: np.random.Generator, groups: Sequence[str]) -> Listener:
    """A taste in one of the groups."""
    group, heard = str(rng.choice(groups)), heard_columns()
    inside = np.array([DESCRIPTORS[i].group == group for i in heard])
    direction = np.zeros(len(DESCRIPTORS))
    direction[heard[inside]] = rng.normal(size=inside.sum())
    return Listener(group, heard[~inside], direction)


def utility(who: Listener, described: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """True utility (N,): mean 0, standard deviation 1 over ``scale`` (the corpus' descriptors)."""
    base = standard(scale) @ who.direction
    return (standard(described) @ who.direction - base.mean()) / base.std()


def liking(true: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What is said: stars 1..5 brought to -1..1."""
    stars = np.clip(np.round(3 + true + rng.normal(0, NOISE, np.shape(true))), 1, 5)
    return (stars - 3) / 2


def groups_of() -> list[str]:
    """Groups of descriptors that say how music sounds and have at least four of them."""
    heard = [DESCRIPTORS[i].group for i in heard_columns()]
    return [g for g in dict.fromkeys(heard) if heard.count(g) >= 4]


def cold_start(pieces: Vectors, listeners: int, seeds: Sequence[int], say: Say) -> dict[str, Any]:
    """Half of the pieces have been heard by somebody; the other half is new to all, and ranked by what each listener said of 20."""
    rows: dict[str, list[list[float]]] = {}
    for seed in seeds:
        rng, n = np.random.default_rng(seed), len(pieces.styles)
        old, new = np.split(rng.permutation(n), [n // 2])
        crowd = [listener(rng, groups_of()) for _ in range(listeners)]
        mean_liking = np.mean([np.where(rng.random(n) < 0.1, liking(utility(w, pieces.described, pieces.described), rng), 0.0) for w in crowd], axis=0)
        for who in crowd:
            true = utility(who, pieces.described, pieces.described)
            heard = rng.permutation(old)[:HEARD]
            said = liking(true[heard], rng)
            liked = true[new] >= np.quantile(true[new], 1 - LIKED)
            all_of = {"taste": 0.5, "taste, embedding only": 0.0, "taste, descriptors only": 1.0}
            found = {"oracle": true[new], "random": rng.random(len(new)), "popularity (likings of others, which cold start has not)": mean_liking[new]}
            for name, share in all_of.items():
                own = features(pieces.described, pieces.embedded, share=share, columns=who.left)
                found[name] = fit_taste(own[heard], said).mean(own[new])
            for name, score in found.items():
                rank = np.argsort(np.argsort(-score)) / (len(new) - 1)
                best = np.argsort(-score)[:10]
                rows.setdefault(name, []).append([float(rank[liked].mean()), float(liked[best].mean()), float(true[new][best].mean())])
        say(f"cold start, simulated, seed {seed}: taste {np.mean(rows['taste'], axis=0)}")
    names = ("mean_rank_of_liked", "precision@10", "utility@10")
    return {
        "called": "SIMULATION", "pieces": len(pieces.styles), "listeners": listeners, "seeds": list(seeds), "heard": HEARD, "noise": NOISE,
        "withheld": "the whole group of descriptors that the taste lives in", "liked": f"the best {LIKED:.0%} of the unheard pieces by true utility; rank 0 = first, .5 = by chance",
        "table": {n: {k: interval([r[i] for r in v]) for i, k in enumerate(names)} for n, v in rows.items()},
    }  # fmt: skip


def rounds(pool: Vectors, scale: np.ndarray, listeners: int, count: int, seed: int, say: Say) -> dict[str, Any]:
    """Composing for a listener, round by round: candidates, choice, what the listener says, next round."""
    manifest, groups = load_package("default").manifest, groups_of()
    gain = {n: np.zeros((listeners, count)) for n in ("chosen over random choice", "ranking alone (chosen over its candidates)", "best possible of the candidates")}
    for number in range(listeners):
        rng = np.random.default_rng([seed, number])
        who = listener(rng, groups)
        true = utility(who, pool.described, scale)
        own = features(pool.described, pool.embedded, columns=who.left)
        heard: list[int] = []
        said: list[float] = []
        for turn in range(count):
            candidates = draw(pool, manifest, heard, said, int(rng.integers(2**31)))
            if heard:
                taste = fit_taste(own[heard], np.array(said))
                chosen = candidates[int(np.argmax(taste.mean(own[candidates]) + EXPLORE * taste.deviation(own[candidates])))]
            else:
                chosen = int(rng.choice(candidates))
            for name, value in zip(gain, (true[chosen] - true.mean(), true[chosen] - true[candidates].mean(), true[candidates].max() - true.mean())):
                gain[name][number, turn] = value
            heard.append(chosen)
            said.append(float(liking(true[chosen], rng)))
    say(f"rounds, simulated: {gain['chosen over random choice'].mean(axis=0).round(2)}")
    thirds = np.array_split(np.arange(count), 3)
    table = {n: {"by_round": [interval(v[:, t]) for t in range(count)], "by_third": [interval(v[:, t].mean(axis=1)) for t in thirds]} for n, v in gain.items()}
    growth = gain["chosen over random choice"]
    return {
        "called": "SIMULATION", "pool": len(pool.styles), "listeners": listeners, "rounds": count, "noise": NOISE, "unit": "standard deviations of utility over the corpus",
        "table": table, "last third over first": interval(growth[:, thirds[2]].mean(axis=1) - growth[:, thirds[0]].mean(axis=1)),
    }  # fmt: skip


def draw(pool: Vectors, manifest: dict[str, Any], heard: Sequence[int], said: Sequence[float], seed: int) -> np.ndarray:
    """Candidates of a round: some unheard pieces of four styles that are drawn by what was liked of them, as ``compose_for`` does."""
    by_style: dict[str, list[float]] = {}
    for piece, value in zip(heard, said):
        by_style.setdefault(pool.styles[piece], []).append(value)
    likings = {s: sum(v) / (len(v) + 1) for s, v in by_style.items()}
    styles, rng, found = draw_styles(manifest, likings, 4, seed), np.random.default_rng(seed), []
    for style in styles:
        left = [i for i, s in enumerate(pool.styles) if s == style and i not in heard]
        found += rng.permutation(left)[: PER_STYLE // 2].tolist()
    return np.array(found, dtype=np.int64)


def interval(values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Mean with a 95 % bootstrap interval over listeners."""
    array, rng = np.asarray(values, dtype=np.float64), np.random.default_rng(0)
    means = array[rng.integers(0, len(array), (2000, len(array)))].mean(axis=1)
    return {"mean": round(float(array.mean()), 4), "low": round(float(np.percentile(means, 2.5)), 4), "high": round(float(np.percentile(means, 97.5)), 4), "n": len(array)}
