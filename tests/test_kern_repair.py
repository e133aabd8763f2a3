"""Mended kern bars on small pieces whose damage is known; every expected number is counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from zhiyin.errors import FormatError
from zhiyin.formats.kern import read_kern
from zhiyin.formats.kern_repair import MOST_VALUES
from zhiyin.score.score import Score

GOOD = ("=1 =1", "2C 4c", ". 4d", "=2 =2", "2D 4e", ". 4f")
END = ("=4 =4", "2E 2g", "==", "*- *-")


def text(*lines: str) -> bytes:
    rows = ["**kern **kern", "*M2/4 *M2/4", *lines]
    return ("\n".join("\t".join((line + (" " + line if line == "==" else "")).split()) for line in rows) + "\n").encode()


def rows(score: Score) -> list[tuple[float, float, int]]:
    quarter = score.ticks_per_quarter
    return sorted((float(n["onset"] / quarter), float(n["duration"] / quarter), int(n["pitch"])) for n in score.notes)


def bars(score: Score) -> list[tuple[int, float]]:
    return [(int(b["number"]), float(b["duration"] / score.ticks_per_quarter)) for b in score.bars]


AROUND = [(0, 1, 60), (0, 2, 48), (1, 1, 62), (2, 1, 64), (2, 2, 50), (3, 1, 65)]
LAST = [(6, 2, 52), (6, 2, 67)]


def test_a_note_too_long_is_cut_where_the_next_begins() -> None:
    damaged = text(*GOOD, "=3 =3", "4G 2a", "4A 4b", *END)
    with pytest.raises(FormatError, match="does not add up at line 11"):
        read_kern(damaged, strict=True)
    score = read_kern(damaged)
    assert rows(score) == [*AROUND, (4, 1, 55), (4, 1, 69), (5, 1, 57), (5, 1, 71), *LAST]
    assert bars(score) == [(1, 2), (2, 2), (3, 2), (4, 2)]
    assert score.metadata["mended"] == "rhythm that does not add up in bar 3 (line 11)"


def test_a_note_too_many_makes_the_bar_longer_and_loses_nothing() -> None:
    score = read_kern(text(*GOOD, "=3 =3", "2G 2a", ". 4b", *END))
    late = [(onset + 1, duration, pitch) for onset, duration, pitch in LAST]
    assert rows(score) == [*AROUND, (4, 2, 55), (4, 2, 69), (6, 1, 71), *late]
    assert bars(score) == [(1, 2), (2, 2), (3, 3), (4, 2)]


def test_a_note_too_short_leaves_silence() -> None:
    score = read_kern(text(*GOOD, "=3 =3", "4G 8a", ". .", "4A 4b", *END))
    assert rows(score) == [*AROUND, (4, 0.5, 69), (4, 1, 55), (5, 1, 57), (5, 1, 71), *LAST]
    assert bars(score) == [(1, 2), (2, 2), (3, 2), (4, 2)]


def test_a_note_that_runs_over_its_bar_line_into_another_is_cut_at_the_line() -> None:
    score = read_kern(text(*GOOD, "=3 =3", "2G 4a", ". 2b", *END))
    assert rows(score) == [*AROUND, (4, 1, 69), (4, 2, 55), (5, 1, 71), *LAST]
    assert "bar 4 (line 13)" in score.metadata["mended"]


def test_a_tie_into_the_cut_does_not_lose_its_second_note() -> None:
    score = read_kern(text(*GOOD, "=3 =3", "4G [2a", "4A 4a]", *END))
    assert rows(score) == [*AROUND, (4, 1, 55), (4, 2, 69), (5, 1, 57), *LAST]


def test_grace_notes_and_marks_of_a_mended_bar_stay() -> None:
    score = read_kern(text(*GOOD, "=3 =3", ". 8qg", "4G 2a'", "4A 4b", *END))
    assert [int(n["pitch"]) for n in score.notes if n["grace"]] == [67]
    assert any(m.value == "staccato" for m in score.marks)
    assert bars(score) == [(1, 2), (2, 2), (3, 2), (4, 2)]


def test_notes_without_a_value_take_one_from_their_line_or_their_column() -> None:
    damaged = text(*GOOD, "=3 =3", "2G 4a", ". b", *END)
    with pytest.raises(FormatError, match="no duration"):
        read_kern(damaged, strict=True)
    score = read_kern(damaged)
    assert rows(score) == [*AROUND, (4, 1, 69), (4, 2, 55), (5, 1, 71), *LAST]
    assert score.metadata["mended"] == "1 notes without a note value"


def test_what_is_neither_note_nor_rest_says_nothing() -> None:
    score = read_kern(text(*GOOD, "=3 =3", "2G 2a", "[/ .", *END))
    assert rows(score) == [*AROUND, (4, 2, 55), (4, 2, 69), *LAST]


def test_whole_files_are_not_called_mended() -> None:
    assert "mended" not in read_kern(text(*GOOD, *END)).metadata


def test_too_much_damage_is_refused_with_the_first_fault() -> None:
    wrong = [line for k in range(4) for line in (f"={k} ={k}", "4G 2a", "4A 4b")]
    with pytest.raises(FormatError) as caught:
        read_kern(text(*wrong, *END))
    for word in ("too much is damaged", "4 of about", "does not add up at line 5", "hint"):
        assert word in str(caught.value)
    many = ["=1 =1", *["2G a", ". a"] * MOST_VALUES]
    with pytest.raises(FormatError, match="no duration"):
        read_kern(text(*many, *END))


def test_columns_that_do_not_fit_are_not_mended() -> None:
    with pytest.raises(FormatError, match="tab-separated columns"):
        read_kern(text(*GOOD, "4c", *END))


def test_damaged_texts_raise_nothing_but_format_errors_and_all_notes_lie_in_order() -> None:
    generator = np.random.default_rng(11)
    source = text(*GOOD * 4, *END)
    mended = 0
    for _ in range(1_500):
        data = bytearray(source)
        for at in generator.integers(30, len(data), 2):
            data[at] = generator.choice(list(b"0124816.cdg=*\t\n[]_"))
        try:
            score = read_kern(bytes(data))
        except FormatError:
            continue
        mended += "mended" in score.metadata
        assert (score.notes["duration"] >= 0).all()
        assert (np.diff(score.bars["onset"]) > 0).all()
    assert mended > 50
