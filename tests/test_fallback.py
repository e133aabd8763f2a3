"""music21 streams as scores: small streams counted by hand, and the same files through the own reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from zhiyin.errors import FormatError, InputError
from zhiyin.formats.fallback import from_music21, is_music21, read_with_music21
from zhiyin.formats.musicxml import read_musicxml

music21 = pytest.importorskip("music21")


def test_a_small_stream() -> None:
    score = from_music21(music21.converter.parse("tinynotation: 3/4 c4 d8 e- f2~ f2."))
    quarter = score.ticks_per_quarter
    assert [
        (n["onset"] / quarter, n["duration"] / quarter, int(n["pitch"]), int(n["spelling"])) for n in score.notes
    ] == [
        (0, 1, 60, 0),
        (1, 0.5, 62, 2),
        (1.5, 0.5, 63, -3),
        (2, 5, 65, -1),
    ]
    assert (int(score.bars["meter_numerator"][0]), int(score.bars["meter_denominator"][0])) == (3, 4)
    assert set(score.notes["velocity"]) == {0}


def test_a_stream_without_bars_gets_some() -> None:
    score = from_music21(music21.stream.Stream([music21.note.Note("c4", quarterLength=6)]))
    assert [int(d) // score.ticks_per_quarter for d in score.bars["duration"]] == [4, 2]


@pytest.mark.parametrize("name", ["bach/bwv66.6.mxl", "schubert/Lindenbaum.xml", "leadSheet/fosterBrownHair.mxl"])
def test_the_own_reader_and_music21_give_the_same_notes(name: str) -> None:
    path = Path(music21.corpus.__file__).parent / name
    own, other = read_musicxml(path), read_with_music21(path)
    own, other = (s.with_resolution(48) for s in (own, other))
    columns = ["onset", "duration", "pitch", "part", "staff", "spelling", "grace"]
    mine, theirs = ({tuple(int(n[c]) for c in columns) for n in s.notes} for s in (own, other))
    assert len(mine & theirs) >= 0.99 * max(len(mine), len(theirs)) > 50
    assert list(own.bars["onset"]) == list(other.bars["onset"])
    assert list(own.bars["key"]) == list(other.bars["key"])
    assert list(own.bars["number"]) == list(other.bars["number"])


def test_what_is_no_stream_is_refused() -> None:
    assert not is_music21([1, 2])
    assert is_music21(music21.stream.Part())
    with pytest.raises(InputError, match=r"Not a music21 stream.*Received list"):
        from_music21([1, 2])


def test_what_music21_cannot_read_is_one_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.musicxml"
    broken.write_text("<score-partwise><part>", "utf-8")
    with pytest.raises(FormatError, match=r"broken.musicxml cannot be read, not by music21 either"):
        read_with_music21(broken)
