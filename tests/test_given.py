"""Given and written rows over a stand-in graph: what was selected is written anew, all else stays tick for tick."""

import numpy as np
import pytest

from fake_step import FakeGraph
from music import tune, with_rest
from zhiyin.errors import ControlError
from zhiyin.inference.given import Sheet, make_run, write
from zhiyin.inference.joining import join
from zhiyin.inference.opened import open_score
from zhiyin.inference.request import make_sampling
from zhiyin.inference.sampler import Sampler
from zhiyin.inference.selection import select, select_notes
from zhiyin.inference.session import StepSession
from zhiyin.inference.take import Take
from zhiyin.score import Part, Score, bars_array, notes_array, regular_bars

WINDOW = 256


def sampler(**changes):
    graph = FakeGraph(window=WINDOW, **{"stay": 3.0, **changes})
    return Sampler(session=StepSession(graph, graph.window))


def sheet(opened, **changes):
    return Sheet(make_sampling({}), opened.piece.controls.astype(np.int64), WINDOW, **changes)


def edited(score, selection, seed=1):
    opened = open_score(score, selection)
    return join(opened, write(opened, sampler(), sheet(opened), [seed])[0].rows)


def rows_of(score, mask):
    return sorted(map(tuple, score.notes[mask][["onset", "duration", "pitch", "velocity", "part"]].tolist()))


@pytest.mark.parametrize("ticks", [24, 220, 480, 1024])
@pytest.mark.parametrize(("span", "parts"), [("5-8", ()), ("5-8", ("Part 2",)), ("1-2", ()), ("15-16", (1,)), ("3,9-10", ())])
def test_only_the_selection_changes(ticks, span, parts):
    score = tune(parts=2, ticks=ticks)
    selection = select(score, span, parts)
    made = edited(score, selection)
    inside = selection.cells[made.bar_of(made.notes["onset"]), made.notes["part"]]
    kept, found = rows_of(score, ~selection.gone), rows_of(made, slice(None))
    assert made.ticks_per_quarter == ticks
    assert set(kept) <= set(found) and len(set(found)) == len(found)
    assert set(rows_of(made, ~inside)) <= set(kept), "nothing new outside"
    bars = np.unique(made.bar_of(made.notes["onset"][inside]))
    assert len(bars) and set(bars.tolist()) <= set(selection.bars.tolist())
    last = int((score.bars["onset"] + score.bars["duration"])[selection.bars[-1]])
    new = set(found) - set(kept)
    assert new and all(onset + duration <= last for onset, duration, *_ in new), "nothing new hangs over"


def test_notes_tied_out_of_the_span_stay_and_lines_do_not_overlap_them():
    ticks = 480
    onset = np.r_[np.arange(0, 16), np.arange(18, 32)] * ticks
    duration = np.full(30, ticks)
    duration[15] = 3 * ticks  # sounds on over the bar line of bar 4
    score = Score(
        notes_array(onset=onset, duration=duration, pitch=60 + np.arange(30) % 12, part=0), regular_bars(8, ticks, key=0, mode=0),
        (Part("Flute", 73),), ticks, timing="notated",
    )  # fmt: skip
    selection = select(score, "3-4")
    assert not selection.gone[15]
    made = edited(score, selection)
    held = made.notes[made.notes["onset"] == 15 * ticks]
    assert len(held) == 1 and held["duration"][0] == 3 * ticks
    line = made.notes[np.argsort(made.notes["onset"])]
    assert (line["onset"][1:] >= (line["onset"] + line["duration"])[:-1]).all()


def test_a_note_held_into_the_span_stays_and_the_line_waits_for_its_end():
    score = tune(parts=1)
    notes = score.notes.copy()
    third = np.flatnonzero(score.bar_of(notes["onset"]) == 3)[-1]
    notes["duration"][third] = 5 * 480 - int(notes["onset"][third]) + 3 * 4 * 480
    score = score.replace(notes=notes[(score.bar_of(notes["onset"]) != 4) | (notes["onset"] >= 17 * 480)])
    made = edited(score, select(score, "5-6"))
    line = made.notes[np.argsort(made.notes["onset"])]
    assert (line["onset"][1:] >= (line["onset"] + line["duration"])[:-1]).all()


def test_a_silent_part_can_be_written():
    score = tune(parts=1, bars=8)
    score = score.replace(parts=(Part("Cello", 42), *score.parts, Part("Flute", 73)), notes=_moved(score.notes, 1))
    made = edited(score, select(score, None, ["Cello"]))
    assert set(made.notes["part"]) == {0, 1}
    assert rows_of(made, made.notes["part"] == 1) == rows_of(score, score.notes["part"] == 1)


def _moved(notes, part):
    notes = notes.copy()
    notes["part"] = part
    return notes


def test_single_notes_are_replaced_among_those_that_stay():
    score = tune(parts=2)
    gone = np.zeros(len(score.notes), dtype=bool)
    gone[5::7] = True
    made = edited(score, select_notes(score, gone))
    assert set(rows_of(score, ~gone)) <= set(rows_of(made, slice(None)))


def test_what_stays_is_woven_among_the_new_notes():
    score = tune(parts=2)
    opened = open_score(score, select(score, "5-8", ["Part 2"]))
    request = _request(opened)
    assert set(request.past[:, 2]) == {0, 1} and len(request.given) == 0
    assert set(request.woven[:, 2]) == {0} and np.unique(request.woven[:, 0]).tolist() == np.flatnonzero(request.cells.any(axis=1)).tolist()
    assert (request.bars[:, 6] == 0).all(), "the harmony of what goes is not told"
    take = Take(request)
    read = []
    while not take.done:
        take.accept(np.array([33, 0, 0, 0, 0, 0]), np.zeros(6))  # nothing new is ever proposed
        read.append(take.row[[7, 1, 2, 3]].tolist())
    assert read[len(request.past) :][: len(request.woven)] == request.woven[:, :4].tolist()
    assert take.rows == [], "woven rows are not new"


