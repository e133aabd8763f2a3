"""Marks to velocities and back."""

from __future__ import annotations

import numpy as np

from zhiyin.score.dynamics import LEVELS, level_of, marks_to_velocity, nearest_mark, velocity_to_marks
from zhiyin.score.score import Mark, Part, Score, notes_array, regular_bars


def _score(bars: int, velocity: object = 0, marks: tuple[Mark, ...] = ()) -> Score:
    notes = notes_array(onset=np.arange(4 * bars) * 24, duration=24, pitch=60, velocity=velocity)
    return Score(notes, regular_bars(bars, 24), (Part("A"),), 24, marks=marks)


def test_table_is_its_own_inverse() -> None:
    assert all(nearest_mark(velocity) == name and level_of(name) == velocity for name, velocity in LEVELS.items())
    assert level_of("sfz") is None


def test_dynamics_hold_until_the_next_and_are_unknown_before_the_first() -> None:
    marks = (Mark(96, "dynamic", "p", 0), Mark(288, "dynamic", "ff", 0))
    velocity = marks_to_velocity(_score(4, marks=marks)).notes["velocity"].reshape(4, 4)
    assert (velocity == np.array([[0], [49], [49], [112]])).all()


def test_a_hairpin_rises_evenly_to_its_goal() -> None:
    marks = (Mark(0, "dynamic", "p", 0), Mark(96, "hairpin", "crescendo", 0, end=288), Mark(288, "dynamic", "f", 0))
    velocity = marks_to_velocity(_score(4, marks=marks)).notes["velocity"].astype(int)
    assert velocity[0] == 49
    assert velocity[12] == 96
    assert (np.diff(velocity[4:13]) > 0).all()


def test_a_hairpin_without_a_goal_moves_by_one_level_and_stays() -> None:
    marks = (Mark(0, "dynamic", "f", 0), Mark(96, "hairpin", "diminuendo", 0, end=192))
    assert marks_to_velocity(_score(4, marks=marks)).notes["velocity"][-1] == 80


def test_accents_and_attacks_add_for_their_note_only() -> None:
    marks = (Mark(0, "dynamic", "mf", 0), Mark(24, "articulation", "accent", 0), Mark(72, "dynamic", "sfz", 0))
    assert marks_to_velocity(_score(1, marks=marks)).notes["velocity"].tolist() == [80, 90, 80, 96]


def test_given_velocities_stay() -> None:
    marks = (Mark(0, "dynamic", "ppp", 0),)
    assert (marks_to_velocity(_score(1, 100, marks)).notes["velocity"] == 100).all()


def test_levels_become_marks_without_a_flood() -> None:
    rng = np.random.default_rng(1)
    velocity = np.r_[np.full(16, 49), np.full(16, 96)] + rng.integers(-7, 8, 32)
    velocity[5] = 120
    marks = velocity_to_marks(_score(8, velocity)).marks
    assert [(m.onset, m.kind, m.value) for m in marks] == [(0, "dynamic", "p"), (384, "dynamic", "f")]


def test_a_gradual_change_becomes_a_hairpin() -> None:
    velocity = np.repeat([49, 49, 49, 64, 64, 80, 80, 96, 96, 112, 112, 112, 112], 4)
    marks = velocity_to_marks(_score(13, velocity)).marks
    assert [(m.kind, m.value) for m in marks] == [("dynamic", "p"), ("hairpin", "crescendo"), ("dynamic", "ff")]


def test_marks_survive_the_way_through_velocities() -> None:
    marks = (Mark(0, "dynamic", "p", 0), Mark(384, "dynamic", "ff", 0), Mark(768, "dynamic", "mp", 0))
    sounding = marks_to_velocity(_score(12, marks=marks)).replace(marks=())
    assert [(m.onset, m.value) for m in velocity_to_marks(sounding).marks] == [(m.onset, m.value) for m in marks]


def test_no_velocities_no_marks_and_given_dynamics_stay_alone() -> None:
    assert velocity_to_marks(_score(2)).marks == ()
    marks = (Mark(0, "dynamic", "pp", 0),)
    assert velocity_to_marks(_score(2, 100, marks)).marks == marks
