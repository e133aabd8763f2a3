"""Last.fm HetRec-2K as tables: plays, friends, tags without those of the pairs that are held back, the published folds.

Licence: non-commercial, measurement only (../shared/data/README.md). Source: Cantador, Brusilovsky and Kuflik, HetRec 2011.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from zhiyin.recommenders.contract import Table, as_table

LISTENERS, ARTISTS, PLAYS = 1892, 17632, 92834


@dataclass(frozen=True)
class LastFm:
    """who, artist: places int64 (92834,) of the pairs; count: plays. taggers, tagged, tag: the assignments. friends (U, U).
    listeners, artists: their numbers in the files, rising."""

    who: np.ndarray
    artist: np.ndarray
    count: np.ndarray
    tagger: np.ndarray
    tagged: np.ndarray
    tag: np.ndarray
    friends: Table
    listeners: np.ndarray
    artists: np.ndarray

    def table(self, chosen: np.ndarray, values: np.ndarray | None = None) -> Table:
        """The chosen pairs (bool or places) as a table (U, I) of ones, or of their values."""
        rows, columns = self.who[chosen], self.artist[chosen]
        data = np.ones(len(rows)) if values is None else values[chosen]
        return as_table(sparse.csr_matrix((data, (rows, columns)), shape=(len(self.listeners), len(self.artists))))

    def plays(self, chosen: np.ndarray) -> Table:
        """The chosen pairs, each by the logarithm of its plays over the listener's mean of it."""
        table = self.table(chosen, np.log1p(self.count))
        mean = np.asarray(table.sum(axis=1)).ravel() / np.maximum(np.diff(table.indptr), 1)
        return as_table(sparse.diags(1.0 / np.maximum(mean, 1e-9)) @ table)

    def tags(self, held_back: np.ndarray | None, *, taggers: np.ndarray | None = None, least: int = 5) -> Table:
        """Artists by tags (I, F), the logarithm of 1 + how many listeners gave it; tags that ``least`` artists have. held_back: pairs (bool) whose
        own listeners' tags on that very artist are left out (None = the leaky control). taggers: bool (U,), whose tags count."""
        kept = np.ones(len(self.tag), dtype=bool)
        if held_back is not None:
            width = len(self.artists)
            hidden = self.who[held_back] * width + self.artist[held_back]
            kept &= ~np.isin(self.tagger * width + self.tagged, hidden)
        if taggers is not None:
            kept &= taggers[self.tagger]
        shape = (len(self.artists), self.tag.max() + 1)
        table = as_table(sparse.csr_matrix((np.ones(kept.sum()), (self.tagged[kept], self.tag[kept])), shape=shape)).log1p()
        return as_table(table[:, np.diff(table.tocsc().indptr) >= least])


def read_lastfm(folder: Path) -> LastFm:
    """The unpacked archive; SystemExit where it is not there or not whole."""
    if not (folder / "user_artists.dat").is_file():
        raise SystemExit(f"{folder} does not hold Last.fm HetRec-2K: unpack ../shared/data/benchmarks/lastfm-2k.tar.zst")
    pairs, tagging, friends = (
        np.loadtxt(folder / name, skiprows=1, dtype=np.int64, usecols=columns)
        for name, columns in (("user_artists.dat", (0, 1, 2)), ("user_taggedartists.dat", (0, 1, 2)), ("user_friends.dat", (0, 1)))
    )
    listeners, who = np.unique(pairs[:, 0], return_inverse=True)
    artists, artist = np.unique(pairs[:, 1], return_inverse=True)
    if (len(listeners), len(artists), len(pairs)) != (LISTENERS, ARTISTS, PLAYS):
        raise SystemExit(f"{folder}: {len(listeners)} listeners, {len(artists)} artists, {len(pairs)} pairs")
    tagging = tagging[np.isin(tagging[:, 0], listeners) & np.isin(tagging[:, 1], artists)]
    a, b = (np.searchsorted(listeners, friends[:, n]) for n in (0, 1))
    return LastFm(
        who, artist, pairs[:, 2], np.searchsorted(listeners, tagging[:, 0]), np.searchsorted(artists, tagging[:, 1]),
        np.unique(tagging[:, 2], return_inverse=True)[1],
        as_table(sparse.csr_matrix((np.ones(len(a)), (a, b)), shape=(len(listeners),) * 2)), listeners, artists,
    )  # fmt: skip


def split(data: LastFm, seed: int) -> np.ndarray:
    """0 train, 1 valid, 2 test for every pair: 8:1:1 at random within each listener."""
    rng, part = np.random.default_rng(seed), np.zeros(len(data.who), dtype=np.int64)
    for listener in range(len(data.listeners)):
        own = rng.permutation(np.flatnonzero(data.who == listener))
        tenth = round(len(own) / 10)
        part[own[:tenth]], part[own[tenth : 2 * tenth]] = 2, 1
    return part


def fold(data: LastFm, folder: Path, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Train and test pairs, bool (pairs,) each, of a published fold."""
    out = []
    for name in ("train", "test"):
        rows = np.loadtxt(folder / "folds" / str(number) / f"{name}.dat", delimiter=",", dtype=np.float64)[:, :2].astype(np.int64)
        key = np.searchsorted(data.listeners, rows[:, 0]) * len(data.artists) + np.searchsorted(data.artists, rows[:, 1])
        out.append(np.isin(data.who * len(data.artists) + data.artist, key))
        if out[-1].sum() != len(rows):
            raise SystemExit(f"fold {number}: {len(rows)} {name} pairs, {out[-1].sum()} of them known")
    return out[0], out[1]
