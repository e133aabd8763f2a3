"""The sampler against a stand-in graph: the protocol kept, single = batch, returns, given rows, saving."""

import numpy as np
import pytest

from fake_step import FakeGraph
from zhiyin.encoding import EncodedPiece, check_legal
from zhiyin.encoding.fields import DURATIONS
from zhiyin.encoding.layout import lay_out
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH, POSITION
from zhiyin.errors import ControlError, PackageError
from zhiyin.inference.controls import find_key
from zhiyin.inference.form import plan_sections, returns, vary_returns
from zhiyin.inference.instruments import find_parts
from zhiyin.inference.masks import cadence_masks, plain_masks
from zhiyin.inference.plan import bar_rows, program_row, write_sections
from zhiyin.inference.request import Request, make_sampling
from zhiyin.inference.sampler import Run, Sampler
from zhiyin.inference.session import StepSession

PARTS = find_parts(["Soprano", "Piano"])
KEY = find_key("D minor")


def make_request(seed=1, bars=8, *, parts=PARTS, form=None, **changes):
    sections = plan_sections(bars, form)
    table = bar_rows(bars, (3, 4), KEY, 100)
    write_sections(table, sections)
    masks = cadence_masks(table, parts, KEY, sections)
    must = np.zeros(32, dtype=bool)
    must[: len(parts)] = True
    single = np.zeros(32, dtype=bool)
    single[: len(parts)] = [p.single for p in parts]
    base = {
        "bars": table, "programs": program_row([p.program for p in parts]), "controls": np.zeros(5, dtype=np.int64), "masks": masks,
        "sampling": make_sampling({}), "seed": seed, "must_play": must, "single": single, "final_steps": 72,
    }  # fmt: skip
    return Request(**{**base, **changes})


def make_sampler(**options):
    graph = FakeGraph(**options)
    return Sampler(session=StepSession(graph, graph.window)), graph


def piece_of(request, rows):
    return EncodedPiece(rows, request.bars, request.programs[request.programs < 129], request.controls)


def test_a_take_is_legal_and_ends_in_the_last_bar():
    sampler, _ = make_sampler()
    request = make_request()
    (written,) = sampler.sample([request])
    assert written.complete
    assert len(written.rows) > 20
    check_legal(piece_of(request, written.rows))
    assert set(written.rows[:, BAR]) == set(range(8)), "no bar is left empty"
    assert np.isfinite(written.nats).all()
    assert written.nats_per_note > 0


def test_last_bar_is_one_long_tonic_chord_with_the_tonic_in_the_bass():
    sampler, _ = make_sampler()
    for seed in range(6):
        rows = sampler.sample([make_request(seed)])[0].rows
        last = rows[rows[:, BAR] == 7]
        assert (last[:, POSITION] == 0).all()
        assert (DURATIONS[last[:, DURATION]] == 72).all()
        assert set(last[:, PART]) == {0, 1}, "every part ends together"
        assert last[np.argmin(last[:, PITCH]), PITCH] % 12 == 2
        assert set(last[:, PITCH] % 12) <= {2, 5, 9}


def test_parts_keep_their_ranges_and_voices_sing_one_note_at_a_time():
    sampler, _ = make_sampler()
    rows = sampler.sample([make_request(3, 12)])[0].rows
    soprano = rows[rows[:, PART] == 0]
    assert len(soprano) > 5
    assert soprano[:, PITCH].min() >= PARTS[0].low
    assert soprano[:, PITCH].max() <= PARTS[0].high
    onsets = soprano[:, [BAR, POSITION]]
    assert len(np.unique(onsets, axis=0)) == len(onsets)


def test_same_seed_gives_the_same_rows_alone_and_in_a_batch():
    sampler, _ = make_sampler()
    requests = [make_request(seed, bars) for seed, bars in ((1, 8), (2, 4), (3, 12), (4, 8), (5, 6))]
    batch = sampler.sample(requests)
    for request, together in zip(requests, batch):
        alone = sampler.sample([request])[0]
        assert np.array_equal(alone.rows, together.rows)
        assert np.allclose(alone.nats, together.nats)
    assert not np.array_equal(batch[0].rows, batch[3].rows)


def test_streaming_gives_the_same_rows():
    sampler, _ = make_sampler()
    request = make_request(9)
    assert np.array_equal(np.array(list(sampler.stream(request))), sampler.sample([request])[0].rows)


def test_rows_read_follow_the_layout_of_training():
    sampler, graph = make_sampler()
    request = make_request(5)
    rows = sampler.sample([request])[0].rows
    read = np.array(graph.rows_read)[:, 0]
    assert np.array_equal(read, lay_out(rows).inputs)


