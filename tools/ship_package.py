"""Puts a trained package into src/zhiyin/packages with a full card: test-split nats per style, baselines, other families.

    python tools/ship_package.py PACKAGE_FOLDER CORPUS [--name default] [--beside lstm=FOLDER rnn=FOLDER]
    python tools/ship_package.py PACKAGE_FOLDER CORPUS --name embedding     # its figures: benchmarks/results/embedding.json
    python tools/ship_package.py PACKAGE_FOLDER CORPUS --name style         # with figures of the test split
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from zhiyin.evaluation.nats import evaluate_nats
from zhiyin.evaluation.style import evaluate_style
from zhiyin.models.catalog import EMBEDDING
from zhiyin.provenance.package import CARD, MANIFEST, ORIGINALITY, SHIPPED, Package, load_package, write_package
from zhiyin.training.card import write_card, write_encoder_card
from zhiyin.training.style_card import write_style_card
from zhiyin.training.style_fit import STYLE

RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"


def staged_copy(package: Package, name: str) -> Path:
    """The package's graphs and weights in a folder beside the place where they go."""
    staged = SHIPPED / f".{name}.staged"
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(package.folder, staged, ignore=shutil.ignore_patterns(MANIFEST, CARD))
    return staged


def ship_embedding(package: Package, name: str) -> None:
    """An embedding with what the benchmark measured of these very weights on its card."""
    told = json.loads((RESULTS / "embedding.json").read_text(encoding="utf-8"))
    assert told["weights_sha256"] == package.manifest["files"]["weights.bin"], "run benchmarks/embedding.py on this package first"
    manifest = {k: v for k, v in package.manifest.items() if k not in ("files", "format")} | {"name": name}
    manifest["metrics"] = {**manifest["metrics"], "measured": [*measured(told)]}
    shipped = write_package(SHIPPED / name, staged_copy(package, name), manifest, write_encoder_card(manifest))
    print(f"{shipped.folder}: {sum(p.stat().st_size for p in shipped.folder.iterdir()) / 1e6:.2f} MB")


def ship_style(package: Package, corpus: Path, name: str) -> None:
    """A classifier with what the test split says of it on its card."""
    told = evaluate_style(corpus, model=package, split="test", work=package.folder.parent / f".{name}-test")["sets"]
    lines = [
        f"{k} on {s['n']:,} pieces of the test split: accuracy {s['accuracy']['mean']:.3f} [{s['accuracy']['low']:.3f}, {s['accuracy']['high']:.3f}], balanced accuracy "
        f"{s['balanced_accuracy']['mean']:.3f}, macro-F1 {s['macro_f1']['mean']:.3f} (always the commonest: {s['majority']['macro_f1']:.3f}), calibration error {s['calibration_error']:.3f}"
        for k, s in told.items()
    ]
    manifest = {k: v for k, v in package.manifest.items() if k not in ("files", "format")} | {"name": name}
    manifest["metrics"] = {**manifest["metrics"], "measured": lines}
    shipped = write_package(SHIPPED / name, staged_copy(package, name), manifest, write_style_card(manifest))
    print("\n".join(lines), f"\n{shipped.folder}: {sum(p.stat().st_size for p in shipped.folder.iterdir()) / 1e6:.2f} MB")


def measured(told: dict) -> Iterator[str]:
    """Lines for the card; the best of the four histograms stands beside each figure."""
    for part, figure, what in (("halves", "top1", "a half of a held-out piece finds the other half first"), ("families", "top1", "the nearest melody is of the same tune family (mtc-ann)")):
        rivals = {k: v[figure]["mean"] for k, v in told[part].items() if k.startswith("histogram")}
        best, own = max(rivals, key=rivals.get), told[part]["embedding"][figure]
        yield f"{what}: {own['mean']:.3f} [{own['low']:.3f}, {own['high']:.3f}] of {own['n']}; {best.replace('_', ' ')}: {rivals[best]:.3f}"
    own, styles = told["styles"]["embedding"], told["styles"]
    for kind in ("knn5", "ridge"):
        rival = max(v[kind]["macro_f1"]["mean"] for k, v in styles.items() if k.startswith("histogram"))
        f1 = own[kind]["macro_f1"]
        yield f"style, macro-F1 by {kind} over {styles['styles']} styles: {f1['mean']:.3f} [{f1['low']:.3f}, {f1['high']:.3f}]; best histogram {rival:.3f}, majority {styles['majority']['macro_f1']:.3f}"
    moved = told["transposition"]["by_semitones"].values()
    yield f"least cosine of a piece with itself transposed by 1 to 6 semitones: {min(m['least'] for m in moved):.4f}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("package", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--name", default="default")
    parser.add_argument("--beside", nargs="*", default=[], help="NAME=FOLDER of packages measured on the same notes")
    parser.add_argument("--default-style", default=None)
    parser.add_argument("--originality", type=Path, help="index file that this package carries instead of its own")
    parser.add_argument("--share-originality", default="", help="name of the shipped package whose index this one shares")
    parser.add_argument("--limit", type=int, default=0)
    options = parser.parse_args()
    trained = load_package(options.package)
    if trained.manifest["family"] == EMBEDDING:
        ship_embedding(trained, options.name)
        return
    if trained.manifest["family"] == STYLE:
        ship_style(trained, options.corpus, options.name)
        return
    result = evaluate_nats(trained, options.corpus, split="test", limit=options.limit)
    others = dict(item.split("=", 1) for item in options.beside)
    compared = {name: evaluate_nats(folder, options.corpus, split="test", limit=options.limit)["nats"] for name, folder in others.items()}
    manifest = {k: v for k, v in trained.manifest.items() if k not in ("files", "format")}
    manifest["name"] = options.name
    if options.default_style is not None:
        manifest["default_style"] = options.default_style
    told = {k: result[k] for k in ("nats", "low", "high", "n", "pieces", "fields", "styles")}
    manifest["metrics"] = {**manifest["metrics"], "test": told, "baselines": {**result["baselines"], **compared}}
    manifest.pop("originality", None)
    staged = staged_copy(trained, options.name)
    if options.originality:
        shutil.copyfile(options.originality, staged / ORIGINALITY)
    if options.share_originality:
        owner = load_package(SHIPPED / options.share_originality)
        (staged / ORIGINALITY).unlink(missing_ok=True)
        manifest["originality"] = {"package": owner.name, "sha256": owner.manifest["files"][ORIGINALITY]}
    shipped = write_package(SHIPPED / options.name, staged, manifest, write_card(manifest))
    RESULTS.mkdir(exist_ok=True)
    facts = {"command": "python tools/ship_package.py PACKAGE CORPUS", "model_hash": shipped.hash, **told, "baselines": manifest["metrics"]["baselines"]}
    (RESULTS / f"nats_{options.name}.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    size = sum(p.stat().st_size for p in shipped.folder.iterdir())
    print(f"{shipped.folder}: {size / 1e6:.2f} MB, {result['nats']:.4f} nats per note on {result['n']:,} test notes; {manifest['metrics']['baselines']}")


if __name__ == "__main__":
    main()
