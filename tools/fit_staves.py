"""Fits the network of ``zhiyin.score.staves`` on piano parts whose staves are written.

    python tools/fit_staves.py FOLDER_OF_MXL src/zhiyin/data/staves.npz --songs 400 --held-out 150

The shipped weights: 250 songs of OpenScore Lieder (CC0), 201,665 piano notes, six epochs; the network alone puts
93.0 % of the notes of 145 held-out piano parts on their staff (a border at middle C: 84.9 % on 56 of them).
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
import torch

from zhiyin.errors import ZhiyinError
from zhiyin.formats.musicxml import read_musicxml
from zhiyin.score.score import Score
from zhiyin.score.staves import FEATURES, note_features

BATCH = 2048


def examples(score: Score) -> list[tuple[np.ndarray, np.ndarray]]:
    """(features, on the top staff) of each part of a song that is written on two staves."""
    found = []
    for part in range(len(score.parts)):
        notes = score.notes[score.notes["part"] == part]
        if len(notes) > 20 and notes["staff"].max() == 2 and (notes["staff"] == 2).mean() > 0.02:
            top = (notes["staff"] == 1).astype(np.float32)
            found.append((note_features(notes, score.ticks_per_quarter), top))
    return found


def fit(features: np.ndarray, top: np.ndarray, epochs: int) -> list[torch.nn.Linear]:
    """The layers of a network FEATURES -> 96 -> 32 -> log-odds of the top staff."""
    torch.manual_seed(0)
    layers = [torch.nn.Linear(a, b) for a, b in ((FEATURES, 96), (96, 32), (32, 1))]
    drop = [torch.nn.ReLU(), torch.nn.Dropout(0.2)]
    net = torch.nn.Sequential(layers[0], *drop, layers[1], *drop, layers[2])
    x, y = torch.tensor(features), torch.tensor(top)
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=2e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=epochs * (len(x) // BATCH) + 1)
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(x))[: len(x) // BATCH * BATCH].split(BATCH):
            optimiser.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(net(x[rows])[:, 0], y[rows])
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        print(f"epoch {epoch + 1}: {total / max(len(x) // BATCH, 1):.4f} nats a note")
    return layers


def accuracy(layers: list[torch.nn.Linear], parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[int, int]:
    """(right, all) notes of held-out parts."""
    right = total = 0
    with torch.no_grad():
        for features, top in parts:
            values = torch.tensor(features)
            for layer in layers[:-1]:
                values = layer(values).relu()
            right += int(((layers[-1](values)[:, 0].numpy() > 0) == (top > 0)).sum())
            total += len(top)
    return right, total


def main() -> None:
    """Reads, fits, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--songs", type=int, default=400)
    parser.add_argument("--held-out", type=int, default=150)
    parser.add_argument("--epochs", type=int, default=6)
    args = parser.parse_args()
    paths = sorted(args.folder.rglob("*.mxl"))
    random.Random(0).shuffle(paths)
    songs = []
    for path in paths[: args.songs]:
        try:
            songs.append(examples(read_musicxml(path)))
        except ZhiyinError as error:
            print(f"left out {path.name}: {error}")
    train = [part for song in songs[args.held_out :] for part in song]
    layers = fit(*(np.concatenate(column) for column in zip(*train)), epochs=args.epochs)
    right, total = accuracy(layers, [part for song in songs[: args.held_out] for part in song])
    print(f"held out: {right} of {total} notes right ({100 * right / max(total, 1):.2f} %)")
    arrays = {f"weight{i}": layer.weight.detach().numpy().T.astype(np.float16) for i, layer in enumerate(layers)}
    arrays |= {f"bias{i}": layer.bias.detach().numpy().astype(np.float16) for i, layer in enumerate(layers)}
    np.savez_compressed(args.out, **arrays)


if __name__ == "__main__":
    main()
