"""The verb train: a folder of scores (or a built corpus) in, a model package out.

Corpus, network, loop, export and manifest are joined here and nowhere else. Every stage leaves its work in the run folder,
so a killed run goes on where it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zhiyin.corpus.build import BuildOptions, build
from zhiyin.corpus.store import Corpus, open_corpus
from zhiyin.encoding import ENCODING
from zhiyin.encoding.bar_roll import ROLL
from zhiyin.encoding.fields import DRUM_PROGRAM, ROW_FIELDS
from zhiyin.encoding.sixteenths import GRID
from zhiyin.errors import InputError, TrainingError
from zhiyin.inference.attributes import directions
from zhiyin.inference.latent_space import LatentModel
from zhiyin.inference.session import open_graph
from zhiyin.models.catalog import ADVERSARIAL, EMBEDDING, LATENT
from zhiyin.models.catalog import build as build_model
from zhiyin.provenance.licences import strictest, terms_or_unknown
from zhiyin.provenance.package import (
    ENCODE,
    ORIGINALITY,
    STEP,
    UNFOLD,
    WRITE,
    Package,
    load_package,
    packages_folder,
    write_package,
)
from zhiyin.training.adversarial import facts as run_facts
from zhiyin.training.adversarial import train_gan
from zhiyin.training.batches import Batch, Batches, PieceArrays, collate, held_out_split, window
from zhiyin.training.card import write_card, write_encoder_card
from zhiyin.training.export import export_graphs
from zhiyin.training.export_encoder import export_encoder
from zhiyin.training.export_gan import export_gan
from zhiyin.training.export_vae import export_vae
from zhiyin.training.loop import Run, choose_device, measure, tensors, train_model
from zhiyin.training.originality import index_into
from zhiyin.training.pairs import Pairs
from zhiyin.training.picture import loss_picture
from zhiyin.training.recipe import Recipe, load_recipe
from zhiyin.training.relabel import RelabelledCorpus, relabel
from zhiyin.training.restore import restore_network, weight_map
from zhiyin.training.style_facts import composer_facts, style_facts
from zhiyin.training.style_fit import STYLE
from zhiyin.training.whiten import WINDOWS, whiten
from zhiyin.training.window_cards import write_gan_card, write_vae_card
from zhiyin.training.windows import Windows
from zhiyin.version import __version__

DEFAULT_MINUTES = 10.0
ATTRIBUTE_WINDOWS = 20_000  # training windows that a latent space's attributes are measured on
OWN_LABELS = "own-labels"  # the recipe of --family style
SAMPLING = {  # tuned by looking at takes of eight styles; below 1.0 the rhythm stalls in even eighths (lab notebook)
    "temperature": dict.fromkeys(ROW_FIELDS, 1.0) | {"pitch": 0.98, "velocity": 0.9},
    "top_p": dict.fromkeys(ROW_FIELDS, 0.97) | {"pitch": 0.95},
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
    before: float = float("nan")  # fine-tuning: held-out nats before it began
    old_before: float = float("nan")  # nats on music of the old model's own writing, before and after
    old_after: float = float("nan")


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
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe or (OWN_LABELS if family == STYLE else family) or "transformer")
    if family and family != chosen.family:
        raise TrainingError(
            "Family and recipe differ", expected=f"family {chosen.family} as in the recipe", received=family
        )
    chosen = _in_time(chosen, minutes).replace(seed=seed)
    if chosen.family == STYLE:
        from zhiyin.training.style import train_style  # scikit-learn takes a second to import

        return train_style(source, chosen, options, report)
    name = options.name or f"{Path(source).resolve().name}-{chosen.family}"
    run_folder = options.run_folder or packages_folder().parent / "runs" / name
    corpus = corpus_of(source, run_folder, options, report)
    batches = batches_of(corpus, chosen)
    torch.manual_seed(chosen.seed)
    model = build_model(chosen.family, **chosen.sizes)
    report(
        {
            "kind": "start",
            "family": chosen.family,
            "parameters": model.parameter_count,
            "pieces": len(batches.pieces),
            "notes": batches.rows,
        }
    )
    learn = train_gan if chosen.family == ADVERSARIAL else train_model
    run = learn(model, batches, chosen, run_folder, device=options.device, report=report)
    if chosen.family == ADVERSARIAL:
        return package_generator(run, batches, chosen, run_folder, name, options)
    return package_run(run, corpus, chosen, run_folder, name, options)


def fine_tune(
    source: str | Path, package: str | Package, *, recipe: str | Recipe = "", minutes: float | None = None, seed: int | None = None,
    options: TrainOptions | None = None, report: Report | None = None,
) -> TrainResult:  # fmt: skip
    """Goes on training a package on a folder of scores or a built corpus: new labels become styles beside the old ones.

    ``recipe``: how to go on (a further stage: its sizes are not read); left out, gently, for ``minutes``. What it forgets is
    measured on pieces that the old package composes (seeded), before and after. TrainingError for a recipe of another family.
    """
    options, report = options or TrainOptions(), report or (lambda _: None)
    old = package if isinstance(package, Package) else load_package(package)
    old.graph_path(STEP)
    name = options.name or f"{Path(source).resolve().name}-{old.name}"
    run_folder = options.run_folder or packages_folder().parent / "runs" / name
    corpus = relabel(corpus_of(source, run_folder, options, report), old.manifest)
    chosen = further_recipe(old.manifest, recipe, minutes, seed) if recipe else _tuning_recipe(old.manifest, minutes or DEFAULT_MINUTES, seed)
    batches, device = batches_of(corpus, chosen), choose_device(options.device)
    report(
        {
            "kind": "start",
            "family": chosen.family,
            "parameters": old.manifest["parameters"],
            "pieces": len(batches.pieces),
            "notes": batches.rows,
        }
    )
    model = restore_network(old).to(device)
    before = measure(model, batches.held_out(4 * chosen.valid_rows), device, chosen)["nats"]
    own = own_music(old)
    old_before = measure(model, own, device, chosen)["nats"]
    run = train_model(model, batches, chosen, run_folder, device=options.device, report=report)
    old_after = measure(run.model, own, device, chosen)["nats"]
    known = set(corpus.styles)
    facts = corpus_facts(corpus.manifest, old.manifest)
    tuned = {
        "tuned_from": {"name": old.name, "hash": old.hash},
        "nats_before": before,
        "own_music_before": old_before,
        "own_music_after": old_after,
    }
    added = {
        "styles": [s for s in old.manifest["styles"] if s["name"] not in known] + style_facts(corpus),
        "composers": old.manifest["composers"],
        "collections": [*(c for c in old.manifest["collections"] if c not in corpus.manifest["collections"]), *corpus.manifest["collections"]],
        "corpus": facts,
        "tuned": tuned,
    }
    if old.manifest.get("default_style") in known:
        added["default_style"] = old.manifest["default_style"]
    result = package_run(run, corpus, chosen, run_folder, name, options, tuned=added)
    return replace(result, before=before, old_before=old_before, old_after=old_after)


def further_recipe(manifest: Mapping[str, Any], recipe: str | Recipe, minutes: float | None, seed: int | None) -> Recipe:
    """A recipe for a further stage of a package's training: its sizes are the package's. TrainingError where the family differs."""
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    if chosen.family != manifest["family"]:
        raise TrainingError("Family and recipe differ", expected=f"a recipe of the family {manifest['family']}", received=chosen.family)
    return _in_time(chosen, minutes).replace(seed=seed, sizes=dict(manifest["sizes"]))


def _in_time(recipe: Recipe, minutes: float | None) -> Recipe:
    """A recipe with a time budget in place of its steps; ``None`` leaves it as it is."""
    if minutes is None:
        return recipe
    if minutes <= 0:
        raise TrainingError("minutes out of range", expected="> 0", received=str(minutes), hint="--minutes 10")
    return recipe.replace(minutes=minutes, steps=0)


def _tuning_recipe(manifest: Mapping[str, Any], minutes: float, seed: int | None) -> Recipe:
    """The package's own recipe with a tenth of its learning rate, short warm-up and no tempering of styles."""
    flat = dict(manifest["recipe"])
    own = {f.name for f in fields(Recipe)}
    recipe = Recipe(
        **{k: v for k, v in flat.items() if k in own}, sizes={k: v for k, v in flat.items() if k not in own}
    )
    rate = min(recipe.learning_rate * 0.25, 4e-4)
    return recipe.replace(
        minutes=minutes,
        steps=0,
        epochs=0,
        learning_rate=rate,
        style_temperature=1.0,
        warmup=0.05,
        patience=5,
        seed=seed,
    )


