from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from defusedxml.ElementTree import fromstring

from pictures import decode_png, rehearsal, tune
from zhiyin.errors import FormatError, InputError
from zhiyin.formats.roll import LIGHT, roll_svg, write_roll
from zhiyin.formats.roll_names import Section, pitch_name, sections_of
from zhiyin.score.score import Part, notes_array

NS = "{http://www.w3.org/2000/svg}"


def rects(svg: str, kind: str = "note") -> list:
    return [e for e in fromstring(svg).iter(f"{NS}rect") if e.get("class") == kind]


def systems(svg: str) -> list:
    return [e for e in fromstring(svg).iter(f"{NS}g") if e.get("class") == "system"]


def texts(svg: str) -> list[str]:
    return [e.text or "" for e in fromstring(svg).iter(f"{NS}text")]


@pytest.mark.parametrize(
    ("bars", "upbeat", "meter"), [(1, False, (4, 4)), (4, True, (3, 4)), (37, False, (6, 8)), (20, True, (4, 2))]
)
def test_every_note_is_drawn_once_inside_the_picture(bars: int, upbeat: bool, meter: tuple[int, int]) -> None:
    score = tune(bars, upbeat=upbeat, meter=meter)
    svg = roll_svg(score)
    found = rects(svg)
    assert len(found) == len(score.notes) > 0
    for rect in found:
        assert -0.01 <= float(rect.get("x")) <= 1200
        assert float(rect.get("x")) + float(rect.get("width")) <= 1200 - 46
        assert float(rect.get("width")) > 0
    height = float(fromstring(svg).get("height"))
    assert all(float(s.get("data-y")) + float(s.get("data-height")) <= height for s in systems(svg))


def test_sixteen_bars_a_line_and_the_upbeat_beside_the_first() -> None:
    lines = systems(roll_svg(tune(40, upbeat=True)))
    assert len(lines) == 3
    spans = [(int(s.get("data-onset")), int(s.get("data-end"))) for s in lines]
    assert spans == [(0, 24 + 16 * 96), (24 + 16 * 96, 24 + 32 * 96), (24 + 32 * 96, 24 + 40 * 96)]


def test_short_notes_take_fewer_bars_a_line() -> None:
    fast = tune(32).replace(notes=notes_array(onset=np.arange(0, 32 * 96, 3), duration=3, pitch=60))
    assert len(systems(roll_svg(fast))) > len(systems(roll_svg(tune(32)))) == 2


def test_positions_follow_time_and_pitch() -> None:
    score = tune(2, parts=1).replace(notes=notes_array([(0, 24, 60), (96, 48, 67)]))
    low, high = rects(roll_svg(score))
    line = systems(roll_svg(score))[0]
    per_tick = float(line.get("data-width")) / (int(line.get("data-end")) - int(line.get("data-onset")))
    assert float(high.get("x")) == pytest.approx(96 * per_tick, abs=0.02)
    row = float(high.get("height")) + 0.4
    assert float(low.get("y")) - float(high.get("y")) == pytest.approx(7 * row, abs=0.1)


def test_bar_numbers_pitch_names_and_legend_stand_there() -> None:
    words = texts(roll_svg(tune(8, upbeat=True)))
    assert [str(n) for n in range(9)] == [w for w in words if w.isdigit()]
    assert {"C4", "C5", "Voice 1", "Voice 2", "A Tune", "Nobody"} <= set(words)
    plain = texts(roll_svg(tune(8), heading=False))
    assert "A Tune" not in plain
    assert "Voice 1" in plain


def test_given_notes_have_their_own_colour() -> None:
    score = tune(2)
    given = score.notes["part"] == 1
    root = fromstring(roll_svg(score, given=given))
    groups = {g.get("class"): len(g) for g in root.iter(f"{NS}g") if g.get("fill")}
    assert groups == {"p0": int((~given).sum()), "given": int(given.sum())}
    assert "given" in texts(roll_svg(score, given=given))


