"""What every benchmark says beside its figures: machine, commit, versions; and how it writes them."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from zhiyin.measures.distribution import wilson

RESULTS = Path(__file__).parent / "results"


def about(command: str, **more: Any) -> dict[str, Any]:
    """Machine, commit and versions, with the command that makes the file."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    model = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return {
        "command": command, "commit": commit, "machine": f"{model}, {os.cpu_count()} cores", "load": [round(x, 2) for x in os.getloadavg()],
        "python": platform.python_version(), "onnxruntime": version("onnxruntime"), **more,
    }  # fmt: skip


def clopper_pearson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a binomial share, by halving (Clopper & Pearson 1934)."""

    def at_most(k: int, p: float) -> float:  # P(X <= k)
        logs = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p) for i in range(k + 1)]
        return math.fsum(math.exp(x) for x in logs)

    def solve(k: int, wanted: float) -> float:  # p at which P(X <= k) is `wanted`
        low, high = 1e-12, 1 - 1e-12
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if at_most(k, middle) > wanted else (low, middle)
        return (low + high) / 2

    tail = (1 - level) / 2
    return (solve(hits - 1, 1 - tail) if hits else 0.0), (solve(hits, tail) if hits < n else 1.0)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def share(hits: Sequence[bool]) -> dict[str, Any]:
    """Share of true ones with a 95 % Wilson interval."""
    low, high = wilson(sum(hits), len(hits))
    return {"share": round(sum(hits) / len(hits), 4), "low": round(low, 4), "high": round(high, 4), "n": len(hits)}


def write(name: str, result: dict[str, Any]) -> None:
    """Writes benchmarks/results/<name>.json and prints it."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=1, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(text)