def own_music(package: Package, pieces: int = 8, bars: int = 16) -> list[tuple[list[Any], Batch]]:
    """Pieces that a package composes of its most learnt styles, as one batch to measure forgetting on."""
    from zhiyin.inference.compose import compose

    styles = sorted(package.manifest.get("styles", ()), key=lambda s: -s["n"])[:pieces]
    examples = []
    for number, style in enumerate(styles):
        piece = compose(model=package, style=style["name"], bars=bars, takes=1, candidates=1, seed=number).pieces[0]
        programs = np.array([p.program for p in piece.brief.parts], dtype=np.uint8)
        arrays = PieceArrays(piece.rows, piece.plan.bars, programs, piece.plan.controls)
        examples.append(window(arrays, 0, int(package.manifest["sizes"].get("window", 512))))
    return [([], collate(examples))] if examples else []


def corpus_of(source: str | Path, run_folder: Path, options: TrainOptions, report: Report) -> Corpus:
    """The corpus to learn from: ``source`` itself when it is a built one, else one built from its files into the run folder."""
    source = Path(source)
    if not source.is_dir() and not (source.is_file() and source.suffix.lower() == ".csv"):
        raise InputError(
            f"{source} is not a folder",
            expected="a folder of scores or a built corpus",
            received=str(source),
            hint="zhiyin train my-midi-files",
        )
    if (source / "pieces.jsonl").is_file():
        return open_corpus(source)
    settings = BuildOptions(
        workers=options.workers, licence=options.licence, i_have_the_rights=options.i_have_the_rights, hold_out=False
    )
    built = build(
        [source],
        run_folder / "corpus",
        options=settings,
        progress=lambda done, total: report({"kind": "corpus", "done": done, "total": total}),
    )
    report({"kind": "built", "files": built.files, "pieces": built.pieces, "failed": len(built.failures), "failures": list(built.failures)})
    return open_corpus(run_folder / "corpus")


