"""The pictures of docs/guide/latent.md: python benchmarks/latent_pictures.py CORPUS PACKAGE docs/pictures [GAN]"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from zhiyin.corpus.scores import encoded
from zhiyin.corpus.store import Corpus, open_corpus
from zhiyin.encoding import decode
from zhiyin.errors import ZhiyinError
from zhiyin.inference.latent import blend
from zhiyin.inference.latent_space import LatentModel, latent_model, melody_part, windows_of
from zhiyin.provenance.package import Package, load_package
from zhiyin.score import Score

STYLES = ("reel", "jig", "mass", "german-lied", "mazurka", "string-quartet", "hymn", "waltz")


def draw(axis: plt.Axes, score: Score, bars: int = 8) -> None:
    notes = score.notes[score.notes["onset"] < int(score.bars["onset"][min(bars, len(score.bars) - 1)])]
    axis.barh(notes["pitch"], notes["duration"], left=notes["onset"], height=0.9, color="#355f8d")
    for onset in score.bars["onset"][:bars]:
        axis.axvline(int(onset), color="#cccccc", lw=0.5, zorder=0)
    axis.set_xticks([])
    axis.tick_params(labelsize=6)


def blend_picture(corpus: Corpus, package: Package, path: Path) -> None:
    reels = [p for p in corpus.pieces("test", style="reel") if p.bars >= 16][:2]
    made = blend(*(decode(encoded(corpus, p)) for p in reels), steps=5, model=package, seed=1)
    figure, axes = plt.subplots(1, 5, figsize=(12, 2.2), sharey=True)
    for axis, piece in zip(axes, made.pieces):
        draw(axis, piece.score, 4)
        axis.set_title(f"t = {piece.report['t']:g}", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def map_picture(corpus: Corpus, latent: LatentModel, path: Path) -> None:
    means, labels = [], []
    for piece in corpus.pieces("test") + corpus.pieces("valid"):
        if piece.style not in STYLES:
            continue
        try:
            rows = encoded(corpus, piece)
            line = windows_of(rows, [melody_part(rows)], latent.bars)
        except ZhiyinError:
            continue
        means.append(latent.encode(line.grid, line.length)[0].mean(0))
        labels.append(piece.style)
    x = np.array(means) - np.mean(means, 0)
    flat = x @ np.linalg.svd(x, full_matrices=False)[2][:2].T
    figure, axis = plt.subplots(figsize=(6, 5))
    for style in STYLES:
        at = np.array(labels) == style
        if at.any():
            axis.scatter(*flat[at].T, s=10, label=f"{style} ({at.sum()})")
    axis.legend(fontsize=7)
    axis.set_xticks([])
    axis.set_yticks([])
    figure.tight_layout()
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    corpus, package, folder = open_corpus(sys.argv[1]), load_package(sys.argv[2]), Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    blend_picture(corpus, package, folder / "blend.png")
    map_picture(corpus, latent_model(package), folder / "latent-map.png")
