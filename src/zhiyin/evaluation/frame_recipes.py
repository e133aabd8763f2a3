"""What `zhiyin evaluate frames` trains, by family, head and size of the set.

bernoulli: at the parameter budgets of Bai, Kolter and Koltun (2018): 300,000 for small sets (JSB), 1,000,000 for large ones (Nottingham); nothing
but the frames before, no transposition. joint: as large as helps, transposed, with recall, phase and a relative head.
"""

from __future__ import annotations

from typing import Any

from zhiyin.errors import TrainingError, near_names
from zhiyin.models.frames import HEADS, TRUNKS
from zhiyin.training.recipe import Recipe

SMALL = 50_000  # training frames up to which a set counts as small
BUDGET = {"small": 300_000, "large": 1_000_000}  # parameters

_PLAIN: dict[tuple[str, str], dict[str, Any]] = {
    ("rnn", "small"): {"hidden": 430, "layers": 1, "dropout": 0.5},
    ("rnn", "large"): {"hidden": 900, "layers": 1, "dropout": 0.3},
    ("lstm", "small"): {"hidden": 210, "layers": 1, "dropout": 0.5},
    ("lstm", "large"): {"hidden": 440, "layers": 1, "dropout": 0.3},
    ("gru", "small"): {"hidden": 250, "layers": 1, "dropout": 0.5},
    ("gru", "large"): {"hidden": 510, "layers": 1, "dropout": 0.3},
    ("tcn", "small"): {"hidden": 150, "layers": 2, "kernel": 3, "dropout": 0.5},
    ("tcn", "large"): {"hidden": 150, "layers": 4, "kernel": 6, "dropout": 0.2},
    ("transformer", "small"): {"width": 96, "layers": 2, "heads": 4, "hidden": 320, "dropout": 0.3},
    ("transformer", "large"): {"width": 160, "layers": 3, "heads": 4, "hidden": 400, "dropout": 0.2},
}  # fmt: skip
_BEST: dict[tuple[str, str], dict[str, Any]] = {
    ("rnn", "small"): {"width": 256, "hidden": 512, "layers": 1, "dropout": 0.4},
    ("rnn", "large"): {"width": 256, "hidden": 768, "layers": 1, "dropout": 0.2},
    ("lstm", "small"): {"width": 256, "hidden": 384, "layers": 1, "dropout": 0.4},
    ("lstm", "large"): {"width": 256, "hidden": 512, "layers": 1, "dropout": 0.2},
    ("gru", "small"): {"width": 256, "hidden": 384, "layers": 1, "dropout": 0.4},
    ("gru", "large"): {"width": 256, "hidden": 512, "layers": 1, "dropout": 0.2},
    ("tcn", "small"): {"width": 256, "hidden": 256, "layers": 4, "kernel": 3, "dropout": 0.4},
    ("tcn", "large"): {"width": 256, "hidden": 256, "layers": 6, "kernel": 3, "dropout": 0.2},
    ("transformer", "small"): {"width": 128, "layers": 2, "heads": 4, "hidden": 344, "dropout": 0.35},
    ("transformer", "large"): {"width": 160, "layers": 3, "heads": 4, "hidden": 432, "dropout": 0.15},
}  # fmt: skip
_EXTRAS = {"recall": 1, "phase": 1, "moved": 1, "channels": 16, "head_hidden": 192}
_PLAIN_STEPS = {"small": 2500, "large": 4000}
_BEST_STEPS = {"small": 900, "large": 700}


def frame_recipe(family: str, head: str, training_frames: int, *, extras: bool | None = None) -> Recipe:
    """The recipe for a set of so many training frames. ``extras`` (None: for joint heads) asks for recall, phase, moved and a relative head."""
    for name, known, word in ((family, TRUNKS, "family"), (head, HEADS, "head")):
        if name not in known:
            raise TrainingError(f"Unknown {word}", expected=f"one of {', '.join(known)}", received=repr(name), hint=f"try {near_names(name, known)}")
    size = "small" if training_frames <= SMALL else "large"
    base = Recipe(
        family=family, batch_rows=1024 if size == "small" else 2048, window=256, warmup=0.05, final_rate=0.02, clip=0.5,
        weight_decay=0.1, ema=0.995, validations=25, valid_rows=0, patience=6, precision="fp32",
        learning_rate=4e-4 if family == "rnn" else 1.5e-3, transpose=0,
    )  # fmt: skip
    if not (head == "joint" if extras is None else extras):
        return base.replace(steps=_PLAIN_STEPS[size], sizes={**_PLAIN[family, size], "head": head})
    sizes = {**_BEST[family, size], **_EXTRAS, "head": head}
    measured = {"validations": 8, "valid_rows": 12_000} if size == "large" else {}  # of 45,000 in Nottingham, always the same
    return base.replace(steps=_BEST_STEPS[size], batch_rows=1024, transpose=6, sizes=sizes, **measured)