def batches_of(corpus: Corpus | RelabelledCorpus, recipe: Recipe) -> Any:
    """What a family trains on: pairs of windows for the encoder, bars on a grid for VAE and GAN, laid-out rows for the others."""
    return {EMBEDDING: Pairs, LATENT: Windows, ADVERSARIAL: Windows}.get(recipe.family, Batches)(corpus, recipe)


def package_run(
    run: Run, corpus: Corpus | RelabelledCorpus, recipe: Recipe, run_folder: Path, name: str, options: TrainOptions,
    *, tuned: Mapping[str, Any] | None = None,
) -> TrainResult:  # fmt: skip
    """Exports a finished run, measures what was exported from, and writes manifest, card and picture."""
    device, family = choose_device(options.device), recipe.family
    batches, exact = batches_of(corpus, recipe), recipe.replace(precision="fp32")
    result = measure(run.model.to(device), batches.held_out(4 * recipe.valid_rows), device, exact)
    if family == EMBEDDING:
        whiten(run.model, batches.plain(WINDOWS))
    out = options.out or packages_folder() / name
    staged = out.with_name(f".{out.name}.staged")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    check = tensors(next(iter(batches.held_out(recipe.valid_rows)))[1], torch.device("cpu"))
    model = run.model.cpu().eval()
    metrics = {
        "split": held_out_split(corpus),
        "seconds": round(run.progress.seconds),
        "steps": run.progress.step,
        "rows": run.progress.rows,
        **{k: round(v, 5) for k, v in result.items()},
    }
    manifest = manifest_of(name, run, corpus, recipe, metrics)
    if family == LATENT:
        manifest |= latent_facts(model, staged, batches, check, int8=recipe.int8)
        card = write_vae_card(manifest)
    elif family == EMBEDDING:
        manifest["graphs"] = export_encoder(model, staged, window=recipe.window, int8=recipe.int8, batch=check)
        card = write_encoder_card(manifest)
    else:
        index_into(staged / ORIGINALITY, corpus)
        graphs = export_graphs(model, staged, int8=recipe.int8, batch=check)
        manifest |= {
            "graphs": graphs.as_dict(),
            "weights": weight_map(run.model, staged),
            "default_style": options.default_style,
            "styles": style_facts(corpus),
            "composers": composer_facts(corpus),
            "sampling": SAMPLING,
            **(tuned or {}),
        }
        card = write_card(manifest)
    package = write_package(out, staged, manifest, card)
    loss_picture(run_folder / "log.jsonl", run_folder / "loss.png")
    return TrainResult(package, run_folder, result["nats"], int(result["n"]), run.progress.step, run.progress.seconds)


