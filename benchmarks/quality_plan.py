"""What gives a composed piece away: the network, the sampler's settings, or the plan? The same pieces under other plans.

    python benchmarks/quality_plan.py CORPUS [--pieces 60] [--arms default,triads,no_chords,human_chords,human_plan,raw] [--work FOLDER]

Arms: ``default`` as `compose` does it (chords by `chord_walk`) · ``triads`` chords as a functional walk of triads, what compose did before · ``no_chords`` no harmony planned · ``human_chords`` the chords that were read
off the human piece · ``human_plan`` its whole plan (sections, phrases, cadences, chords), every bar written anew · ``raw`` triads again, at temperature 1 without
top-p and min-p. Pieces of up to 1,200 notes of the valid and test splits, all bars of one length. Small n: read the arms against each other, not
against the 450 pieces of quality_default.json. Finished arms are kept. Writes results/quality_plan.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import about, write

from zhiyin.corpus.store import Corpus, open_corpus
from zhiyin.encoding import encode
from zhiyin.encoding.fields import BAR_COLUMN
from zhiyin.encoding.rows import BAR
from zhiyin.evaluation.excerpts import MAX_BARS, Excerpt, excerpt
from zhiyin.evaluation.features import feature_names, features
from zhiyin.evaluation.matched import BATCH, Pair, brief_of, human_pairs
from zhiyin.evaluation.testers import trees_on
from zhiyin.evaluation.two_sample import auc, cross_scores, cut, summarise
from zhiyin.files import atomic_write
from zhiyin.inference.brief import Brief
from zhiyin.inference.compose import make_request
from zhiyin.inference.finish import finish
from zhiyin.inference.harmony import plan_chords
from zhiyin.inference.plan import Plan, make_plan
from zhiyin.inference.request import make_sampling
from zhiyin.inference.sampler import Run, Sampler
from zhiyin.provenance.package import Package, load_package

TOLD = ("interval_class_6", "chord_dominant_seventh", "pitch_class_entropy", "scale_runs", "melody_chordal", "melody_stepwise", "diatonic", "bar_harmony_returns_1")
PLANNED = ("section", "section_bar", "phrase_left", "cadence", "chord")


def anew(plan: Plan, human: np.ndarray) -> Plan:
    """Every bar written anew."""
    return replace(plan, source=np.full_like(plan.source, -1))


def triads(plan: Plan, brief: Brief) -> Plan:
    """The default plan with a functional walk of triads for its chords."""
    bars, rng = plan.bars.copy(), np.random.default_rng([brief.seed, 1])
    bars[:, BAR_COLUMN["chord"]] = plan_chords(brief.sections, brief.key, rng)
    return replace(plan, bars=bars)


def with_columns(*names: str) -> Callable[[Plan, np.ndarray], Plan]:
    """The human piece's columns in place of the planned ones."""

    def changed(plan: Plan, human: np.ndarray) -> Plan:
        bars, count = plan.bars.copy(), min(len(plan.bars), len(human))
        for name in names:
            bars[:count, BAR_COLUMN[name]] = human[:count, BAR_COLUMN[name]]
        return replace(anew(plan, human), bars=bars)

    return changed


def no_chords(plan: Plan, human: np.ndarray) -> Plan:
    """No harmony planned, every bar written anew."""
    bars = plan.bars.copy()
    bars[:, BAR_COLUMN["chord"]] = 0
    return replace(anew(plan, human), bars=bars)


ARMS: dict[str, tuple[Callable[[Plan, np.ndarray], Plan], dict[str, float]]] = {
    "default": (lambda plan, human: plan, {}), "triads": (lambda plan, human: plan, {}), "no_chords": (no_chords, {}),
    "human_chords": (with_columns("chord"), {}), "human_plan": (with_columns(*PLANNED), {}),
    "raw": (lambda plan, human: plan, {"temperature": 1.0, "top_p": 1.0, "min_p": 0.0}),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("--model", default="default")
    parser.add_argument("--pieces", type=int, default=60)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--work", type=Path, default=Path("out/quality_plan"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    corpus, package = open_corpus(options.corpus), load_package(options.model)
    pairs = chosen(human_pairs(corpus, package, limit=450), options.pieces)
    for name in options.arms.split(","):
        path = options.work / f"{name}.json"
        if not path.exists():
            atomic_write(path, json.dumps(measured(pairs, composed(corpus, pairs, package, name))))
            print(name, file=sys.stderr, flush=True)
    found = {n: json.loads((options.work / f"{n}.json").read_text("utf-8")) for n in ARMS if (options.work / f"{n}.json").exists()}
    command = f"python benchmarks/quality_plan.py CORPUS --pieces {options.pieces}"
    write("quality_plan", {**about(command, seeds="0.."), "model": package.name, "model_hash": package.hash, "pieces": len(pairs), "arms": found})


def chosen(pairs: list[Pair], count: int) -> list[Pair]:
    """The first pairs whose human piece is short enough and has full bars only, whole in its excerpt."""
    return [p for p in pairs if len(p.human.rows) <= 1200 and p.human.regular.all() and p.wish.bars == p.human.bars][:count]


def composed(corpus: Corpus, pairs: list[Pair], package: Package, arm: str) -> list[Excerpt]:
    """The excerpts that an arm writes."""
    change, settings = ARMS[arm]
    sampler, sampling, table = Sampler(package), make_sampling(package.manifest, **settings), {p.id: p for p in corpus.table}
    out: list[Excerpt] = []
    for at in range(0, len(pairs), BATCH):
        batch = pairs[at : at + BATCH]
        briefs = [brief_of(pair.wish, package, at + i) for i, pair in enumerate(batch)]
        human = [corpus.arrays(table[p.wish.piece])["bars"][-p.wish.bars :].astype(np.int64) for p in batch]
        plans = [triads(make_plan(b), b) if arm in ("triads", "raw") else change(make_plan(b), bars) for b, bars in zip(briefs, human)]
        run = Run(sampler.session, [make_request(b, p, sampling) for b, p in zip(briefs, plans)])
        while not run.done:
            run.step()
        for pair, brief, plan, written in zip(batch, briefs, plans, run.results()):
            piece = encode(finish(written.rows[written.rows[:, BAR] < MAX_BARS], plan, brief))[0]
            out.append(excerpt(pair.human.piece, piece.rows, piece.bars, piece.programs))
    return out


def measured(pairs: list[Pair], made: list[Excerpt]) -> dict[str, Any]:
    """The trees' accuracy, how far single figures part the sides on average, and some of them."""
    windows = cut([(p.human, m) for p, m in zip(pairs, made)], 16)
    table, names = np.stack([features(p) for p in windows.parts]), feature_names()
    areas = np.array([auc(table[:, i], windows.label) for i in range(len(names))])
    told = {
        n: {"auc": round(float(areas[names.index(n)]), 4), **{s: round(float(table[windows.label == y, names.index(n)].mean()), 4) for y, s in ((0, "human"), (1, "composed"))}}
        for n in TOLD
    }
    return {
        "windows_a_side": int(windows.label.sum()), "notes": sum(len(m.rows) for m in made), **summarise(windows, cross_scores(windows, trees_on, 5, table)),
        "mean_distance_of_auc_from_half": round(float(np.abs(areas - 0.5).mean()), 4), "figures": told,
    }  # fmt: skip


if __name__ == "__main__":
    main()