def test_given_rows_are_read_as_the_interleaved_layout_has_them():
    sampler, graph = make_sampler()
    given = np.array([[b, p, 1, 40 + p // 12, 11, 0] for b in range(8) for p in (0, 24, 48)], dtype=np.int64)
    must = np.zeros(32, dtype=bool)
    must[0] = True
    masks = plain_masks(make_request().bars, PARTS)
    masks.pitch_index[:, :, 1] = 0  # the given part is not written
    request = make_request(2, given=given, must_play=must, masks=masks)
    rows = sampler.sample([request])[0].rows
    assert set(rows[:, PART]) == {0}
    both = np.concatenate([rows, given])
    order = np.lexsort((both[:, PITCH], both[:, PART], both[:, POSITION], both[:, BAR]))
    is_given = (np.arange(len(both)) >= len(rows))[order]
    expected = lay_out(both[order], is_given).inputs
    assert np.array_equal(np.array(graph.rows_read)[:, 0], expected)


def test_past_rows_are_read_first_and_only_new_bars_are_written():
    sampler, graph = make_sampler()
    past = np.array([[b, p, 0, 62 + p // 24, 23, 0] for b in range(4) for p in (0, 24, 48)], dtype=np.int64)
    request = make_request(4, past=past, first=4)
    rows = sampler.sample([request])[0].rows
    assert rows[:, BAR].min() == 4
    assert np.array_equal(np.array(graph.rows_read)[: len(past) + 1, 0], lay_out(past).inputs)
    check_legal(piece_of(request, np.concatenate([past, rows])))


@pytest.mark.parametrize("with_given", [False, True])
def test_a_past_that_takes_share_is_read_once(with_given):
    sampler, _ = make_sampler()
    rows = sampler.sample([make_request(3)])[0].rows
    past = rows[rows[:, BAR] < 4]
    more = {"given": rows[(rows[:, BAR] >= 4) & (rows[:, PART] == 1)]} if with_given else {}
    requests = [make_request(s, past=past, first=4, **more) for s in (1, 2, 3)]
    alone = [sampler.sample([r])[0] for r in requests]
    sampler, graph = make_sampler()
    together = sampler.sample(requests)
    for one, other in zip(alone, together):
        assert np.array_equal(one.rows, other.rows) and np.allclose(one.nats, other.nats, atol=1e-6)
    batches = [len(r) for r in graph.rows_read]
    assert batches[: len(past)] == [1] * len(past) and 3 in batches
    sampler, graph = make_sampler()
    sampler.sample([requests[0], make_request(2, past=past[:-1], first=4, **more)])
    assert len(graph.rows_read[0]) == 2, "another past is read beside it"


@pytest.mark.parametrize("amount", [0.0, 0.35, 1.0])
def test_returns_repeat_the_first_statement_except_where_written_anew(amount):
    sections = plan_sections(32, "AABA")
    source = vary_returns(returns(sections), sections, amount, np.random.default_rng(3))
    sampler, _ = make_sampler()
    request = make_request(6, 32, form="AABA", source=source)
    written = sampler.sample([request])[0]
    check_legal(piece_of(request, written.rows))
    by_bar = {b: written.rows[written.rows[:, BAR] == b][:, 1:] for b in range(32)}
    returned = np.flatnonzero(source >= 0)
    assert len(returned) >= {0.0: 14, 0.35: 6, 1.0: 0}[amount]
    for bar in returned:
        assert np.array_equal(by_bar[bar][:, :3], by_bar[source[bar]][:, :3]), bar
    assert all(len(rows) for rows in by_bar.values())
    assert source[31] == -1


def test_a_run_can_be_saved_at_a_bar_and_gone_on_from_twice():
    sampler, _ = make_sampler(window=32)
    run = Run(sampler.session, [make_request(1), make_request(2)])
    while run.takes[0].cursor < 3:
        run.step()
    saved = run.save()
    ends = []
    for _ in range(2):
        while not run.done:
            run.step()
        ends.append([w.rows for w in run.results()])
        run.restore(saved)
    assert all(np.array_equal(a, b) for a, b in zip(*ends))
    whole = sampler.sample([make_request(1), make_request(2)])
    assert all(np.array_equal(a, w.rows) for a, w in zip(ends[0], whole))


def test_caches_grow_and_wrap_at_the_window():
    wide, _ = make_sampler(window=4096)
    narrow, graph = make_sampler(window=160)
    request = make_request(8, 40)
    run = Run(narrow.session, [request])
    assert run.memory.slots == 128
    while not run.done:
        run.step()
    assert run.memory.slots == 160
    assert graph.calls > 160, "the ring was wrapped"
    first = wide.sample([request])[0].rows
    same = (first[:100] == run.results()[0].rows[:100]).all()
    assert same, "growing the cache changes nothing while all rows are in it"


def test_sampling_settings_are_checked_and_overridden():
    base = make_sampling({"sampling": {"temperature": [1, 1, 1, 1, 1, 0.5]}})
    assert base.temperature.tolist() == [1, 1, 1, 1, 1, 0.5]
    assert make_sampling({}, 1.2).temperature.tolist() == pytest.approx([1.2] * 6)
    assert make_sampling({}, {"pitch": 0.7}).temperature[3] == pytest.approx(0.7)
    with pytest.raises(ControlError, match=r"top_p out of range. Expected 0.01..1. Received 3"):
        make_sampling({}, top_p=3.0)
    with pytest.raises(ControlError, match=r"Unknown row field. Expected bar_step"):
        make_sampling({}, {"loudness": 1.0})


def test_a_graph_without_the_protocols_outputs_is_refused():
    graph = FakeGraph()
    graph.get_outputs = list
    with pytest.raises(PackageError, match=r"The step graph lacks outputs. Expected next, nats, new_state.sum"):
        StepSession(graph, 64)
