"""Near duplicates among pieces, groups that must not straddle the split, and the split itself.

Pieces are known here only by their fingerprints (sorted distinct uint64), work names and styles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

COMMON = 64  # a fingerprint in more pieces than this (a scale, an alberti bass) says nothing
MIN_SHARED = 10
MIN_CONTAINMENT = 0.12  # shared / the smaller piece: strangers share ~0, arrangements and quotations 0.15 and more
SAME_PIECE = 0.5  # shared / the larger: versions of one piece, which share its weight
VALID_SHARE, TEST_SHARE = 0.03, 0.03
SMALL_SIDE = 3.0  # pieces that a style with enough groups has on each small side, at least
TOO_BIG = 0.34  # a group may overshoot what its side needs by this share of it; larger ones stay in training


def similar_pairs(prints: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of pieces that share fingerprints: (pairs int64 (P, 2) with i < j, shared counts int64 (P,)).

    prints: one sorted distinct uint64 array per piece. Fingerprints in more than COMMON pieces do not count.
    """
    empty = np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.int64)
    if not prints:
        return empty
    owner = np.repeat(np.arange(len(prints)), [len(p) for p in prints])
    hashes = np.concatenate(prints)
    order = np.argsort(hashes, kind="stable")
    hashes, owner = hashes[order], owner[order]
    starts = np.flatnonzero(np.r_[True, np.diff(hashes) != 0]) if len(hashes) else np.zeros(0, dtype=np.int64)
    sizes = np.diff(np.r_[starts, len(hashes)])
    keys = [_pair_keys(owner, starts[sizes == size], int(size), len(prints)) for size in range(2, COMMON + 1)]
    found, shared = np.unique(np.concatenate(keys), return_counts=True)
    return np.stack([found // len(prints), found % len(prints)], axis=1), shared


def _pair_keys(owner: np.ndarray, starts: np.ndarray, size: int, pieces: int) -> np.ndarray:
    members = owner[starts[:, None] + np.arange(size)]
    first, second = np.triu_indices(size, 1)
    return (members[:, first] * pieces + members[:, second]).ravel()


def near_duplicates(prints: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Two labelings int64 (pieces,): related pieces (one side of the split) and versions of one piece (one weight).

    The label of a piece is the smallest index among its set.
    """
    pairs, shared = similar_pairs(prints)
    size = np.array([len(p) for p in prints], dtype=np.int64)
    small = np.minimum(size[pairs[:, 0]], size[pairs[:, 1]])
    large = np.maximum(size[pairs[:, 0]], size[pairs[:, 1]])
    part = shared / np.maximum(small, 1)
    related = (shared >= MIN_SHARED) & (part >= MIN_CONTAINMENT)
    same = (shared >= MIN_SHARED) & (shared >= SAME_PIECE * large)
    return join(len(prints), pairs[related]), join(len(prints), pairs[same])


def join(count: int, pairs: np.ndarray) -> np.ndarray:
    """Connected sets: int64 (count,), the smallest index of the set each index is in. pairs: int (P, 2)."""
    parent = list(range(count))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in pairs.tolist():
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return np.array([root(i) for i in range(count)], dtype=np.int64)


def group_pieces(prints: Sequence[np.ndarray], works: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """(group, version) labels int64 (pieces,): a group holds all pieces of a work and all their near duplicates."""
    related, same = near_duplicates(prints)
    first: dict[str, int] = {}
    by_work = [(first.setdefault(work, i), i) for i, work in enumerate(works)]
    pairs = np.array(by_work + [(int(r), i) for i, r in enumerate(related)], dtype=np.int64).reshape(-1, 2)
    return join(len(works), pairs), same


def split_groups(
    names: Sequence[str], styles: Sequence[str], fixed: Sequence[str], weights: Sequence[float]
) -> list[str]:
    """``train`` ``valid`` or ``test`` for each piece, one side per group, deterministic.

    names: group name of each piece. styles: style of each ("" = none); every style gets its 3 % of both small sides
    as far as its groups allow. fixed: a side that the source prescribes ("" = none); its group follows it.
    """
    members: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        members.setdefault(name, []).append(i)
    side = {name: _prescribed([fixed[i] for i in held]) for name, held in members.items()}
    by_style: dict[str, list[str]] = {}
    for name in sorted((n for n in members if not side[n]), key=_order):
        by_style.setdefault(_main_style([styles[i] for i in members[name]]), []).append(name)
    mass = {name: sum(weights[i] for i in held) for name, held in members.items()}
    for groups in by_style.values():
        side |= _cut_style(groups, mass)
    return [side[name] for name in names]


def _cut_style(groups: list[str], mass: Mapping[str, float]) -> dict[str, str]:
    total = sum(mass[g] for g in groups)
    side = dict.fromkeys(groups, "train")
    for name, share in (("test", TEST_SHARE), ("valid", VALID_SHARE)):
        need = max(share * total, min(SMALL_SIDE, total / 10)) if len(groups) >= 10 else share * total
        held = 0.0
        for group in groups:
            fits = mass[group] <= max(need - held + TOO_BIG * need, 1.0)
            if held + 1e-9 < need and side[group] == "train" and fits and len(groups) >= 3:
                side[group] = name
                held += mass[group]
    return side


def _prescribed(sides: Sequence[str]) -> str:
    given = {s for s in sides if s}
    return next((s for s in ("test", "valid", "train") if s in given), "")


def _main_style(styles: Sequence[str]) -> str:
    return max(sorted(set(styles)), key=list(styles).count)


def _order(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
