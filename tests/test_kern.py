"""The kern reader on small pieces written for these tests; every expected number is counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zhiyin.errors import FormatError, InputError
from zhiyin.formats.kern import read_kern
from zhiyin.formats.kern_tokens import parse_token
from zhiyin.score.score import UNKNOWN_KEY

TUNE = """!!!COM: Doe, Jane
!!!OTL: A small tune
!!!AGN: song
**kern	**dynam	**text
*Ivox	*	*
*I"Voice	*	*
*k[f#]	*	*
*e:	*	*
*M3/4	*	*
*MM96	*	*
4B/	p	A-
=1	=1	=1
(4e/	<	-men,
8.f#'/L	.	a-
16g/Jk)	[	-
[4b;	f	-men
=2	=2	=2
2b_	.	.
4b]	.	.
==	==	==
*-	*-	*-
"""


def read(text: str):
    """Strict: nothing is mended (mending has its own tests, test_kern_repair.py)."""
    return read_kern(text.encode(), strict=True)


def spines(*lines: str) -> str:
    """A file with one line per argument; blanks separate the columns."""
    return "\n".join("\t".join(line.split()) for line in lines) + "\n"


def test_tune_notes_ties_and_spelling() -> None:
    score = read(TUNE)
    quarter = score.ticks_per_quarter
    assert score.timing == "notated"
    rows = [(n["onset"] / quarter, n["duration"] / quarter, int(n["pitch"]), int(n["spelling"])) for n in score.notes]
    assert rows == [
        (0.0, 1.0, 59, 5),
        (1.0, 1.0, 64, 4),
        (2.0, 0.75, 66, 6),
        (2.75, 0.25, 67, 1),
        (3.0, 4.0, 71, 5),
    ]


def test_tune_bars_key_tempo_and_pickup() -> None:
    bars = read(TUNE).bars
    assert list(bars["number"]) == [0, 1, 2]
    assert list(bars["duration"] // 24) == [1, 3, 3]
    assert set(zip(bars["meter_numerator"], bars["meter_denominator"])) == {(3, 4)}
    assert set(bars["key"]) == {1}
    assert set(bars["mode"]) == {1}
    assert set(bars["tempo_qpm"]) == {96.0}


def test_tune_marks_parts_and_metadata() -> None:
    score = read(TUNE)
    quarter = score.ticks_per_quarter
    found = {(m.onset / quarter, m.kind, m.value, m.end / quarter if m.end >= 0 else -1) for m in score.marks}
    assert {
        (0.0, "dynamic", "p", -1),
        (1.0, "hairpin", "crescendo", 2.75),
        (3.0, "dynamic", "f", -1),
        (1.0, "slur", "", 2.75),
        (2.0, "articulation", "staccato", -1),
        (3.0, "fermata", "", -1),
        (0.0, "lyric", "A-", -1),
        (1.0, "lyric", "men,", -1),
        (7.0, "barline", "final", -1),
    } <= found
    assert (score.parts[0].name, score.parts[0].program, score.parts[0].drums) == ("Voice", 52, False)
    assert score.metadata["composer"] == "Doe, Jane"
    assert score.metadata["title"] == "A small tune"
    assert score.metadata["AGN"] == "song"
    assert score.notes["velocity"][0] > 0
    assert score.notes["velocity"][-1] > score.notes["velocity"][0]


def test_velocity_is_not_given_without_dynamics() -> None:
    assert set(read(spines("**kern", "4c", "4d", "*-")).notes["velocity"]) == {0}


def test_piano_is_one_part_with_two_staves_top_staff_first() -> None:
    score = read(spines("**kern **kern", "*part1 *part1", "*staff2 *staff1", "*Ipiano *Ipiano", "4C 4cc", "*- *-"))
    assert len(score.parts) == 1
    assert {int(n["pitch"]): int(n["staff"]) for n in score.notes} == {48: 2, 72: 1}
    assert {int(n["pitch"]): int(n["voice"]) for n in score.notes} == {48: 5, 72: 1}


def test_piano_without_part_numbers_is_one_part_too() -> None:
    score = read(spines("**kern **kern", "*Ipiano *Ipiano", "4C 4cc", "*- *-"))
    assert len(score.parts) == 1


def test_quartet_parts_stand_top_first() -> None:
    score = read(spines("**kern **kern", '*I"Cello *I"Violin', "*Icello *Ivioln", "4C 4cc", "*- *-"))
    assert [p.name for p in score.parts] == ["Violin", "Cello"]
    assert [p.program for p in score.parts] == [40, 42]
    assert {int(n["pitch"]): int(n["part"]) for n in score.notes} == {48: 1, 72: 0}


def test_splits_and_joins_are_voices() -> None:
    score = read(spines("**kern", "*M2/4", "*^", "4c 4e", "4d 4f", "*v *v", "=2", "2g", "*-"))
    rows = {(int(n["pitch"]), int(n["voice"]), int(n["onset"]) // 24) for n in score.notes}
    assert rows == {(60, 1, 0), (64, 2, 0), (62, 1, 1), (65, 2, 1), (67, 1, 2)}


def test_a_tie_may_change_its_column() -> None:
    score = read(spines("**kern", "*^", "4c [4e", "*v *v", "4e]", "*-"))
    assert [(int(n["pitch"]), int(n["duration"]) // 24) for n in score.notes] == [(60, 1), (64, 2)]


def test_chords_of_several_notes_and_partial_ties() -> None:
    score = read("**kern\n[4c 4e\n4c] 4f\n*-\n")
    assert sorted((int(n["onset"]), int(n["duration"]), int(n["pitch"])) for n in score.notes) == [
        (0, 24, 64),
        (0, 48, 60),
        (24, 24, 65),
    ]


@pytest.mark.parametrize(
    ("token", "quarters"),
    [("4c", 1), ("8.c", 0.75), ("0c", 8), ("00c", 16), ("12c", 1 / 3), ("3%2c", 8 / 3), ("2..c", 3.5), ("20c", 0.2)],
)
def test_durations_are_exact(token: str, quarters: float) -> None:
    assert float(parse_token(token).duration) == pytest.approx(quarters, abs=1e-12)
    score = read(f"**kern\n{token}\n*-\n")
    assert score.notes["duration"][0] / score.ticks_per_quarter == pytest.approx(quarters, abs=1e-12)


def test_a_dot_behind_the_pitch_counts() -> None:
    assert [float(parse_token(t).duration) for t in ("2f.", "2nX.dd]", "4..c", "(>1d.", "8qc.")] == [3, 3, 1.75, 6, 0]


def test_odd_tuplets_choose_a_resolution_that_keeps_them() -> None:
    score = read(spines("**kern **kern", "28c 4e", *["28d ."] * 6, "*- *-"))
    assert score.ticks_per_quarter == 168
    assert set(score.notes["duration"]) == {24, 168}


def test_unreasonable_tuplets_are_rounded_and_said() -> None:
    lines = ["**kern", "1876c", "4d", "8004e", "*-"]
    score = read(spines(*lines))
    assert score.ticks_per_quarter == 30_240
    assert "30240" in score.metadata["rounded"]
    assert (score.notes["duration"] > 0).all()


def test_grace_notes_stand_at_the_note_they_ornament() -> None:
    score = read(spines("**kern", "4c", "8qd", "4e", "*-"))
    grace = score.notes[score.notes["grace"]]
    assert [(int(n["onset"]), int(n["duration"]), int(n["pitch"])) for n in grace] == [(24, 0, 62)]
    assert int(score.bars["duration"].sum()) == 48


def test_repeats_stay_as_written_and_unfold_on_request() -> None:
    text = spines("**kern", "*M1/4", "=1!|:", "4c", "=2", "4d", "=3:|!", "4e", "==", "*-")
    marks = [(m.onset // 24, m.kind, m.value) for m in read(text).marks]
    assert marks == [(0, "repeat", "start"), (2, "repeat", "end"), (3, "barline", "final")]
    assert list(read(text).notes["pitch"]) == [60, 62, 64]
    assert list(read_kern(text.encode(), expand_repeats=True).notes["pitch"]) == [60, 62, 60, 62, 64]


def test_labels_of_first_and_second_ending() -> None:
    text = spines(
        "**kern", "*>[A,A1,A,A2]", "*>A", "*M1/4", "=1", "4c", "*>A1", "=2", "4d", "*>A2", "=3:|!", "4e", "==", "*-"
    )
    score = read(text)
    assert score.metadata["expansion"] == "A,A1,A,A2"
    assert [(m.onset // 24, m.end // 24, m.value) for m in score.marks if m.kind == "ending"] == [
        (1, 2, "1"),
        (2, 3, "2"),
    ]


def test_bar_lines_inside_a_bar_join_or_share_its_number() -> None:
    plain = read(spines("**kern", "*M4/4", "=1", "2c", "=-", "2d", "=2", "1e", "*-"))
    assert [(int(b["number"]), int(b["duration"]) // 24) for b in plain.bars] == [(1, 4), (2, 4)]
    repeat = read(spines("**kern", "*M4/4", "=1", "2c", "=:|!|:", "2d", "=2", "1e", "*-"))
    assert [(int(b["number"]), int(b["duration"]) // 24) for b in repeat.bars] == [(1, 2), (1, 2), (2, 4)]


def test_irregular_bars_keep_their_length() -> None:
    score = read(spines("**kern", "*M4/4", "=1", "1c", "=2", "2.d", "=3", "1e", "*-"))
    assert list(score.bars["duration"] // 24) == [4, 3, 4]


def test_most_frequent_key_wins_and_names_give_mode() -> None:
    score = read(spines("**kern **kern **kern", "*k[] *k[b-] *k[b-]", "*d: *d: *d:", "4c 4c 4c", "*- *- *-"))
    assert (int(score.bars["key"][0]), int(score.bars["mode"][0])) == (-1, 1)
    assert int(read(spines("**kern", "4c", "*-")).bars["key"][0]) == UNKNOWN_KEY


def test_percussion_spines_are_drums() -> None:
    score = read(spines("**kern **kern", "*Idrum *Ivioln", "*clefX *clefG2", "4e 4cc", "*- *-"))
    assert [p.drums for p in score.parts] == [False, True]
    assert {(int(n["part"]), int(n["pitch"])) for n in score.notes} == {(0, 72), (1, 38)}


def test_chord_symbols_are_marks() -> None:
    score = read(spines("**kern **mxhm", "2c C", ". F7", "2d G", "*- *-"))
    assert [(m.onset, m.value) for m in score.marks if m.kind == "chord"] == [(0, "C"), (24, "F7"), (48, "G")]


def test_lines_that_contradict_durations_are_read_when_the_bar_adds_up() -> None:
    score = read(spines("**kern **kern", "=1 =1", "8c 12e", ". 12f", "8d 12g", "=2 =2", "4c 4e", "*- *-"))
    rows = sorted((int(n["onset"]), int(n["pitch"])) for n in score.notes)
    assert rows == [(0, 60), (0, 64), (8, 65), (12, 62), (16, 67), (24, 60), (24, 64)]


def test_latin_1_files_are_read() -> None:
    data = "!!!OTL: Śpiew\n**kern\n4c\n*-\n".encode()
    assert read_kern(data).metadata["title"] == "Śpiew"
    assert read_kern("!!!OTL: café\n**kern\n4c\n*-\n".encode("latin-1")).metadata["title"] == "café"


BROKEN = {
    "columns": (spines("**kern **kern", "4c 4d", "4e", "*- *-"), ["line 3", "2 tab-separated columns", "1 columns"]),
    "rhythm too long": (
        spines("**kern **kern", "=1 =1", "4c 2e", "4d 4f", "=2 =2", "*- *-"),
        ["does not add up at line 4", "column 2", "'4f'"],
    ),
    "rhythm too short": (
        spines("**kern **kern **kern", "=1 =1 =1", "4c 8e 8g", ". . 8a", "=2 =2 =2", "*- *- *-"),
        ["does not add up at line 4", "column 2", "has ended"],
    ),
    "no duration": ("**kern\n4c\ne\n*-\n", ["line 3", "'e'", "no duration"]),
    "no spine": (spines("**text", "la", "*-"), ["no music found", "**kern"]),
    "not kern": ("hello world\n", ["line 1", "'hello world'"]),
    "empty spine": (spines("**kern", "*-"), ["no music found"]),
    "pitch": ("**kern\n4" + "c" * 40 + "\n*-\n", ["line 2", "0..127"]),
    "long number": ("**kern\n4" + "0" * 40 + "c\n*-\n", ["line 2", "no music has"]),
    "no common grid": (
        spines("**kern", *[f"{p}c" for p in (9973, 9967, 9949, 9941, 9931, 9929)], "*-"),
        ["no common grid"],
    ),
    "zero": ("**kern\n4%0c\n*-\n", ["line 2", "no length"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_errors_that_name_the_line(case: str) -> None:
    text, words = BROKEN[case]
    with pytest.raises(FormatError) as caught:
        read(text)
    for word in words:
        assert word in str(caught.value)


def test_missing_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing.krn is not there"):
        read_kern(tmp_path / "nothing.krn")
    (tmp_path / "empty.krn").write_bytes(b"")
    with pytest.raises(FormatError, match="is empty"):
        read_kern(tmp_path / "empty.krn")


def test_damaged_files_raise_nothing_but_format_errors() -> None:
    generator = np.random.default_rng(7)
    source = bytearray(TUNE.encode())
    outcomes = {"read": 0, "refused": 0}
    for _ in range(1_500):
        data = bytearray(source)
        for at in generator.integers(0, len(data), 3):
            data[at] = generator.integers(0, 256)
        try:
            read_kern(bytes(data[: generator.integers(1, len(data) + 1)]))
            outcomes["read"] += 1
        except FormatError:
            outcomes["refused"] += 1
    assert outcomes["read"] > 50
    assert outcomes["refused"] > 50
