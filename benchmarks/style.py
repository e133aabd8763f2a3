"""What the style classifier is worth: Pianist8, EMOPIA, Haydn or Mozart, tune families, the house corpus, robustness, speed.

    python benchmarks/style.py CORPUS --archives ../shared/data/benchmarks --work FOLDER [--only pianist8,emopia,haydn,families,house,folds,across,robust,far,speed]

CORPUS is the built house corpus. What is measured on the benchmarks is fitted on their own training parts by the same code as
`zhiyin train --family style`; of the house, only the vector of the package "embedding" comes in, and only where said: it learnt without
labels from the house corpus, which holds no piece of Pianist8, EMOPIA or MTC-ANN, but quartets of Haydn, Mozart and Beethoven, so that Haydn or Mozart
is measured by descriptors alone. Parts that are not asked for keep their last figures in benchmarks/results/style.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from common import RESULTS, about, share, write
from style_data import (
    between,
    clip_names,
    emopia_songs,
    examples,
    hear,
    matched,
    published,
    quartet_of,
    segments,
    unpacked,
)

from zhiyin.corpus.scores import encoded as rows_of
from zhiyin.corpus.store import Corpus, open_corpus
from zhiyin.encoding import decode
from zhiyin.evaluation.labels import Answers, mcnemar, report
from zhiyin.evaluation.style import cross_validated, of_model
from zhiyin.formats.catalog import load, save
from zhiyin.inference.classify import classify_files
from zhiyin.inference.style_inputs import FEWEST_NOTES, Hearing, encoded
from zhiyin.inference.style_model import open_model
from zhiyin.provenance.package import load_package
from zhiyin.score import Score
from zhiyin.training.style import drawn_pieces, groups_of, heard, training_pieces
from zhiyin.training.style_fit import Examples, StyleSizes, bare, fit_head, fit_set
from zhiyin.training.style_labels import label_sets

SEED = 0
ALL = "velocity,tempo,register,grams"
SIZES = StyleSizes()
QUARTETS = "openscore-quartets"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--archives", type=Path, default=Path("../shared/data/benchmarks"))
    parser.add_argument("--work", type=Path, required=True, help="for unpacked files and inputs that were heard")
    parser.add_argument("--only", default=",".join(PARTS))
    o = parser.parse_args()
    path = RESULTS / "style.json"
    for name in o.only.split(","):
        began = time.monotonic()
        told = PARTS[name](o)
        result = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}  # another process may have written its part
        result[name] = {**told, "seconds": round(time.monotonic() - began, 1), "about": about(f"python benchmarks/style.py CORPUS --work FOLDER --only {name}", seed=SEED)}
        write("style", result)


def part_of(e: Examples, columns: np.ndarray) -> Examples:
    """The same examples with some of their inputs."""
    return replace(e, x=e.x[:, columns])


def brief(answers: Answers) -> dict:
    """Figures without the long tables."""
    return {k: v for k, v in report(answers).items() if k not in ("confusion", "calibration")}


def judged(train: Examples, test: Examples, sizes: StyleSizes = SIZES) -> Answers:
    """What a fit on one part says of another."""
    truth = train.labels["style"]
    classes = tuple(np.unique(truth).tolist())
    p = fit_set(train, truth, classes, sizes).said_of(test.x)
    return Answers(classes, np.searchsorted(np.array(classes), test.labels["style"]), p[None], test.groups)


def refuse_unclean(benchmark: str, hearing: Hearing) -> str:
    """Stops where the vector was learnt from the benchmark's works; says what is known of the overlap."""
    if not hearing.embedding:
        return "no package is used: descriptors alone"
    names = {c["name"] for c in load_package(hearing.embedding).manifest["collections"]}
    if benchmark in names or (benchmark == "haydn-mozart" and names & {QUARTETS, "mutopia-open"}):
        sys.exit(f"{hearing.embedding!r} learnt from music of {benchmark}: build the corpus with --clean-for {benchmark} and train it anew")
    return f"the vector learnt without labels from {', '.join(sorted(names))}; none of them holds {benchmark}"


# --- pieces of eight pianists


