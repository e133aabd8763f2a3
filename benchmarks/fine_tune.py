"""Thirty pieces of one's own: fine-tuning the default model against training from scratch at equal minutes.

    python benchmarks/fine_tune.py FOLDER_OF_MIDI [--minutes 2] [--pieces 30]

Both see the same built corpus and are measured on its held-out pieces; forgetting is measured on pieces that the old
model composes.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from pathlib import Path

from common import about, write

from zhiyin.corpus.build import BuildOptions, build
from zhiyin.training.recipe import load_recipe
from zhiyin.training.train import TrainOptions, fine_tune, train


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--pieces", type=int, default=30)
    parser.add_argument("--model", default="default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        root = Path(work)
        files = sorted(p for p in options.folder.rglob("*.mid"))
        chosen = random.Random(0).sample(files, min(options.pieces, len(files)))
        own = root / "own"
        own.mkdir()
        for i, path in enumerate(chosen):
            shutil.copy(path, own / f"{i:02}-{path.name}")
        built = build([own], root / "corpus", options=BuildOptions(hold_out=False))
        tuned = fine_tune(
            root / "corpus",
            options.model,
            minutes=options.minutes,
            options=TrainOptions(out=root / "a", run_folder=root / "ra"),
        )
        recipe = load_recipe("transformer")
        scratch = train(
            root / "corpus",
            recipe=recipe,
            minutes=options.minutes,
            options=TrainOptions(out=root / "b", run_folder=root / "rb"),
        )
        write(
            "fine_tune",
            {
                **about(f"python benchmarks/fine_tune.py FOLDER --minutes {options.minutes:g} --pieces {options.pieces}", seed=0),
                "pieces": built.pieces, "notes": built.notes, "held_out_notes": tuned.notes,
                "nats_before": tuned.before, "nats_fine_tuned": tuned.nats, "nats_from_scratch": scratch.nats,
                "old_models_own_music": {"before": tuned.old_before, "after": tuned.old_after},
                "steps": {"fine_tuned": tuned.steps, "from_scratch": scratch.steps},
            },
        )  # fmt: skip


if __name__ == "__main__":
    main()
