"""Composing speed on one core: notes a second single and in a batch of 16, first file, memory, cost against length.

    python benchmarks/compose_speed.py [--model default] [--style mazurka]

Medians of five runs; the model is loaded before the clock starts, but for `first_mid`, which times whole processes.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import onnx
from common import about, write

from zhiyin.inference.brief import make_brief
from zhiyin.inference.compose import make_request
from zhiyin.inference.controls import Controls
from zhiyin.inference.plan import make_plan
from zhiyin.inference.request import make_sampling
from zhiyin.inference.sampler import Sampler
from zhiyin.provenance.package import load_package

RUNS = 5


def requests(package, style: str, bars: int, seeds: range) -> list:
    """Requests as compose makes them; returns are sampled too (variation 1), so that every note is the network's."""
    sampling = make_sampling(package.manifest, None, None, None)
    out = []
    for seed in seeds:
        brief = make_brief(Controls(style=style or None, bars=bars), package.manifest, seed)
        out.append(make_request(brief, make_plan(brief, variation=1.0), sampling))
    return out


def rate(sampler: Sampler, wanted: list) -> tuple[float, float, int]:
    """(notes a second, seconds, notes) of one batch."""
    began = time.perf_counter()
    written = sampler.sample(wanted)
    seconds = time.perf_counter() - began
    notes = sum(len(w.nats) for w in written)
    return notes / seconds, seconds, notes


def first_mid(style: str) -> tuple[list[float], float]:
    """Seconds from process start to the first .mid on disk, and the peak memory of the process tree in MB."""
    seconds = []
    for seed in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            command = [
                sys.executable,
                "-m",
                "zhiyin.app.cli.main",
                "compose",
                "-q",
                "--seed",
                str(seed),
                "-o",
                str(out),
            ]
            began = time.perf_counter()
            process = subprocess.Popen(command + (["--style", style] if style else []))
            while not list(out.glob("*.mid")) and process.poll() is None:
                time.sleep(0.005)
            seconds.append(time.perf_counter() - began)
            process.wait()
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def weights_read(package) -> int:
    """Bytes of weights that a row reads in float32: all that a product of the step graph takes, not the tables that rows are looked up in."""
    graph = onnx.load(str(package.step_path), load_external_data=False).graph
    sizes = {t.name: int(np.prod(t.dims)) for t in graph.initializer}
    read = {n.input[1] for n in graph.node if n.op_type in ("MatMul", "Gemm")} | {i for n in graph.node if n.op_type in ("LSTM", "GRU", "RNN") for i in n.input[1:3]}
    return 4 * sum(sizes.get(f"{name}.int8", sizes.get(name, 0)) for name in read)


def bandwidth() -> float:
    """Bytes a second that one core reads: best of ten sums over 256 MB."""
    big, best = np.ones(32_000_000), 0.0
    for _ in range(10):
        began = time.perf_counter()
        big.sum()
        best = max(best, big.nbytes / (time.perf_counter() - began))
    return best


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="default")
    parser.add_argument("--style", default="")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1]})
    package = load_package(options.model)
    sampler = Sampler(package)
    sampler.sample(requests(package, options.style, 8, range(1)))
    single = [rate(sampler, requests(package, options.style, 32, range(s, s + 1)))[0] for s in range(RUNS)]
    batch = [rate(sampler, requests(package, options.style, 32, range(16 * s, 16 * s + 16)))[0] for s in range(RUNS)]
    lengths = {}
    for bars in (32, 125, 250, 500, 1000):
        speed, seconds, notes = rate(sampler, requests(package, options.style, bars, range(1)))
        lengths[bars] = {"notes": notes, "seconds": round(seconds, 2), "notes_per_second": round(speed)}
    first, memory = first_mid(options.style)
    weights, speed_of_memory = weights_read(package), bandwidth()
    write(
        "compose_speed" + (f"_{package.name}" if package.name != "default" else ""),
        {
            **about("python benchmarks/compose_speed.py", cores_used=1, runs=RUNS),
            "model": package.name, "model_hash": package.hash, "style": options.style or "as composed by default",
            "single_notes_per_second": {"median": round(median(single)), "all": [round(x) for x in single], "target": 500},
            "batch16_notes_per_second": {"median": round(median(batch)), "all": [round(x) for x in batch], "target": 1500},
            "memory_bound": {
                "weight_bytes_per_note": weights, "bytes_per_second": round(speed_of_memory), "notes_per_second_at_the_bound": round(speed_of_memory / weights),
                "share_reached_single": round(median(single) * weights / speed_of_memory, 3), "share_reached_batch16": round(median(batch) / 16 * weights / speed_of_memory, 3),
            },
            "verbs_issue_targets": {"single": 1200, "batch16": 4000},
            "first_mid_seconds": {"median": round(median(first), 2), "all": [round(x, 2) for x in first], "target": 2.5},
            "largest_process_megabytes": {"value": round(memory), "target": 350},
            "by_bars": lengths,
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