def package_generator(
    run: Run, windows: Windows, recipe: Recipe, run_folder: Path, name: str, options: TrainOptions
) -> TrainResult:
    """Exports a finished GAN and writes manifest and card. ``nats`` of the result: how far its samples lie from real windows (``rolls.away``)."""
    out = options.out or packages_folder() / name
    staged = out.with_name(f".{out.name}.staged")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    metrics = run_facts(run, windows)
    manifest = manifest_of(name, run, windows.corpus, recipe, metrics)
    manifest |= {"graphs": export_gan(run.model, staged, int8=recipe.int8), "roll": ROLL, "programs": usual_programs(windows)}
    package = write_package(out, staged, manifest, write_gan_card(manifest))
    loss_picture(run_folder / "log.jsonl", run_folder / "loss.png")
    return TrainResult(package, run_folder, metrics["nats"], metrics["n"], run.progress.step, run.progress.seconds)


def usual_programs(windows: Windows) -> list[int]:
    """The program that each of the first parts has most often in the training windows."""
    pieces = [windows.corpus.table[i] for i in np.unique(windows.pool.piece)]
    pitched = [[q for q in p.programs if q != DRUM_PROGRAM] for p in pieces]
    return [int(np.bincount([q[k] for q in pitched]).argmax()) for k in range(windows.lines)]


def latent_facts(
    model: Any, staged: Path, batches: Windows, check: Mapping[str, Any], *, int8: bool
) -> dict[str, Any]:
    """Exports a VAE; its graphs, its grid, and the directions of its attributes over training windows, for the manifest."""
    graphs = export_vae(model, staged, int8=int8, batch=dict(check))
    which = np.random.default_rng(0).permutation(len(batches.pool.begin))[:ATTRIBUTE_WINDOWS]
    grid, length = batches.pool.take(which), batches.pool.length[which]
    latent = LatentModel.of_graphs(*(open_graph(staged / name) for name in (ENCODE, UNFOLD, WRITE)), sizes=model.sizes)
    return {"graphs": graphs, "grid": GRID, "attributes": directions(latent.encode(grid, length)[0], grid)}


def corpus_facts(corpus: Mapping[str, Any], older: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a package's manifest says of its corpus: counts, the strictest terms of all collections (those of the package that
    was tuned, too), who took licences on themselves, how many pieces were opted out."""
    known = [corpus["licence"]] if "licence" in corpus else []
    before = (older or {}).get("corpus") or {}
    terms = strictest(terms_or_unknown(s) for s in [*known, *filter(None, [before.get("licence")])])
    return {
        **{k: corpus[k] for k in ("pieces", "notes") if k in corpus},
        "licence": terms.spdx,
        "terms": terms.conditions(),
        "i_have_the_rights": bool(corpus.get("i_have_the_rights") or before.get("i_have_the_rights")),
        "opted_out": int((corpus.get("books") or {}).get("opted_out", 0)),
    }


def manifest_of(
    name: str, run: Run, corpus: Corpus | RelabelledCorpus, recipe: Recipe, metrics: Mapping[str, Any]
) -> dict[str, Any]:
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
        "corpus": corpus_facts(corpus.manifest),
        "metrics": dict(metrics),
    }
