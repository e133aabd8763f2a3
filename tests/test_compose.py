"""Composing end to end over a stand-in graph: exact bars, endings, form, takes, early first take, errors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fake_step import FakeGraph
from test_plan_words import MANIFEST
from zhiyin.errors import ControlError
from zhiyin.inference import compose as compose_module
from zhiyin.inference.compose import compose, take_seed
from zhiyin.inference.judge import DIFFERENT, distance
from zhiyin.inference.sampler import Sampler
from zhiyin.inference.session import StepSession
from zhiyin.provenance.package import Package
from zhiyin.score import meter_ticks

PACKAGE = Package(Path("nowhere"), {**MANIFEST, "name": "stand-in", "files": {}}, "0" * 64)


def write(words="", **changes):
    graph = FakeGraph(window=256, stay=4.0)
    sampler = Sampler(session=StepSession(graph, graph.window))
    return compose(words, model=PACKAGE, sampler=sampler, **{"takes": 1, "candidates": 2, "seed": 5, **changes})


@pytest.mark.parametrize("bars", [1, 2, 7, 12])
def test_exactly_the_bars_asked_for(bars):
    score = write(bars=bars, style="waltz").score
    assert len(score.bars) == bars
    assert score.end == bars * meter_ticks(3, 4, 24)
    assert int(score.bar_of(score.notes["onset"]).max()) == bars - 1
    assert (score.notes["onset"] + score.notes["duration"]).max() <= score.end


def test_a_piece_ends_on_a_long_tonic_and_carries_its_marks():
    made = write("a calm waltz in D minor", bars=8)
    score, report = made.score, made.report
    last = score.notes[score.notes["onset"] >= score.bars["onset"][-1]]
    assert last["pitch"].min() % 12 == 2
    assert (last["duration"] == 72).all()
    kinds = {m.kind for m in score.marks}
    assert {"tempo", "dynamic", "barline", "fermata"} <= kinds
    assert score.metadata["title"] == report["title"]
    assert report["key"] == "D minor"
    assert report["understood"] == ["key D minor", "style waltz", "mood calm"]
    assert any(a.startswith("calm:") for a in report["assumed"])
    assert any(a.startswith("meter 3/4") for a in report["assumed"])
    assert (score.notes["velocity"] > 0).all()
    assert score.tempo_map()[0, 1] == pytest.approx(report["tempo_qpm"], abs=0.01)


def test_every_asked_part_plays_within_its_range():
    score = write(parts="flute,cello", style="waltz", bars=12).score
    assert [p.name for p in score.parts] == ["Flute", "Cello"]
    for part, (low, high) in enumerate(((60, 93), (36, 76))):
        notes = score.notes[score.notes["part"] == part]
        assert len(notes) > 3
        assert low <= notes["pitch"].min()
        assert notes["pitch"].max() <= high
        assert (notes["onset"][1:] >= (notes["onset"] + notes["duration"])[:-1]).all(), "one note at a time"


def test_takes_differ_and_the_first_is_told_early():
    told = []
    made = write(bars=8, takes=3, candidates=6, parts="flute", on_take=lambda p: told.append(p.report["title"]))
    assert len(made.pieces) == 3
    assert told == [made.pieces[0].report["title"]]
    for i, a in enumerate(made.pieces):
        for b in made.pieces[:i]:
            assert distance(a.rows, b.rows) >= DIFFERENT
    assert made.report["candidates"]["written"] >= 6
    assert len({p.report["key"] for p in made.pieces}) == 1
    assert len({p.report["take_seed"] for p in made.pieces}) == 3


def test_drums_have_no_key_in_the_report():
    report = write(bars=4, parts="drums").report
    assert report["key"] == "" and not [a for a in report["assumed"] if a.startswith("key ")]
    assert write(bars=4, parts="flute").report["key"]


def test_a_bad_first_candidate_is_followed_by_another_alone_not_by_the_whole_batch(monkeypatch):
    batches, told = [], []
    plain_write, plain_judge = compose_module.Studio._write, compose_module.judge

    def noted(self, seed, takes):
        batches.append(list(takes))
        plain_write(self, seed, takes)

    def first_is_bad(*args, **more):
        verdict = plain_judge(*args, **more)
        return replace(verdict, penalty=99.0) if len(batches) == 1 else replace(verdict, problems=(), penalty=0.0)

    monkeypatch.setattr(compose_module.Studio, "_write", noted)
    monkeypatch.setattr(compose_module, "judge", first_is_bad)
    made = write(bars=8, takes=2, candidates=6, parts="flute", on_take=lambda p: told.append((p, len(batches))))
    assert batches == [[0], [1], [2, 3, 4, 5]]
    assert [(p.report["take"], n) for p, n in told] == [(1, 2)]
    assert made.pieces[0].report["take"] == 1
    assert made.report["candidates"]["written"] == 6


def test_the_same_seed_gives_the_same_piece_and_another_another():
    first, second, other = write(bars=8), write(bars=8), write(bars=8, seed=6)
    assert np.array_equal(first.score.notes, second.score.notes)
    assert first.report["title"] == second.report["title"]
    assert not np.array_equal(first.score.notes, other.score.notes)
    assert take_seed(5, 1) == take_seed(5, 1) != take_seed(5, 2)
    drawn = write(bars=4, seed=None)
    assert drawn.report["seed"] >= 0


def test_returns_are_similar_but_not_the_same():
    made = write(bars=32, style="jig", parts="flute", candidates=1)
    rows = made.pieces[0].rows
    sections = [
        {tuple(r) for r in (rows[(rows[:, 0] // 8) == i] - [8 * i, 0, 0, 0, 0, 0])[:, :4].tolist()} for i in range(4)
    ]

    def shared(a, b):
        return len(sections[a] & sections[b]) / len(sections[a] | sections[b])

    assert 0.3 < shared(0, 1) < 1
    assert 0.3 < shared(0, 3) < 1
    assert shared(0, 2) < 0.2


def test_seconds_set_the_length():
    made = write(seconds=12.0, style="waltz", parts="flute")
    assert made.report["seconds"] == pytest.approx(12, abs=0.5)


@pytest.mark.parametrize(
    ("words", "changes", "text"),
    [
        ("", {"bars": 0}, r"bars out of range. Expected 1..1000. Received 0"),
        ("", {"bars": 2000}, r"bars out of range. Expected 1..1000. Received 2000"),
        ("", {"style": "tango"}, r"Unknown style 'tango'.*known: 'waltz', 'jig'"),
        ("in C major in D minor", {}, r"The words contradict each other about key.*'in C major' and 'in D minor'"),
        ("a waltz in C major", {"key": "D minor"}, r"The words and the flags contradict each other about key"),
        ("", {"takes": 0}, r"takes out of range. Expected 1..64. Received 0"),
        ("", {"colour": "red"}, r"Unknown control. Expected style, composer, key.*Received colour"),
        ("", {"variation": 2.0}, r"variation out of range. Expected 0..1. Received 2"),
    ],
)
def test_wrong_wishes_are_refused(words, changes, text):
    with pytest.raises(ControlError, match=text):
        write(words, **changes)


def test_diverse_takes_differ_more_than_the_best_ones():
    from itertools import combinations

    def spread(pick):
        made = write(bars=8, style="waltz", takes=3, candidates=12, pick=pick)
        return min(distance(a.rows, b.rows) for a, b in combinations(made.pieces, 2))

    assert spread("diverse") >= spread("best")
    with pytest.raises(ControlError, match="Unknown way to pick takes"):
        write(bars=4, pick="worst")