def pianist8(o: argparse.Namespace) -> dict:
    folder, hearing = unpacked(o.archives, o.work, "pianist8"), Hearing(ALL)
    files = sorted((folder / "midi").rglob("*.mid"))
    names = np.array([f.parent.name for f in files])
    whole = hear(files, hearing, o.work / "pianist8.npz")
    e = examples(whole, names[whole.file], whole.file)
    out: dict = {"contamination": refuse_unclean("pianist8", hearing), "failed": whole.failed, "target_piece": 0.93, "anchors_piece": {"descriptors + trees": 0.869, "CLaMP 2": 0.892, "M3": 0.916}, "piece": {}}
    for name, (columns, sizes) in kinds(hearing, e.x.shape[1]).items():
        out["piece"][name] = brief(cross_validated(part_of(e, columns), "style", sizes, repeats=5, seed=SEED))
    cut = hear(files, hearing, o.work / "pianist8-segments.npz", segments)
    split = {n: (folder / "split" / f"{n}.txt").read_text(encoding="utf-8").split("\n") for n in ("train", "valid", "test")}
    side = np.array([next((n for n, of in split.items() if f"{f.parent.name}/{f.name}" in of), "") for f in files])[cut.file]
    s = examples(cut, names[cut.file], cut.file)
    out["segment"] = {"target": 0.82, "anchors": {"MidiBERT": 0.7857, "later": 0.8175}, "notes": 512}
    for name, (columns, sizes) in kinds(hearing, s.x.shape[1]).items():
        part = part_of(s, columns)
        out["segment"][name] = brief(judged(part.part((side == "train") | (side == "valid")), part.part(side == "test"), sizes))
    return out


def kinds(hearing: Hearing, width: int) -> dict[str, tuple[np.ndarray, StyleSizes]]:
    """Columns of ``width`` inputs that are measured apart, and how they are fitted."""
    every, plain = np.array(hearing.columns), set(Hearing().columns)
    usual, whole = np.flatnonzero([c in plain for c in every]), np.arange(len(every))
    found = {"style inputs": (usual, SIZES)}
    if hearing.embedding:
        vector = np.arange(len(every), width - hearing.grams)
        found |= {"style inputs + vector": (np.r_[usual, vector], SIZES), "all descriptors + vector": (np.r_[whole, vector], SIZES)}
    found["all descriptors"] = (whole, SIZES)
    if hearing.grams:
        figures = np.arange(width - hearing.grams, width)
        found["all descriptors + figures"] = (np.r_[whole, figures], replace(SIZES, hear="grams"))
        if hearing.embedding:
            found["all"] = (np.arange(width), replace(SIZES, hear="grams"))
    return found


# --- four emotions


def emopia(o: argparse.Namespace) -> dict:
    folder, hearing = unpacked(o.archives, o.work, "emopia"), Hearing(ALL)
    files = sorted((folder / "midis").rglob("*.mid"))
    names, songs = np.array([f.name[:2] for f in files]), emopia_songs(files)
    whole = hear(files, hearing, o.work / "emopia.npz")
    e = examples(whole, names[whole.file], np.unique(songs, return_inverse=True)[1][whole.file])
    clip = np.array([f.name for f in files])[whole.file]
    inside = {n: np.isin(clip, list(clip_names(folder / "split" / n))) for n in ("train_clip.csv", "val_clip.csv", "test_clip.csv", "midibert_train.txt", "midibert_valid.txt", "midibert_test.txt")}
    out: dict = {"contamination": refuse_unclean("emopia", hearing), "failed": whole.failed, "target_official": 0.70, "anchors_official": {"logistic": 0.581, "LSTM with attention": 0.684}, "anchors_midibert": {"RNN": 0.541, "MidiBERT": 0.679}}
    for name, (columns, sizes) in kinds(hearing, e.x.shape[1]).items():
        part = part_of(e, columns)
        out[name] = {
            "official": brief(judged(part.part(inside["train_clip.csv"] | inside["val_clip.csv"]), part.part(inside["test_clip.csv"]), sizes)),
            "song_folds": brief(cross_validated(part, "style", sizes, repeats=5, seed=SEED)),
            "midibert_split": {"leak": "93 of 107 test clips share a song with training", **brief(judged(part.part(inside["midibert_train.txt"] | inside["midibert_valid.txt"]), part.part(inside["midibert_test.txt"]), sizes))},
        }  # fmt: skip
    return out


# --- Haydn or Mozart