def test_a_row_of_a_given_part_is_drawn_again_and_one_that_comes_late_makes_way():
    score = tune(parts=2)
    request = _request(open_score(score, select(score, "5-8", ["Part 2"])))
    take = Take(request)
    while not take.samples:
        take.accept(np.zeros(6, dtype=int), np.zeros(6))
    bar, position, part, pitch = request.woven[0, :4].tolist()
    assert (bar - take.cursor, position, part) == (1, 0, 0)
    assert take.astray(np.array([1, 0, 0, pitch - 1, 5, 0])), "the given part does not play that"
    assert not take.astray(np.array([1, 0, 1, pitch - 12, 5, 0])), "the other part may, after it"
    stubborn = take.copy()
    stubborn.accept(np.array([1, 0, 0, pitch - 1, 5, 0]), np.zeros(6))
    assert stubborn.rows == [] and stubborn.row[3] == pitch, "nor after the last draw"
    take.accept(np.array([1, 0, 1, pitch - 12, 5, 0]), np.zeros(6))
    assert take.rows == [] and take.row[3] == pitch, "the given note stands before it"
    take.accept(np.array([0, 0, 1, pitch - 12, 5, 0]), np.zeros(6))
    assert take.rows[0][:4] == [bar, 0, 1, pitch - 12]


def test_given_rows_may_be_read_two_bars_ahead_instead():
    score = tune(parts=2)
    opened = open_score(score, select(score, "5-8", ["Part 2"]))
    request = _request(opened, ahead=True)
    shift = 4 - request.first
    assert set(request.past[:, 2]) == {1} and request.past[:, 0].max() + shift == 3
    assert set(request.given[request.given[:, 0] + shift < 8][:, 2]) == {0}
    after = request.given[request.given[:, 0] + shift >= 8]
    assert set(after[:, 2]) == {0, 1} and after[:, 0].max() + shift == 9
    made = join(opened, write(opened, sampler(), sheet(opened, ahead=True), [1])[0].rows)
    assert set(rows_of(score, ~opened.selection.gone)) <= set(rows_of(made, slice(None)))


def _request(opened, **changes):
    return make_run(opened, sheet(opened, **changes), opened.runs[0], opened.piece.rows[~opened.gone], 1).request


def test_bars_longer_than_the_encoding_knows_are_cut_and_found_again():
    lengths = [4 * 480, 20 * 480, 4 * 480]
    onset = np.arange(28) * 480
    score = Score(notes_array(onset=onset, duration=480, pitch=60 + onset // 480 % 7), bars_array(lengths), (Part("Flute", 73),), 480)
    selection = select(score, "2")
    made = edited(score, selection)
    outside = made.bar_of(made.notes["onset"]) != 1
    assert rows_of(made, outside) == rows_of(score, score.bar_of(score.notes["onset"]) != 1)


def test_bar_numbers_that_begin_anew_mean_the_first_movement():
    score = tune(bars=12)
    bars = score.bars.copy()
    bars["number"][7:] = np.arange(1, 6)
    score = score.replace(bars=bars)
    assert select(score, "2-4").bars.tolist() == [1, 2, 3]
    assert select(score, "6-7").bars.tolist() == [5, 6]


def test_what_cannot_be_selected_is_said():
    score = tune(bars=8, parts=2)
    with pytest.raises(ControlError, match=r"The span lies outside the piece. Expected bars 1 to 8. Received 7-12"):
        select(score, "7-12")
    with pytest.raises(ControlError, match=r"The span cannot be read. Expected bars as in 5-8, 7 or 1-2,9-12. Received 'five'"):
        select(score, "five")
    with pytest.raises(ControlError, match=r"The span ends before it begins. Expected as in 5-8. Received '8-5'"):
        select(score, "8-5")
    with pytest.raises(ControlError, match=r"There is no part 'Oboe'. Expected one of Part 1, Part 2, a number 1..2, or all"):
        select(score, "1-2", ["Oboe"])
    with pytest.raises(ControlError, match=r"Everything that was selected is locked.*--lock Part 1"):
        select(score, "1-2", ["Part 1"], lock=["Part 1"])


@pytest.mark.parametrize("span", ["52", "25-26", "1"])
def test_a_rest_longer_than_a_row_can_step_over_is_no_matter(span):
    score = with_rest(tune(12), 4, 40)
    selection = select(score, span)
    made = edited(score, selection)
    kept = rows_of(score, ~selection.gone)
    new = set(rows_of(made, slice(None))) - set(kept)
    assert set(kept) <= set(rows_of(made, slice(None))) and new
    assert set(made.bar_of(np.array([n[0] for n in new])).tolist()) <= set(selection.bars.tolist())


@pytest.mark.parametrize("seed", range(4))
def test_a_part_that_rests_in_the_bars_and_was_not_asked_for_stays_silent(seed):
    onset = np.arange(0, 32 * 480, 480)
    upper = onset[(onset < 2 * 1920) | (onset >= 5 * 1920)]
    notes = np.concatenate([notes_array(onset=upper, duration=480, pitch=74), notes_array(onset=onset, duration=480, pitch=62, part=1)])
    score = Score(notes, regular_bars(8, 480), (Part("Part 1", 40), Part("Part 2", 41)), 480, timing="notated")
    selection = select(score, "3-4", ["Part 2"])
    made = edited(score, selection, seed)
    upper = made.notes["part"] == 0
    assert rows_of(made, upper) == rows_of(score, score.notes["part"] == 0)