def test_two_staves_of_one_part_have_two_colours() -> None:
    score = tune(2, parts=1)
    notes = score.notes.copy()
    notes["staff"] = 1 + (np.arange(len(notes)) % 2)
    svg = roll_svg(score.replace(notes=notes))
    assert f'fill="{LIGHT[0]}"' in svg
    assert f'fill="{LIGHT[1]}"' in svg
    assert "Voice 1 · lower staff" in texts(svg)


def test_sections_from_metadata_and_from_letters() -> None:
    named = tune(16).replace(metadata={"sections": "A 1-8, A′ 9-12; Coda 13-16"})
    assert sections_of(named) == (Section("A", 0, 7), Section("A′", 8, 11), Section("Coda", 12, 15))
    lettered = tune(8).replace(marks=(rehearsal(0, "A"), rehearsal(4 * 96, "B"), rehearsal(0, "dolce")))
    assert sections_of(lettered) == (Section("A", 0, 3), Section("B", 4, 7))
    assert len(rects(roll_svg(named), "section")) == 3
    assert sections_of(tune(4)) == ()


def test_drums_get_lanes_with_names() -> None:
    score = tune(2)
    notes = score.notes.copy()
    notes["pitch"][notes["part"] == 1] = 38
    drums = score.replace(notes=notes, parts=(Part("Melody"), Part("Drums", 0, True)))
    svg = roll_svg(drums)
    assert "Snare" in texts(svg)
    assert len(rects(svg)) == len(notes)
    only = drums.replace(notes=notes[notes["part"] == 1])
    assert len(rects(roll_svg(only))) == int((notes["part"] == 1).sum())


def test_a_score_without_notes_is_an_empty_grid() -> None:
    empty = tune(4).replace(notes=notes_array([]))
    assert rects(roll_svg(empty)) == []
    assert len(systems(roll_svg(empty))) == 1


def test_names_are_escaped() -> None:
    hostile = tune(1).replace(metadata={"title": "<script>alert('x')</script> & \x07"}, parts=(Part("<b>"), Part("&")))
    svg = roll_svg(hostile)
    assert "<script" not in svg
    assert "<script>alert('x')</script> & " in texts(svg)


@pytest.mark.parametrize(
    ("pitch", "spelling", "fifths", "name"),
    [
        (60, -128, 0, "C4"),
        (61, -128, 2, "C♯4"),
        (61, -128, -3, "D♭4"),
        (60, 12, 0, "B♯3"),
        (59, -7, 0, "C♭4"),
        (66, 6, 0, "F♯4"),
        (62, 2, 0, "D4"),
        (70, -2, 0, "B♭4"),
        (65, 11, 0, "E♯4"),
    ],
)
def test_pitch_names(pitch: int, spelling: int, fifths: int, name: str) -> None:
    assert pitch_name(pitch, spelling, fifths) == name


def test_writes_svg_and_png(tmp_path: Path) -> None:
    svg = write_roll(tune(4), tmp_path / "roll.svg")
    assert len(rects(svg.read_text(encoding="utf-8"))) == 32
    pixels = decode_png(write_roll(tune(4), tmp_path / "roll.png", width=400).read_bytes())
    assert pixels.shape[1] == 800
    blue = np.array([int(LIGHT[0][i : i + 2], 16) for i in (1, 3, 5)])
    assert (np.abs(pixels[..., :3].astype(int) - blue).max(axis=-1) < 60).sum() > 100


def test_refusals_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"given does not fit the notes\. Expected bool, shape \(32,\)\. Received int64, shape \(3,\)"
    ):
        roll_svg(tune(4), given=np.zeros(3, dtype=np.int64))
    with pytest.raises(InputError, match=r"width out of range\. Expected 200\.\.8000\. Received 7\."):
        roll_svg(tune(4), width=7)
    with pytest.raises(FormatError, match=r"no picture format\. Expected \.svg or \.png\. Received \.gif"):
        write_roll(tune(4), tmp_path / "roll.gif")
    assert list(tmp_path.iterdir()) == []