def haydn(o: argparse.Namespace) -> dict:
    folder, hearing = unpacked(o.archives, o.work, "haydn-mozart"), Hearing("register,grams", "")
    out: dict = {"contamination": refuse_unclean("haydn-mozart", hearing), "targets": {"HM285 LOO": 0.85, "HM285 LOQO": 0.82, "HM107 LOO": 0.86}, "published": {"HM285 LOO": 0.825, "HM285 LOQO": 0.790, "HM107 LOO": 0.841}}
    for name, protocols in (("HM285", ("LOO", "LOQO")), ("HM107", ("LOO",))):
        files = [f for c in ("Mozart", "Haydn") for f in sorted((folder / "data" / name / c).glob("*.krn"))]
        found = hear(files, hearing, o.work / f"haydn-{name}.npz")
        files = [files[i] for i in found.file]
        quartets = [quartet_of(f) for f in files]
        e = examples(found, np.array([f.parent.name for f in files]), np.unique(quartets, return_inverse=True)[1])
        for protocol, (kind, (columns, sizes)) in product(protocols, kinds(hearing, e.x.shape[1]).items()):
            if kind == "style inputs":
                continue
            answers = left_out(part_of(e, columns), np.arange(len(files)) if protocol == "LOO" else e.groups, sizes)
            theirs, _ = published(folder / "outputs" / f"predictions_scale0.6_df1_thresh1_{protocol}_{name}.csv")
            folds = published(folder / "outputs" / "predictions_scale0.6_df1_thresh1_LOQO_HM285.csv")[1] if name == "HM285" else quartets
            pairs = matched(quartets, folds)
            ours = answers.said[0] == answers.truth
            right = [bool(theirs[j]) == (files[i].parent.name == "Haydn") for i, j in pairs]
            out[f"{name} {protocol}, {kind}"] = {**brief(answers), "failed": found.failed, "mcnemar": {**mcnemar(ours[[i for i, _ in pairs]], right), "note": "on movements that are surely the paper's", "ours": float(np.mean(ours[[i for i, _ in pairs]])), "theirs": float(np.mean(right))}}
    return out


def left_out(e: Examples, folds: np.ndarray, sizes: StyleSizes) -> Answers:
    """What each piece was called by a fit without its fold. Inputs are standardised over all pieces, once; labels of a fold are never seen."""
    truth, classes = e.labels["style"], tuple(np.unique(e.labels["style"]).tolist())
    model = bare(e, sizes)
    like, p = model.likeness(model.points), np.zeros((len(truth), len(classes)))
    for fold in np.unique(folds):
        train, test = np.flatnonzero(folds != fold), folds == fold
        p[test] = fit_head(model, like, train, truth[train], classes, e.weights[train], sizes.ridge, "").probabilities(like[test])
    return Answers(classes, np.searchsorted(np.array(classes), truth), p[None], e.groups)


# --- tune families


def families(o: argparse.Namespace) -> dict:
    import gzip

    from embedding import bootstrap, mtc_piece

    folder, hearing = unpacked(o.archives, o.work, "mtc-ann"), Hearing()
    with gzip.open(next(folder.rglob("MTC-ANN*.jsonl.gz")), "rt", encoding="utf-8") as lines:
        songs = [json.loads(line) for line in lines]
    family = np.array([s["tunefamily"] for s in songs])
    x = hearing.inputs([mtc_piece(s) for s in songs])
    z, own = (x - x.mean(0)) / np.maximum(x.std(0), 1e-6), len(hearing.columns)
    out: dict = {"n": len(songs), "families": len(np.unique(family)), "published_alignment": 0.99, "contamination": refuse_unclean("mtc-ann", hearing)}
    blocks = {"descriptors": unit(z[:, :own]), "vector": unit(x[:, own:])}
    blocks["descriptors + vector"] = np.hstack([blocks["descriptors"], 1.5 * blocks["vector"]])
    for name, v in blocks.items():
        like = unit(v) @ unit(v).T
        np.fill_diagonal(like, -9)
        out[name] = bootstrap((family[like.argmax(1)] == family).astype(float), family)
    return out


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)


# --- the house corpus


def house_examples(o: argparse.Namespace, split: str, most: int) -> tuple[Corpus, list, Examples]:
    corpus, sizes = open_corpus(o.corpus), StyleSizes(most=most, least=20)
    pieces = drawn_pieces(corpus, training_pieces(corpus, split), sizes, 1) if most else training_pieces(corpus, split)
    x = heard(corpus, pieces, Hearing(), o.work / "house.npz", lambda d, n, _: print(f"heard {d} of {n}", file=sys.stderr, flush=True))
    return corpus, pieces, Examples(x, label_sets(corpus, pieces, rare=not most), groups_of(pieces), np.ones(len(x)))


