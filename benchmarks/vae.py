"""What a VAE restores of held-out windows, and whether its attributes can be moved: python benchmarks/vae.py CORPUS PACKAGE …

Every figure is over the test split (tune families that training never saw). Accuracy is over sixteenths of {pitch, hold, rest}:
teacher-forced (the true past is shown; the expected share, which is the mean probability of the truth) and sampled (its own past),
both at temperature 1 from the posterior's mean; beside it "always hold" and the training window that is nearest in sixteenths. Anchors, from memory, of MusicVAE (Roberts et al. 2018), which
learnt from far more music: sampled, 2 bars .95; 16 bars flat .62, hierarchical .81.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from common import about, share, write

from zhiyin.corpus.store import Corpus, open_corpus
from zhiyin.encoding.sixteenths import BAR_LENGTHS, FIRST_PITCH, HOLD, NONE
from zhiyin.inference.attributes import ATTRIBUTES
from zhiyin.inference.latent import PUSH, moved_along, push_of
from zhiyin.inference.latent_space import LatentModel, latent_model
from zhiyin.models.vae import ACTIVE
from zhiyin.provenance.package import Package, load_package
from zhiyin.training.windows import Pool, pool_of

SEED = 1
TRIALS = 200
TRAIN_PIECES = 3000  # whose windows the nearest one is looked for in
NEAREST = 60_000  # of those windows at most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus")
    parser.add_argument("packages", nargs="+")
    parser.add_argument("--windows", type=int, default=1000)
    parser.add_argument("--name", default="vae")
    options = parser.parse_args()
    corpus = open_corpus(options.corpus)
    pools: dict[tuple[int, int], tuple[Pool, Pool]] = {}
    found = {}
    for name in options.packages:
        package = load_package(name)
        latent = latent_model(package)
        shape = (latent.bars, latent.lines)
        pools.setdefault(shape, _pools(corpus, *shape))
        found[package.name] = measured(package, latent, *pools[shape], options.windows)
    write(options.name, {**about(f"python benchmarks/vae.py CORPUS {' '.join(found)}", seed=SEED), "packages": found})


def _pools(corpus: Corpus, bars: int, lines: int) -> tuple[Pool, Pool]:
    train = corpus.pieces("train")
    some = [train[i] for i in np.random.default_rng(SEED).permutation(len(train))[:TRAIN_PIECES]]
    return pool_of(corpus, corpus.pieces("test"), bars, lines), pool_of(corpus, some, bars, lines)


def measured(package: Package, latent: LatentModel, test: Pool, train: Pool, count: int) -> dict[str, Any]:
    """All figures of one package."""
    rng = np.random.default_rng(SEED)
    which = rng.permutation(len(test.begin))[: max(200, count * 2 // latent.bars)]
    grid, length = test.take(which), test.length[which]
    mean, _ = latent.encode(grid, length)
    there = grid != NONE
    sampled = latent.decode(mean, length, temperature=1.0, seed=SEED)
    likeliest = latent.decode(mean, length)
    near = nearest(grid, train, rng)
    nats = latent.nats(mean, length, grid)
    four = (np.array(BAR_LENGTHS)[length] == 16)[:, None, None, None] & there
    return {
        "bars": latent.bars, "lines": latent.lines, "hierarchical": latent.hierarchical, "trained": {k: package.manifest["metrics"][k] for k in ("steps", "rows", "seconds")},
        "test_windows": len(grid), "sixteenths": int(there.sum()), "pieces": len(np.unique(test.piece[which])),
        "nats_per_sixteenth": round(float(nats[there].mean()), 4), "teacher_forced": interval(np.exp(-nats), there),
        "sampled": accuracy(sampled, grid, there), "sampled_4_4": accuracy(sampled, grid, four), "likeliest": accuracy(likeliest, grid, there),
        "always_hold": accuracy(np.full_like(grid, HOLD), grid, there), "nearest_training_window": accuracy(near, grid, there),
        "by_kind_sampled": {
            "pitch": accuracy(sampled, grid, there & (grid >= FIRST_PITCH)), "hold": accuracy(sampled, grid, there & (grid == HOLD)), "rest": accuracy(sampled, grid, there & (grid == 0)),
        },
        "onset_f1": {"sampled": onset_f1(sampled, grid), "likeliest": onset_f1(likeliest, grid), "nearest_training_window": onset_f1(near, grid)},
        "active_units": float((mean.var(0) > ACTIVE).mean()), "training_windows_searched": min(len(train.begin), NEAREST),
        "attributes": attributes(package, latent, mean, length),
    }  # fmt: skip


def accuracy(found: np.ndarray, truth: np.ndarray, where: np.ndarray) -> dict[str, Any]:
    """Share of sixteenths that are right."""
    return interval(found == truth, where)


def interval(right: np.ndarray, where: np.ndarray) -> dict[str, Any]:
    """Mean of what is right (0..1) where it counts, with a 95 % interval over windows (bootstrap of 200)."""
    right, n = (right * where).reshape(len(where), -1).sum(1), where.reshape(len(where), -1).sum(1)
    if not n.sum():
        return {"share": None, "n": 0}
    rng = np.random.default_rng(SEED)
    draws = rng.integers(0, len(where), (200, len(where)))
    spread = right[draws].sum(1) / np.maximum(n[draws].sum(1), 1)
    low, high = np.quantile(spread, [0.025, 0.975])
    return {"share": round(float(right.sum() / n.sum()), 4), "low": round(float(low), 4), "high": round(float(high), 4), "n": int(n.sum())}


def nearest(grid: np.ndarray, train: Pool, rng: np.random.Generator) -> np.ndarray:
    """For each window the training window that agrees in most sixteenths."""
    some = rng.permutation(len(train.begin))[:NEAREST]
    known = train.take(some).reshape(len(some), -1)
    flat = grid.reshape(len(grid), -1)
    return np.stack([known[int((known == w[None]).sum(1).argmax())] for w in flat]).reshape(grid.shape)


def onset_f1(found: np.ndarray, truth: np.ndarray) -> float:
    """F1 of struck (sixteenth, pitch) pairs."""
    a, b = ((x >= FIRST_PITCH) & (x != NONE) for x in (found, truth))
    both = (a & b & (found == truth)).sum()
    return round(float(2 * both / max(a.sum() + b.sum(), 1)), 4)


def attributes(package: Package, latent: LatentModel, mean: np.ndarray, length: np.ndarray) -> dict[str, Any]:
    """How often the measured attribute moves the way it was asked to: 200 windows, half up and half down, at amount 0.5.

    Of what is already nothing (no syncopation, a range of 0) less cannot be asked: such windows are asked for more.
    """
    every, all_lengths, out = mean[: 4 * TRIALS], length[: 4 * TRIALS], {}
    written = latent.decode(every, all_lengths)
    for name in package.manifest["attributes"]:
        at = _trials(ATTRIBUTES[name](written), name)
        z, length, before = every[at], all_lengths[at], ATTRIBUTES[name](written)[at]
        sign = np.where(np.arange(len(z)) < len(z) // 2, -1.0, 1.0).astype(np.float32)
        push = push_of(package, [name], [])
        straight = latent.decode(z + 0.5 * PUSH * sign[:, None] * push, length)
        kept = [moved_along(latent, z[sign == s], length[sign == s], s * push, [(name, s)], amount=0.5, seed=SEED) for s in (1.0, -1.0)]
        moves = [(ATTRIBUTES[name](latent.decode(k, length[sign == s])) - before[sign == s]) * s > 1e-9 for k, s in zip(kept, (1.0, -1.0))]
        out[name] = {
            "as the verb does": share(np.concatenate(moves).tolist()), "vector alone": share(((ATTRIBUTES[name](straight) - before) * sign > 1e-9).tolist()),
        }  # fmt: skip
    return out


def _trials(value: np.ndarray, name: str) -> np.ndarray:
    """Indices of the trials' windows: the first half can have less of it."""
    can = np.flatnonzero(value > 0) if name != "mode" else np.arange(len(value))
    down = can[: TRIALS // 2]
    return np.concatenate([down, np.setdiff1d(np.arange(len(value)), down)[: TRIALS - TRIALS // 2]])


if __name__ == "__main__":
    main()
