"""Vary, repair and again over a stand-in graph: what is kept is kept in every note, what is said of failures."""

import numpy as np
import pytest

from fake_step import FakeGraph
from music import tune
from test_infill import ONE, PACKAGE
from zhiyin.errors import ControlError, InputError, RecordError
from zhiyin.formats.catalog import load, save
from zhiyin.inference.again import again
from zhiyin.inference.recreate import recreate
from zhiyin.inference.repair import damaged_cells, repair, repair_test
from zhiyin.inference.sampler import Sampler
from zhiyin.inference.session import StepSession
from zhiyin.inference.vary import _clashing, vary
from zhiyin.score import Mark, Part, Score, notes_array, regular_bars


def sampler(seed=0):
    graph = FakeGraph(window=256, stay=3.0, seed=seed)
    return Sampler(session=StepSession(graph, 256))


def varied(score, **changes):
    return vary(score, model=PACKAGE, sampler=sampler(), **{"seed": 3, "options": ONE, **changes})


def chords(ticks=480):
    """Four-note chords on every half note, played a little off the grid, with velocities; a drum part beside."""
    rng = np.random.default_rng(1)
    onset = np.repeat(np.arange(16) * 2 * ticks + rng.integers(0, 8, 16), 4)
    pitch = (np.array([48, 55, 64, 72])[None] + rng.integers(-3, 4, (16, 1))).ravel()
    drums = notes_array(onset=np.arange(32) * ticks, duration=100, pitch=38, part=1, velocity=90)
    notes = notes_array(onset=onset, duration=2 * ticks - 50, pitch=pitch, velocity=rng.integers(40, 90, 64), part=0)
    parts = (Part("Piano", 0), Part("Drums", 0, True))
    return Score(np.concatenate([notes, drums]), regular_bars(8, ticks, key=0, mode=0), parts, ticks, timing="performed")


@pytest.mark.parametrize("amount", [0.3, 1.0])
@pytest.mark.parametrize("score", [tune(parts=2), chords()], ids=["lines", "chords"])
def test_rhythm_stays_in_every_note(score, amount):
    made = varied(score, keep="rhythm", amount=amount)
    for name in ("onset", "duration", "part"):
        assert np.array_equal(made.score.notes[name], score.notes[name]), name
    assert sorted(made.score.notes["velocity"].tolist()) == sorted(score.notes["velocity"].tolist())
    pitched = ~score.drums[score.notes["part"]]
    assert np.array_equal(made.score.notes["pitch"][~pitched], score.notes["pitch"][~pitched]), "drums stay"
    changed = (made.score.notes["pitch"] != score.notes["pitch"]).sum()
    assert 0 < changed <= round(amount * pitched.sum()) * (1 if score.parts[0].program else 4)
    assert made.report["notes"] == made.report["notes_gone"] == max(1, round(amount * pitched.sum()))
    assert not _clashing(made.score.notes).any(), "no note doubles another or is struck while it sounds"


def line(score, part):
    """The top line of a part as pitches."""
    notes = score.notes[score.notes["part"] == part]
    last = np.r_[np.diff(notes["onset"]) > 0, True]
    return notes["pitch"][last].astype(int)


@pytest.mark.parametrize("score", [tune(parts=2), chords()], ids=["lines", "chords"])
def test_contour_stays_in_every_line(score):
    made = varied(score, keep="contour", amount=0.6)
    assert (made.score.notes["pitch"] != score.notes["pitch"]).any()
    for part in (0, 1):
        assert np.array_equal(np.sign(np.diff(line(made.score, part))), np.sign(np.diff(line(score, part))))


def test_harmony_stays_in_every_quarter():
    score = tune(parts=2)
    made = varied(score, keep="harmony", amount=0.5)
    old = set(map(tuple, score.notes[["onset", "pitch", "part"]].tolist()))
    new = [n for n in made.score.notes if (int(n["onset"]), int(n["pitch"]), int(n["part"])) not in old]
    assert new
    ends = score.notes["onset"] + score.notes["duration"]
    for note in new:
        quarter = note["onset"] // 480 * 480
        sounding = (score.notes["onset"] < quarter + 480) & (ends > quarter)
        classes = set((score.notes["pitch"][sounding] % 12).tolist())
        bar = score.bars[score.bar_of(note["onset"])]
        in_bar = set((score.notes["pitch"][(score.notes["onset"] < bar["onset"] + bar["duration"]) & (ends > bar["onset"])] % 12).tolist())
        assert int(note["pitch"]) % 12 in (classes if len(classes) > 1 else in_bar)


def test_locked_bars_and_parts_stay_and_the_seed_decides():
    score = tune(parts=2)
    made = varied(score, amount=1.0, lock=["Part 1", "9-16"])
    bars = score.bar_of(score.notes["onset"])
    changed = made.score.notes["pitch"] != score.notes["pitch"]
    assert changed.any() and not changed[(score.notes["part"] == 0) | (bars >= 8)].any()
    assert np.array_equal(varied(score, amount=0.3).score.notes, varied(score, amount=0.3).score.notes)
    assert not np.array_equal(varied(score, amount=0.3).score.notes, varied(score, amount=0.3, seed=4).score.notes)