def house(o: argparse.Namespace) -> dict:
    """The shipped package on the test split, which nothing was fitted on."""
    model = open_model("style")
    _, _, test = house_examples(o, "test", 0)
    sets = of_model(model, test)
    note = "the embedding learnt without labels from another split of the same collections: test pieces may be among what it saw"
    return {"note": note, "test_split": {k: {**brief(v), "labels_of_one_collection": len(model.head(k).one_collection)} for k, v in sets.items()}}


def folds(o: argparse.Namespace) -> dict:
    """Folds of training pieces, with and without the vector."""
    _, _, train = house_examples(o, "train", 120)
    sizes, own, out = StyleSizes(least=20), len(Hearing().columns), {}
    for name in train.labels:
        out[name] = {
            "descriptors + vector": brief(cross_validated(train, name, sizes, seed=SEED)),
            "descriptors": brief(cross_validated(part_of(train, np.arange(own)), name, sizes, seed=SEED)),
        }  # fmt: skip
    return out


def across(o: argparse.Namespace) -> dict:
    """Are labels told by music or by collections: within one collection, from one to another, and the collection itself."""
    _, pieces, e = house_examples(o, "train", 120)
    place, style = np.array([p.collection for p in pieces]), e.labels["style"]
    sizes = StyleSizes(least=15)
    out: dict = {"within": {}, "across": {}}
    for name in np.unique(place):
        here = e.part(place == name)
        count = sum(n >= 15 for n in np.unique(here.labels["style"][here.labels["style"] != ""], return_counts=True)[1])
        if count >= 2:
            out["within"][str(name)] = brief(cross_validated(here, "style", sizes, seed=SEED))
    wanted = ["mazurka", "waltz", "prelude", "polonaise", "etude"]
    pair = ("polish-scores", "chopin-first-editions")
    for a, b in (pair, pair[::-1]):
        one, two = (np.flatnonzero((place == c) & np.isin(style, wanted)) for c in (a, b))
        two = two[~np.isin(e.groups[two], e.groups[one])]  # editions of one work on both sides would be a leak
        out["across"][f"{a} -> {b}"] = brief(judged(e.part(one), e.part(two)))
        out["across"][f"within {b}, the same labels"] = brief(cross_validated(e.part(two), "style", StyleSizes(least=5), seed=SEED))
    rng = np.random.default_rng(SEED)
    some = np.sort(np.concatenate([rng.permutation(np.flatnonzero(place == c))[:300] for c in np.unique(place)]))
    named = replace(e.part(some), labels={"style": place[some]})
    out["collection_identity"] = brief(cross_validated(named, "style", sizes, seed=SEED))
    out["collection_identity_descriptors"] = brief(cross_validated(part_of(named, np.arange(len(Hearing().columns))), "style", sizes, seed=SEED))
    return out


# --- robustness


def robust(o: argparse.Namespace) -> dict:
    """The shipped package on 120 test pieces, as they are and changed."""
    corpus, model = open_corpus(o.corpus), open_model("style")
    head = model.head("style")
    pieces = [p for p in training_pieces(corpus, "test") if p.style in head.classes and p.notes <= 4000]
    pieces = [pieces[i] for i in np.random.default_rng(SEED).permutation(len(pieces))[:120]]
    scores = [decode(rows_of(corpus, p)) for p in pieces]
    truth = np.array([p.style for p in pieces])
    base = said(model, scores)
    out: dict = {"as it is": right(base, base, truth)}
    changes: dict[str, Callable[[Score], Score]] = {f"transposed by {k}": lambda s, k=k: moved(s, k) for k in (*range(-6, 0), *range(1, 7))}
    changes |= {f"tempo x{f:g}": lambda s, f=f: s.replace(bars=scaled(s.bars, f)) for f in (0.5, 0.75, 1.5, 2.0)}
    changes |= {"velocities flattened": flat, "first 16 bars": first_bars}
    for name, change in changes.items():
        out[name] = right(said(model, [change(s) for s in scores]), base, truth)
    shifts = [v["accuracy"]["share"] for k, v in out.items() if k.startswith("transposed")]
    out["transposition_costs"] = {"mean": round(out["as it is"]["accuracy"]["share"] - float(np.mean(shifts)), 4), "most": round(out["as it is"]["accuracy"]["share"] - min(shifts), 4), "target": 0.01}
    return out


def said(model, scores: Sequence[Score]) -> np.ndarray:
    """Labels that the style head gives; "" where a score is too short."""
    good = [i for i, s in enumerate(scores) if len(s.notes) >= FEWEST_NOTES]
    out = np.full(len(scores), "", dtype=object)
    p = model.said_of(model.hearing.inputs([encoded(scores[i]) for i in good]))
    out[good] = np.array(model.head("style").classes)[p.argmax(1)]
    return out


