"""The classic recipe in Keras: two LSTM(128), dropout .2 after each, softmax, Adam, batches of 64 windows of 100 one-hot tokens.

Runs in the environment of requirements-keras.txt, on the tokens that miditok_gpt2.py wrote. Every token of a window is a target (the recipe as it is
mostly told has one target a window; this is a hundred times as kind to it).
"""

from __future__ import annotations

from worker import repeated, serve, timed  # first: the clock starts with it

# isort: split
import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np

WINDOW, BATCH = 100, 64


class Peer:
    """The network over flat tokens."""

    def __init__(self, tokens: Path) -> None:
        import keras

        with np.load(tokens) as held:
            self.ids, self.size, self.tokens_per_note = held["ids"], int(held["vocabulary"]), float(held["tokens_per_note"])
        keras.utils.set_random_seed(0)
        layers = keras.layers
        self.model = keras.Sequential([
            layers.Input((None, self.size)), layers.LSTM(128, return_sequences=True), layers.Dropout(0.2),
            layers.LSTM(128, return_sequences=True), layers.Dropout(0.2), layers.Dense(self.size, activation="softmax"),
        ])  # fmt: skip
        self.model.compile("adam", "sparse_categorical_crossentropy")
        self.eye = np.eye(self.size, dtype=np.float32)

    def generate(self, batch: int, tokens: int, seed: int) -> dict[str, Any]:
        """One `predict` a token over the last 100 tokens, as the tutorials do."""
        rng = np.random.default_rng(seed)
        ids = np.stack([self.ids[a : a + WINDOW] for a in rng.integers(0, len(self.ids) - WINDOW, batch)])
        self.model.predict(self.eye[ids], verbose=0)

        def work() -> dict[str, float]:
            line = ids
            for _ in range(tokens):
                p = self.model.predict(self.eye[line[:, -WINDOW:]], verbose=0)[:, -1].astype(np.float64)
                drawn = (p.cumsum(-1) / p.sum(-1, keepdims=True) < rng.random((batch, 1))).sum(-1)
                line = np.concatenate((line, drawn[:, None]), 1)
            return {"tokens": batch * tokens, "notes": batch * tokens / self.tokens_per_note}

        return timed(work)

    def train(self, for_seconds: float, precision: str) -> dict[str, Any]:
        """Optimiser steps for some seconds (fp32; ``precision`` is for the others)."""
        rng = np.random.default_rng(0)

        def step(_: int) -> float:
            at = rng.integers(0, len(self.ids) - WINDOW - 1, BATCH)
            self.model.train_on_batch(self.eye[np.stack([self.ids[a : a + WINDOW] for a in at])], np.stack([self.ids[a + 1 : a + WINDOW + 1] for a in at]))
            return BATCH * WINDOW / self.tokens_per_note

        return repeated(step, for_seconds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tokens", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    peer = Peer(arguments.tokens)
    serve({"generate": peer.generate, "train": peer.train}, {"parameters": peer.model.count_params(), "tensorflow": tf.__version__})


if __name__ == "__main__":
    main()
