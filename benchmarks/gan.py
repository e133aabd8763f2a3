"""A GAN's bars beside real held-out bars and a bar-shuffled control: python benchmarks/gan.py CORPUS PACKAGE

Real windows are of the test split, at the same n; 4/4 only. Aims of issue 5: each of the four standard metrics within 15 % of the real value, of which
at least one tells shuffled from real; nearest training window no nearer than that of real windows; 99 % of 1,000 samples pairwise
different; pitch-class entropy ≥ 95 % of the real one.
"""

from __future__ import annotations

import argparse

import numpy as np
from common import about, write

from zhiyin.corpus.store import open_corpus
from zhiyin.encoding.bar_roll import roll_of
from zhiyin.evaluation.rolls import features, nearest, neighbourhoods, roll_statistics, shuffled
from zhiyin.inference.bars import noise_shape, sample_rolls
from zhiyin.provenance.package import load_package
from zhiyin.training.adversarial import rollable
from zhiyin.training.windows import pool_of

SEED, FOUR, REFERENCE = 1, 2, 4000
NAMES = ("empty_bars", "used_pitch_classes", "qualified_notes", "tonal_distance")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus")
    parser.add_argument("package")
    parser.add_argument("--windows", type=int, default=1000)
    options = parser.parse_args()
    corpus, package, rng = open_corpus(options.corpus), load_package(options.package), np.random.default_rng(SEED)
    bars, lines = package.manifest["sizes"]["bars"], package.manifest["sizes"]["lines"]

    def windows(split: str, count: int) -> np.ndarray:
        pool = rollable(pool_of(corpus, corpus.pieces(split), bars, lines))
        four = np.flatnonzero(pool.length == FOUR)
        return roll_of(pool.take(rng.permutation(four)[:count]))

    real, training = windows("test", 2 * options.windows), windows("train", REFERENCE)
    half = len(real) // 2
    made = sample_rolls(package, rng.standard_normal((half, *noise_shape(package))), FOUR)
    real, other = real[:half], real[half : 2 * half]
    sets = {"real": real, "other_real": other, "shuffled": shuffled(real, SEED), "made": made}
    figures = {name: roll_statistics(rolls) for name, rolls in sets.items()}
    apart = {name: {m: round(figures[name][m] / figures["real"][m] - 1, 4) if figures["real"][m] else None for m in NAMES} for name in ("other_real", "shuffled", "made")}
    thousand = sample_rolls(package, rng.standard_normal((1000, *noise_shape(package))), FOUR)
    different = len(np.unique(thousand.reshape(1000, -1), axis=0)) / 1000
    of_real = features(real)
    result = {
        "n": half, "trained": {k: package.manifest["metrics"][k] for k in ("steps", "seconds")}, "statistics": figures, "relative_to_real": apart,
        "neighbourhoods": {name: neighbourhoods(of_real, features(sets[name])) for name in ("other_real", "shuffled", "made")},
        "nearest_training_window": {name: round(float(np.median(nearest(rolls, training))), 4) for name, rolls in (("real", real), ("made", made))},
        "different_of_1000": different, "pitch_class_entropy_ratio": round(figures["made"]["pitch_class_entropy"] / figures["real"]["pitch_class_entropy"], 4),
        "within_15_percent": {m: bool(apart["made"][m] is not None and abs(apart["made"][m]) <= 0.15) for m in NAMES},
    }  # fmt: skip
    write("gan", {**about("python benchmarks/gan.py CORPUS PACKAGE", seed=SEED), "package": package.name, **result})


if __name__ == "__main__":
    main()