def right(labels: np.ndarray, base: np.ndarray, truth: np.ndarray) -> dict:
    return {"accuracy": share((labels == truth).tolist()), "same_answer": share((labels == base).tolist())}


def moved(score: Score, semitones: int) -> Score:
    """Transposed; pieces that would leave the range go an octave the other way."""
    notes = score.notes.copy()
    pitched = ~score.drums[notes["part"]]
    pitch = notes["pitch"].astype(int) + semitones * pitched
    if len(pitch) and (pitch.min() < 0 or pitch.max() > 127):
        pitch = notes["pitch"].astype(int) + (semitones - 12 * int(np.sign(semitones))) * pitched
    notes["pitch"] = pitch
    return score.replace(notes=notes)


def scaled(bars: np.ndarray, factor: float) -> np.ndarray:
    out = bars.copy()
    out["tempo_qpm"] = out["tempo_qpm"] * factor
    return out


def flat(score: Score) -> Score:
    notes = score.notes.copy()
    notes["velocity"] = 64
    return score.replace(notes=notes)


def first_bars(score: Score, bars: int = 16) -> Score:
    notes = score.notes[score.bar_of(score.notes["onset"]) < bars]
    return between(score, notes) if len(notes) else score.replace(notes=notes)


# --- none of these


def far(o: argparse.Namespace) -> dict:
    """How often the shipped package says "none of these", of music that is its own kind and music that is not."""
    model = open_model("style")
    _, _, test = house_examples(o, "test", 0)
    out: dict = {"house, test split": share(none(model, test.x))}
    for name in ("pianist8", "emopia"):
        x = np.load(o.work / f"{name}.npz")["x"]
        out[name] = share(none(model, x[:, kinds(Hearing(ALL), x.shape[1])["style inputs + vector"][0]]))
    rng = np.random.default_rng(SEED)
    noise = [noisy(between(s, s.notes), rng) for s in (decode(rows_of(open_corpus(o.corpus), p)) for p in training_pieces(open_corpus(o.corpus), "test")[:100] if p.notes < 2000)]
    out["test pieces with their pitches shuffled"] = share(none(model, model.hearing.inputs([encoded(s) for s in noise])))
    return out


def none(model, x: np.ndarray) -> list[bool]:
    return (model.distance(model.standard(x)) > 1).tolist()


def noisy(score: Score, rng: np.random.Generator) -> Score:
    notes = score.notes.copy()
    notes["pitch"] = rng.permutation(notes["pitch"])
    return score.replace(notes=notes)


# --- speed


def speed(o: argparse.Namespace) -> dict:
    corpus = open_corpus(o.corpus)
    near = [p for p in corpus.table if 450 <= p.notes <= 550]
    chosen = [near[i] for i in np.random.default_rng(SEED).permutation(len(near))[:1000]]
    folder = o.work / "speed"
    folder.mkdir(exist_ok=True)
    files = [folder / f"{i}.mid" for i in range(len(chosen))]
    for path, p in zip(files, chosen):
        if not path.is_file():
            save(decode(rows_of(corpus, p)), path)
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    cold = []
    for path in files[:5]:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "zhiyin.app.cli.main", "classify", str(path)], check=True, capture_output=True, env=env)
        cold.append(time.perf_counter() - began)
    rates = {}
    classify_files(files[:40], workers=1)
    for workers in (1, 2):
        began = time.perf_counter()
        found, failed = classify_files(files, workers=workers)
        rates[f"{workers} processes"] = round(len(files) / (time.perf_counter() - began), 1)
        assert len(found) + len(failed) == len(files)
    began = time.perf_counter()
    for path in files[:50]:
        load(path)
    return {"files": len(files), "notes": round(float(np.mean([p.notes for p in chosen])), 1), "cold_seconds": round(min(cold), 3), "cold_target": 1.5, "files_per_second": rates, "files_target": 100, "loading_ms": round(20 * (time.perf_counter() - began), 2)}


PARTS: dict[str, Callable[[argparse.Namespace], dict]] = {
    "pianist8": pianist8, "emopia": emopia, "haydn": haydn, "families": families, "house": house, "folds": folds, "across": across, "robust": robust, "far": far, "speed": speed,
}  # fmt: skip

if __name__ == "__main__":
    main()
