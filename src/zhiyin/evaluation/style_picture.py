"""Pictures of a classifier's figures: the confusion of its labels, and how sure it was against how often it was right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.files import atomic_path


def draw_confusion(figures: Mapping[str, Any], path: Path, *, title: str = "") -> Path:
    """The confusion matrix as a picture, each true label's row in shares; numbers where there are at most 16 labels."""
    pyplot = _pyplot()
    table, names = np.array(figures["confusion"]), figures["classes"]
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1e-9)
    size = 2.5 + 0.28 * len(names) if len(names) > 8 else 5.0
    figure, axes = pyplot.subplots(figsize=(size + 1.5, size), dpi=110)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(xlabel="said", ylabel="is", title=title)
    if len(names) <= 16:
        for (i, j), value in np.ndenumerate(share):
            if value >= 0.005:
                axes.text(j, i, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color="white" if value > 0.6 else "black")
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the label's pieces")
    return _save(figure, path)


def draw_calibration(figures: Mapping[str, Any], path: Path, *, title: str = "") -> Path:
    """The calibration curve: said against right, the diagonal is honest; circles are as large as they have pieces."""
    pyplot = _pyplot()
    curve = figures["calibration"]
    said, right, n = (np.array([c[k] for c in curve]) for k in ("said", "right", "n"))
    figure, axes = pyplot.subplots(figsize=(4.6, 4.4), dpi=110)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, label="honest")
    axes.plot(said, right, color="tab:blue", linewidth=1)
    axes.scatter(said, right, s=10 + 200 * n / n.max(), color="tab:blue", alpha=0.6, label="answers")
    axes.set(xlabel="probability of the answer", ylabel="share that was right", xlim=(0, 1), ylim=(0, 1), title=title)
    axes.text(0.03, 0.93, f"expected gap {figures['calibration_error']:.3f}", fontsize=9)
    axes.legend(loc="lower right", fontsize=8)
    return _save(figure, path)


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _save(figure: Any, path: Path) -> Path:
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")
    _pyplot().close(figure)
    return path
