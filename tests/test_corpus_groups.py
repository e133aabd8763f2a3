import numpy as np

from zhiyin.corpus.groups import group_pieces, join, near_duplicates, similar_pairs, split_groups
from zhiyin.provenance.fingerprint import piece_prints


def prints(seed: int, notes: int = 200, transpose: int = 0, keep: slice = slice(None)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    onset = np.cumsum(rng.choice([6, 12, 24], notes))[keep]
    pitch = (60 + np.cumsum(rng.choice([-3, -2, -1, 1, 2, 3], notes)) + transpose)[keep]
    return np.unique(piece_prints(onset, np.full(len(onset), 6), pitch).hashes)


def test_shared_counts_are_right_against_brute_force():
    pieces = [prints(i) for i in range(5)] + [prints(0, transpose=4), prints(1, keep=slice(0, 120))]
    pairs, shared = similar_pairs(pieces)
    brute = {
        (i, j): len(np.intersect1d(pieces[i], pieces[j]))
        for i in range(len(pieces))
        for j in range(i + 1, len(pieces))
        if len(np.intersect1d(pieces[i], pieces[j]))
    }
    assert brute
    assert {tuple(p): int(s) for p, s in zip(pairs.tolist(), shared, strict=True)} == brute


def test_a_transposed_copy_is_a_version_and_a_fragment_is_related():
    pieces = [prints(0), prints(0, transpose=-7), prints(0, keep=slice(0, 90)), prints(9)]
    related, same = near_duplicates(pieces)
    assert related.tolist() == [0, 0, 0, 3]
    assert same.tolist() == [0, 0, 2, 3]


def test_what_everybody_has_says_nothing():
    common = np.arange(20, dtype=np.uint64)
    pieces = [np.r_[common, np.arange(20, dtype=np.uint64) + np.uint64(100 * (i + 1))] for i in range(70)]
    assert len(similar_pairs(pieces)[0]) == 0


def test_works_and_duplicates_join_into_one_group():
    pieces = [prints(0), prints(1), prints(1, transpose=2), prints(3)]
    group, version = group_pieces(pieces, ["a", "a", "b", "c"])
    assert group.tolist() == [0, 0, 0, 3]
    assert version.tolist() == [0, 1, 1, 3]


def test_joining_is_transitive():
    assert join(6, np.array([[4, 5], [3, 4], [0, 1]])).tolist() == [0, 0, 2, 3, 3, 3]


def test_a_group_never_straddles_and_each_style_reaches_all_sides():
    rng = np.random.default_rng(0)
    names = [f"group {i}" for i in rng.integers(0, 400, 1500)]
    styles = [("mass", "jig", "reel")[int(n.split()[1]) % 3] for n in names]
    sides = split_groups(names, styles, [""] * 1500, [1.0] * 1500)
    assert sides == split_groups(names, styles, [""] * 1500, [1.0] * 1500)
    by_group: dict[str, set[str]] = {}
    for name, side in zip(names, sides, strict=True):
        by_group.setdefault(name, set()).add(side)
    assert all(len(s) == 1 for s in by_group.values())
    for style in ("mass", "jig", "reel"):
        inside = [side for side, s in zip(sides, styles, strict=True) if s == style]
        for small in ("valid", "test"):
            assert 0.02 <= inside.count(small) / len(inside) <= 0.05


def test_the_sources_own_split_wins_for_the_whole_group():
    names = ["a", "a", "b", *[f"c{i}" for i in range(60)]]
    fixed = ["", "test", "valid", *[""] * 60]
    sides = split_groups(names, ["x"] * 63, fixed, [1.0] * 63)
    assert sides[:3] == ["test", "test", "valid"]


def test_a_giant_group_stays_in_training():
    names = ["giant"] * 500 + [f"g{i}" for i in range(100)]
    sides = split_groups(names, ["x"] * 600, [""] * 600, [1.0] * 600)
    assert set(sides[:500]) == {"train"}
    assert sides.count("test") == sides.count("valid") == 18
