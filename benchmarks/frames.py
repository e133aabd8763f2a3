"""The papers' tables: nats per frame of JSB chorales and Nottingham, by family and head, mean and sd over seeds, beside the published anchors.

Usage: python benchmarks/frames.py FOLDER [--runs RUNS] [--only jsb:tcn:bernoulli …] [--seeds 1 2 3] [--gather]
FOLDER holds JSB_Chorales.mat and Nottingham.mat (shared/data/benchmarks/poly-frames). Every run keeps its checkpoints under RUNS, so that this can be
stopped and started again; what is finished is not run again, ``--gather`` runs nothing. All runs on one core take hours: the short ones come first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from common import about, write

from zhiyin.evaluation.frame_recipes import frame_recipe
from zhiyin.evaluation.frame_sets import load_frames
from zhiyin.evaluation.frames import evaluate_frames
from zhiyin.files import atomic_write, data_folder

SETS = {"jsb": "JSB_Chorales.mat", "nottingham": "Nottingham.mat"}
FAMILIES = ("tcn", "lstm", "gru", "rnn", "transformer")
# What is run: the heads at the papers' budgets ("bernoulli"), with recall and transposition ("bernoulli+"), and the joint head.
KINDS = {"bernoulli": ("bernoulli", False), "bernoulli+": ("bernoulli", True), "joint": ("joint", True), "joint-": ("joint", False)}
ORDER = [
    *(f"jsb:{f}:bernoulli" for f in FAMILIES),
    "jsb:transformer:joint",
    "jsb:transformer:bernoulli+",
    "nottingham:transformer:joint",
    *(f"nottingham:{f}:bernoulli" for f in FAMILIES),
    "nottingham:transformer:bernoulli+",
]
BAI = "Bai, Kolter, Koltun 2018, table 1"
ANCHORS: dict[str, tuple[float, str]] = {
    "jsb:rnn:bernoulli": (8.91, BAI), "jsb:lstm:bernoulli": (8.45, BAI), "jsb:gru:bernoulli": (8.43, BAI), "jsb:tcn:bernoulli": (8.10, BAI),
    "nottingham:rnn:bernoulli": (4.05, BAI), "nottingham:lstm:bernoulli": (3.29, BAI), "nottingham:gru:bernoulli": (3.46, BAI),
    "nottingham:tcn:bernoulli": (3.07, BAI),
}  # fmt: skip
TARGETS = {"jsb:transformer:joint": 4.5, "nottingham:transformer:joint": 1.6}
BEST_ANCHOR = {"jsb:transformer:bernoulli+": 8.10, "nottingham:transformer:bernoulli+": 3.07}


def run(folder: Path, runs: Path, name: str, seed: int) -> None:
    """One run, unless it is done; its result is RUNS/<name>-<seed>.json."""
    out = runs / f"{name.replace(':', '-')}-{seed}.json"
    if out.is_file():
        return
    which, family, kind = name.split(":")
    head, extras = KINDS[kind]
    data = folder / SETS[which]
    recipe = frame_recipe(family, head, load_frames(data).frames("train"), extras=extras)

    def report(event: Any) -> None:
        if event["kind"] == "valid":
            print(f"{name} seed {seed}: step {event['step']}/{event['total']}, valid {event['nats']:.4f}, {event['seconds']:.0f} s", file=sys.stderr, flush=True)

    result = evaluate_frames(data, family, head, seed=seed, recipe=recipe, run=out.with_suffix(""), report=report)
    atomic_write(out, json.dumps(result | {"kind": kind}, indent=1) + "\n")


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and standard deviation over seeds (none of one seed)."""
    return {"mean": round(statistics.mean(values), 4), "sd": round(statistics.stdev(values), 4) if len(values) > 1 else None, "n_seeds": len(values)}


def table(name: str, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A line of the table: every way of counting, over the seeds there are, and how far it is from what was to be reached."""
    first = found[0]
    line: dict[str, Any] = {
        "nats_per_frame": spread([r["nats"] for r in found]), "seeds": [r["seed"] for r in found], "parameters": first["parameters"],
        "steps": [r["steps"] for r in found], "minutes": first["recipe"].get("minutes") or None, "training_seconds": [r["training_seconds"] for r in found],
        "transposed_in_training": first["transposed_in_training"], "recall": bool(first["recipe"].get("recall")),
    }  # fmt: skip
    for split in ("test", "clean", "valid"):
        keys = [k for k in first[split] if k.startswith(("pooled", "mean_of"))]
        counts = {k: v for k, v in first[split].items() if k not in keys}
        line[split] = {**{k: spread([r[split][k] for r in found]) for k in keys}, **counts}
    mean = statistics.mean(r["nats"] for r in found)
    if name in ANCHORS:
        value, source = ANCHORS[name]
        line["anchor"] = {"nats_per_frame": value, "source": source, "ratio": round(mean / value, 4), "within_3_percent": mean <= 1.03 * value}
    if name in TARGETS:
        line["target"] = {"nats_per_frame": TARGETS[name], "missed_by": round(max(0.0, mean - TARGETS[name]), 4)}
    if name in BEST_ANCHOR:
        line["best_anchor"] = {"nats_per_frame": BEST_ANCHOR[name], "source": BAI + " (TCN)", "beaten": mean < BEST_ANCHOR[name]}
    return line


def gather(runs: Path) -> dict[str, Any]:
    """The table of all runs that are done."""
    lines: dict[str, Any] = {}
    for path in sorted(runs.glob("*.json")):
        name = path.stem.rpartition("-")[0].replace("-", ":", 2)
        lines.setdefault(name, []).append(json.loads(path.read_text(encoding="utf-8")))
    rank = {name: i for i, name in enumerate(ORDER)}
    return {name: table(name, lines[name]) for name in sorted(lines, key=lambda n: (rank.get(n, len(rank)), n))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=Path, default=data_folder() / "runs" / "frames")
    parser.add_argument("--only", nargs="*", default=ORDER)
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2, 3])
    parser.add_argument("--gather", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.runs.mkdir(parents=True, exist_ok=True)
    for seed in [] if arguments.gather else arguments.seeds:
        for name in arguments.only:
            run(arguments.folder, arguments.runs, name, seed)
    found = gather(arguments.runs)
    missing = [n for n in ORDER if n not in found]
    told = {
        "what": "nats per frame of the test pieces; weights best on valid; one network, exact likelihood; bernoulli: first frame not scored; joint: scored",
        "clean": "test pieces of whose tune (16 intervals of the top voice, any key) at most half stands in training", "not_run": missing, "runs": found,
    }  # fmt: skip
    write("frames", about("python benchmarks/frames.py FOLDER", torch=torch.__version__, **told))


if __name__ == "__main__":
    main()
