"""The picture of two passages: every shared note drawn and joined, both clocks aligned, lines bounded."""

import numpy as np
import pytest
from defusedxml.ElementTree import fromstring

from pictures import decode_png, tune
from zhiyin.errors import FormatError, InputError
from zhiyin.formats.passages import MAX_LINES, Side, passage_svg, write_passage

NS = "{http://www.w3.org/2000/svg}"


def pair(bars=4, slower=2, shift=5):
    """A tune, and the same tune slower, higher and one bar later; with the indices of bars 2 and 3 in both."""
    score = tune(bars, parts=1)
    notes = score.notes.copy()
    notes["onset"], notes["duration"], notes["pitch"] = (
        notes["onset"] * slower + 96, notes["duration"] * slower, notes["pitch"] + shift,
    )  # fmt: skip
    other = tune(bars * slower + 1, parts=1).replace(notes=notes, metadata={"title": "The other"})
    inside = np.flatnonzero((score.notes["onset"] >= 96) & (score.notes["onset"] < 3 * 96))
    return Side("mine", score, inside), Side("theirs", other, inside)


def elements(svg, name, kind):
    return [e for e in fromstring(svg).iter(f"{NS}{name}") if e.get("class") == kind]


def texts(svg):
    return [e.text for e in fromstring(svg).iter(f"{NS}text")]


def test_every_shared_note_is_drawn_twice_and_joined():
    mine, theirs = pair()
    svg = passage_svg(mine, theirs, caption="8 notes")
    assert len(elements(svg, "rect", "match")) == 16
    assert len(elements(svg, "path", "join")) == 8
    assert {"8 notes", "mine", "theirs", "2", "3", "4"} <= set(texts(svg))


@pytest.mark.parametrize("slower", [1, 2, 3])
def test_shared_notes_stand_under_each_other_at_any_tempo(slower):
    svg = passage_svg(*pair(slower=slower))
    matched = [float(e.get("x")) for e in elements(svg, "rect", "match")]
    assert matched[:8] == pytest.approx(matched[8:], abs=0.02)
    wide = [float(e.get("width")) for e in elements(svg, "rect", "match")]
    assert wide[:8] == pytest.approx(wide[8:], abs=0.02)


def test_without_the_other_score_its_place_is_said():
    mine, _ = pair()
    svg = passage_svg(mine, Side("theirs", note="bars 3–4; no notes here"))
    assert len(elements(svg, "rect", "match")) == 8
    assert not elements(svg, "path", "join")
    assert "bars 3–4; no notes here" in texts(svg)


def test_long_passages_break_into_lines_and_end():
    score = tune(160, parts=1)
    everything = np.arange(len(score.notes))
    svg = passage_svg(Side("a", score, everything), Side("b", score, everything))
    assert len(elements(svg, "path", "bar")) == 2 * MAX_LINES
    assert any(text.startswith("… and 8 lines more") for text in texts(svg))


def test_the_png_is_the_drawing(tmp_path):
    mine, theirs = pair()
    picture = decode_png(write_passage(tmp_path / "p.png", mine, theirs).read_bytes())
    assert picture.shape[1] == 2400
    orange = (picture[:, :, 0] > 190) & (picture[:, :, 2] < 80)
    assert orange.mean() > 0.01
    with pytest.raises(FormatError, match=r"p.pdf has no picture format. Expected .svg or .png. Received .pdf."):
        write_passage(tmp_path / "p.pdf", mine, theirs)


def test_what_cannot_be_drawn_has_words():
    mine, theirs = pair()
    with pytest.raises(InputError, match="There is no passage to draw. Expected a score and ≥ 1 shared note"):
        passage_svg(Side("none"), theirs)
    with pytest.raises(InputError, match="do not share the same notes. Expected 8 matched notes below. Received 3"):
        passage_svg(mine, Side("theirs", theirs.score, theirs.matched[:3]))
    with pytest.raises(InputError, match=r"width out of range. Expected 400..4000. Received 10"):
        passage_svg(mine, theirs, width=10)
