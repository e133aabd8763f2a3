"""The latent space of a VAE package: windows of a piece to latents and back, blends and neighbours. No torch here.

A latent model reads and writes windows of N bars of K lines on the grid of sixteenths. A piece is a row of windows: the line's
bars from the first whole one on, cut into windows; the last window is filled with rests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.encoding import EncodedPiece, encode
from zhiyin.encoding.sixteenths import (
    BAR_LENGTHS,
    BAR_SLOTS,
    GRID,
    NONE,
    bar_lengths,
    first_whole_bar,
    lines_of,
    pitched_parts,
)
from zhiyin.errors import EncodingError, InputError, PackageError
from zhiyin.inference.session import Graph, open_graph
from zhiyin.provenance.package import ENCODE, UNFOLD, WRITE, Package, load_package
from zhiyin.score import Score

BATCH = 256  # windows at once
COLDEST = 1e-3  # temperature 0 is this: the likeliest class


@dataclass(frozen=True)
class Line:
    """Lines of a piece as windows. grid: uint8 (W, N, 16, K); length: class of BAR_LENGTHS (W,); first: the bar (row of the
    bar table) that the first window begins with; bars: how many bars of the piece are in the windows; lost: notes that the
    grid could not say."""

    grid: np.ndarray
    length: np.ndarray
    first: int
    bars: int
    lost: int


class LatentModel:
    """Encoder and decoder of a package behind two calls. ``bars``, ``lines``: of a window; ``width``: numbers of a latent."""

    def __init__(self, package: Package) -> None:
        if package.manifest.get("grid") not in (None, GRID):
            raise PackageError(
                f"The package {package.name!r} has another grid", expected=GRID, received=str(package.manifest.get("grid")),
                hint="a newer zhiyin may read it: pip install --upgrade zhiyin",
            )  # fmt: skip
        paths = [package.graph_path(name) for name in (ENCODE, UNFOLD, WRITE)]
        self._set(*map(open_graph, paths), sizes=package.manifest["sizes"])

    @classmethod
    def of_graphs(cls, encode: Graph, unfold: Graph, write: Graph, *, sizes: Mapping[str, Any]) -> LatentModel:
        """A latent model over three opened graphs."""
        self = cls.__new__(cls)
        self._set(encode, unfold, write, sizes=sizes)
        return self

    def _set(self, encode: Graph, unfold: Graph, write: Graph, *, sizes: Mapping[str, Any]) -> None:
        self._encode, self._unfold, self._write = encode, unfold, write
        self.bars, self.lines, self.width = int(sizes["bars"]), int(sizes["lines"]), int(sizes["latent"])
        self.hierarchical = bool(sizes["hierarchical"])

    def encode(self, grid: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """grid (W, N, 16, K), length (W,) -> mean and standard deviation of each window's latent, float32 (W, Z)."""
        found = []
        for at in range(0, len(grid), BATCH):
            feed = {"grid": grid[at : at + BATCH].astype(np.int64), "length": length[at : at + BATCH].astype(np.int64)}
            found.append(self._encode.run(["mean", "spread"], feed))
        return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])

    def decode(
        self, z: np.ndarray, length: np.ndarray, *, temperature: float = 0.0, seed: int = 0, force: np.ndarray | None = None
    ) -> np.ndarray:
        """z (W, Z), length (W,) -> grids uint8 (W, N, 16, K). ``force``: int (W, N, 16, K), -1 where the model writes."""
        force = np.full((len(z), self.bars, BAR_SLOTS, self.lines), -1) if force is None else force
        uniform = np.full(force.shape, 0.5, dtype=np.float32)  # no chance where the likeliest is asked for
        if temperature > COLDEST:
            uniform = np.random.default_rng(seed).random(force.shape, dtype=np.float32)
        parts = [slice(at, at + BATCH) for at in range(0, len(z), BATCH)]
        found = [self._decode(z[p], length[p], temperature, uniform[p], force[p])[0] for p in parts]
        grid = np.concatenate(found) if found else np.zeros(force.shape, dtype=np.uint8)
        return _ended(grid, length)

    def nats(self, z: np.ndarray, length: np.ndarray, grid: np.ndarray) -> np.ndarray:
        """Nats of every sixteenth of what was really written, float32 (W, N, 16, K); 0 past the end of a bar."""
        uniform = np.zeros(grid.shape, dtype=np.float32)
        force = np.where(grid == NONE, 0, grid.astype(np.int64))
        parts = [slice(at, at + BATCH) for at in range(0, len(z), BATCH)]
        found = np.concatenate([self._decode(z[p], length[p], 1.0, uniform[p], force[p])[1] for p in parts])
        return np.where(grid == NONE, 0.0, found)

    def _decode(
        self, z: np.ndarray, length: np.ndarray, temperature: float, uniform: np.ndarray, force: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """All chains of a batch side by side: every bar is one where the model is hierarchical, else every window."""
        feed: dict[str, Any] = {"z": z.astype(np.float32), "length": length.astype(np.int64)}
        context, state = self._unfold.run(["context", "state"], feed)
        chains = len(z) * (self.bars if self.hierarchical else 1)
        context = np.ascontiguousarray(context.reshape(chains, -1, context.shape[-1]).swapaxes(0, 1))
        steps, shape = len(context), uniform.shape
        uniform = np.ascontiguousarray(uniform.reshape(chains, steps, -1).swapaxes(0, 1))
        force = np.ascontiguousarray(force.reshape(chains, steps, -1).swapaxes(0, 1)).astype(np.int64)
        state, said = state.reshape(chains, -1), np.full((chains, self.lines), NONE, dtype=np.int64)
        heat = np.array(max(temperature, COLDEST), dtype=np.float32)
        written, nats = np.zeros(force.shape, dtype=np.uint8), np.zeros(force.shape, dtype=np.float32)
        ended = self._past_the_end(length, chains, steps)
        for t in range(steps):
            given = {"said": said, "context": context[t], "state": state, "force": force[t], "uniform": uniform[t], "temperature": heat}
            said, nats[t], state = self._write.run(["classes", "nats", "new_state"], given)
            written[t] = said
            said = np.where(ended[t][:, None], NONE, said)
        return written.swapaxes(0, 1).reshape(shape), nats.swapaxes(0, 1).reshape(shape)

    def _past_the_end(self, length: np.ndarray, chains: int, steps: int) -> np.ndarray:
        """bool (steps, chains): slots behind the end of their bar, which training saw as NONE."""
        sixteenths = np.repeat(np.array(BAR_LENGTHS)[length], chains // len(length))
        return (np.arange(steps) % BAR_SLOTS)[:, None] >= sixteenths[None]


def _ended(grid: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The grid with NONE past the end of each bar."""
    past = np.arange(BAR_SLOTS)[None, :] >= np.array(BAR_LENGTHS)[length][:, None]
    return np.where(past[:, None, :, None], NONE, grid).astype(np.uint8)


def latent_model(model: str | Path | Package) -> LatentModel:
    """The latent model of a package; the last ones used are kept, by the package's hash."""
    package = model if isinstance(model, Package) else load_package(model)
    return _kept(package.hash, package.folder)


@lru_cache(maxsize=2)
def _kept(hash_: str, folder: Path) -> LatentModel:
    return LatentModel(load_package(folder))


def windows_of(piece: EncodedPiece, parts: list[int], bars: int) -> Line:
    """The given parts of a piece cut into windows of ``bars`` bars. Raises InputError for what a latent model cannot read."""
    made, first = lines_of(piece, parts), first_whole_bar(piece.bars)
    length = bar_lengths(piece.bars)
    odd = np.flatnonzero(length[first:] == 0) + first
    whole = len(length) - first
    if len(odd) == 1 and odd[0] == len(length) - 1 and whole > 1:  # the last bar makes up for the upbeat
        whole, odd = whole - 1, odd[:0]
    if len(odd):
        bar = piece.bars[odd[0]]
        raise InputError(
            "Wrong metre for the latent model",
            expected=f"bars of {', '.join(map(str, BAR_LENGTHS))} sixteenths (2/4, 3/4, 6/8, 4/4 …)",
            received=f"a bar of {int(bar[0]) / 6:g} sixteenths ({int(bar[1])}/{2 ** (max(int(bar[2]), 1) - 1)}) at bar {int(odd[0]) + 1 - first}",
            hint="choose a span of bars of one metre",
        )
    if whole < bars:
        raise InputError(
            "The piece is shorter than the window", expected=f"≥ {bars} whole bars", received=f"{whole}", hint="a model with shorter windows: --model"
        )
    grid, length = made.grid[first : first + whole], length[first : first + whole]
    if not made.struck[first : first + whole].sum():
        raise InputError("The part is empty", expected="a part with notes", received="0 notes in its whole bars", hint="choose another with --part")
    starts, classes = cut(length, bars)
    filled = np.zeros((len(starts), bars, BAR_SLOTS, len(parts)), dtype=np.uint8)
    for w, (begin, count) in enumerate(starts):
        filled[w, :count] = grid[begin : begin + count]
    lost = int(made.lost[first : first + whole].sum())
    return Line(_ended(filled, classes), classes, first, whole, lost)


def cut(length: np.ndarray, bars: int) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Windows over bars: (first bar, bars that are there) each, and their length classes. A window ends where the metre changes."""
    starts, at = [], 0
    while at < len(length):
        same = length[at : at + bars] == length[at]
        count = len(same) if same.all() else int(np.argmin(same))
        starts.append((at, count))
        at += count
    return starts, np.searchsorted(BAR_LENGTHS, length[[s for s, _ in starts]])


def in_a_row(grid: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Windows (W, N, 16, K) that were ``cut`` from bars of these lengths, as these bars (bars, 16, K): what filled them up is left out."""
    starts, _ = cut(length, grid.shape[1])
    return np.concatenate([window[:count] for window, (_, count) in zip(grid, starts)])


def melody_part(piece: EncodedPiece, part: int | None = None) -> int:
    """The part to read: the one asked for (from 1), else the first that is not drums."""
    pitched = pitched_parts(piece.programs)
    if part is not None and part - 1 not in pitched:
        raise InputError("No such part", expected=f"a pitched part, {', '.join(str(p + 1) for p in pitched)}", received=str(part))
    if not pitched:
        raise InputError("Nothing but drums", expected="a pitched part", received=f"{len(piece.programs)} drum parts")
    return pitched[0] if part is None else part - 1


def slerp(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """Spherical interpolation between rows of two arrays (W, Z): direction by the angle between them, length linearly."""
    la, lb = (np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9) for x in (a, b))
    cosine = np.clip((a / la * (b / lb)).sum(-1, keepdims=True), -1, 1)
    angle = np.arccos(cosine)
    sine = np.sin(angle)
    near = sine < 1e-4
    safe = np.where(near, 1.0, sine)
    direction = np.where(near, (1 - t) * a / la + t * b / lb, (np.sin((1 - t) * angle) * a / la + np.sin(t * angle) * b / lb) / safe)
    return (direction * ((1 - t) * la + t * lb)).astype(np.float32)


def read(score: Score) -> EncodedPiece:
    """Rows of a score; InputError with a hint where it has no notes."""
    try:
        return encode(score)[0]
    except EncodingError as e:
        raise InputError(e.what, expected=e.expected, received=e.received, hint=e.hint) from None
