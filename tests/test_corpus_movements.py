import numpy as np

from zhiyin.corpus.movements import bar_range, split_movements
from zhiyin.score.score import Mark, Part, Score, notes_array, regular_bars


def quartet(*, marks=(), bars: int = 60, numbers=None, tempos=None) -> Score:
    table = regular_bars(bars, 24)
    if numbers is not None:
        table["number"] = numbers
    if tempos is not None:
        table["tempo_qpm"] = tempos
    notes = notes_array(onset=np.arange(bars) * 96, duration=120, pitch=60 + np.arange(bars) % 12)
    return Score(notes, table, (Part("Violin", 40),), 24, marks=tuple(marks), timing="notated")


def test_movements_end_at_final_bar_lines():
    marks = [Mark(20 * 96, "barline", "final"), Mark(60 * 96, "barline", "final"), Mark(30 * 96, "barline", "double")]
    parts = split_movements(quartet(marks=marks))
    assert [len(p.bars) for p in parts] == [20, 40]
    assert [len(p.notes) for p in parts] == [20, 40]
    assert parts[1].notes["onset"][0] == parts[1].bars["onset"][0] == 0
    assert parts[1].bars["number"][0] == 1
    assert [(m.onset, m.value) for m in parts[0].marks] == [(20 * 96, "final")]
    assert [(m.onset, m.value) for m in parts[1].marks] == [(10 * 96, "double"), (40 * 96, "final")]


def test_movements_begin_where_numbers_begin_anew_under_a_tempo_word():
    numbers = np.r_[np.arange(1, 26), np.arange(1, 36)]
    score = quartet(numbers=numbers, marks=[Mark(25 * 96, "tempo", "Adagio"), Mark(40 * 96, "tempo", "Presto")])
    assert [len(p.bars) for p in split_movements(score)] == [25, 35]
    no_word = quartet(numbers=numbers, marks=[Mark(25 * 96, "tempo", "=60")])
    assert len(split_movements(no_word)) == 1


def test_short_pieces_stay_joined():
    marks = [Mark(4 * 96, "barline", "final"), Mark(55 * 96, "barline", "final")]
    assert len(split_movements(quartet(marks=marks))) == 1


def test_a_range_of_bars_keeps_its_tempo_and_loses_no_note():
    tempos = np.r_[90.0, np.zeros(59)]
    part = bar_range(quartet(tempos=tempos, marks=[Mark(0, "hairpin", "crescendo", end=50 * 96)]), 10, 30)
    assert part.bars["tempo_qpm"][0] == 90
    assert part.notes["onset"].tolist() == (np.arange(20) * 96).tolist()
    assert part.marks == ()


def test_a_short_first_bar_is_an_upbeat():
    table = regular_bars(40, 24)
    table["duration"][20] = 24
    table["onset"] = np.r_[0, np.cumsum(table["duration"])[:-1]]
    notes = notes_array(onset=table["onset"], duration=24, pitch=60)
    mark = Mark(int(table["onset"][20]), "barline", "final")
    parts = split_movements(Score(notes, table, (Part(),), 24, marks=(mark,)))
    assert [p.bars["number"][0] for p in parts] == [1, 0]
