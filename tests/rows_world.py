"""Random but legal material for the tests of models and graphs: pieces, batches, rules of a step, and a host loop."""

from __future__ import annotations

import numpy as np
import torch

from zhiyin.encoding.fields import BAR_COLUMN, BAR_SIZES, CONTROL_SIZES, DURATIONS, END, MAX_PARTS
from zhiyin.encoding.layout import NO_PITCH, START, lay_out
from zhiyin.encoding.rows import EncodedPiece, with_bars_left
from zhiyin.models.catalog import build
from zhiyin.models.rows import RowModel

TINY = {
    "rnn": {"width": 16, "hidden": 16, "layers": 1, "head_hidden": 16},
    "lstm": {"width": 16, "hidden": 24, "layers": 2, "head_hidden": 16},
    "gru": {"width": 16, "hidden": 16, "layers": 1, "head_hidden": 16},
    "transformer": {"width": 16, "heads": 2, "layers": 2, "hidden": 24, "window": 32, "head_hidden": 16},
}
LENGTHS = np.array([24, 36, 48, 72, 96, 144, 384])


def tiny(family: str, seed: int = 0) -> RowModel:
    """An untrained network of a family, small enough for unit tests."""
    torch.manual_seed(seed)
    return build(family, **TINY[family]).eval()


def random_bars(rng: np.random.Generator, count: int) -> np.ndarray:
    """A legal bar table (count, 13) with random columns and few different lengths."""
    table = np.stack([rng.integers(0, size, count) for size in BAR_SIZES], -1)
    table[:, BAR_COLUMN["length"]] = rng.choice(LENGTHS, count)
    return with_bars_left(table)


def random_piece(rng: np.random.Generator, notes: int, bars: int = 12, parts: int = 3) -> EncodedPiece:
    """A legal piece of at most ``notes`` rows."""
    table = random_bars(rng, bars)
    bar = rng.integers(0, bars, notes)
    position = rng.integers(0, 10_000, notes) % table[bar, 0]
    place = np.stack([bar, position, rng.integers(0, parts, notes), rng.integers(30, 90, notes)], -1)
    place = np.unique(place, axis=0)
    rest = np.stack([rng.integers(0, len(DURATIONS), len(place)), rng.integers(0, 17, len(place))], -1)
    controls = np.array([rng.integers(0, s) for s in CONTROL_SIZES])
    return EncodedPiece(np.c_[place, rest], table, rng.integers(0, 129, parts), controls)


def programs_row(programs: np.ndarray) -> np.ndarray:
    """Programs padded to 32 slots with 129 = no such part."""
    return np.r_[programs, np.full(MAX_PARTS - len(programs), 129)]


def batch_of(pieces: list[EncodedPiece], rng: np.random.Generator | None = None) -> dict[str, torch.Tensor]:
    """A padded training batch; with ``rng`` a fifth of the rows is given."""
    laid = [lay_out(p.rows, None if rng is None else rng.random(len(p.rows)) < 0.2) for p in pieces]
    rows, bars = max(len(s.inputs) for s in laid), max(len(p.bars) for p in pieces)

    def padded(arrays: list[np.ndarray], size: int) -> torch.Tensor:
        grown = [np.concatenate([a, np.zeros((size - len(a), *a.shape[1:]), a.dtype)]) for a in arrays]
        out = torch.from_numpy(np.stack(grown))
        return out if out.dtype == torch.bool else out.long()

    return {
        "inputs": padded([s.inputs for s in laid], rows),
        "targets": padded([s.targets for s in laid], rows),
        "previous_pitch": padded([s.previous_pitch for s in laid], rows),
        "scored": padded([s.scored for s in laid], rows),
        "bars": padded([p.bars for p in pieces], bars),
        "programs": torch.from_numpy(np.stack([programs_row(p.programs) for p in pieces])).long(),
        "controls": torch.from_numpy(np.stack([p.controls for p in pieces])).long(),
    }


def open_rules(rng: np.random.Generator, batch: int, bars: int, parts: int) -> dict[str, np.ndarray]:
    """The inputs of the step graph that stay the same over a piece, with nothing forbidden."""
    tables = np.stack([random_bars(rng, bars) for _ in range(batch)])
    programs = np.stack([programs_row(rng.integers(0, 129, parts)) for _ in range(batch)])
    return {
        "bars": tables,
        "bar_count": np.full(batch, bars),
        "programs": programs,
        "controls": np.stack([rng.integers(0, s, batch) for s in CONTROL_SIZES], -1),
        "pitch_masks": np.stack([np.zeros(128, bool), np.ones(128, bool)]),
        "mask_index": np.ones((batch, bars, 16, MAX_PARTS), np.int64),
        "position_masks": np.ones((1, 384), bool),
        "position_index": np.zeros((batch, bars), np.int64),
        "end_bar": np.full(batch, bars - 1),
        "must_play": np.arange(MAX_PARTS)[None] < np.full((batch, 1), parts),
        "temperature": np.ones((batch, 6), np.float32),
        "top_p": np.ones((batch, 6), np.float32),
        "min_p": np.zeros((batch, 6), np.float32),
        "force": np.full((batch, 6), -1),
    }


