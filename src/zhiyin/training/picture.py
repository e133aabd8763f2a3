"""The loss picture: training and held-out nats per note over steps, drawn from log.jsonl."""

from __future__ import annotations

import json
from pathlib import Path


def loss_picture(log: Path, out: Path) -> None:
    """Draws the log of a run to a PNG; nothing where matplotlib is not installed."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        return
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    figure, axes = pyplot.subplots(figsize=(8, 4.5), dpi=120)
    for kind, style, label in (
        ("train", {"linewidth": 0.7, "alpha": 0.6}, "training batches"),
        ("valid", {"marker": "o"}, "held-out pieces"),
    ):
        points = [(line["step"], line["nats"]) for line in lines if line["kind"] == kind]
        if points:
            axes.plot(*zip(*points), label=label, **style)
    axes.set(xlabel="step", ylabel="nats per note")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(out)
    pyplot.close(figure)
