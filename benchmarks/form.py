"""Does form hold? Final tonic, closes of phrases, returns: composed pieces beside human ones of the same style.

    python benchmarks/form.py CORPUS [--pieces 100] [--styles waltz,mazurka,reel]

Composed: 32 bars, default settings, one candidate each, nothing chosen. Human: pieces of the style, all splits, whose
derived plan has a returning letter. Similarity of a return is the mean cosine of aligned bars (encoding.plan). The plan has
eight letters; sections that none is left for all carry the last one, so that its "returns" are none and are left out
(``human_quartiles_with_the_last_letter`` is what stood here before that was seen). Beside it the share of the sections
of the first 32 bars that return at all (training.style_facts). With --facts, the package's manifest gets that share from
the corpus first (into a copy): for packages older than the fact.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
from common import about, share, write

from zhiyin.corpus.scores import encoded
from zhiyin.corpus.store import open_corpus
from zhiyin.encoding import decode
from zhiyin.encoding.fields import BAR_COLUMN, LETTERS
from zhiyin.encoding.plan import bar_profile, section_similarity
from zhiyin.inference.compose import compose
from zhiyin.inference.sampler import Sampler
from zhiyin.measures.key import find_key, last_bass
from zhiyin.provenance.package import load_package
from zhiyin.training.style_facts import returning_share


def returns(score, letters: np.ndarray, starts: np.ndarray, last_letter: bool = False) -> list[float]:
    """Similarity of each returning section to the first of its letter; with ``last_letter``, of H's too."""
    profile = bar_profile(score)
    lengths = np.diff(np.r_[starts, len(score.bars)])
    first: dict[int, int] = {}
    found = []
    for i, letter in enumerate(letters):
        if int(letter) >= len(LETTERS) and not last_letter:
            continue
        if int(letter) in first:
            j = first[int(letter)]
            found.append(section_similarity(profile, int(starts[j]), int(starts[i]), int(min(lengths[i], lengths[j]))))
        else:
            first[int(letter)] = i
    return found


def sections(bars: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(letters, first bars) of a bar table's sections."""
    starts = np.flatnonzero(bars[:, BAR_COLUMN["section_bar"]] == 1)
    return bars[starts, BAR_COLUMN["section"]], starts


def human(corpus, style: str, most: int = 300) -> tuple[list[float], list[float], list[float]]:
    """Of the style's pieces: similarities of returns, the same with the last letter, shares of returning sections."""
    found: list[float] = []
    with_last: list[float] = []
    shares: list[float] = []
    for piece in corpus.pieces(style=style)[:most]:
        arrays = corpus.arrays(piece)
        score = decode(encoded(corpus, piece))
        found += returns(score, *sections(arrays["bars"]))
        with_last += returns(score, *sections(arrays["bars"]), last_letter=True)
        shares.append(returning_share(arrays["bars"]))
    return found, with_last, shares


def with_facts(package, corpus, styles: list[str], folder: Path):
    """A copy of the package whose manifest says how much returns in each of the styles."""
    shutil.copytree(package.folder, folder)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    for style in manifest["styles"]:
        if style["name"] in styles:
            pieces = corpus.pieces("train", style=style["name"])[:400]
            shares = [returning_share(corpus.arrays(piece)["bars"]) for piece in pieces]
            style["defaults"]["return_share"] = round(float(np.mean(shares)), 3)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return load_package(folder)


def quartiles(values: list[float]) -> list[float]:
    return [round(float(v), 3) for v in np.quantile(values, (0.25, 0.5, 0.75))] if values else []


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("--model", default="default")
    parser.add_argument("--pieces", type=int, default=100)
    parser.add_argument("--styles", default="waltz,mazurka,reel,string-quartet,german-lied")
    parser.add_argument("--facts", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(options, Path(folder))


def measure(options: argparse.Namespace, folder: Path) -> None:
    package, corpus = load_package(options.model), open_corpus(options.corpus)
    if options.facts:
        package = with_facts(package, corpus, options.styles.split(","), folder / "package")
    sampler = Sampler(package)
    styles, tonic, phrases, key_right = options.styles.split(","), [], [], []
    result: dict = {}
    for style in styles:
        similar: list[float] = []
        shares: list[float] = []
        for seed in range(options.pieces // len(styles)):
            piece = compose(
                model=package, style=style, bars=32, takes=1, candidates=1, seed=seed, sampler=sampler
            ).pieces[0]
            score = piece.score
            key = piece.brief.key
            tonic.append(last_bass(score) % 12 == key.tonic)
            found = find_key(score)
            key_right.append(found.tonic == key.tonic and found.mode == key.mode)
            letters, starts = sections(piece.plan.bars)
            similar += returns(score, letters, starts)
            shares.append(returning_share(piece.plan.bars))
            edges = np.r_[starts[1:], len(score.bars)]
            for edge in edges:  # nothing sounds more than a quarter past the end of the phrase
                begin, end = (
                    score.bars["onset"][edge - 1],
                    score.bars["onset"][edge - 1] + score.bars["duration"][edge - 1],
                )
                inside = score.notes[(score.notes["onset"] >= begin) & (score.notes["onset"] < end)]
                phrases.append(len(inside) > 0 and bool((inside["onset"] + inside["duration"]).max() <= end + 24))
        people, with_last, human_shares = human(corpus, style)
        low, high = np.quantile(people, (0.25, 0.75)) if people else (0, 0)
        few, many = np.quantile(human_shares, (0.25, 0.75))
        result[style] = {
            "composed_median": round(float(np.median(similar)), 3) if similar else None, "composed_n": len(similar),
            "composed_within_human_iqr": bool(similar and low <= np.median(similar) <= high),
            "human_quartiles": [round(float(low), 3), round(float(np.median(people)), 3) if people else None, round(float(high), 3)],
            "human_n": len(people),
            "human_quartiles_with_the_last_letter": quartiles(with_last), "human_n_with_the_last_letter": len(with_last),
            "share_of_sections_that_return": {
                "composed_mean": round(float(np.mean(shares)), 3), "composed_median": round(float(np.median(shares)), 3), "composed_n": len(shares),
                "human_mean": round(float(np.mean(human_shares)), 3), "human_quartiles": quartiles(human_shares), "human_n": len(human_shares),
                "composed_median_within_human_iqr": bool(few <= np.median(shares) <= many),
            },
        }  # fmt: skip
    write(
        "form",
        {
            **about(f"python benchmarks/form.py CORPUS --pieces {options.pieces} --styles {options.styles}{' --facts' if options.facts else ''}", seeds=f"0..{options.pieces // len(styles) - 1}"),
            "model": package.name, "model_hash": package.hash,
            "final_tonic_in_the_bass": {**share(tonic), "target": 0.95},
            "no_note_held_over_a_phrase_end": share(phrases),
            "key_found_by_the_key_finder": share(key_right),
            "similarity_of_returns": result,
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
