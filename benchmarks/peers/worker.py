"""A process that is asked one thing at a time: commands come as JSON lines on stdin, answers go as JSON lines to stdout. Standard library only.

A peer lives in its own environment, so it is measured in its own process; the clock runs inside it, around the work alone.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

STARTED = time.perf_counter()


def timed(work: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """What the work says, with its wall-clock and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    said = dict(work())
    return {**said, "seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}


def repeated(step: Callable[[int], float], for_seconds: float) -> dict[str, Any]:
    """Takes steps 1, 2 … for some seconds, after step 0 outside of the clock; each says how many notes it learnt from."""
    step(0)

    def work() -> dict[str, float]:
        began, steps, notes = time.perf_counter(), 0, 0.0
        while time.perf_counter() - began < for_seconds:
            steps += 1
            notes += step(steps)
        return {"steps": steps, "notes": notes}

    return timed(work)


def serve(commands: Mapping[str, Callable[..., Mapping[str, Any]]], facts: Mapping[str, Any]) -> None:
    """Says that it is ready, then answers until stdin ends. Whatever libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    print(json.dumps({"ready_seconds": time.perf_counter() - STARTED, **facts}), file=answers)
    for line in sys.stdin:
        asked = json.loads(line)
        name = asked.pop("do")
        answer = commands[name](**asked)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**answer, "peak_megabytes": round(peak)}), file=answers)
