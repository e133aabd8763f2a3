"""Nats per note of a package on held-out pieces: in all, per field, per style, beside unigram and bigram baselines.

What is measured: −ln p of every sampled field of every written row, the end included, controls and the bar table not
scored, divided by the number of notes. Intervals: bootstrap over pieces. The baselines see the same rows, fields and
ends: ``unigram`` knows how often each class of a field occurs, ``bigram`` how often it follows the previous row's class.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.corpus.scores import encoded
from zhiyin.corpus.store import Corpus, Piece, open_corpus
from zhiyin.encoding import EncodedPiece, encode
from zhiyin.encoding.fields import CONTROL_COLUMN, END, ROW_FIELDS, ROW_SIZES
from zhiyin.encoding.layout import lay_out
from zhiyin.errors import InputError
from zhiyin.inference.nats import interval, piece_nats
from zhiyin.inference.sampler import window_of
from zhiyin.inference.session import open_graph
from zhiyin.provenance.package import Package, load_package


def evaluate_nats(
    model: str | Path | Package, data: str | Path, *, split: str = "test", limit: int = 0
) -> dict[str, Any]:
    """Measures a package on the split of a built corpus, or on all scores of a folder.

    ``limit``: at most about so many notes (0 = all), pieces drawn with a fixed seed. Styles are named to the model as
    the corpus labels them, where the package knows them. The result holds nats with interval, n, fields, styles, baselines.
    """
    package = model if isinstance(model, Package) else load_package(model)
    corpus, named = _pieces(Path(data), split, limit, package)
    graph, window = open_graph(package.score_path), window_of(package)
    scored = [(style, *piece_nats(graph, piece, window)) for style, piece in named]
    sums = np.array([s for _, s, _ in scored])
    notes = np.array([n for _, _, n in scored], dtype=np.float64)
    result: dict[str, Any] = {"model": package.name, "split": split, **_mean(sums.sum(axis=1), notes)}
    result["fields"] = dict(zip(ROW_FIELDS, (sums.sum(axis=0) / notes.sum()).tolist()))
    labels = np.array([style for style, _, _ in scored])
    result["styles"] = {str(s): _mean(sums[labels == s].sum(axis=1), notes[labels == s]) for s in np.unique(labels)}
    if corpus is not None and corpus.pieces("train"):
        result["baselines"] = baselines(corpus, [piece for _, piece in named])
    return result


def _pieces(
    data: Path, split: str, limit: int, package: Package
) -> tuple[Corpus | None, list[tuple[str, EncodedPiece]]]:
    """(style, piece) of what is measured; style classes renamed to the package's."""
    if (data / "pieces.jsonl").is_file():
        corpus = open_corpus(data)
        ids = {s["name"]: int(s["id"]) for s in package.manifest.get("styles", ())}
        composers = {c["name"]: int(c["id"]) for c in package.manifest.get("composers", ())}
        chosen = _sampled(corpus.pieces(split), limit)
        found = [(p.style, _encoded(corpus, p, ids.get(p.style, 0), composers.get(p.composer, 0))) for p in chosen]
        if found:
            return corpus, found
        raise InputError(f"No pieces to measure in {data}", expected=f"pieces in the split {split!r}", received="none")
    return None, _from_files(data, limit)


def _sampled(pieces: Sequence[Piece], limit: int) -> list[Piece]:
    if not limit:
        return list(pieces)
    order = np.random.default_rng(0).permutation(len(pieces))
    total = np.cumsum([pieces[i].notes for i in order])
    return [pieces[i] for i in sorted(order[: int(np.searchsorted(total, limit)) + 1])]


def _encoded(corpus: Corpus, piece: Piece, style: int, composer: int) -> EncodedPiece:
    found = encoded(corpus, piece)
    controls = found.controls.copy()
    controls[CONTROL_COLUMN["style"]], controls[CONTROL_COLUMN["composer"]] = style, composer
    return replace(found, controls=controls)


def _from_files(folder: Path, limit: int) -> list[tuple[str, EncodedPiece]]:
    from zhiyin.errors import ZhiyinError
    from zhiyin.formats.catalog import load
    from zhiyin.measures.key import with_keys

    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder", expected="a built corpus or a folder of scores", received=str(folder)
        )
    found: list[tuple[str, EncodedPiece]] = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            found.append(("", encode(with_keys(load(path)))[0]))
        except ZhiyinError:
            continue
        if limit and sum(len(p.rows) for _, p in found) >= limit:
            break
    if not found:
        raise InputError(f"No score in {folder} could be read", expected="at least one score", received="none")
    return found


def _mean(sums: np.ndarray, notes: np.ndarray) -> dict[str, Any]:
    """nats per note with a 95 % bootstrap interval over pieces."""
    low, high = interval(sums, notes)
    mean = float(sums.sum() / notes.sum())
    return {"nats": mean, "low": low, "high": high, "pieces": len(sums), "n": int(notes.sum())}


def baselines(corpus: Corpus, pieces: Iterable[EncodedPiece]) -> dict[str, float]:
    """Nats per note of a unigram and a bigram model per field, fitted on the corpus' training pieces (add one half)."""
    single = [np.full(size, 0.5) for size in ROW_SIZES]
    double = [np.full((size + 1, size), 0.5 / size) for size in ROW_SIZES]
    for piece in corpus.pieces("train"):
        targets = lay_out(corpus.arrays(piece)["rows"]).targets
        for f, (column, before) in enumerate(_columns(targets)):
            single[f] += np.bincount(column, minlength=len(single[f]))
            np.add.at(double[f], (before, column), 1.0)
    uni = [-np.log(c / c.sum()) for c in single]
    back = [c / c.sum() for c in single]
    bi = [-np.log((d + 5 * b) / (d.sum(axis=1, keepdims=True) + 5)) for d, b in zip(double, back)]
    totals, notes = np.zeros(2), 0
    for scored in pieces:
        for f, (column, before) in enumerate(_columns(lay_out(scored.rows).targets)):
            totals += uni[f][column].sum(), bi[f][before, column].sum()
        notes += len(scored.rows)
    return {"unigram": float(totals[0] / notes), "bigram": float(totals[1] / notes)}


def _columns(targets: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per field: the scored classes and the classes before them (the size of the field = nothing before)."""
    out = []
    for f, size in enumerate(ROW_SIZES):
        column = targets[:, f].astype(np.int64)
        before = np.r_[size, column[:-1]]
        keep = np.ones(len(column), dtype=bool) if f == 0 else targets[:, 0] != END
        if ROW_FIELDS[f] == "velocity":
            keep = keep & (column > 0)
        out.append((column[keep], before[keep]))
    return out
