"""The tester that reads notes: a small Transformer, trained from scratch in each fold, with windows transposed at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from zhiyin.encoding.fields import DURATIONS, MAX_BAR_STEPS, PROGRAM_CLASSES
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH, POSITION
from zhiyin.evaluation.excerpts import MAX_BARS, Excerpt

ROWS = 96  # notes read of a window: a run of them at random in training, the mean over RUNS runs in the test
RUNS = 4
WIDTH, LAYERS, HEADS, DROPOUT = 64, 2, 4, 0.2
EPOCHS, BATCH, RATE = 8, 32, 1.5e-3
_SIZES = (MAX_BARS + 1, MAX_BAR_STEPS, PROGRAM_CLASSES, 128 + 24, len(DURATIONS), 12 * 24 + 1)


class NoteTransformer(nn.Module):
    """Notes int64 (B, T, 6), mask bool (B, T) (True = a note) -> logits (B,). Bidirectional; mean over the notes."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.ModuleList(nn.Embedding(size, WIDTH) for size in _SIZES)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, DROPOUT, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.LayerNorm(2 * WIDTH), nn.Dropout(DROPOUT), nn.Linear(2 * WIDTH, 1))

    def forward(self, notes: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits of class 1."""
        x = sum(table(notes[..., i]) for i, table in enumerate(self.embed))
        x = self.layers(x, src_key_padding_mask=~mask)
        some = mask[..., None].to(x.dtype)
        mean = (x * some).sum(1) / some.sum(1).clamp(min=1)
        most = x.masked_fill(~mask[..., None], -1e4).amax(1)
        return self.head(torch.cat([mean, most], dim=1))[:, 0]


def transformer(train: Sequence[Excerpt], labels: np.ndarray, test: Sequence[Excerpt]) -> np.ndarray:
    """Trains on some windows and scores others. Seeded; one device, the CPU."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = NoteTransformer()
    notes = [_notes(w) for w in train]
    batches = -(-len(train) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * batches, pct_start=0.2)
    target = torch.tensor(np.asarray(labels), dtype=torch.float32)
    for _ in range(EPOCHS):
        for chosen in np.array_split(rng.permutation(len(train)), batches):
            runs = [_moved(_run(notes[i], int(rng.integers(max(len(notes[i]) - ROWS, 0) + 1))), int(rng.integers(-6, 6))) for i in chosen]
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(*_batch(runs))
            loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), target[chosen])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return _scores(model.eval(), [_notes(w) for w in test])


@torch.no_grad()
def _scores(model: NoteTransformer, notes: Sequence[np.ndarray]) -> np.ndarray:
    out = []
    for at in range(0, len(notes), BATCH):
        some = notes[at : at + BATCH]
        places = [[max(len(n) - ROWS, 0) * k // (RUNS - 1) for n in some] for k in range(RUNS)]
        heard = [model(*_batch([_run(n, at) for n, at in zip(some, place)])).numpy() for place in places]
        out.append(np.mean(heard, axis=0))
    return np.concatenate(out)


def _notes(window: Excerpt) -> np.ndarray:
    """int64 (T, 6): bar, position, program, pitch, duration, quarters-of-a-beat since the last note (capped)."""
    rows = window.rows.astype(np.int64)
    if not len(rows):
        rows = np.zeros((1, 5), dtype=np.int64)
    programs = np.array(window.programs)[rows[:, PART]]
    steps = np.diff(rows[:, BAR] * MAX_BAR_STEPS + rows[:, POSITION], prepend=0)
    since = np.clip(steps, 0, _SIZES[5] - 1)
    return np.stack([rows[:, BAR], rows[:, POSITION], programs, rows[:, PITCH] + 12, rows[:, DURATION], since], axis=1)


def _run(notes: np.ndarray, first: int) -> np.ndarray:
    return notes[first : first + ROWS]


def _moved(notes: np.ndarray, semitones: int) -> np.ndarray:
    notes = notes.copy()
    notes[:, 3] += semitones
    return notes


def _batch(runs: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(r) for r in runs)
    notes, mask = np.zeros((len(runs), longest, 6), dtype=np.int64), np.zeros((len(runs), longest), dtype=bool)
    for i, run in enumerate(runs):
        notes[i, : len(run)], mask[i, : len(run)] = run, True
    return torch.from_numpy(notes), torch.from_numpy(mask)
