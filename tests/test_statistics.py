from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from music import tune
from zhiyin.measures.statistics import STATISTICS, pitch_in_scale_rate, statistics
from zhiyin.score import Part, Score, notes_array, regular_bars

GOLDEN = json.loads((Path(__file__).parent / "data" / "muspy.json").read_text("utf-8"))


def score_of(entry: dict) -> Score:
    onset, duration, pitch, part = zip(*entry["notes"])
    notes = notes_array(onset=onset, duration=duration, pitch=pitch, part=part)
    return Score(notes, regular_bars(40, 24, *entry["meter"]), tuple(Part("", 0, d) for d in entry["drums"]), 24)


@pytest.mark.parametrize("entry", GOLDEN["tunes"], ids=lambda e: f"{e['meter'][0]}-{e['meter'][1]}-{len(e['notes'])}")
def test_every_statistic_is_muspys(entry):
    found = statistics(score_of(entry)) | {"pitch_in_scale_rate D minor": pitch_in_scale_rate(score_of(entry), 2, "minor")}
    assert found.keys() == entry["expected"].keys()
    for name, value in entry["expected"].items():
        assert math.isnan(found[name]) if value is None else found[name] == pytest.approx(value, abs=1e-12), name


def test_an_empty_score_has_no_statistics():
    empty = Score(notes_array(), regular_bars(2, 24), (Part(),), 24)
    found = statistics(empty)
    assert found["pitch_range"] == found["n_pitches_used"] == 0
    assert all(math.isnan(v) for n, v in found.items() if n not in ("pitch_range", "n_pitches_used", "n_pitch_classes_used"))


def test_transposing_moves_nothing_and_all_are_named():
    score = tune(12, parts=2)
    assert statistics(score) == pytest.approx(statistics(score.transpose(3)), nan_ok=True)
    assert len(STATISTICS) == 12
