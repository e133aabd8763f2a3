"""The family "style": from labelled scores to a package that classifies. No network is trained; scikit-learn fits arrays.

Inputs are worked out once and kept in the run folder, so that a killed run goes on where it was.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zhiyin.corpus.scores import encoded
from zhiyin.corpus.store import Corpus, Piece
from zhiyin.encoding import ENCODING
from zhiyin.errors import TrainingError
from zhiyin.files import atomic_path, atomic_write
from zhiyin.inference.style_inputs import FEWEST_NOTES, INPUTS, Hearing
from zhiyin.inference.style_model import StyleModel, pack
from zhiyin.provenance.package import STYLE as ARRAYS
from zhiyin.provenance.package import WEIGHTS, Package, load_package, packages_folder, write_package
from zhiyin.training.style_card import write_style_card
from zhiyin.training.style_fit import STYLE, Examples, HeldOut, Progress, StyleSizes, drawn, fit
from zhiyin.training.style_labels import label_sets, one_collection
from zhiyin.version import __version__

if TYPE_CHECKING:
    from zhiyin.training.recipe import Recipe
    from zhiyin.training.train import Report, TrainOptions, TrainResult

CHUNK = 200  # pieces between two savings
MOST_NOTES = 20_000  # of a training piece; longer ones are left out


def train_style(source: str | Path, recipe: Recipe, options: TrainOptions, report: Report) -> TrainResult:
    """Learns the labels of a folder, a table or a built corpus and writes a package that classifies.

    ``nats`` of the result is the mean −ln p of the right label of pieces that their fold had not seen (the first label set).
    """
    from zhiyin.training.train import TrainResult, corpus_facts, corpus_of

    began, sizes = time.monotonic(), StyleSizes(**recipe.sizes)
    name = options.name or f"{Path(source).resolve().stem}-{STYLE}"
    run_folder = options.run_folder or packages_folder().parent / "runs" / name
    corpus = corpus_of(source, run_folder, options, report)
    hearing = Hearing(sizes.hear, sizes.embedding)
    pieces = drawn_pieces(corpus, training_pieces(corpus, sizes.splits), sizes, recipe.seed)
    examples = examples_of(corpus, pieces, sizes, run_folder, lambda d, n, _: report({"kind": "hearing", "done": d, "total": n}))
    report({"kind": "start", "family": STYLE, "parameters": examples.x.shape[1], "pieces": len(pieces), "notes": sum(p.notes for p in pieces)})
    model, told = fit(examples, sizes, seed=recipe.seed, progress=lambda d, n, w: report({"kind": "fitting", "done": d, "total": n, "set": w}))
    only = {s: one_collection(examples.labels[s], pieces) if len({p.collection for p in pieces}) > 1 else {} for s in examples.labels}
    metrics = {"split": sizes.splits or "all", "seconds": round(time.monotonic() - began), "held_out": [summary(h) for h in told]}
    manifest = {
        "name": name, "version": __version__, "encoding": ENCODING, "family": STYLE, "parameters": parameters(model),
        "recipe": {"family": STYLE, "seed": recipe.seed, **asdict(sizes)}, "collections": corpus.manifest["collections"],
        "corpus": corpus_facts(corpus.manifest), "metrics": metrics, "style": style_facts(model, hearing, told, only),
    }  # fmt: skip
    package = write_style(options.out or packages_folder() / name, model, manifest)
    p = told[0].p[np.arange(len(told[0].truth)), np.searchsorted(np.array(told[0].classes), told[0].truth)]
    return TrainResult(package, run_folder, float(-np.log(np.maximum(p, 1e-12)).mean()), len(p), 0, time.monotonic() - began)


def write_style(folder: Path, model: StyleModel, manifest: Mapping[str, Any]) -> Package:
    """The package of a model, written as a whole."""
    staged = folder.with_name(f".{folder.name}.staged")
    shutil.rmtree(staged, ignore_errors=True)
    atomic_write(staged / ARRAYS, pack(model))
    return write_package(folder, staged, manifest, write_style_card(manifest))


def style_facts(model: StyleModel, hearing: Hearing, told: Sequence[HeldOut], only: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """What the manifest's ``style`` says: inputs, heads with their classes, how many pieces each had, which live in one collection."""
    facts: dict[str, Any] = {"inputs": INPUTS, "hear": hearing.hear, "embedding": hearing.embedding}
    if hearing.embedding:
        facts["embedding_sha256"] = load_package(hearing.embedding).manifest["files"][WEIGHTS]
    facts["heads"] = [
        {
            "name": h.name, "classes": list(h.classes), "temperature": round(h.temperature, 4),
            "n": [int((t.truth == c).sum()) for c in h.classes], "one_collection": dict(only.get(h.name, {})),
        }
        for h, t in zip(model.heads, told)
    ]  # fmt: skip
    return facts


