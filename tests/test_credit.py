"""Credit: exact leave-one-out counts, shares that follow from them, the table's file, the verb, and what breaks them."""

import json

import numpy as np
import pytest

from music import tune
from zhiyin.app.cli.main import main
from zhiyin.encoding import encode
from zhiyin.errors import FormatError, InputError, PackageError, TrainingError
from zhiyin.evaluation.canaries import invent
from zhiyin.evaluation.credit import levels, lost_nats, top_one
from zhiyin.formats.catalog import save
from zhiyin.formats.columns import columns_svg, write_columns
from zhiyin.formats.svg import parse_svg
from zhiyin.inference.credit import CountTable, credit, credit_of, load_table, nats_without, packed
from zhiyin.inference.note_contexts import FLOOR_SYMBOLS, LEVELS, contexts
from zhiyin.score import Part, Score
from zhiyin.training.credit import count, count_all, write_table

NAMES = ("scales", "fiddles")


def scales(seed: int) -> Score:
    return tune(16, seed=seed)


@pytest.fixture(scope="module")
def source():
    return [(encode(scales(i))[0], 0) for i in range(30)] + [(encode(invent(i))[0], 1) for i in range(30)]


@pytest.fixture(scope="module")
def table(source) -> CountTable:
    return count(source, NAMES)


def test_contexts_are_the_same_in_every_key_and_for_every_part_order():
    low, high = encode(tune(8, seed=3, tonic=62))[0], encode(tune(8, seed=3, tonic=67))[0]
    seen, entries, order = contexts(low)
    again, entries_again, _ = contexts(high)
    first = 1  # a part's first note is told by its pitch
    assert seen.shape == (sum(LEVELS), len(low.rows)) and np.array_equal(np.sort(order), np.arange(len(low.rows)))
    assert np.array_equal(seen[:, first:], again[:, first:])
    assert np.array_equal(entries[:, first:], entries_again[:, first:])
    duo = tune(8, seed=3, parts=2)
    swapped = duo.notes.copy()
    swapped["part"] = 1 - swapped["part"]
    other = encode(duo.replace(notes=swapped, parts=duo.parts[::-1]))[0]
    assert np.array_equal(np.sort(contexts(encode(duo)[0])[1], axis=1), np.sort(contexts(other)[1], axis=1))


def test_velocity_tempo_and_programs_are_not_looked_at():
    score = tune(8, seed=1)
    louder = score.notes.copy()
    louder["velocity"] = 12
    bars = score.bars.copy()
    bars["tempo_qpm"] = 60
    other = score.replace(notes=louder, bars=bars, parts=(Part("Organ", 19),))
    for a, b in zip(contexts(encode(score)[0]), contexts(encode(other)[0])):
        assert np.array_equal(a, b)


def test_leaving_a_collection_out_is_what_never_having_seen_it_gives(source, table):
    piece = encode(scales(99))[0]
    nats = nats_without(piece, table)
    without_scales = count([(p, c) for p, c in source if c == 1], NAMES)
    without_fiddles = count([(p, c) for p, c in source if c == 0], NAMES)
    assert np.allclose(nats[:, 1], nats_without(piece, without_scales)[:, 0])
    assert np.allclose(nats[:, 2], nats_without(piece, without_fiddles)[:, 0])


def test_probabilities_of_what_can_follow_sum_to_one(table):
    """The durations after one context: all that were ever seen, and the rest of the floor."""
    from zhiyin.encoding.fields import DURATIONS
    from zhiyin.encoding.rows import DURATION

    piece = encode(scales(98))[0]
    total = 0.0
    for duration in range(len(DURATIONS)):
        rows = piece.rows[:40].copy()
        rows[-1, DURATION] = duration
        changed = type(piece)(rows, piece.bars, piece.programs, piece.controls)
        base = piece.rows[:40].copy()
        same = type(piece)(base, piece.bars, piece.programs, piece.controls)
        total += float(np.exp(nats_without(same, table)[-1, 0] - nats_without(changed, table)[-1, 0]))
    own = float(np.exp(-_last_duration_nats(piece, table)))
    missing = 1 - len(DURATIONS) / FLOOR_SYMBOLS  # of the floor: classes that no duration has
    assert 1 - missing <= total * own <= 1.001


def _last_duration_nats(piece, table) -> float:
    from zhiyin.inference.credit import FLOOR, SMOOTHING

    cut = type(piece)(piece.rows[:40], piece.bars, piece.programs, piece.controls)
    seen, entries, order = contexts(cut)
    at, p = int(np.flatnonzero(order == 39)[0]), FLOOR
    level = LEVELS[0] + LEVELS[1]
    for smoothing in SMOOTHING[: LEVELS[2]]:
        hits = table.look(entries[level][at : at + 1]).sum()
        p = (hits + smoothing * p) / (table.look(seen[level][at : at + 1]).sum() + smoothing)
        level += 1
    return -float(np.log(p))


def test_unseen_tunes_are_credited_to_their_own_kind(table):
    tunes = [encode(scales(500 + i))[0] for i in range(15)] + [encode(invent(500 + i))[0] for i in range(15)]
    truth = np.repeat([0, 1], 15)
    found = top_one(lost_nats(table, tunes), truth, NAMES)
    assert found["raw"]["share"] == found["balanced"]["share"] == 1.0 and found["n"] == 30
    assert found["confusion"]["scales"] == {"scales": 15, "fiddles": 0}


