"""zhiyin, asked the same things as the peers, in the project's own environment."""

from __future__ import annotations

from worker import repeated, serve, timed  # first: the clock starts with it

# isort: split
import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from zhiyin.inference.brief import make_brief
from zhiyin.inference.compose import make_request
from zhiyin.inference.controls import Controls
from zhiyin.inference.plan import make_plan
from zhiyin.inference.request import make_sampling
from zhiyin.inference.sampler import Sampler
from zhiyin.provenance.package import load_package


class Ours:
    """A package for writing; a corpus of the same files and fresh networks for training."""

    def __init__(self, files: list[Path], package: str) -> None:
        self.files = files
        self.package = load_package(package)
        self.sampler = Sampler(self.package)
        self.corpus: Any = None
        self.learners: dict[str, tuple[Any, Any, Any]] = {}

    def encode(self, out: str) -> dict[str, Any]:
        """Files -> rows on disk by the batched MIDI road."""
        from zhiyin.corpus.midi_rows import write_rows

        return timed(lambda: {"notes": len(write_rows(self.files, Path(out)).rows)})

    def generate(self, batch: int, bars: int, seed: int) -> dict[str, Any]:
        """Pieces of so many bars, sampled together; plans and masks are part of the work."""

        def work() -> dict[str, int]:
            sampling, wanted = make_sampling(self.package.manifest, None, None, None), []
            for i in range(batch):
                brief = make_brief(Controls(bars=bars), self.package.manifest, 1000 * seed + i)
                wanted.append(make_request(brief, make_plan(brief, variation=1.0), sampling))
            return {"notes": sum(len(w.nats) for w in self.sampler.sample(wanted))}

        return timed(work)

    def train(self, for_seconds: float, precision: str, recipe: str, folder: str) -> dict[str, Any]:
        """Optimiser steps of a recipe on a corpus of the same files."""
        import torch

        from zhiyin.training.loop import tensors

        model, batches, optimiser = self._learner(recipe, Path(folder))
        model.train()

        def step(k: int) -> int:
            batch = batches.batch(k)
            rows = int(batch["scored"].sum())
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                loss = model.nats(tensors(batch, torch.device("cpu"))).sum() / rows
            loss.backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            return rows

        return {**repeated(step, for_seconds), "parameters": model.parameter_count}

    def _learner(self, name: str, folder: Path) -> tuple[Any, Any, Any]:
        if name not in self.learners:
            import torch

            from zhiyin.corpus.build import build as build_corpus
            from zhiyin.corpus.store import open_corpus
            from zhiyin.models.catalog import build
            from zhiyin.training.batches import Batches
            from zhiyin.training.recipe import load_recipe

            if self.corpus is None:
                music = folder / "files"
                music.mkdir()
                for i, path in enumerate(self.files):
                    shutil.copy(path, music / f"{i}{path.suffix}")
                build_corpus([music], folder / "corpus")
                self.corpus = open_corpus(folder / "corpus")
            recipe = load_recipe(name)
            torch.manual_seed(0)
            model = build(recipe.family, **recipe.sizes)
            optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, fused=True)
            self.learners[name] = model, Batches(self.corpus, recipe), optimiser
        return self.learners[name]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("list", type=Path)
    parser.add_argument("--model", default="default")
    arguments = parser.parse_args()
    ours = Ours([Path(p) for p in json.loads(arguments.list.read_text())], arguments.model)
    serve({"encode": ours.encode, "generate": ours.generate, "train": ours.train}, {"parameters": ours.package.manifest.get("parameters")})


if __name__ == "__main__":
    main()
