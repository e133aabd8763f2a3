"""The canary experiment: a training set with canaries planted in it, a network that learns from it, and what it gives away.

Everything that would tell a tune apart but its notes is left out: controls, plan columns and tempo are 0, velocity is one constant.
Nothing is transposed or given while training, so that "copies x epochs" is how often a canary was seen.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zhiyin.corpus.index import index_corpus, piece_lines
from zhiyin.corpus.store import Corpus, Piece
from zhiyin.encoding import EncodedPiece, encode
from zhiyin.encoding.fields import BAR_COLUMN
from zhiyin.encoding.rows import BAR, VELOCITY
from zhiyin.evaluation.canaries import (
    BARS,
    COPIES,
    EXTRACTED,
    PREFIX_BARS,
    by_copies,
    exact_run,
    exposure,
    invent,
    longest_match,
)
from zhiyin.inference.instruments import part_instrument
from zhiyin.inference.masks import plain_masks
from zhiyin.inference.plan import program_row
from zhiyin.inference.request import Request, make_sampling
from zhiyin.inference.sampler import Sampler
from zhiyin.inference.session import StepSession, open_graph
from zhiyin.models.catalog import build
from zhiyin.models.rows import RowModel
from zhiyin.training.batches import Batches, PieceArrays, collate, window
from zhiyin.training.export import STEP_FILE, export_graphs
from zhiyin.training.loop import tensors, train_model
from zhiyin.training.recipe import Recipe

KEPT_COLUMNS = ("length", "numerator", "denominator", "key", "mode", "left", "flag")  # of the bar table
VELOCITY_CLASS = 11
TEMPERATURES: dict[str, float] = {"greedy": 0.05, "T 0.7": 0.7, "T 1.0": 1.0, "T 1.3": 1.3}


def bare(piece: EncodedPiece) -> EncodedPiece:
    """A piece with nothing but its notes, meter, key and bars to go: no controls, plan, tempo; one velocity."""
    rows, bars = np.array(piece.rows), np.zeros_like(np.array(piece.bars))
    kept = [BAR_COLUMN[name] for name in KEPT_COLUMNS]
    bars[:, kept] = piece.bars[:, kept]
    rows[:, VELOCITY] = VELOCITY_CLASS
    return EncodedPiece(rows, bars, np.array(piece.programs).reshape(-1), np.zeros_like(np.array(piece.controls).reshape(-1)))


@dataclass(frozen=True)
class PlantedCorpus:
    """What training asks of a corpus: human pieces by split, and planted ones (each copy a piece of its own) in ``train``."""

    human: Corpus
    table: tuple[Piece, ...]
    planted: Mapping[int, EncodedPiece]  # by the piece's index
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Folder of the human corpus."""
        return self.human.path

    def pieces(self, split: str = "") -> list[Piece]:
        """Pieces of a split (empty = all)."""
        return [p for p in self.table if not split or p.split == split]

    def arrays(self, piece: Piece) -> dict[str, np.ndarray]:
        """The bare arrays of a piece."""
        found = self.planted.get(piece.index)
        if found is None:
            arrays = self.human.arrays(piece)
            found = bare(EncodedPiece(arrays["rows"], arrays["bars"], arrays["programs"], arrays["controls"]))
        return {"rows": found.rows, "bars": found.bars, "programs": found.programs, "controls": found.controls}


def plant(human: Corpus, collection: str, tunes: int, canaries: Sequence[EncodedPiece], copies: np.ndarray, seed: int) -> PlantedCorpus:
    """At most ``tunes`` training pieces of a collection with each canary planted ``copies[i]`` times among them."""
    pieces = human.pieces("train", collection=collection)
    rng = np.random.default_rng(seed)
    chosen = [pieces[i] for i in sorted(rng.permutation(len(pieces))[: tunes or None])]
    held_out = [p for s in ("valid", "test") for p in human.pieces(s, collection=collection)]
    table = [*chosen, *(Piece(**{**vars(p), "split": "valid"}) for p in held_out)]
    planted, at = {}, len(human.table)
    for number, (canary, count) in enumerate(zip(canaries, copies)):
        for _ in range(int(count)):
            table.append(Piece(at, f"canary{number}", "", "canaries", f"canary{number}", "", "train", notes=len(canary.rows)))
            planted[at] = canary
            at += 1
    identity = f"{collection} {tunes} {seed} {copies.tolist()} {human.manifest.get('files', {}).get('rows.npy', '')}"
    return PlantedCorpus(human, tuple(table), planted, {"files": {"rows.npy": identity}})


