"""Continue over a stand-in graph: given notes untouched, exactly the new bars, any tick resolution; and nats by window."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fake_step import FakeGraph
from test_plan_words import MANIFEST
from zhiyin.encoding import encode
from zhiyin.encoding.fields import BAR_COLUMN, CHORD_QUALITIES, ROW_FIELDS, chord_class
from zhiyin.encoding.layout import lay_out
from zhiyin.errors import ControlError, InputError
from zhiyin.inference.chord_walk import walk_chords
from zhiyin.inference.compose import Options
from zhiyin.inference.continue_ import continue_
from zhiyin.inference.controls import find_key
from zhiyin.inference.form import plan_sections
from zhiyin.inference.nats import score_nats, windows
from zhiyin.inference.past import kept_parts, read_past
from zhiyin.inference.sampler import Sampler
from zhiyin.inference.session import StepSession
from zhiyin.provenance.package import Package
from zhiyin.score import Mark, Part, Score, bars_array, notes_array, regular_bars

PACKAGE = Package(Path("nowhere"), {**MANIFEST, "name": "stand-in", "files": {}, "sizes": {"window": 256}}, "0" * 64)
TUNE = [62, 64, 65, 67, 69, 67, 65, 64, 62, 65, 69, 74, 73, 69, 64, 62]


def tune(ticks=480, *, bars=4, upbeat=False):
    """A D minor tune with a bass, quarter notes in 4/4; with an upbeat of one quarter if asked."""
    onset = ticks * np.arange(len(TUNE))
    notes = notes_array(
        onset=np.r_[onset, onset[::4]] + ticks * upbeat, duration=np.r_[[ticks] * len(TUNE), [4 * ticks] * 4],
        pitch=np.r_[TUNE, [50, 45, 50, 45]], part=np.r_[np.zeros(16, int), np.full(4, 2)], velocity=80,
    )  # fmt: skip
    lengths = [ticks] * upbeat + [4 * ticks] * bars
    table = bars_array(lengths, key=-1, mode=1, tempo_qpm=90, number=np.arange(len(lengths)) + (not upbeat))
    parts = (Part("Flute", 73), Part("Silent", 0), Part("Cello", 42))
    marks = (Mark(int(sum(lengths)), "barline", "final"), Mark(0, "dynamic", "mf"))
    return Score(notes, table, parts, ticks, marks=marks)


def go_on(score, **changes):
    graph = FakeGraph(window=256, stay=4.0)
    sampler = Sampler(session=StepSession(graph, graph.window))
    return continue_(score, model=PACKAGE, sampler=sampler, seed=3, options=Options(takes=1, candidates=1), **changes)


@pytest.mark.parametrize(("ticks", "out"), [(480, 480), (24, 24), (100, 600), (1024, 3072)])
def test_given_notes_stay_tick_for_tick(ticks, out):
    score = tune(ticks)
    made = go_on(score, bars=3).score
    assert made.ticks_per_quarter == out
    old = made.notes[made.notes["onset"] < 16 * out]
    assert len(old) == len(score.notes)
    for name in ("pitch", "velocity", "part", "spelling"):
        assert np.array_equal(old[name], score.notes[name])
    for name in ("onset", "duration"):
        assert np.array_equal(old[name], score.notes[name] * (out // ticks))


def test_exactly_the_new_bars_follow_in_meter_key_and_parts():
    made = go_on(tune(), bars=5)
    score = made.score
    assert len(score.bars) == 9
    assert score.bars["number"].tolist() == list(range(1, 10))
    assert score.end == 9 * 4 * 480
    assert set(score.bars["key"]) == {-1}
    new = score.notes[score.notes["onset"] >= 16 * 480]
    assert len(new) == made.report["notes"] > 5
    assert set(new["part"]) == {0, 2}, "silent parts stay silent, the others go on and end together"
    last = new[new["onset"] >= 32 * 480]
    assert set(last["part"]) == {0, 2}
    assert last["pitch"].min() % 12 == 2
    assert [m.onset for m in score.marks if m.kind == "barline"] == [score.end]
    assert made.report["key"] == "D minor"


def test_an_upbeat_stays_bar_0():
    score = go_on(tune(upbeat=True), bars=2).score
    assert score.bars["number"].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert score.bar_count == 6


def test_long_pasts_are_read_as_far_as_the_window_reaches():
    long = np.arange(400)
    score = Score(
        notes_array(onset=24 * long, duration=24, pitch=60 + long % 12), regular_bars(100, 24, key=0, mode=0),
        (Part("Flute", 73),), 24,
    )  # fmt: skip
    past = read_past(score, 8)
    assert past.shift(256) > 40
    request = past.request(np.zeros(5, dtype=np.int64), None, 1, 256)
    assert 160 < len(request.past) <= 192
    assert request.past[0, 0] == 0
    made = go_on(score, bars=2).score
    assert len(made.bars) == 102


def test_same_seed_same_notes():
    assert np.array_equal(go_on(tune(), bars=2).score.notes, go_on(tune(), bars=2).score.notes)


def test_kept_parts_are_those_with_notes():
    assert kept_parts(tune()) == (0, 2)


def test_wrong_wishes_are_refused():
    with pytest.raises(ControlError, match=r"bars out of range. Expected 1..1000. Received 0"):
        go_on(tune(), bars=0)
    with pytest.raises(ControlError, match=r"Unknown cadence 'plagal'"):
        go_on(tune(), cadence="plagal")
    with pytest.raises(ControlError, match=r"Unknown style 'tango'"):
        go_on(tune(), style="tango")
    empty = Score(notes_array([]), regular_bars(2, 24), (Part(),), 24)
    with pytest.raises(InputError, match=r"Nothing to continue. Expected a score with notes. Received 0 notes"):
        go_on(empty)


class FakeScore:
    """A score graph whose nats are 1 for each step, 2 for each pitch … and that notes the lengths it was asked."""

    def __init__(self):
        self.lengths = []

    def get_inputs(self):
        names = ("inputs", "targets", "previous_pitch", "bars", "programs", "controls")
        return [SimpleNamespace(name=n) for n in names]

    def run(self, names, feed):
        rows = feed["inputs"].shape[1]
        self.lengths.append(rows)
        assert (feed["inputs"][0, :, 7] >= 0).all()
        assert feed["bars"].shape[1] > feed["inputs"][0, :, 7].max()
        return [np.tile(np.arange(1.0, 7.0), (1, rows, 1))]


@pytest.mark.parametrize("window", [8, 16, 512])
def test_every_note_is_counted_once_in_any_window(window):
    piece, _ = encode(tune())
    graph = FakeScore()
    found = score_nats(PACKAGE, [piece, piece], graph=graph, window=window)
    notes = 20
    assert found["notes"] == 2 * notes
    assert found["n"] == 2
    assert found["fields"]["pitch"] == pytest.approx(4)
    assert found["fields"]["bar_step"] == pytest.approx(1 * (notes + 1) / notes), "the end counts"
    assert found["nats"] == pytest.approx(sum(found["fields"].values()))
    assert list(found["fields"]) == list(ROW_FIELDS)
    assert max(graph.lengths) <= window
    assert found["low"] <= found["nats"] <= found["high"]


def test_velocities_that_are_not_known_are_not_counted():
    score = tune()
    notes = score.notes.copy()
    notes["velocity"] = 0
    piece, _ = encode(score.replace(notes=notes))
    assert score_nats(PACKAGE, [piece], graph=FakeScore(), window=64)["fields"]["velocity"] == 0


@pytest.mark.parametrize(("length", "window"), [(5, 8), (8, 8), (9, 8), (100, 16), (1000, 512)])
def test_windows_count_each_input_once(length, window):
    counted = [i for begin, end, first in windows(length, window) for i in range(first, end)]
    assert counted == list(range(length))
    assert all(end - begin <= window and begin >= 0 for begin, end, _ in windows(length, window))
    assert len(lay_out(np.zeros((0, 6), dtype=np.int32)).inputs) == 1


def test_nothing_to_score():
    with pytest.raises(InputError, match=r"Nothing to score. Expected at least one piece. Received 0 pieces"):
        score_nats(PACKAGE, [], graph=FakeScore())


def test_new_bars_are_planned_on_chords_as_people_have_them_and_old_records_on_triads():
    past = read_past(tune(), 16)
    column, first = BAR_COLUMN["chord"], past.first
    plans = {tuple(past.walked("", seed).table[first:, column].tolist()) for seed in range(8)}
    assert len(plans) > 4 and tuple(past.table[first:, column].tolist()) not in plans
    assert all(np.array_equal(past.walked("", seed).table[:first], past.table[:first]) for seed in range(3))
    seen = {c for plan in plans for c in plan}
    assert len(seen) > len(set(past.table[first:, column].tolist())), "more than plain triads"
    tonic_or_dominant = {chord_class(2, "minor"), chord_class(9, "major"), chord_class(9, "seventh")}
    assert all(plan[-1] == chord_class(2, "minor") and plan[-2] in tonic_or_dominant for plan in plans)


def test_the_first_new_chord_follows_the_last_one_heard():
    sections = plan_sections(8, first=0)
    dominant, odds = chord_class(7, "seventh"), []
    for seed in range(60):
        odds.append(int(walk_chords(sections, find_key("C major"), np.random.default_rng(seed), after=dominant)[0]))
    tonic = sum(c in (chord_class(0, q) for q in CHORD_QUALITIES) for c in odds)
    assert 20 < tonic < 60  # mostly home, not always


def test_the_harmony_is_a_setting_of_the_record_and_its_absence_means_triads(tmp_path):
    new = go_on(tune(), bars=8)
    assert new.record["settings"]["harmony"] == "walk"
    plain = go_on(tune(), bars=8, harmony="plain")
    assert plain.record["settings"]["harmony"] == "plain"
    with pytest.raises(ControlError, match="Unknown harmony 'jazzy'. Expected walk or plain"):
        go_on(tune(), bars=8, harmony="jazzy")


def test_a_record_without_harmony_is_made_again_as_it_was(monkeypatch):
    from zhiyin.inference import recreate as recreate_module

    graph = FakeGraph(window=256, stay=4.0)
    monkeypatch.setattr("zhiyin.inference.continue_.Sampler", lambda package: Sampler(session=StepSession(graph, graph.window)))
    for harmony in ("plain", "walk"):
        made = go_on(tune(), bars=8, harmony=harmony)
        record = {**made.record, "settings": dict(made.record["settings"])}
        if harmony == "plain":
            del record["settings"]["harmony"]
        again = recreate_module.recreate(record, PACKAGE, tune())
        assert np.array_equal(again.notes["pitch"], made.score.notes["pitch"]), harmony
