"""The verb train: a folder of scores (or a built corpus) in, a model package out.

Corpus, network, loop, export and manifest are joined here and nowhere else. Every stage leaves its work in the run folder,
so a killed run goes on where it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zhiyin import __version__
from zhiyin.corpus.build import BuildOptions, build
from zhiyin.corpus.store import Corpus, open_corpus
from zhiyin.encoding import ENCODING
from zhiyin.encoding.fields import ROW_FIELDS
from zhiyin.errors import InputError, TrainingError
from zhiyin.models.catalog import build as build_model
from zhiyin.provenance.package import Package, packages_folder, write_package
from zhiyin.training.batches import Batches, valid_batches
from zhiyin.training.card import write_card
from zhiyin.training.export import export_graphs
from zhiyin.training.loop import Run, choose_device, measure, train_model
from zhiyin.training.picture import loss_picture
from zhiyin.training.recipe import Recipe, load_recipe
from zhiyin.training.style_facts import composer_facts, style_facts

DEFAULT_MINUTES = 10.0
SAMPLING = {
    "temperature": {"bar_step": 0.9, "position": 0.9, "part": 0.9, "pitch": 0.9, "duration": 0.85, "velocity": 0.8},
    "top_p": {"bar_step": 0.98, "position": 0.96, "part": 0.98, "pitch": 0.92, "duration": 0.95, "velocity": 0.9},
    "min_p": dict.fromkeys(ROW_FIELDS, 0.02),
}

Report = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class TrainResult:
    """What training made: the package, the folder of the run (checkpoint, log, picture), held-out nats per note."""

    package: Package
    run_folder: Path
    nats: float
    notes: int  # held-out notes that nats was measured on
    steps: int
    seconds: float


@dataclass(frozen=True)
class TrainOptions:
    """Where things go and what may be used. ``name``: of the package; ``out``: its folder (default: the user's packages)."""

    name: str = ""
    out: Path | None = None
    run_folder: Path | None = None
    device: str = "auto"
    workers: int = 1
    licence: str = "LicenseRef-own"
    i_have_the_rights: bool = False
    default_style: str = ""


def train(
    source: str | Path, *, recipe: str | Recipe = "", family: str = "", minutes: float | None = None, seed: int | None = None,
    options: TrainOptions | None = None, report: Report | None = None,
) -> TrainResult:  # fmt: skip
    """Learns from a folder of scores or a built corpus and writes a model package.

    ``recipe``: a name, a TOML file or a Recipe; ``family`` names one when no recipe does (transformer by default).
    ``minutes``: time budget. A run folder with a checkpoint is resumed.
    """
    options, report = options or TrainOptions(), report or (lambda _: None)
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe or family or "transformer")
    if family and family != chosen.family:
        raise TrainingError("Family and recipe differ", expected=f"family {chosen.family} as in the recipe", received=family)
    if minutes is not None:
        if minutes <= 0:
            raise TrainingError("minutes out of range", expected="> 0", received=str(minutes), hint="--minutes 10")
        chosen = chosen.replace(minutes=minutes, steps=0)
    chosen = chosen.replace(seed=seed)
    name = options.name or f"{Path(source).resolve().name}-{chosen.family}"
    run_folder = options.run_folder or packages_folder().parent / "runs" / name
    corpus = corpus_of(source, run_folder, options, report)
    batches = Batches(corpus, chosen)
    torch.manual_seed(chosen.seed)
    model = build_model(chosen.family, **chosen.sizes)
    report({"kind": "start", "family": chosen.family, "parameters": model.parameter_count, "pieces": len(batches.pieces), "notes": batches.rows})
    run = train_model(model, batches, chosen, run_folder, device=options.device, report=report)
    return package_run(run, corpus, chosen, run_folder, name, options)


def corpus_of(source: str | Path, run_folder: Path, options: TrainOptions, report: Report) -> Corpus:
    """The corpus to learn from: ``source`` itself when it is a built one, else one built from its files into the run folder."""
    source = Path(source)
    if not source.is_dir():
        raise InputError(f"{source} is not a folder", expected="a folder of scores or a built corpus", received=str(source), hint="zhiyin train my-midi-files")
    if (source / "pieces.jsonl").is_file():
        return open_corpus(source)
    settings = BuildOptions(workers=options.workers, licence=options.licence, i_have_the_rights=options.i_have_the_rights, hold_out=False)
    built = build([source], run_folder / "corpus", options=settings, progress=lambda done, total: report({"kind": "corpus", "done": done, "total": total}))
    report({"kind": "built", "files": built.files, "pieces": built.pieces, "failed": len(built.failures)})
    return open_corpus(run_folder / "corpus")


def package_run(run: Run, corpus: Corpus, recipe: Recipe, run_folder: Path, name: str, options: TrainOptions) -> TrainResult:
    """Exports a finished run, measures what was exported from, and writes manifest, card and picture."""
    device = choose_device(options.device)
    split = "valid" if corpus.pieces("valid") else "train"
    result = measure(run.model.to(device), valid_batches(corpus, recipe, split=split, limit=4 * recipe.valid_rows), device, recipe.replace(precision="fp32"))
    out = options.out or packages_folder() / name
    staged = out.with_name(f".{out.name}.staged")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    graphs = export_graphs(run.model.cpu().eval(), staged, int8=recipe.int8)
    metrics = {"split": split, "seconds": round(run.progress.seconds), "steps": run.progress.step, "rows": run.progress.rows, **{k: round(v, 5) for k, v in result.items()}}
    manifest = manifest_of(name, run, corpus, recipe, metrics) | {"graphs": graphs.as_dict(), "default_style": options.default_style}
    package = write_package(out, staged, manifest, write_card(manifest))
    loss_picture(run_folder / "log.jsonl", run_folder / "loss.png")
    return TrainResult(package, run_folder, result["nats"], int(result["n"]), run.progress.step, run.progress.seconds)


def manifest_of(name: str, run: Run, corpus: Corpus, recipe: Recipe, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of a package without its file hashes."""
    model: Any = run.model
    return {
        "name": name,
        "version": __version__,
        "encoding": ENCODING,
        "family": model.family,
        "sizes": model.sizes,
        "parameters": model.parameter_count,
        "recipe": recipe.flat(),
        "collections": corpus.manifest["collections"],
        "corpus": {k: corpus.manifest[k] for k in ("pieces", "notes", "licence", "terms") if k in corpus.manifest},
        "styles": style_facts(corpus),
        "composers": composer_facts(corpus),
        "sampling": SAMPLING,
        "metrics": dict(metrics),
    }
