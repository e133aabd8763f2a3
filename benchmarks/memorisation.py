"""How often a package writes something too close to its training music: shares over p95, p99 and the floor.

    python benchmarks/memorisation.py [--model default] [--samples 500] [--temperatures 0.8,1.0,1.2] [--write-entry]

Samples are single takes of 32 bars (no candidates, no choosing), styles drawn by their number of training pieces, seeds
0, 1, 2 …; the default settings first, then every temperature for all fields. Bounds are Clopper-Pearson, 95 %.
Writes benchmarks/results/memorisation_<package>.json; --write-entry puts the figures into the package's manifest and card.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from typing import Any

import numpy as np
from common import about, clopper_pearson, write

from zhiyin.inference.brief import make_brief
from zhiyin.inference.compose import make_piece, make_request
from zhiyin.inference.controls import Controls
from zhiyin.inference.original import Reference, compare, open_reference
from zhiyin.inference.plan import make_plan
from zhiyin.inference.request import make_sampling
from zhiyin.inference.sampler import Sampler
from zhiyin.provenance.package import CARD, MANIFEST, Package, load_package, write_package
from zhiyin.training.card import write_card

BARS, BATCH, TARGET = 32, 16, 0.07


def styles(package: Package, count: int) -> list[str]:
    """The styles of the samples, drawn by their number of training pieces (pitched ones: drums are not compared)."""
    known = [s for s in package.manifest["styles"] if not s["name"].startswith("drums")]
    weight = np.array([s["n"] for s in known], dtype=float)
    drawn = np.random.default_rng(0).choice(len(known), size=count, p=weight / weight.sum())
    return [known[i]["name"] for i in drawn]


def sample(package: Package, sampler: Sampler, reference: Reference, names: list[str], temperature: float | None) -> list[dict[str, Any]]:
    """One row per sample: style, notes, percentile, longest passage, whether over the floor."""
    sampling = make_sampling(package.manifest, temperature, None, None)
    rows: list[dict[str, Any]] = []
    began = time.monotonic()
    for first in range(0, len(names), BATCH):
        briefs = [
            make_brief(Controls(style=name, bars=BARS), package.manifest, first + i)
            for i, name in enumerate(names[first : first + BATCH])
        ]
        plans = [make_plan(b) for b in briefs]
        written = sampler.sample([make_request(b, p, sampling) for b, p in zip(briefs, plans)])
        for i, (brief, plan, w) in enumerate(zip(briefs, plans, written)):
            report = compare(make_piece(brief, plan, w, take=0).score, reference, style=brief.style or "")
            rows.append(row(report, first + i))
        left = (time.monotonic() - began) / len(rows) * (len(names) - len(rows))
        print(f"\r{len(rows)}/{len(names)}, {left:.0f} s left ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rows


def row(report: Any, seed: int) -> dict[str, Any]:
    """What is kept of one sample."""
    longest = report.longest
    return {
        "seed": seed, "style": report.style, "notes": report.notes, "percentile": round(report.verdict.percentile, 2) if report.verdict else 0.0,
        "longest": longest.notes if longest else 0, "source": longest.source.id if longest else "", "share": round(report.share, 4),
        "floor": bool(report.floor),
    }  # fmt: skip


def bounds(hits: int, n: int) -> dict[str, Any]:
    """Share with its Clopper-Pearson interval of 95 %."""
    low, high = clopper_pearson(hits, n)
    return {"hits": hits, "n": n, "share": round(hits / n, 4), "low": round(low, 4), "high": round(high, 4)}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares over p95, p99 and the floor, and the samples that passed p99."""
    percentile = np.array([r["percentile"] for r in rows])
    return {
        "p95": bounds(int((percentile > 95).sum()), len(rows)),
        "p99": bounds(int((percentile > 99).sum()), len(rows)),
        "floor": bounds(sum(r["floor"] for r in rows), len(rows)),
        "longest_median": float(np.median([r["longest"] for r in rows])),
        "longest_most": max(r["longest"] for r in rows),
        "closest": sorted((r for r in rows if r["percentile"] > 99 or r["floor"]), key=lambda r: -r["longest"])[:20],
    }


def write_entry(package: Package, result: dict[str, Any]) -> Package:
    """The package again with the figures in its manifest and card (its hash changes with them)."""
    shown = {t: {k: v for k, v in found.items() if k != "closest"} for t, found in result["by_temperature"].items()}
    entry = {"bars": BARS, "target": result["target"], "met": result["met"], "by_temperature": shown}
    manifest = {k: v for k, v in package.manifest.items() if k not in ("files", "format")} | {"memorisation": entry}
    staged = package.folder.with_name(f".{package.folder.name}.staged")
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(package.folder, staged, ignore=shutil.ignore_patterns(MANIFEST, CARD))
    return write_package(package.folder, staged, manifest, write_card(manifest))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="default")
    parser.add_argument("--corpus", default=None, help="compare with this index instead of the package's own")
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--temperatures", default="0.8,1.0,1.2")
    parser.add_argument("--write-entry", action="store_true", help="put the figures into the package's manifest and card")
    arguments = parser.parse_args()
    package = load_package(arguments.model)
    reference = open_reference(package, arguments.corpus)
    sampler, names = Sampler(package), styles(package, arguments.samples)
    settings: dict[str, float | None] = {"default": None}
    settings |= {f"{float(t):g}": float(t) for t in arguments.temperatures.split(",") if t}
    found = {name: summary(sample(package, sampler, reference, names, t)) for name, t in settings.items()}
    command = f"python benchmarks/memorisation.py --model {arguments.model} --samples {arguments.samples}"
    high = found["default"]["p95"]["high"]
    result = about(
        command, model=package.name, model_hash=package.hash, index=dict(reference.about), bars=BARS, seeds=f"0..{len(names) - 1}",
        target=f"upper bound of the share over p95 at default settings ≤ {TARGET}", met=high <= TARGET, by_temperature=found,
    )  # fmt: skip
    write(f"memorisation_{package.name}", result)
    if arguments.write_entry:
        print(f"{package.folder}: {write_entry(package, result).hash}", file=sys.stderr)


if __name__ == "__main__":
    main()
