"""Frames: readers, the two heads' exact likelihoods, what a network may see, and the whole protocol on small sets written here."""

import itertools
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from zhiyin.app.cli.main import main
from zhiyin.errors import InputError, TrainingError
from zhiyin.evaluation.frame_batches import FrameBatches
from zhiyin.evaluation.frame_recipes import BUDGET, frame_recipe
from zhiyin.evaluation.frame_sets import SPLITS, FrameSet, load_frames
from zhiyin.evaluation.frames import clean_pieces, evaluate_frames, means, piece_nats, prepare
from zhiyin.evaluation.recall import LENGTHS, Recall
from zhiyin.models.frames import TRUNKS, build_frames
from zhiyin.training.loop import tensors

KEYS = 24
TINY = {"width": 32, "hidden": 32, "layers": 1, "dropout": 0.0, "head_hidden": 32, "channels": 4, "recall": 1, "phase": 1, "moved": 1}
CPU = torch.device("cpu")


def piece(seed: int, frames: int = 20, keys: int = KEYS) -> np.ndarray:
    """A tune that walks by step, over a drone that changes every four frames."""
    rng = np.random.default_rng(seed)
    tune = 12 + np.clip(np.cumsum(rng.integers(-1, 2, frames)), -5, 5)
    table = np.zeros((frames, keys), np.uint8)
    table[np.arange(frames), tune] = 1
    table[np.arange(frames), 2 + np.arange(frames) // 4 % 3] = 1
    return table


def pieces() -> dict[str, list[np.ndarray]]:
    return {s: [piece(100 * n + i, 14 + i) for i in range(k)] for n, (s, k) in enumerate(zip(SPLITS, (8, 3, 4)))}


def flat(tables: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate(tables), np.cumsum([0, *map(len, tables)])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same set in the three forms."""
    folder, split = tmp_path_factory.mktemp("frames"), pieces()
    cells = {}
    for name, tables in split.items():
        cells[f"{name}data"] = np.empty((1, len(tables)), object)
        cells[f"{name}data"][0] = tables
    savemat(folder / "set.mat", cells, do_compression=True)
    arrays = {f"{s}_{n}": a for s, t in split.items() for n, a in zip(("rows", "offsets"), flat(t))}
    np.savez(folder / "set.npz", **arrays)
    rows, offsets = flat([t for s in SPLITS for t in split[s]])
    np.savez(folder / "one.npz", rows=rows, offsets=offsets, split=[s for s in SPLITS for _ in split[s]])
    return folder


def small(family: str, head: str, steps: int = 4, **sizes):
    recipe = frame_recipe(family, head, 1000)
    chosen = {k: v for k, v in {**TINY, **sizes}.items() if k != "width" or head == "joint"}
    chosen |= {"heads": 2} if family == "transformer" else {}
    return recipe.replace(steps=steps, batch_rows=64, window=16, validations=2, sizes={**chosen, "head": head})


@pytest.mark.parametrize("name", ["set.mat", "set.npz", "one.npz"])
def test_all_forms_hold_the_same_pieces(files, name):
    found, wanted = load_frames(files / name), pieces()
    assert found.keys == KEYS and len(found.sha256) == 64
    for split in SPLITS:
        assert len(found.pieces[split]) == len(wanted[split])
        assert all(np.array_equal(a, b) for a, b in zip(found.pieces[split], wanted[split]))


@pytest.mark.parametrize("kind", [np.uint8, np.float64, np.int16, bool])
@pytest.mark.parametrize("packed", [False, True])
def test_mat_files_of_every_number_and_packing_are_read(tmp_path, kind, packed):
    cells = {}
    for name, tables in pieces().items():
        cells[f"{name}data"] = np.empty((1, len(tables)), object)
        cells[f"{name}data"][0] = [t.astype(kind) for t in tables]
    savemat(tmp_path / "a.mat", {**cells, "note": "other variables are passed over"}, do_compression=packed)
    assert all(np.array_equal(a, b) for s in SPLITS for a, b in zip(load_frames(tmp_path / "a.mat").pieces[s], pieces()[s]))


@pytest.mark.parametrize("name", ["set.mat", "set.npz"])
def test_damaged_files_are_read_or_refused(files, tmp_path, name):
    whole, rng = (files / name).read_bytes(), np.random.default_rng(1)
    outcomes = set()
    for _ in range(150):
        data = bytearray(whole[: int(rng.integers(len(whole)))] if rng.random() < 0.2 else whole)
        for at in rng.integers(0, max(1, min(len(data), 400 if rng.random() < 0.5 else len(data))), int(rng.integers(1, 6))):
            if len(data):
                data[int(at)] = int(rng.integers(256))
        path = tmp_path / name
        path.write_bytes(bytes(data))
        try:
            load_frames(path)
            outcomes.add("read")
        except InputError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_object_arrays_are_refused(tmp_path):
    tables = np.empty(2, object)
    tables[:] = [piece(1), piece(2, 9)]
    np.savez(tmp_path / "o.npz", train_rows=tables, allow_pickle=True)
    with pytest.raises(InputError, match=r"array 'train_rows' holds objects.*Expected plain arrays.*hint: write flat rows and offsets"):
        load_frames(tmp_path / "o.npz")


def test_errors_say_what_is_wrong(files, tmp_path):
    def refused(pattern: str, name: str, **arrays):
        path = tmp_path / name
        if name.endswith(".npz") and arrays:
            np.savez(path, **arrays)
        with pytest.raises(InputError, match=pattern):
            load_frames(path)

    good = {f"{s}_{n}": a for s, t in pieces().items() for n, a in zip(("rows", "offsets"), flat(t))}
    refused(r"is not a set of frames\. Expected \.mat with .* Received suffix '\.csv'", "a.csv")
    refused(r"is not there", "none.mat")
    refused(r"lacks an array\. Expected train_rows, train_offsets.* Received train_rows", "b.npz", train_rows=good["train_rows"])
    refused(r"train_rows and train_offsets do not fit", "c.npz", **{**good, "train_offsets": good["train_offsets"][:-1]})
    refused(r"piece 0 of test is not a table of keys\. Expected .*0 and 1.* values up to 7", "d.npz", **{**good, "test_rows": good["test_rows"] * 7})
    refused(r"nothing to score in valid", "e.npz", **{**good, "valid_rows": good["valid_rows"][:1], "valid_offsets": np.array([0, 1])})
    refused(r"different widths\. .* Received 20, 24", "f.npz", **{**good, "test_rows": good["test_rows"][:, :20]})
    refused(r"split\. Expected train, valid or test for each of 2 pieces", "g.npz", rows=good["train_rows"][:2], offsets=[0, 1, 2], split=["train", "dev"])
    (tmp_path / "h.mat").write_bytes(b"x" * 300)
    refused(r"h\.mat cannot be read\. Expected a MATLAB 5 file", "h.mat")
    (tmp_path / "i.npz").write_bytes(b"no zip")
    refused(r"i\.npz cannot be read\. Expected an \.npz archive of plain arrays", "i.npz")
    savemat(tmp_path / "j.mat", {"traindata": np.zeros((3, 3))})
    refused(r"lacks a split\. Expected cell arrays .* Received no cell array traindata, validdata, testdata", "j.mat")
    texts = np.empty((1, 1), object)
    texts[0, 0] = "tune"
    savemat(tmp_path / "k.mat", {"traindata": texts})
    refused(r"traindata: a cell of class 4, not of plain numbers", "k.mat")
    (tmp_path / "m.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(600))
    refused(r"7\.3 \(HDF5\): save it with -v7", "m.mat")
    whole = (files / "set.mat").read_bytes()
    (tmp_path / "l.mat").write_bytes(whole[: len(whole) // 2])
    refused(r"l\.mat", "l.mat")


def test_a_file_that_unpacks_to_more_than_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("zhiyin.evaluation.frame_sets.MOST_BYTES", 1 << 16)
    packed = zlib.compress(bytes(1 << 20))
    header = b"MATLAB 5.0".ljust(124) + b"\x00\x01IM"
    (tmp_path / "bomb.mat").write_bytes(header + np.array([15, len(packed)], "<u4").tobytes() + packed)
    with pytest.raises(InputError, match="it unpacks to too much"):
        load_frames(tmp_path / "bomb.mat")
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("train_rows.npy", bytes(1 << 20))
    with pytest.raises(InputError, match="too large"):
        load_frames(tmp_path / "bomb.npz")


@pytest.mark.parametrize("family", sorted(TRUNKS))
@pytest.mark.parametrize("head", ["joint", "bernoulli"])
def test_the_probabilities_of_all_sets_of_six_keys_sum_to_one(family, head):
    torch.manual_seed(3)
    extra = {"heads": 2} if family == "transformer" else {}
    model = build_frames(family, head, 6, **{**TINY, **extra, "dropout": 0.5}).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    every = np.array(list(itertools.product((0, 1), repeat=6)), np.uint8)  # (64, 6)
    frames = np.repeat(piece(1, 5, 6 + 18)[None, :, 8:14], 64, 0)
    frames[:, 4] = every
    batch = {
        "frames": frames, "before": np.zeros((64, 3, 6), np.uint8), "scored": np.ones((64, 5), bool), "at": np.zeros(64, int), "moved": np.zeros(64, int),
        "shares": np.random.default_rng(0).integers(0, 256, (1, 5, 4, 6), np.uint8).repeat(64, 0), "lengths": np.full((64, 5, 4), 5),
    }  # fmt: skip
    with torch.no_grad():
        nats = model.nats(tensors(batch, CPU))[:, :, 0].double()
    assert torch.allclose(nats[:, :4], nats[:1, :4].expand(64, 4), atol=1e-5), "the past must not see the frame that is scored"
    assert float((-nats[:, 4]).exp().sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(nats[:, 4].std()) > 0.1


@pytest.mark.parametrize("family", sorted(TRUNKS))
def test_no_frame_is_judged_by_itself_or_a_later_one(family):
    recipe = small(family, "joint")
    one = piece(5, 16)
    other = one.copy()
    other[9:] = piece(6, 16)[9:]
    nats = []
    for table in (one, other):
        frames = FrameSet("x", {s: (piece(1), piece(2)) if s == "train" else (table,) for s in SPLITS})
        model, batches = prepare(frames, recipe)
        nats.append(piece_nats(model, 1, batches.split("test"))[0])
    assert np.allclose(nats[0][:9], nats[1][:9], atol=1e-6) and not np.allclose(nats[0][9:], nats[1][9:], atol=1e-3)


@pytest.mark.parametrize(("family", "head"), [("transformer", "joint"), ("lstm", "bernoulli")])
def test_every_frame_is_scored_once(files, family, head):
    recipe = small(family, head)
    model, batches = prepare(load_frames(files / "set.mat"), recipe)
    found = piece_nats(model, 4, batches.split("test"))
    assert [len(p) for p in found] == [14, 15, 16, 17]  # the last is longer than the window of 16
    assert all(np.isfinite(p[1:]).all() and np.isfinite(p[0]) == (head == "joint") for p in found)


def test_windows_do_not_change_what_a_network_without_memory_says(files):
    """A TCN that sees three frames back scores a long piece alike at one go and in overlapping windows."""
    recipe = small("tcn", "joint", recall=0, kernel=2).replace(window=8)
    model, batches = prepare(load_frames(files / "set.mat"), recipe)
    whole = piece_nats(model, 4, batches.split("test"))
    batches.whole = False
    cut = piece_nats(model, 4, batches.split("test"))
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(whole, cut))


def test_batches_depend_on_seed_and_step_alone_and_move_training_only(files):
    frames, recipe = load_frames(files / "set.mat"), small("lstm", "joint")
    a, b = (FrameBatches(frames, recipe, first=True, whole=True) for _ in range(2))
    assert all(np.array_equal(a.batch(7)[k], b.batch(7)[k]) for k in a.batch(7))
    moves = [m for k in range(10) for m in a.batch(k)["moved"]]
    assert min(moves) < 0 < max(moves)
    assert all((batch["moved"] == 0).all() for split in ("valid", "test") for _, batch in a.split(split))
    drawn = a.batch(3)
    up = int(np.argmax(drawn["moved"]))
    unmoved = np.roll(drawn["frames"][up], -int(drawn["moved"][up]), -1)[: drawn["scored"][up].sum()]
    assert any(np.array_equal(unmoved, t[i : i + len(unmoved)]) for t in frames.pieces["train"] for i in range(len(t) - len(unmoved) + 1))


def test_recall_finds_what_followed_the_longest_match():
    a, b, c, d = np.eye(4, 12, dtype=np.uint8)
    table = np.array([a, b, c, a, b, c, a, b, d])
    shares, lengths = Recall([]).look(table)
    assert not shares[0].any() and not lengths[0].any()
    assert np.array_equal(shares[5, 0], 255 * c) and LENGTHS[lengths[5, 0] - 1] == 2
    assert np.array_equal(shares[8, 0], 255 * c) and LENGTHS[lengths[8, 0] - 1] == 4  # it expected c, d came
    assert not lengths[:, 2:].any(), "no training pieces"


def test_recall_never_shows_a_piece_itself_and_moves_a_tune_to_its_key():
    tune = np.zeros((10, KEYS), np.uint8)
    tune[np.arange(10), [5, 7, 8, 5, 10, 7, 9, 6, 5, 4]] = 1
    recall = Recall([tune])
    own = recall.look(tune, own=0)
    assert not own[1][:, 2:].any() and np.array_equal(own[1][:, :2], Recall([]).look(tune)[1][:, :2]) and own[1][:, :2].any()
    higher = np.roll(tune, 3, 1)
    shares, lengths = recall.look(higher)
    assert lengths[9, 3] > lengths[3, 3] > 0 and lengths[9, 2] <= 1
    assert np.array_equal(shares[9, 3], 255 * higher[9])


def test_the_four_numbers():
    found = means([np.array([9.0, 1.0, 1.0]), np.array([4.0, 2.0])], first=True)
    assert found["pooled"] == pytest.approx(17 / 5) and found["mean_of_pieces"] == pytest.approx((11 / 3 + 3) / 2)
    assert found["pooled_without_first"] == pytest.approx(4 / 3) and found["mean_of_pieces_without_first"] == pytest.approx(1.5)
    assert found["frames"] == 5 and found["frames_without_first"] == 3
    assert "pooled" not in means([np.array([np.nan, 1.0])], first=False)


def test_clean_pieces_share_no_tune():
    train, other = piece(1, 40), piece(2, 40)
    frames = FrameSet("x", {"train": (train,), "valid": (other,), "test": (np.roll(train, 2, 1), other)})
    assert clean_pieces(prepare(frames, small("lstm", "bernoulli"))[1]) == [1]


@pytest.mark.parametrize("family", sorted(TRUNKS))
def test_budgets_of_the_papers(family):
    for size, frames in (("small", 13_807), ("large", 176_561)):
        recipe = frame_recipe(family, "bernoulli", frames)
        count = build_frames(family, keys=88, **recipe.sizes).parameter_count
        assert 0.8 * BUDGET[size] < count < 1.06 * BUDGET[size], (family, size, count)
        assert recipe.transpose == 0 and "recall" not in recipe.sizes


def test_unknown_names(files):
    with pytest.raises(TrainingError, match=r"Unknown family\. Expected one of .*tcn.* Received 'gru2'\. hint: try 'gru'"):
        evaluate_frames(files / "set.mat", "gru2")
    with pytest.raises(TrainingError, match=r"Unknown head\. Expected one of bernoulli, joint"):
        evaluate_frames(files / "set.mat", "gru", "softmax")
    with pytest.raises(InputError, match="No such time budget"):
        evaluate_frames(files / "set.mat", "gru", minutes=-1)


def test_learning_helps_and_a_run_that_was_cut_off_goes_on(files, tmp_path):
    before = evaluate_frames(files / "set.mat", "tcn", "joint", recipe=small("tcn", "joint", 1))
    after = evaluate_frames(files / "set.mat", "tcn", "joint", recipe=small("tcn", "joint", 120), run=tmp_path / "run")
    assert after["nats"] < 0.6 * before["nats"] and after["nats"] == after["test"]["pooled"]
    again = evaluate_frames(files / "set.mat", "tcn", "joint", recipe=small("tcn", "joint", 120), run=tmp_path / "run")
    assert again["nats"] == after["nats"] and again["steps"] == after["steps"]


def test_the_command(files, capsys):
    arguments = ["evaluate", "frames", "--data", str(files / "set.npz"), "--family", "lstm", "--minutes", "0.02", "--seed", "3"]
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["family"] == "lstm" and told["seed"] == 3 and told["nats"] == told["test"]["pooled_without_first"]
    assert told["test"]["pieces"] == 4 and told["test"]["frames_without_first"] == 14 + 15 + 16 + 17 - 4
    assert main([*arguments, "--quiet"]) == 0
    out = capsys.readouterr()
    assert "set, lstm, bernoulli:" in out.out and "(n = 58 frames, 4 pieces)" in out.out and out.err == ""
    assert main(["evaluate", "frames", "--data", "nothing.mat"]) == 1
    assert "nothing.mat is not there" in capsys.readouterr().err


DATA = Path(__file__).parents[2] / "shared" / "data" / "benchmarks" / "poly-frames.tar.zst"


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_file(), reason="../shared/data is not here")
def test_the_published_sets_have_their_splits_and_49_chorales_with_tunes_of_their_own(tmp_path):
    from zhiyin.corpus.archive import extract

    pytest.importorskip("zstandard")
    extract(DATA, tmp_path)
    chorales, tunes = (load_frames(next(tmp_path.rglob(name))) for name in ("JSB_Chorales.mat", "Nottingham.mat"))
    assert [len(chorales.pieces[s]) for s in SPLITS] == [229, 76, 77] and [chorales.frames(s) for s in SPLITS] == [13807, 4602, 4725]
    assert [len(tunes.pieces[s]) for s in SPLITS] == [694, 173, 170] and tunes.keys == 88
    assert len(clean_pieces(FrameBatches(chorales, frame_recipe("tcn", "bernoulli", 13807), first=False, whole=True))) == 49
