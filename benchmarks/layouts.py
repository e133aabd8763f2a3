"""Which layout of given and written rows? Nats per written note for infill and harmonise, LSTM and Transformer.

Equal CPU seconds per run on one thread (CPU time, so that a busy machine does not favour anyone). Each run trains a
small network from scratch on given/written examples only, then scores the same written rows of held-out pieces.
Usage: python benchmarks/layouts.py CORPUS [--cpu-seconds 100] [--out benchmarks/results/layouts.json]
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import time
from pathlib import Path

import numpy as np
import torch

from zhiyin.corpus.store import Corpus, open_corpus
from zhiyin.encoding.rows import BAR, PART
from zhiyin.models.catalog import build
from zhiyin.training.batches import PieceArrays, collate, draw_given, splits, transposed, window
from zhiyin.training.loop import tensors

WINDOW = 160
SIZES = {
    "lstm": {"width": 128, "hidden": 224, "layers": 2, "head_hidden": 128, "dropout": 0.0},
    "transformer": {"width": 128, "layers": 3, "heads": 4, "hidden": 344, "head_hidden": 128},
}


def example(corpus: Corpus, piece, rng: np.random.Generator, layout: str, given=None, shift: int = 0):
    arrays = PieceArrays(**{n: corpus.arrays(piece)[n] for n in ("rows", "bars", "programs", "controls")})
    start = int(rng.integers(0, max(1, len(arrays.rows) - WINDOW)))
    rows = arrays.rows[start : start + WINDOW]
    first = int(rows[0, BAR])
    cut = rows.copy()
    cut[:, BAR] -= first
    arrays = PieceArrays(cut, arrays.bars[first : int(rows[-1, BAR]) + 2], arrays.programs, arrays.controls)
    mask = draw_given(cut, rng) if given is None else given(cut, rng)
    if mask is None:
        return None
    return window(transposed(arrays, shift), 0, 4 * WINDOW, given=mask, layout=layout)


def harmonise(rows, rng):
    """The top part is given."""
    mask = rows[:, PART] == 0
    return mask if splits(rows, mask) else None


def infill(rows, rng):
    """Four bars in the middle are written; what follows is given."""
    middle = int(rows[:, BAR].max()) // 2
    after = rows[:, BAR] >= middle + 2
    return after if splits(rows, after) else None


def run(corpus: Corpus, family: str, layout: str, cpu_seconds: float, seed: int) -> dict:
    torch.manual_seed(seed)
    model = build(family, **SIZES[family])
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.98), fused=True)
    pieces = [p for p in corpus.pieces("train") if len(corpus.arrays(p)["programs"]) > 1 and p.notes > 60]
    rng = np.random.default_rng(seed)
    began, steps, rows = time.process_time(), 0, 0
    while (spent := time.process_time() - began) < cpu_seconds:
        found: list = []
        while len(found) < 12:
            made = example(corpus, pieces[int(rng.integers(len(pieces)))], rng, layout, shift=int(rng.integers(-4, 5)))
            found += [made] if made else []
        batch = collate(found)
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1.0, (steps + 1) / 50) * (1 - 0.9 * spent / cpu_seconds)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            nats = model.nats(tensors(batch, torch.device("cpu")))
        (nats.sum() / batch["scored"].sum().item()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        steps, rows = steps + 1, rows + int(batch["scored"].sum())
    result = {"family": family, "layout": layout, "seed": seed, "steps": steps, "written_rows_trained": rows}
    model.eval()
    for name, task in (("harmonise", harmonise), ("infill", infill)):
        result[name] = score(corpus, model, layout, task)
    return result


@torch.no_grad()
def score(corpus: Corpus, model, layout: str, task) -> dict:
    """Mean nats per written note over held-out excerpts, with a bootstrap interval by excerpt."""
    rng = np.random.default_rng(99)
    held = [p for p in corpus.pieces("valid") if len(corpus.arrays(p)["programs"]) > 1 and p.notes > 60][:250]
    sums, counts = [], []
    for piece in held:
        made = example(corpus, piece, rng, layout, given=task)
        if made is None:
            continue
        batch = collate([made])
        nats = model.nats(tensors(batch, torch.device("cpu")))
        flags = made[0].inputs[:, 6]
        # infill: only the rows of the gap count, those that have given rows after them
        scored = batch["scored"][0].copy()
        scored[-1] = False
        if task is infill:
            bars = made[0].inputs[:, 8]
            given_bars = made[0].inputs[flags == 1, 7]
            scored &= bars >= (given_bars.min() - 4 if len(given_bars) else 0)
        sums.append(float(nats[0].sum(-1)[torch.from_numpy(scored)].sum()))
        counts.append(int(scored.sum()))
    sums_, counts_ = np.array(sums), np.array(counts)
    picks = rng.integers(0, len(sums_), (1000, len(sums_)))
    means = sums_[picks].sum(1) / counts_[picks].sum(1)
    low, high = np.percentile(means, (2.5, 97.5))
    return {
        "nats": sums_.sum() / counts_.sum(),
        "low": low,
        "high": high,
        "excerpts": len(sums_),
        "notes": int(counts_.sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("--cpu-seconds", type=float, default=100)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/layouts.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus, rows = open_corpus(options.corpus), []
    for seed in range(options.seeds):
        for family in SIZES:
            for layout in ("interleaved", "spans"):
                rows.append(run(corpus, family, layout, options.cpu_seconds, seed))
                print(json.dumps(rows[-1]), flush=True)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "command": f"python benchmarks/layouts.py CORPUS --cpu-seconds {options.cpu_seconds:g} --seeds {options.seeds}",
        "commit": commit,
        "machine": platform.processor() or platform.machine(),
        "threads": 1,
    }
    options.out.write_text(json.dumps({**about, "runs": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