@torch.no_grad()
def nats_per_note(model: RowModel, pieces: Iterable[EncodedPiece], batch: int = 64) -> np.ndarray:
    """Nats per note of whole pieces (n,), the end included, float32."""
    pieces, found = list(pieces), list[float]()
    model.eval()
    for low in range(0, len(pieces), batch):
        examples = []
        for p in pieces[low : low + batch]:
            arrays = PieceArrays(p.rows, p.bars, p.programs, p.controls)
            examples.append(window(arrays, 0, len(p.rows) + 1))
        nats = model.nats(tensors(collate(examples), torch.device("cpu"))).sum(dim=(1, 2)).double().numpy()
        found += [float(n) / len(p.rows) for n, p in zip(nats, pieces[low : low + batch])]
    return np.array(found)


@dataclass(frozen=True)
class Setup:
    """One experiment: ``each`` canaries per number of copies among ``tunes`` human ones, ``references`` tunes to rank among."""

    collection: str = "cre-irish"
    tunes: int = 300
    each: int = 20
    copies: tuple[int, ...] = COPIES
    references: int = 1000
    seed: int = 1

    def canaries(self) -> tuple[list[EncodedPiece], np.ndarray]:
        """The canaries, bare, and how often each is planted."""
        copies = np.repeat(self.copies, self.each)
        return [bare(encode(invent(i))[0]) for i in range(len(copies))], copies

    def others(self) -> list[EncodedPiece]:
        """Tunes of the same rule set that are never planted."""
        return [bare(encode(invent(1_000_000 + i))[0]) for i in range(self.references)]


def experiment(
    human: Corpus, setup: Setup, recipe: Recipe, folder: Path, *, report: Callable[[Mapping[str, Any]], None] | None = None
) -> dict[str, Any]:
    """Trains one network on a planted corpus; exposure at every validation, extraction at the end, all by copies with n and intervals.

    ``index``: of the takes that are an extraction, how many an originality index of the training pieces names.
    """
    canaries, copies = setup.canaries()
    corpus, others = plant(human, setup.collection, setup.tunes, canaries, copies, setup.seed), setup.others()
    batches = Batches(corpus, recipe)  # type: ignore[arg-type]
    torch.manual_seed(recipe.seed)
    model = build(recipe.family, **recipe.sizes)
    curve, last = list[dict[str, Any]](), dict[str, RowModel]()

    def watch(line: Mapping[str, Any]) -> None:
        if line["kind"] == "valid":
            bits = exposure(nats_per_note(model, canaries), nats_per_note(model, others))
            epoch = round(line["rows"] / batches.rows, 2)
            curve.append({"epoch": epoch, "held_out": round(line["nats"], 4), "by_copies": by_copies(copies, bits)})
            last["model"] = copy.deepcopy(model)
        if report:
            report(line)

    train_model(model, batches, recipe, folder, device="cpu", report=watch)  # type: ignore[arg-type]
    model = last["model"]
    written = extract(model, canaries, folder / "graphs", setup.seed)
    found = {
        "parameters": model.parameter_count, "rows": batches.rows, "pieces": len(batches.pieces), "exposure": curve,
        "most_bits": round(float(np.log2(setup.references + 1)), 2), "extraction": _extraction(written, canaries, copies),
    }  # fmt: skip
    found["index"] = named_by_index(corpus, written, canaries, copies)
    return found


