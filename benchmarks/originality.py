"""The originality index proved: false alarms on human pieces, detection of planted passages, speed; shipped and dense form.

    python benchmarks/originality.py CORPUS [--index FILE ...] [--each 200] [--training 2000] [--no-speed] [--seed 0]

Without --index both forms are built from the corpus' training split. Protocol: ``zhiyin.evaluation.originality``. ``found``: a passage over at
least half of the planted notes is reported at all; ``p95`` and ``p99``: its score is over that percentile of human pieces of the
host's style and length (thresholds of the calibration half); ``named``: the reported source is of the right group.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import about, write

from zhiyin.corpus.calibrate import HumanScore, human_scores, kin, pitched, sample, scale_of
from zhiyin.corpus.index import corpus_lines, index_corpus, source_piece
from zhiyin.corpus.store import Corpus, open_corpus
from zhiyin.evaluation.originality import Finding, half, plant_all
from zhiyin.measures.distribution import wilson
from zhiyin.provenance.originality import Index, Line, Scale, build_index, open_index, write_index

SPEED_NOTES, PIECE_NOTES, SPEED_PIECES = 5_000_000, 500, 200


def share(hits: int, n: int) -> dict[str, Any]:
    """A share with its 95 % interval."""
    low, high = wilson(hits, n)
    return {"share": round(hits / n, 4) if n else None, "low": round(low, 4), "high": round(high, 4), "hits": hits, "n": n}


def alarms(scale: Scale, scores: list[HumanScore]) -> dict[str, Any]:
    """Human pieces over the thresholds and over the absolute floor."""
    verdicts = [scale.verdict([s.best] if s.best else [], s.notes, s.piece.style) for s in scores]
    n = len(scores)
    return {
        "over_p99": share(sum(v.score > v.threshold_p99 for v in verdicts), n),
        "over_p95": share(sum(v.score > v.threshold_p95 for v in verdicts), n),
        "floor": share(sum(v.floor for v in verdicts), n),
        "score_p50_p95_p99": [round(float(x), 1) for x in np.percentile([s.score for s in scores], (50, 95, 99))] if n else None,
        "best_passage_notes_p50_p95_p99": [float(x) for x in np.percentile([s.best.notes if s.best else 0 for s in scores], (50, 95, 99))] if n else None,
    }  # fmt: skip


def detection(found: list[Finding]) -> dict[str, Any]:
    """Shares of planted passages."""
    n = len(found)
    return {
        "found": share(sum(f.score > 0 for f in found), n),
        "named": share(sum(f.named for f in found), n),
        "p95": share(sum(f.score > f.threshold_p95 for f in found), n),
        "p99": share(sum(f.score > f.threshold for f in found), n),
        "score_median": round(float(np.median([f.score for f in found])), 1),
    }


def prove(corpus: Corpus, index: Index, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one form."""
    related = kin(corpus)
    scores = human_scores(corpus, index, sample(corpus, options.training, options.seed), related)
    fixed = scale_of([s for s in scores if not half(s.piece.group)], "calibration half")
    test = [s for s in scores if half(s.piece.group)]
    held = [s for s in test if s.piece.split != "train"]
    ungrouped = human_scores(corpus, index, [s.piece for s in held], {})
    planted = plant_all(corpus, index, fixed, each=options.each, seed=options.seed)
    return {
        "index": {k: index.manifest[k] for k in ("dense", "n", "window", "notes", "line_notes", "lines", "pieces")},
        "megabytes": round(Path(index.path).stat().st_size / 1e6, 2),
        "calibrated_on": fixed.about,
        "false_alarms_held_out": alarms(fixed, held),
        "false_alarms_held_out_corpus_groups_only": alarms(fixed, ungrouped),
        "false_alarms_training_leave_group_out": alarms(fixed, [s for s in test if s.piece.split == "train"]),
        "detection": {f"{kind}, {length} notes": detection(found) for (kind, length), found in planted.items()},
    }


def speed(corpus: Corpus, dense: bool, seed: int) -> dict[str, Any]:
    """Pieces of 500 notes a second of processor time against an index of 5 M notes, best of three turns."""
    train = corpus.pieces("train")
    pieces = [train[i] for i in np.random.default_rng(seed).permutation(len(train))]
    total = np.cumsum([p.notes for p in pieces])
    pieces = pieces[: int(np.searchsorted(total, SPEED_NOTES * 1.35)) + 1]  # line notes are fewer than notes
    with tempfile.TemporaryDirectory() as folder:
        made = build_index([source_piece(p) for p in pieces], corpus_lines(corpus, pieces), dense=dense)
        index = open_index(write_index(Path(folder) / "speed.bin", made))
        queries = [cut(lines) for _, lines, count in pitched(corpus, corpus.pieces("test")) if count >= PIECE_NOTES][:SPEED_PIECES]
        best = np.inf
        for _ in range(3):
            began = time.process_time()
            for lines in queries:
                index.passages(lines)
            best = min(best, time.process_time() - began)
        notes = [sum(len(line.pitch) for line in lines) for lines in queries]
        return {"pieces_per_second": round(len(queries) / best, 1), "pieces": len(queries), "line_notes_a_piece": float(np.mean(notes)),
                "index_line_notes": index.manifest["line_notes"], "index_stored_notes": index.manifest["notes"]}  # fmt: skip


def cut(lines: list[Line]) -> list[Line]:
    """The beginning of a piece: about PIECE_NOTES notes of its parts' lines, and its top line as far."""
    onsets = np.sort(np.concatenate([line.onset for line in lines if line.part >= 0]))
    until = onsets[min(PIECE_NOTES, len(onsets)) - 1]
    return [Line(line.part, line.onset[k], line.pitch[k], line.note[k]) for line in lines for k in [line.onset <= until]]


def main() -> None:
    """Writes benchmarks/results/originality.json and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--index", type=Path, nargs="*", default=[])
    parser.add_argument("--each", type=int, default=200)
    parser.add_argument("--training", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-speed", action="store_true")
    options = parser.parse_args()
    corpus, forms = open_corpus(options.corpus), {}
    with tempfile.TemporaryDirectory() as folder:
        files = options.index or [write_index(Path(folder) / f"{d}.bin", index_corpus(corpus, dense=d)) for d in (False, True)]
        for file in files:
            index = open_index(file)
            forms["dense" if index.dense else "shipped"] = prove(corpus, index, options)
    rates = {} if options.no_speed else {name: speed(corpus, name == "dense", options.seed) for name in forms}
    command = f"python benchmarks/originality.py CORPUS --each {options.each} --training {options.training}"
    facts = about(command, seed=options.seed, corpus=options.corpus.name, clock="processor time, one thread")
    write("originality", {**facts, **forms, "speed": rates})
    for name, form in forms.items():
        print(f"\n{name}: {form['megabytes']} MB; false alarms held out {form['false_alarms_held_out']['over_p99']}")
        for what, row in form["detection"].items():
            print(f"{what:32}" + "".join(f" {k} {row[k]['share']:.3f}" for k in ("found", "named", "p95", "p99")) + f"  n = {row['p99']['n']}")


if __name__ == "__main__":
    main()