def parameters(model: StyleModel) -> int:
    """Numbers that were fitted."""
    return int(sum(h.weight.size + 1 for h in model.heads) + model.mean.size + model.scale.size + model.points.size + 1)


def summary(told: HeldOut) -> dict[str, Any]:
    """Accuracy and macro-F1 of what the folds said, beside always saying the commonest label."""
    from sklearn.metrics import f1_score

    _, count = np.unique(told.truth, return_counts=True)
    return {
        "set": told.name, "labels": len(told.classes), "n": len(told.truth), "accuracy": round(float((told.said == told.truth).mean()), 4),
        "macro_f1": round(float(f1_score(told.truth, told.said, average="macro")), 4), "majority": round(float(count.max() / count.sum()), 4),
    }  # fmt: skip


def training_pieces(corpus: Corpus, splits: str = "") -> list[Piece]:
    """Pieces of the splits named (commas between; "" = all) that are long enough to say something and not longer than is bearable."""
    wanted = {s.strip() for s in splits.split(",") if s.strip()}
    return [p for p in corpus.table if FEWEST_NOTES <= p.notes <= MOST_NOTES and (not wanted or p.split in wanted)]


def drawn_pieces(corpus: Corpus, pieces: Sequence[Piece], sizes: StyleSizes, seed: int) -> list[Piece]:
    """The pieces that are fitted on, of each label at most ``sizes.most`` (0 = all)."""
    if not sizes.most:
        return list(pieces)
    return [pieces[i] for i in drawn(label_sets(corpus, pieces, sizes.labels), groups_of(pieces), sizes.most, seed)]


def groups_of(pieces: Sequence[Piece]) -> np.ndarray:
    """A number per piece (N,), the same for near duplicates, editions and movements of a work."""
    return np.unique([p.group or p.work or p.id for p in pieces], return_inverse=True)[1]


def examples_of(
    corpus: Corpus, pieces: Sequence[Piece], sizes: StyleSizes, run_folder: Path, progress: Progress | None = None
) -> Examples:
    """Inputs, labels, groups and weights of pieces; inputs are kept in ``run_folder`` for the next time."""
    if not pieces:
        raise TrainingError("No pieces to learn from", expected=f"pieces of at least {FEWEST_NOTES} notes", received="none")
    x = heard(corpus, pieces, Hearing(sizes.hear, sizes.embedding), run_folder / "inputs.npz", progress)
    return Examples(x, label_sets(corpus, pieces, sizes.labels), groups_of(pieces), np.array([p.weight for p in pieces]))


def heard(corpus: Corpus, pieces: Sequence[Piece], hearing: Hearing, kept: Path, progress: Progress | None = None) -> np.ndarray:
    """Inputs (N, F) of pieces; those that the file ``kept`` has of the same music, heard alike, are not worked out again."""
    known = _kept(kept, hearing)
    names = [p.content or p.id for p in pieces]
    missing = [i for i, name in enumerate(names) if name not in known]
    for begin in range(0, len(missing), CHUNK):
        if progress:
            progress(begin, len(missing), "")
        now = missing[begin : begin + CHUNK]
        for i, row in zip(now, hearing.inputs([encoded(corpus, pieces[i]) for i in now])):
            known[names[i]] = row
        if begin // CHUNK % 5 == 4 or begin + CHUNK >= len(missing):
            keep(kept, hearing, known)
    return np.stack([known[name] for name in names])


def keep(path: Path, hearing: Hearing, known: Mapping[str, np.ndarray]) -> None:
    """Writes inputs by the names of the music, with what was heard."""
    names = np.frombuffer("\n".join(known).encode(), dtype=np.uint8)
    with atomic_path(path) as temporary, temporary.open("wb") as out:
        np.savez(out, x=np.stack(list(known.values())), names=names, hearing=np.frombuffer(_told(hearing), dtype=np.uint8))


def _told(hearing: Hearing) -> bytes:
    return json.dumps([INPUTS, asdict(hearing), load_package(hearing.embedding).hash if hearing.embedding else ""]).encode()


def _kept(path: Path, hearing: Hearing) -> dict[str, np.ndarray]:
    if path.is_file():
        try:
            with np.load(path, allow_pickle=False) as kept:
                if kept["hearing"].tobytes() == _told(hearing):
                    return dict(zip(kept["names"].tobytes().decode().split("\n"), kept["x"], strict=True))
        except (OSError, ValueError, KeyError):
            pass  # a damaged file is worked out again
    return {}
