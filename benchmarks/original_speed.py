"""What originality costs: sampling under the guard beside sampling without it, and the check of three finished pieces.

    python benchmarks/original_speed.py [--model default] [--styles jig,hymn,mazurka]

Processor seconds, medians of five runs of 16 takes of 32 bars (returns sampled too, so that every note is the network's), and of
the first take alone. `check` times whole processes: the first call includes opening the index.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from common import about, write
from compose_speed import requests

from zhiyin.inference.guard import Guard
from zhiyin.inference.original import open_reference
from zhiyin.inference.sampler import Sampler
from zhiyin.provenance.package import load_package

RUNS = 5
_CHECK = """
import sys, time
from zhiyin.inference import compose as c
from zhiyin.provenance.package import load_package
package, inner, spent = load_package(sys.argv[1]), c.check_written, []
def timed(*arguments):
    began = time.perf_counter()
    found = inner(*arguments)
    spent.append(time.perf_counter() - began)
    return found
c.check_written = timed
c.compose(style=sys.argv[2], bars=32, seed=1, model=package, takes=3, candidates=4)
print(1000 * spent[0])
"""


def clock(work: Callable[[], Any]) -> tuple[float, Any]:
    """Median processor seconds of RUNS runs, and what the last one gave."""
    seconds, found = [], None
    for _ in range(RUNS):
        began = time.process_time()
        found = work()
        seconds.append(time.process_time() - began)
    return median(seconds), found


def guarded(sampler: Sampler, guard: Guard, style: str, wanted: list) -> dict[str, Any]:
    """Seconds without and with the guard, their ratio (speed that is kept), and how often takes went back."""
    plain, _ = clock(lambda: sampler.sample(wanted))
    under, found = clock(lambda: guard.sample(sampler.session, wanted, [style] * len(wanted)))
    return {
        "takes": len(wanted), "plain_seconds": round(plain, 3), "guarded_seconds": round(under, 3), "speed_kept": round(plain / under, 3),
        "went_back": sum(g.backups for g in found), "given_up": sum(not g.clean for g in found),
    }  # fmt: skip


def check_milliseconds(model: str, style: str) -> list[float]:
    """Milliseconds of the check of three pieces in a fresh process, RUNS times."""
    command = [sys.executable, "-c", _CHECK, model, style]
    return [
        round(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]), 1)
        for _ in range(RUNS)
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="default")
    parser.add_argument("--styles", default="jig,hymn,mazurka")
    parser.add_argument("--limit", default="p99", help="the guard's limit: at p99 takes seldom go back, so the watch is what is timed")
    options = parser.parse_args()
    package = load_package(options.model)
    sampler, guard = Sampler(package), Guard(open_reference(package), options.limit)
    result: dict[str, Any] = about(
        f"python benchmarks/original_speed.py --model {options.model} --styles {options.styles}", model=package.name,
        model_hash=package.hash, limit=options.limit, runs=RUNS, targets={"speed_kept": 0.8, "check_milliseconds": 150}, styles={},
    )  # fmt: skip
    for style in options.styles.split(","):
        wanted = requests(package, style, 32, range(16))
        sampler.sample(wanted[:1])
        result["styles"][style] = {
            "batch": guarded(sampler, guard, style, wanted),
            "alone": guarded(sampler, guard, style, wanted[:1]),
            "check_milliseconds": {"median": median(ms := check_milliseconds(options.model, style)), "all": ms},
        }
    write(f"original_speed_{package.name}", result)


if __name__ == "__main__":
    main()