def extract(model: RowModel, canaries: Sequence[EncodedPiece], folder: Path, seed: int) -> dict[str, list[np.ndarray]]:
    """What a network writes after each canary's first PREFIX_BARS bars, per temperature: rows int64 (R, 6) per canary."""
    batch = collate([window(PieceArrays(p.rows, p.bars, p.programs, p.controls), 0, len(p.rows) + 1) for p in canaries[:8]])
    export_graphs(copy.deepcopy(model), folder, int8=False, batch=tensors(batch, torch.device("cpu")))
    sampler = Sampler(session=StepSession(open_graph(folder / STEP_FILE), int(model.sizes["window"])))
    written = {}
    for name, temperature in TEMPERATURES.items():
        sampling = make_sampling({}, temperature, 0.01 if name == "greedy" else 1.0, 0.0)
        requests = []
        for number, piece in enumerate(canaries):
            rows, bars = piece.rows.astype(np.int64), piece.bars.astype(np.int64)
            parts = [part_instrument("", int(p)) for p in piece.programs]
            past = rows[rows[:, BAR] < PREFIX_BARS]
            requests.append(
                Request(
                    bars, program_row([int(p) for p in piece.programs]), piece.controls.astype(np.int64), plain_masks(bars, parts), sampling,
                    seed=seed * 100_003 + number, past=past, first=PREFIX_BARS, end_bar=BARS - 1, keep_velocity=True,
                )
            )
        written[name] = [w.rows for w in sampler.sample(requests)]
    return written


def _extraction(written: Mapping[str, Sequence[np.ndarray]], canaries: Sequence[EncodedPiece], copies: np.ndarray) -> dict[str, Any]:
    """Per temperature and copies: notes written exactly, longest match anywhere, share of canaries extracted."""
    out: dict[str, Any] = {}
    for name, takes in written.items():
        truth = [p.rows[p.rows[:, BAR] >= PREFIX_BARS] for p in canaries]
        runs = np.array([exact_run(w, t) for w, t in zip(takes, truth)])
        longest = np.array([longest_match(w, t) if len(w) > 1 else 0 for w, t in zip(takes, truth)])
        # a tune whose rest is shorter than EXTRACTED must be written to its end
        whole = np.array([run >= min(EXTRACTED, len(t)) for run, t in zip(runs, truth)], dtype=np.float64)
        parts = {"run": by_copies(copies, runs), "longest": by_copies(copies, longest), "extracted": by_copies(copies, whole)}
        out[name] = {c: {k: v[c] for k, v in parts.items()} for c in parts["run"]}
    return out


def named_by_index(
    corpus: PlantedCorpus, written: Mapping[str, Sequence[np.ndarray]], canaries: Sequence[EncodedPiece], copies: np.ndarray
) -> dict[str, dict[str, int]]:
    """Of the takes that begin with EXTRACTED notes of their canary (``emitted``): how many the originality index of the training pieces names.

    The take alone is looked up, without the bars that it was given; named = a passage of EXTRACTED notes or more whose source is that canary.
    ``named``: the winnowed form that is shipped; ``named_dense``: the dense form.
    """
    forms = {"named": index_corpus(corpus, dense=False), "named_dense": index_corpus(corpus)}  # type: ignore[arg-type]
    out = {str(c): {"emitted": 0, "named": 0, "named_dense": 0} for c in np.unique(copies)}
    for takes in written.values():
        for number, (rows, piece, count) in enumerate(zip(takes, canaries, copies)):
            if exact_run(rows, piece.rows[piece.rows[:, BAR] >= PREFIX_BARS]) < EXTRACTED:
                continue
            line = out[str(count)]
            line["emitted"] += 1
            lines, _ = piece_lines(rows, piece.bars, piece.programs)
            for form, index in forms.items():
                found = index.passages(lines)
                line[form] += any(p.notes >= EXTRACTED and index.pieces[p.piece].id == f"canary{number}" for p in found)
    return out