def tight_rules(rng: np.random.Generator, batch: int, bars: int, parts: int) -> dict[str, np.ndarray]:
    """Rules with few places left: sparse positions, few pitches, many closed quarters, parts, bars."""
    rules = open_rules(rng, batch, bars, parts)
    masks = rng.random((6, 128)) < rng.choice([0.01, 0.05, 0.5], 6)[:, None]
    masks[0] = False
    rules["pitch_masks"] = masks
    closed = rng.choice([0.2, 0.6, 0.9])
    shape = rules["mask_index"].shape
    rules["mask_index"] = np.where(rng.random(shape) < closed, 0, rng.integers(1, 6, shape))
    rules["position_masks"] = rng.random((4, 384)) < rng.choice([0.01, 0.1, 0.9], 4)[:, None]
    rules["position_index"] = rng.integers(0, 4, (batch, bars))
    rules["end_bar"] = rng.integers(0, bars, batch)
    rules["must_play"] &= rng.random((batch, MAX_PARTS)) < 0.7
    return rules


class Host:
    """Plays the host of a step graph: keeps ``last``, ``last_pitch``, ``must_play`` and the state between rows."""

    def __init__(self, call, input_names, state: dict[str, np.ndarray], rules: dict[str, np.ndarray]) -> None:
        self.call, self.names, self.state = call, input_names, state
        self.rules = {name: value.copy() for name, value in rules.items()}
        batch = len(rules["bars"])
        self.row = np.zeros((batch, 9), np.int64)
        self.row[:, 6] = START
        self.last = np.tile(np.array([0, -1, -1, -1]), (batch, 1))
        self.last_pitch = np.full((batch, MAX_PARTS), NO_PITCH)
        self.rows: list[list[np.ndarray]] = [[] for _ in range(batch)]
        self.nats: list[list[np.ndarray]] = [[] for _ in range(batch)]
        self.ended = np.zeros(batch, bool)
        self.count = 0

    def step(self, uniform: np.ndarray) -> np.ndarray:
        """One row for every item; those that ended are no longer recorded."""
        given = {**self.rules, **self.state, "row": self.row, "last": self.last, "last_pitch": self.last_pitch}
        given |= {"uniform": uniform.astype(np.float32), "count": np.array(self.count)}
        following, nats, *new = self.call({name: given[name] for name in self.names})
        self._keep(new)
        for b in np.flatnonzero(~self.ended):
            self.nats[b].append(nats[b])
            self._record(b, following[b])
        self.count += 1
        return following

    def _record(self, b: int, following: np.ndarray) -> None:
        step, position, part, pitch, duration, velocity = following
        if step == END:
            self.ended[b] = True
            return
        bar = self.last[b, 0] + step
        self.rows[b].append(np.array([bar, *following[1:]]))
        self.last[b] = bar, position, part, pitch
        self.last_pitch[b, part] = pitch
        self.rules["must_play"][b, part] = False
        self.row[b] = step, position, part, pitch, duration, velocity, 0, bar, bar

    def _keep(self, new: list[np.ndarray]) -> None:
        for (name, old), value in zip(self.state.items(), new):
            if name.startswith("cache."):
                old[:, :, self.count % old.shape[2]] = value[:, :, 0]
            else:
                self.state[name] = value

    def piece(self, b: int) -> EncodedPiece:
        """What item b has written so far."""
        programs = self.rules["programs"][b]
        rows = np.array(self.rows[b]).reshape(-1, 6)
        return EncodedPiece(rows, self.rules["bars"][b], programs[programs < 129], self.rules["controls"][b])


def torch_call(graph):
    """A step graph in torch as a host calls it: arrays in, arrays out."""

    def call(given: dict[str, np.ndarray]) -> list[np.ndarray]:
        with torch.no_grad():
            return [out.numpy() for out in graph(*(torch.from_numpy(np.asarray(v)) for v in given.values()))]

    return call


def empty_state(model, batch: int) -> dict[str, np.ndarray]:
    """The initial state of a model as arrays."""
    return {name: value.numpy() for name, value in model.trunk.initial_state(batch).items()}