def test_the_share_names_the_bars(table):
    """Eight bars of one kind, then eight of the other."""
    a, b = encode(scales(700))[0], encode(invent(701))[0]
    rows = np.concatenate([a.rows[a.rows[:, 0] < 8], b.rows + np.array([8, 0, 0, 0, 0, 0], dtype=b.rows.dtype)])
    piece = type(a)(rows, np.concatenate([a.bars[:8], b.bars]), a.programs, a.controls)
    found = credit_of(piece, table)
    most = found.of_bars()
    assert most[:8].count("scales") >= 6 and most[8:].count("fiddles") >= 6
    assert found.shares.sum() == pytest.approx(1) and (found.low <= found.shares).all() and (found.shares <= found.high).all()
    assert found.lost.shape == (16, 2) and int(found.notes.sum()) == len(rows)
    assert set(found.as_dict()) == set(NAMES) and set(found.as_dict()["scales"]) == {"share", "low", "high"}


def test_pruning_keeps_what_is_frequent_and_sums_stay_whole(source):
    whole, pruned = count_all(source, NAMES, [1, 3])
    assert len(pruned.keys) < len(whole.keys) / 2
    tunes = [encode(scales(800))[0], encode(invent(800))[0]]
    assert lost_nats(pruned, tunes).argmax(axis=1).tolist() == [0, 1]
    assert np.isin(pruned.keys, whole.keys).all()


def test_a_table_survives_its_file_and_damage_is_told(table, tmp_path):
    folder = tmp_path / "credit"
    written = write_table(folder, table, "# card\n", {"recipe": {"least": 1}})
    assert np.array_equal(written.keys, table.keys) and np.array_equal(written.counts, table.counts)
    assert written.collections == NAMES and written.about["recipe"] == {"least": 1}
    assert packed(table) == packed(written)
    data = bytearray((folder / "table.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "table.npz").write_bytes(bytes(data))
    load_table.cache_clear()
    with pytest.raises(PackageError, match="table.npz was altered. Expected sha256"):
        load_table(folder)
    about = json.loads((folder / "credit.json").read_text())
    (folder / "credit.json").write_text(json.dumps({**about, "format": "credit/9"}))
    with pytest.raises(PackageError, match="another format. Expected credit/1. Received credit/9"):
        load_table(folder)
    (folder / "credit.json").write_text("{}")
    with pytest.raises(PackageError, match="credit.json is damaged"):
        load_table(folder)
    with pytest.raises(PackageError, match=r"No credit table in .*make_credit.py"):
        load_table(tmp_path / "nowhere")


def test_nothing_to_count_or_credit_is_an_error(table):
    with pytest.raises(TrainingError, match="Nothing to count"):
        count([], NAMES)
    score = scales(0)
    with pytest.raises(InputError, match="Nothing to credit. Expected a score with notes. Received 0 notes"):
        credit(score.replace(notes=score.notes[:0]), table=table)


def test_levels_say_what_is_usual(table):
    tunes = [encode(scales(900 + i))[0] for i in range(8)] + [encode(invent(900 + i))[0] for i in range(8)]
    notes, truth = np.array([len(t.rows) for t in tunes]), np.repeat([0, 1], 8)
    found = levels(lost_nats(table, tunes), notes, truth, NAMES)
    assert found["scales"]["own"][0] > found["scales"]["others"][1]


@pytest.fixture
def shipped(table, tmp_path):
    folder = tmp_path / "table"
    tunes = [encode(scales(900 + i))[0] for i in range(8)] + [encode(invent(900 + i))[0] for i in range(8)]
    usual = levels(lost_nats(table, tunes), np.array([len(t.rows) for t in tunes]), np.repeat([0, 1], 8), NAMES)
    write_table(folder, table, "# card\n", {"levels": usual})
    return folder


def test_the_verb_speaks_draws_and_writes_json(shipped, tmp_path, capsys):
    file = save(scales(42), tmp_path / "t.mid")
    assert main(["credit", str(file), "--table", str(shipped), "--picture", str(tmp_path / "owed.png")]) == 0
    said = capsys.readouterr().out
    assert "scales" in said.splitlines()[0] and "nats a note lost without it" in said and "bar by bar" in said
    assert (tmp_path / "owed.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert main(["credit", str(file), "--table", str(shipped), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["most"] == "scales" and told["strength"] in ("clear", "some") and len(told["bars"]) == 16
    assert told["credit"]["scales"]["low"] <= told["credit"]["scales"]["share"] <= told["credit"]["scales"]["high"]
    assert main(["credit", str(tmp_path / "no.mid"), "--table", str(shipped)]) == 1
    assert main(["credit", str(file), "--table", str(shipped), "--picture", str(tmp_path / "owed.gif")]) == 1
    assert "Expected .svg or .png" in capsys.readouterr().err


def test_columns_stack_to_the_values(tmp_path):
    values = np.array([[1.0, 3.0], [0.0, 0.0], [2.0, 0.0]])
    root = parse_svg(columns_svg(values, ["a", "b <c>"], [1, 2, 3], title="T & t", unit="nats"))
    tall = sorted(float(e.get("height", 0)) for e in root.iter() if e.tag.endswith("rect"))[-5:-1]
    assert tall[-3:] == [37.5, 75.0, 112.5]
    with pytest.raises(FormatError, match="no picture format"):
        write_columns(tmp_path / "x.gif", values, ["a", "b"], [1, 2, 3], title="", unit="")


def test_a_credit_table_is_no_model_package():
    from zhiyin.provenance.package import list_packages, load_package

    assert "credit" not in list_packages()
    with pytest.raises(PackageError, match="No model package 'credit'"):
        load_package("credit")
