"""Is the embedding any good? Halves that find each other, tune families, styles, transposition, speed.

    python benchmarks/embedding.py CORPUS MTC_FOLDER [--model embedding] [--only halves,families,styles,transposition,speed]

CORPUS is the corpus that the package was trained on; only its test split is used (styles: all splits by grouped folds, told apart).
MTC_FOLDER is ../shared/data/benchmarks/mtc-ann.tar.zst unpacked (CC-BY-NC-SA-3.0: measurement only). Beside every figure stand
histograms of the same notes: pitch classes and melodic intervals (drum keys for drums), as they stand or turned to the commonest pitch class, with and
without durations, and whitened as the embedding is. Parts that are not asked for keep their last figures in the JSON.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
from common import RESULTS, about, write

from zhiyin.corpus.store import Corpus, Piece, open_corpus
from zhiyin.encoding import EncodedPiece, decode, encode
from zhiyin.encoding.fields import DRUM_PROGRAM, DURATIONS
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH
from zhiyin.inference.embed import Embedder
from zhiyin.provenance.package import load_package
from zhiyin.score import Part, Score, bars_array, notes_array
from zhiyin.training.batches import PieceArrays, transposed

SEED = 0
LEAST_HALF = 32  # notes
PER_STYLE, LEAST, MOST_NOTES, FOLDS = 40, 20, 1500, 5

Vectors = Callable[[list[EncodedPiece]], np.ndarray]


def piece_of(corpus: Corpus, piece: Piece, begin: int = 0, end: int | None = None) -> EncodedPiece:
    arrays = corpus.arrays(piece)
    return EncodedPiece(
        np.array(arrays["rows"][begin:end]), arrays["bars"], arrays["programs"].reshape(-1), arrays["controls"].reshape(-1)
    )


# --- the histograms beside it


def histogram(piece: EncodedPiece, *, fold: bool, durations: bool) -> np.ndarray:
    """Pitch classes (12), melodic intervals inside parts (25), drum keys (128), durations where asked: each of length 1, joined."""
    rows = piece.rows.astype(int)
    drums = piece.programs[rows[:, PART]] == DRUM_PROGRAM
    keys = np.bincount(rows[drums, PITCH], minlength=128).astype(float)
    rows = rows[~drums]
    tones = np.bincount(rows[:, PITCH] % 12, minlength=12).astype(float)
    if fold:
        tones = np.roll(tones, -int(tones.argmax()))
    order = np.argsort(rows[:, PART], kind="stable")
    step, same = np.diff(rows[order, PITCH]), np.diff(rows[order, PART]) == 0
    steps = np.bincount(np.clip(step[same], -12, 12) + 12, minlength=25).astype(float)
    blocks = [tones, steps, keys]
    if durations:
        blocks.append(np.bincount(piece.rows[:, DURATION].astype(int), minlength=len(DURATIONS)).astype(float))
    return unit(np.concatenate([b / max(np.linalg.norm(b), 1e-9) for b in blocks]))


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9)


def rivals(corpus: Corpus) -> dict[str, Vectors]:
    """The histograms, and the one with durations whitened over halves of training pieces as the embedding is."""
    kinds = {
        "histogram": (False, False), "histogram_folded": (True, False),
        "histogram_durations": (False, True), "histogram_folded_durations": (True, True),
    }  # fmt: skip
    found: dict[str, Vectors] = {
        name: lambda pieces, f=fold, d=durations: np.stack([histogram(p, fold=f, durations=d) for p in pieces])
        for name, (fold, durations) in kinds.items()
    }
    for name in ("histogram_durations", "histogram_folded_durations"):
        found[f"{name}_whitened"] = whitened(found[name], corpus)
    return found


def whitened(vectors: Vectors, corpus: Corpus, count: int = 1024, ridge: float = 1e-3) -> Vectors:
    """The same vectors centred and whitened over both halves of ``count`` training pieces, drawn as the encoder's are."""
    pieces = [p for p in corpus.pieces("train") if p.notes >= 2 * LEAST_HALF]
    weight = np.sqrt([p.notes for p in pieces])
    chosen = np.random.default_rng(SEED).choice(len(pieces), count, replace=False, p=weight / weight.sum())
    x = vectors([h for i in chosen for h in halves_of(corpus, pieces[i])])
    mean = x.mean(0)
    values, axes = np.linalg.eigh(np.cov(x.T))
    turn = axes / np.sqrt(np.maximum(values, 0) + ridge * values.mean())
    return lambda asked: unit((vectors(asked) - mean) @ turn)


