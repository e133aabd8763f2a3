"""Meters that no note value names are written by the length of their bars, or refused in words."""

import numpy as np
import pytest

from music import tune
from zhiyin.errors import FormatError
from zhiyin.formats.catalog import load, save
from zhiyin.formats.musicxml_page import page_of
from zhiyin.formats.musicxml_part import PartWriter
from zhiyin.formats.musicxml_write import musicxml_text
from zhiyin.score import Part, Score, notes_array, regular_bars


@pytest.mark.parametrize("suffix", [".musicxml", ".abc"])
def test_a_meter_that_no_note_value_names_is_written_by_its_bars_length(tmp_path, suffix):
    score = tune(3, meter=(4, 4))
    bars = score.bars.copy()
    bars["meter_numerator"][1:], bars["meter_denominator"][1:] = 4, 3
    odd = score.replace(bars=bars)
    save(odd, tmp_path / f"a{suffix}")
    back = load(tmp_path / f"a{suffix}")
    assert back.bars[["meter_numerator", "meter_denominator"]].tolist() == [(4, 4)] * 3
    assert np.array_equal(back.notes["pitch"], score.notes["pitch"])
    if suffix == ".musicxml":
        assert [m.value for m in back.marks if m.kind == "text"] == ["4/3 in the source"]


@pytest.mark.parametrize("suffix", [".musicxml", ".abc", ".svg"])
def test_a_bar_that_no_meter_holds_is_refused_in_words(tmp_path, suffix):
    bars = regular_bars(1, 480, 4, 4)
    bars["meter_numerator"], bars["meter_denominator"], bars["duration"] = 4, 3, 640
    score = Score(notes_array(onset=[0], duration=[480], pitch=[60], part=[0]), bars, (Part("Flute", 73),), 480)
    with pytest.raises(FormatError, match=r"The meter of bar 1 cannot be written as .*Received 4/3 over a bar of 1.33 quarters. hint: give the bar another meter"):
        save(score, tmp_path / f"a{suffix}")


def test_a_file_of_such_a_meter_is_read_and_written_again_and_its_bars_can_be_replaced(tmp_path):
    text = musicxml_text(tune(3, meter=(4, 4))).replace("<beat-type>4</beat-type>", "<beat-type>3</beat-type>")
    (tmp_path / "odd.musicxml").write_text(text)
    score = load(tmp_path / "odd.musicxml")
    assert (score.bars["meter_denominator"] == 3).all()
    save(score, tmp_path / "whole.musicxml")
    assert np.array_equal(load(tmp_path / "whole.musicxml").notes["pitch"], score.notes["pitch"])
    page = page_of(score)  # what a splice takes its new bars from
    assert (page.score.bars["meter_denominator"] == 4).all()
    assert len(PartWriter(page, 0).measures([1])) == 1
