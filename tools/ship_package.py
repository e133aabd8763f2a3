"""Puts a trained package into src/zhiyin/packages with a full card: test-split nats per style, baselines, other families.

    python tools/ship_package.py PACKAGE_FOLDER CORPUS [--name default] [--beside lstm=FOLDER rnn=FOLDER]
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from zhiyin.evaluation.nats import evaluate_nats
from zhiyin.provenance.package import CARD, MANIFEST, ORIGINALITY, SHIPPED, load_package, write_package
from zhiyin.training.card import write_card

RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"


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
    staged = SHIPPED / f".{options.name}.staged"
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(options.package, staged, ignore=shutil.ignore_patterns(MANIFEST, CARD))
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
