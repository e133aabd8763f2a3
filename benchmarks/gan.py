"""A GAN's bars beside real held-out bars and a bar-shuffled control: python benchmarks/gan.py CORPUS [PACKAGE]

Real windows are of the test split, at the same n; 4/4 only. Aims of issue 5: each of the four standard metrics within 15 % of the real value, of which
at least one tells shuffled from real; nearest training window no nearer than that of real windows; 99 % of 1,000 samples pairwise
different; pitch-class entropy ≥ 95 % of the real one.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np
from common import about, write

from zhiyin.corpus.store import Corpus, open_corpus
from zhiyin.encoding.bar_roll import roll_of
from zhiyin.inference.bars import noise_shape, sample_rolls
from zhiyin.provenance.package import Package, load_package
from zhiyin.training.adversarial import rollable
from zhiyin.training.rolls import METRICS, features, nearest, neighbourhoods, roll_statistics, shuffled
from zhiyin.training.windows import pool_of

SEED, FOUR, REFERENCE = 1, 2, 4000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus")
    parser.add_argument("package", nargs="?", default="", help="left out: real and shuffled bars only")
    parser.add_argument("--windows", type=int, default=1000)
    options = parser.parse_args()
    corpus, rng = open_corpus(options.corpus), np.random.default_rng(SEED)
    package = load_package(options.package) if options.package else None
    sizes = package.manifest["sizes"] if package else {"bars": 4, "lines": 4}
    real = real_windows(corpus, "test", sizes, 2 * options.windows, rng)
    half = len(real) // 2
    sets = {"real": real[:half], "other_real": real[half : 2 * half], "shuffled": shuffled(real[:half], SEED)}
    result: dict[str, Any] = {"n": half}
    if package:
        sets["made"] = sample_rolls(package, rng.standard_normal((half, *noise_shape(package))), FOUR)
        training = real_windows(corpus, "train", sizes, REFERENCE, rng)
        result |= {"package": package.name, "trained": {k: package.manifest["metrics"][k] for k in ("steps", "seconds")}, **of_samples(package, rng)}
        result["nearest_training_window"] = {name: round(float(np.median(nearest(sets[name], training))), 4) for name in ("real", "made")}
    figures = {name: roll_statistics(rolls) for name, rolls in sets.items()}
    of_real = figures["real"]
    apart = {
        name: {m: round(f[m] / of_real[m] - 1, 4) if of_real[m] else None for m in METRICS} for name, f in figures.items() if name != "real"
    }
    result |= {"statistics": figures, "relative_to_real": apart}
    if package:
        result["within_15_percent"] = {m: bool(apart["made"][m] is not None and abs(apart["made"][m]) <= 0.15) for m in METRICS}
        result["pitch_class_entropy_ratio"] = round(figures["made"]["pitch_class_entropy"] / of_real["pitch_class_entropy"], 4)
    seen = features(sets["real"])
    result["neighbourhoods"] = {name: neighbourhoods(seen, features(rolls)) for name, rolls in sets.items() if name != "real"}
    write("gan", {**about("python benchmarks/gan.py CORPUS [PACKAGE]", seed=SEED), **result})


def real_windows(corpus: Corpus, split: str, sizes: Mapping[str, int], count: int, rng: np.random.Generator) -> np.ndarray:
    """Rolls of windows of a split, in 4/4."""
    pool = rollable(pool_of(corpus, corpus.pieces(split), sizes["bars"], sizes["lines"]))
    four = np.flatnonzero(pool.length == FOUR)
    return roll_of(pool.take(rng.permutation(four)[:count]))


def of_samples(package: Package, rng: np.random.Generator) -> dict[str, Any]:
    """How many of 1,000 samples differ."""
    thousand = sample_rolls(package, rng.standard_normal((1000, *noise_shape(package))), FOUR)
    return {"different_of_1000": len(np.unique(thousand.reshape(1000, -1), axis=0)) / 1000}


if __name__ == "__main__":
    main()
