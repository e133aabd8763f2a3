"""Is the scorecard of `zhiyin judge` calibrated? Human pieces that no reference saw, judged by their own style and by another.

    python benchmarks/judge.py CORPUS [--pieces 300]

CORPUS: the build that the references were made from (its test split). A piece should be more unusual than half of its style on average, and
less unusual in its own style than in another one drawn at random. Writes results/judge.json.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from common import about, share, write

from zhiyin.corpus.scores import encoded
from zhiyin.corpus.store import open_corpus
from zhiyin.evaluation.canaries import interval
from zhiyin.evaluation.figures import measure_figures, whole
from zhiyin.evaluation.scorecard import scorecard
from zhiyin.evaluation.style_reference import ALL, open_style, style_names

LEAST_NOTES = 32


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("--pieces", type=int, default=300)
    options = parser.parse_args()
    corpus, rng = open_corpus(options.corpus), np.random.default_rng(0)
    styles = [s for s in style_names() if s != ALL]
    table = [p for p in corpus.pieces("test") if p.style in styles and p.notes >= LEAST_NOTES]
    own, everything, closer, outside = [], [], [], []
    for i in rng.permutation(len(table))[: options.pieces].tolist():
        figures = measure_figures(whole(encoded(corpus, table[i])))
        other = str(rng.choice([s for s in styles if s != table[i].style]))
        cards = [scorecard(figures, open_style(s), bars=0, windows=0) for s in (table[i].style, ALL, other)]
        own.append(cards[0].more_unusual_than)
        outside.append(cards[0].outside)
        everything.append(cards[1].more_unusual_than)
        closer.append(cards[0].outside < cards[2].outside)
        if len(own) % 50 == 0:
            print(f"{len(own)} pieces", file=sys.stderr, flush=True)
    write("judge", {
        **about("python benchmarks/judge.py CORPUS"), "seed": 0, "n": len(own), "styles": len(styles), "pieces_of_all": open_style().pieces,
        "more_unusual_than_in_own_style": interval(own), "outside_in_own_style": interval(outside), "more_unusual_than_in_all": interval(everything),
        "own_style_fits_better_than_another": share(closer),
    })  # fmt: skip


if __name__ == "__main__":
    main()
