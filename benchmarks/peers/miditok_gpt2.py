"""What a practitioner would put together today: MidiTok REMI and a GPT-2 of `transformers`. Runs in the environment of requirements-miditok.txt."""

from __future__ import annotations

from worker import repeated, serve, timed  # first: the clock starts with it

# isort: split
import argparse
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import miditok
import numpy as np
import symusic
import torch
from transformers import GPT2Config, GPT2LMHeadModel

WINDOW = 512  # tokens
BATCH = 8
LAYERS, HEADS = 4, 8


class Peer:
    """The tokenizer and a network of (about) as many parameters as asked for."""

    def __init__(self, files: list[Path], parameters: int) -> None:
        self.files = files
        self.tokenizer = miditok.REMI(miditok.TokenizerConfig(use_programs=True))
        width = min(range(64, 1025, 8), key=lambda w: abs(12 * LAYERS * w * w + (len(self.tokenizer) + WINDOW) * w - parameters))
        torch.manual_seed(0)
        self.model = GPT2LMHeadModel(GPT2Config(
            vocab_size=len(self.tokenizer), n_positions=WINDOW, n_embd=width, n_layer=LAYERS, n_head=HEADS, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        ))  # fmt: skip
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=1e-3, fused=True)
        self.count = sum(p.numel() for p in self.model.parameters())
        self.flat = np.zeros(0, np.int64)
        self.tokens_per_note = 0.0

    def encode(self, out: str) -> dict[str, Any]:
        """Files -> token files; what is read is kept for training."""
        kept = list[list[int]]()

        def work() -> dict[str, int]:
            notes = 0
            for i, path in enumerate(self.files):
                score = symusic.Score(str(path))
                notes += sum(len(t.notes) for t in score.tracks)
                kept.append(self.tokenizer(score).ids)
                Path(out, f"{i}.json").write_text(json.dumps(kept[-1]), encoding="ascii")
            return {"notes": notes}

        said = timed(work)
        self.flat = np.concatenate([np.array([1, *ids, 2]) for ids in kept])
        self.tokens_per_note = len(self.flat) / said["notes"]
        np.savez(Path(out, "tokens.npz"), ids=self.flat, vocabulary=len(self.tokenizer), tokens_per_note=self.tokens_per_note)
        return {**said, "tokens": len(self.flat)}

    def generate(self, batch: int, tokens: int, seed: int) -> dict[str, Any]:
        """`generate` with its cache, sampling at temperature 1; never stops early, so that tokens are what was asked for."""
        torch.manual_seed(seed)
        self.model.eval()
        start = torch.ones(batch, 1, dtype=torch.long)

        def work() -> dict[str, float]:
            with torch.no_grad():
                out = self.model.generate(start, attention_mask=torch.ones_like(start), do_sample=True, min_new_tokens=tokens, max_new_tokens=tokens)
            written = batch * (out.shape[1] - 1)
            return {"tokens": written, "notes": written / self.tokens_per_note}

        return timed(work)

    def train(self, for_seconds: float, precision: str) -> dict[str, Any]:
        """Optimiser steps on windows of 512 tokens, 8 at a time."""
        rng, ids = np.random.default_rng(0), self.flat
        self.model.train()

        def step(_: int) -> float:
            at = rng.integers(0, max(1, len(ids) - WINDOW), BATCH)
            batch = torch.from_numpy(np.stack([ids[a : a + WINDOW] for a in at]))
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                loss = self.model(batch, labels=batch).loss
            loss.backward()
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)
            return BATCH * WINDOW / self.tokens_per_note

        return repeated(step, for_seconds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("list", type=Path)
    parser.add_argument("--parameters", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    peer = Peer([Path(p) for p in json.loads(arguments.list.read_text())], arguments.parameters)
    versions = {name: version(name) for name in ("miditok", "transformers", "torch")}
    serve({"encode": peer.encode, "generate": peer.generate, "train": peer.train}, {"parameters": peer.count, **versions})


if __name__ == "__main__":
    main()