def test_wrong_variations_are_refused():
    with pytest.raises(ControlError, match=r"Unknown thing to keep. Expected rhythm, harmony, contour. Received 'mood'"):
        varied(tune(), keep="mood")
    with pytest.raises(ControlError, match=r"amount out of range. Expected over 0 and at most 1. Received 1.5"):
        varied(tune(), amount=1.5)
    with pytest.raises(ControlError, match=r"Nothing to vary. Expected notes in the selection. Received none"):
        varied(chords(), keep="rhythm", span="1", lock=["Piano"])


def damaged():
    """Two parts; bars 5 and 6 are empty, bar 9 of part 2 is marked."""
    score = tune(parts=2)
    bars = score.bar_of(score.notes["onset"])
    mark = Mark(8 * 4 * 480, "text", "[?] damaged", part=1)
    notes = score.notes.copy()
    notes["duration"] = np.minimum(notes["duration"], 1920 - notes["onset"] % 1920)
    return score.replace(notes=notes[(bars != 4) & (bars != 5)], marks=(*score.marks, mark))


def test_empty_and_marked_bars_are_written_and_nothing_else():
    score = damaged()
    cells = damaged_cells(score)
    assert np.argwhere(cells).tolist() == [[4, 0], [4, 1], [5, 0], [5, 1], [8, 1]]
    made = repair(score, model=PACKAGE, sampler=sampler(), seed=1, options=ONE)
    assert made.report["repaired"] == [5, 6, 9]
    old = set(map(tuple, score.notes[["onset", "duration", "pitch", "part"]].tolist()))
    new = [n for n in made.score.notes[["onset", "duration", "pitch", "part"]].tolist() if tuple(n) not in old]
    assert new and all(cells[score.bar_of(onset), part] for onset, _, _, part in new)
    with pytest.raises(InputError, match=r"Nothing to repair. Expected bars that are empty between others, or marked as damaged"):
        repair(tune(), model=PACKAGE, sampler=sampler(), seed=1)


def test_a_test_of_repair_counts_what_comes_back():
    found = repair_test(tune(parts=2), model=PACKAGE, sampler=sampler(), seed=1)
    assert found["hidden"] == round(0.1 * len(tune(parts=2).notes))
    assert 0 <= found["returned"] <= found["hidden"] and found["returned_interval"][0] <= found["returned_share"]
    with pytest.raises(ControlError, match=r"share of hidden notes is out of range. Expected over 0 and under 1. Received 1"):
        repair_test(tune(), hidden=1.0, model=PACKAGE, sampler=sampler())


@pytest.fixture
def edited(tmp_path):
    """A file, its variation, and the stand-in sampler in place of the package's."""
    source = save(tune(parts=2), tmp_path / "tune.mid")
    made = vary(source, keep="contour", amount=0.4, model=PACKAGE, sampler=sampler(), seed=5, options=ONE)
    return source, save(made, tmp_path / "varied.mid"), made


def test_an_edit_is_made_again_from_its_record(edited, monkeypatch):
    source, _, made = edited
    monkeypatch.setattr("zhiyin.inference.edit.Sampler", lambda package: sampler())
    assert np.array_equal(recreate(made.record, PACKAGE, source).notes, made.score.notes)
    with pytest.raises(RecordError, match=r"goes on from tune.mid"):
        recreate(made.record, PACKAGE, None)


def test_again_changes_one_thing_and_locks_the_rest(edited):
    source, file, made = edited
    other = again(file, source=source, model=PACKAGE, sampler=sampler(), keep="rhythm")
    assert other.record["settings"]["keep"] == "rhythm" and other.record["settings"]["seed"] == 5
    seed = again(file, source=source, model=PACKAGE, sampler=sampler(), seed=6)
    assert not np.array_equal(seed.score.notes, made.score.notes)
    part = again(file, span="3-4", parts=["Part 1"], model=PACKAGE, sampler=sampler(), seed=7, options=ONE)
    bars = load(file).bar_of(load(file).notes["onset"])
    outside = (bars < 2) | (bars > 3) | (load(file).notes["part"] == 1)
    kept = set(map(tuple, load(file).notes[outside][["onset", "pitch", "part"]].tolist()))
    assert kept <= set(map(tuple, part.score.notes[["onset", "pitch", "part"]].tolist()))
    assert part.report["again"] == "vary"
    with pytest.raises(RecordError, match=r"What vary made goes on from another file.*hint: name it with --input"):
        again(file, model=PACKAGE, sampler=sampler())
    with pytest.raises(ControlError, match=r"cannot be changed for some bars alone.*Received keep"):
        again(file, span="3", keep="rhythm", model=PACKAGE, sampler=sampler())
    with pytest.raises(RecordError, match=r"tune.mid has no record of zhiyin"):
        again(source, model=PACKAGE, sampler=sampler())