def halves_of(corpus: Corpus, piece: Piece) -> list[EncodedPiece]:
    return [piece_of(corpus, piece, *ends) for ends in ((0, piece.notes // 2), (piece.notes // 2, None))]


# --- intervals


def bootstrap(values: np.ndarray, clusters: np.ndarray) -> dict:
    """Mean with a 95 % interval from 2,000 resamplings of clusters."""
    names, of = np.unique(clusters, return_inverse=True)
    sums, counts = np.bincount(of, values), np.bincount(of)
    picks = np.random.default_rng(SEED).integers(0, len(names), (2000, len(names)))
    means = sums[picks].sum(1) / counts[picks].sum(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return {"mean": round(float(values.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4), "n": len(values), "clusters": len(names)}


# --- a: two halves of a piece


def halves(corpus: Corpus, methods: dict[str, Vectors]) -> dict:
    pieces = [p for p in corpus.pieces("test") if p.notes >= 2 * LEAST_HALF]
    cut = [half for p in pieces for half in halves_of(corpus, p)]
    kin = np.repeat([p.group or p.work or p.id for p in pieces], 2)
    collection = np.repeat([p.collection for p in pieces], 2)
    out: dict = {"n_halves": len(cut), "notes_of_a_half_median": int(np.median([len(c.rows) for c in cut]))}
    for name, vectors in methods.items():
        v = vectors(cut)
        rank = partner_ranks(v @ v.T, kin)
        one = partner_ranks(np.where(collection[:, None] == collection[None], v @ v.T, -9.0), kin)
        out[name] = {
            "top1": bootstrap((rank == 1).astype(float), kin), "mrr": bootstrap(1 / rank, kin),
            "within_collection_top1": bootstrap((one == 1).astype(float), kin),
            "by_collection_top1": {c: round(float((rank[collection == c] == 1).mean()), 4) for c in np.unique(collection)},
        }  # fmt: skip
    return out


def partner_ranks(like: np.ndarray, kin: np.ndarray) -> np.ndarray:
    """Rank (1 = best) of half i ^ 1 among all halves of other kin for every half i; ties count against it."""
    index = np.arange(len(like))
    partner = like[index, index ^ 1]
    others = kin[:, None] != kin[None]
    return 1.0 + ((like >= partner[:, None]) & others).sum(1)


# --- b: tune families


def mtc_piece(song: dict) -> EncodedPiece:
    """A melody of MTC-ANN 2.0.1 as rows: onsets in ticks, bars from its first time signature and first strongest beat."""
    f = song["features"]
    onset = np.array(f["onsettick"])
    length = [Fraction(d) for d in f["duration_frac"]]
    per_quarter = [
        Fraction(int(b - a)) / d for a, b, d, rest in zip(onset, onset[1:], length, f["nextisrest"]) if not rest and d
    ]
    quarter = Counter(per_quarter).most_common(1)[0][0]
    ticks = 120
    at = np.array([round(ticks * Fraction(int(o - onset[0])) / quarter) for o in onset])
    duration = np.array([max(1, round(ticks * d)) for d in length])
    sign = next((s for s in f["timesignature"] if s), None) or "4/4"
    numerator, denominator = (int(x) for x in sign.split("/"))
    bar = ticks * 4 * numerator // denominator
    first = next((int(a) for a, s in zip(at, f["beatstrength"]) if s == 1.0), 0) % bar
    count = int(max(at[-1] - first, 0) // bar) + 1
    bars = bars_array(
        [first] * (first > 0) + [bar] * count, number=np.arange(count + (first > 0)) + (first == 0),
        meter_numerator=numerator, meter_denominator=denominator,
    )  # fmt: skip
    notes = notes_array(onset=at, duration=duration, pitch=f["midipitch"], part=0)
    return encode(Score(notes, bars, (Part("", 0),), ticks))[0]


def families(folder: Path, methods: dict[str, Vectors]) -> dict:
    path = next(folder.rglob("MTC-ANN*.jsonl.gz"))
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        songs = [json.loads(line) for line in lines]
    pieces, family = [mtc_piece(s) for s in songs], np.array([s["tunefamily"] for s in songs])
    out: dict = {"n": len(songs), "families": len(np.unique(family)), "published_alignment_top1": 0.99}
    for name, vectors in methods.items():
        v = vectors(pieces)
        like = v @ v.T
        np.fill_diagonal(like, -9.0)
        order = np.argsort(-like, axis=1)[:, :-1]
        right = family[order] == family[:, None]
        place = np.arange(1, right.shape[1] + 1)
        precision = (right * right.cumsum(1) / place).sum(1) / np.maximum(right.sum(1), 1)
        out[name] = {"top1": bootstrap(right[:, 0].astype(float), family), "map": bootstrap(precision, family)}
    return out


# --- c: styles


def styles(corpus: Corpus, methods: dict[str, Vectors]) -> dict:
    rng = np.random.default_rng(SEED)
    chosen: list[Piece] = []
    for style in sorted(corpus.styles):
        found = [p for p in corpus.pieces(style=style) if 16 <= p.notes <= MOST_NOTES]
        if len({p.group for p in found}) >= LEAST:
            chosen += [found[i] for i in rng.permutation(len(found))[:PER_STYLE]]
    pieces = [piece_of(corpus, p) for p in chosen]
    label, place = np.array([p.style for p in chosen]), np.array([p.collection for p in chosen])
    group = np.array([p.group or p.work or p.id for p in chosen])
    held_out = np.array([p.split != "train" for p in chosen])
    _, of = np.unique(group, return_inverse=True)
    fold = rng.permutation(of.max() + 1)[of] % FOLDS
    common = Counter(label).most_common(1)[0][0]
    out: dict = {
        "n": len(chosen), "groups": int(of.max() + 1), "styles": len(np.unique(label)), "folds": FOLDS,
        "note": "folds keep groups together; the encoder saw the training split without labels, so pieces of valid and test are told apart",
        "majority": {"macro_f1": round(macro_f1(label, np.full(len(label), common)), 4)},
    }  # fmt: skip
    for name, vectors in methods.items():
        v = vectors(pieces)
        out[name] = {}
        for kind, classify in (("knn5", nearest), ("ridge", ridge)):
            said = folded(v, label, fold, classify)
            out[name][kind] = {
                "macro_f1": f1_interval(label, said, group), "accuracy": bootstrap((said == label).astype(float), group),
                "accuracy_held_out_pieces": bootstrap((said == label)[held_out].astype(float), group[held_out]),
            }  # fmt: skip
        where = folded(v, place, fold, ridge)
        out[name]["collection_ridge_balanced_accuracy"] = round(
            float(np.mean([(where == place)[place == c].mean() for c in np.unique(place)])), 4
        )
    out["collections"] = len(np.unique(place))
    return out


def folded(v: np.ndarray, label: np.ndarray, fold: np.ndarray, classify: Callable) -> np.ndarray:
    said = np.empty(len(label), dtype=label.dtype)
    for f in np.unique(fold):
        said[fold == f] = classify(v[fold != f], label[fold != f], v[fold == f])
    return said


def nearest(x: np.ndarray, label: np.ndarray, asked: np.ndarray, k: int = 5) -> np.ndarray:
    """Votes of the five nearest by cosine, weighted by it."""
    names, of = np.unique(label, return_inverse=True)
    like = asked @ x.T
    best = np.argsort(-like, axis=1)[:, :k]
    votes = np.zeros((len(asked), len(names)))
    np.add.at(votes, (np.arange(len(asked))[:, None], of[best]), np.take_along_axis(like, best, 1))
    return names[votes.argmax(1)]


def ridge(x: np.ndarray, label: np.ndarray, asked: np.ndarray, strength: float = 0.3) -> np.ndarray:
    """Least squares on one-hot labels of standardised inputs, classes weighted alike."""
    names, of = np.unique(label, return_inverse=True)
    mean, spread = x.mean(0), x.std(0) + 1e-6
    a = np.c_[(x - mean) / spread, np.ones(len(x))]
    weight = 1 / np.bincount(of)[of]
    y = np.eye(len(names))[of]
    w = np.linalg.solve(a.T @ (a * weight[:, None]) + strength * np.eye(a.shape[1]), a.T @ (y * weight[:, None]))
    return names[(np.c_[(asked - mean) / spread, np.ones(len(asked))] @ w).argmax(1)]


def macro_f1(label: np.ndarray, said: np.ndarray) -> float:
    scores = []
    for name in np.unique(label):
        hit = ((said == name) & (label == name)).sum()
        scores.append(2 * hit / max((said == name).sum() + (label == name).sum(), 1))
    return float(np.mean(scores))


def f1_interval(label: np.ndarray, said: np.ndarray, group: np.ndarray) -> dict:
    names, of = np.unique(group, return_inverse=True)
    members = np.split(np.argsort(of, kind="stable"), np.cumsum(np.bincount(of))[:-1])
    rng = np.random.default_rng(SEED)
    draws = []
    for _ in range(300):
        pick = np.concatenate([members[i] for i in rng.integers(0, len(names), len(names))])
        draws.append(macro_f1(label[pick], said[pick]))
    low, high = np.quantile(draws, (0.025, 0.975))
    return {"mean": round(macro_f1(label, said), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


# --- d: transposition


def transposition(corpus: Corpus, embedder: Embedder) -> dict:
    pieces = [p for p in corpus.pieces("test") if 16 <= p.notes <= MOST_NOTES and set(p.programs) != {DRUM_PROGRAM}]
    chosen = [pieces[i] for i in np.random.default_rng(SEED).permutation(len(pieces))[:100]]
    whole = [piece_of(corpus, p) for p in chosen]
    base = embedder.embed(whole)
    out: dict = {"n": len(chosen), "random_pairs_mean_cosine": round(float(np.mean(base[1:] @ base[:-1].T)), 4), "by_semitones": {}}
    for semitones in (*range(-6, 0), *range(1, 7)):
        moved = [transposed(PieceArrays(p.rows, p.bars, p.programs, p.controls), semitones) for p in whole]
        changed = np.array([bool((m.rows[:, PITCH] != p.rows[:, PITCH]).any()) for m, p in zip(moved, whole)])
        v = embedder.embed(EncodedPiece(m.rows, m.bars, m.programs, m.controls) for m in moved)
        cosine = (v * base).sum(1)[changed]
        out["by_semitones"][str(semitones)] = {"mean": round(float(cosine.mean()), 5), "least": round(float(cosine.min()), 5), "n": int(changed.sum())}
    return out


# --- e: speed


def speed(corpus: Corpus, embedder: Embedder) -> dict:
    near = [p for p in corpus.table if 450 <= p.notes <= 550]
    chosen = [near[i] for i in np.random.default_rng(SEED).permutation(len(near))[:200]]
    rows = [piece_of(corpus, p) for p in chosen]
    scores = [decode(p) for p in rows]

    def rate(items: list) -> float:
        passes = []
        for _ in range(3):
            began = time.perf_counter()
            embedder.embed(items)
            passes.append(time.perf_counter() - began)
        return round(len(items) / min(passes), 1)

    copies = -(-100_000 // len(rows[0].rows))
    bars = np.tile(rows[0].bars, (copies, 1))
    many = np.tile(rows[0].rows.astype(np.int64), (copies, 1))
    many[:, BAR] += np.repeat(np.arange(copies), len(rows[0].rows)) * len(rows[0].bars)
    began = time.perf_counter()
    embedder.embed([EncodedPiece(many, bars, rows[0].programs, rows[0].controls)])
    alone = time.perf_counter() - began
    began = time.perf_counter()
    for piece in rows[:50]:
        embedder.embed([piece])
    single = (time.perf_counter() - began) / 50
    return {
        "pieces": len(rows), "notes_per_piece": round(float(np.mean([len(r.rows) for r in rows])), 1), "best_of": 3, "target": 50,
        "pieces_per_second_from_rows": rate(rows), "pieces_per_second_from_scores": rate(scores),
        "one_piece_alone_ms": round(1000 * single, 2), "notes_of_the_long_piece": len(many), "seconds_of_the_long_piece": round(alone, 2),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("mtc", type=Path)
    parser.add_argument("--model", default="embedding")
    parser.add_argument("--only", default="halves,families,styles,transposition,speed")
    parser.add_argument("--name", default="embedding", help="of the JSON in benchmarks/results")
    options = parser.parse_args()
    package, corpus = load_package(options.model), open_corpus(options.corpus)
    embedder = Embedder(package)
    methods = {"embedding": embedder.embed, **rivals(corpus)}
    asked = options.only.split(",")
    path = RESULTS / f"{options.name}.json"
    result = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    result |= {**about("python benchmarks/embedding.py CORPUS MTC_FOLDER", seed=SEED), "model": package.name, "weights_sha256": package.manifest["files"]["weights.bin"]}
    if "halves" in asked:
        result["halves"] = halves(corpus, methods)
    if "families" in asked:
        result["families"] = families(options.mtc, methods)
    if "styles" in asked:
        result["styles"] = styles(corpus, methods)
    if "transposition" in asked:
        result["transposition"] = transposition(corpus, embedder)
    if "speed" in asked:
        result["speed"] = {**speed(corpus, embedder), "load": about("")["load"]}
    write(options.name, result)


if __name__ == "__main__":
    main()
