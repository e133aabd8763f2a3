"""The contract of all formats: what a writer writes, its reader gives back, up to the losses that the catalog lists."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import symusic

from zhiyin.errors import FormatError, InputError
from zhiyin.formats.catalog import FORMATS, Format, content_of, format_of, load, save
from zhiyin.score import UNSPELLED, Mark, Part, Score, bars_array, notes_array, regular_bars
from zhiyin.score.repeats import expand_repeats

Q = 480
BAR = 4 * Q
BOTH_WAYS = sorted({suffix: f for suffix, f in FORMATS.items() if f.read and f.write}.items())


def hymn() -> Score:
    """Four voices in E flat with an upbeat, chord symbols, words, and a chromatic note."""
    pitches = np.array([[70, 67, 63, 51], [70, 67, 63, 58], [72, 68, 63, 56], [71, 66, 62, 55], [70, 67, 63, 51]])
    spelled = np.array([[-2, 1, -3, -3], [-2, 1, -3, -2], [0, -4, -3, -4], [5, 6, 2, 1], [-2, 1, -3, -3]])
    onset = np.array([0, Q, 2 * Q, 3 * Q, 4 * Q])
    duration = np.array([Q, Q, Q, Q, Q])
    notes = notes_array(
        onset=np.repeat(onset, 4), duration=np.repeat(duration, 4), pitch=pitches.ravel(), part=np.tile(np.arange(4), 5),
        spelling=spelled.ravel(), velocity=np.arange(20) + 60,
    )  # fmt: skip
    bars = bars_array(
        [Q, 3 * Q, 3 * Q], number=[0, 1, 2], meter_numerator=3, meter_denominator=4, key=-3, mode=0, tempo_qpm=88
    )
    words = [Mark(t, "lyric", w, 0) for t, w in zip(onset.tolist(), ("Glo-", "ry", "be", "to", "all"))]
    marks = (*words, Mark(Q, "chord", "Eb", 0), Mark(3 * Q, "fermata", part=0))
    parts = tuple(Part(name, 52) for name in ("Soprano", "Alto", "Tenor", "Bass"))
    return Score(notes, bars, parts, Q, marks, "notated", {"title": "A hymn", "composer": "Nobody"})


def dance() -> Score:
    """A jig with a repeat, two endings, triplets, a tie over a bar line, and dynamics."""
    length = 3 * Q
    onset = [0, 160, 320, Q, Q + 240, 2 * length - Q, 3 * length, 3 * length + Q]
    duration = [160, 160, 160, 240, 720, 2 * Q, Q, 2 * Q]
    notes = notes_array(onset=onset, duration=duration, pitch=[62, 64, 66, 69, 74, 71, 73, 74], spelling=UNSPELLED)
    notes["spelling"] = [2, 4, 6, 3, 2, 5, 7, 2]
    marks = (
        Mark(length, "ending", "1", end=2 * length), Mark(2 * length, "repeat", "end"), Mark(0, "repeat", "start"),
        Mark(2 * length, "ending", "2", end=3 * length), Mark(0, "dynamic", "mf", 0), Mark(Q, "dynamic", "p", 0),
    )  # fmt: skip
    bars = regular_bars(4, Q, 6, 8, key=2, mode=0, tempo_qpm=120)
    return Score(notes, bars, (Part("Fiddle", 40),), Q, marks, "notated", {"title": "A jig"})


def changes() -> Score:
    """Meter, key and tempo changes, a chord, two layers in one part, drums, and a minor key."""
    bars = bars_array(
        [BAR, 3 * Q, 3 * Q, BAR], meter_numerator=[4, 3, 6, 4], meter_denominator=[4, 4, 8, 4],
        key=[-1, -1, 4, 4], mode=[1, 1, 1, 1], tempo_qpm=[100, 100, 72, 72],
    )  # fmt: skip
    rows = [
        (0, BAR, 50, 0, 2), (0, Q, 65, 0, -1), (0, Q, 69, 0, 3), (Q, 3 * Q, 74, 0, 2), (BAR, 3 * Q, 73, 0, 7),
        (BAR + 3 * Q, 720, 76, 0, 4), (BAR + 3 * Q + 720, 720, 75, 0, 9), (BAR + 6 * Q, BAR, 73, 0, 7),
        (0, Q, 36, 1, UNSPELLED), (2 * Q, Q, 38, 1, UNSPELLED),
    ]  # fmt: skip
    columns = dict(zip(("onset", "duration", "pitch", "part", "spelling"), map(list, zip(*rows))))
    notes = notes_array(**columns, velocity=np.arange(10) + 50)
    return Score(notes, bars, (Part("Piano", 0), Part("Drums", 0, True)), Q, (), "notated", {"title": "Changes"})


SCORES = {"hymn": hymn, "dance": dance, "changes": changes}


def compare(before: Score, after: Score, losses: tuple[str, ...]) -> None:
    """Asserts that what is not listed as lost is equal."""
    if "repeats" in losses:
        before = expand_repeats(before)
    after = after.with_resolution(before.ticks_per_quarter)
    columns = [c for c in before.notes.dtype.names if c not in losses]
    if not before.notes["velocity"].any() and "velocity" in columns:
        columns.remove("velocity")  # unknown before; what a reader makes of the dynamic marks
    pitched = np.array([not p.drums for p in before.parts])
    for score in (before, after):
        assert "onset" in columns
        assert len(score.notes) == len(before.notes)
    mine, theirs = (np.sort(s.notes[columns][pitched[s.notes["part"]]], order=columns[:3]) for s in (before, after))
    for column in columns:
        if column not in ("voice", "staff") or mine[column].any():
            assert mine[column].tolist() == theirs[column].tolist(), column
    drums = [np.sort(s.notes[["onset", "pitch"]][~pitched[s.notes["part"]]]) for s in (before, after)]
    assert drums[0].tolist() == drums[1].tolist()
    for column in before.bars.dtype.names:
        if column not in losses:
            assert before.bars[column].tolist() == after.bars[column].tolist(), column
    for kind in {m.kind for m in before.marks} - set(losses):
        one, two = ({(m.onset, m.value, m.end) for m in s.marks if m.kind == kind} for s in (before, after))
        assert one == two, kind
    assert [(p.name, p.drums) for p in before.parts] == [(p.name, p.drums) for p in after.parts]
    assert [p.program for p in before.parts if not p.drums] == [p.program for p in after.parts if not p.drums]
    assert after.metadata["title"] == before.metadata["title"]


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize(("suffix", "kind"), BOTH_WAYS, ids=[s for s, _ in BOTH_WAYS])
def test_reading_gives_back_what_was_written(tmp_path, suffix: str, kind: Format, name: str):
    score = SCORES[name]()
    path = save(score, tmp_path / f"score{suffix}", record={"seed": 7})
    compare(score, load(path), kind.losses)


@pytest.mark.parametrize(("suffix", "kind"), BOTH_WAYS, ids=[s for s, _ in BOTH_WAYS])
def test_the_same_score_gives_the_same_bytes(tmp_path, suffix, kind):
    one, two = (save(dance(), tmp_path / f"{i}{suffix}").read_bytes() for i in (1, 2))
    assert one == two


def test_the_contract_covers_every_format_that_has_both_ways():
    assert {f.name for _, f in BOTH_WAYS} == {"midi", "musicxml", "abc"}
    assert len(BOTH_WAYS) == 6


def test_every_function_of_the_table_is_there():
    for kind in set(FORMATS.values()):
        if kind.read:
            assert callable(kind.reader())
        if kind.write:
            assert callable(kind.writer())


def test_importing_the_catalog_imports_no_format():
    code = "import sys, zhiyin.formats.catalog; print([m for m in sys.modules if 'midi' in m or 'symusic' in m or 'verovio' in m])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


# ---------------------------------------------------------------- load and save


def test_load_takes_scores_symusic_and_arrays():
    score = dance()
    assert load(score) is score
    assert len(load(score, expand_repeats=True).notes) == len(expand_repeats(score).notes)
    other = symusic.Score(96)
    track = symusic.Track("x", 5, False)
    track.notes.append(symusic.Note(0, 96, 60, 77))
    track.notes.append(symusic.Note(96, 96, 62, 78))
    other.tracks.append(track)
    assert load(other).notes[["onset", "duration", "pitch", "velocity"]].tolist() == [(0, 96, 60, 77), (96, 96, 62, 78)]
    bare = load(notes_array(onset=[0, 5 * Q], duration=Q, pitch=60, part=[0, 2]))
    assert (len(bare.bars), len(bare.parts), bare.metadata["assumed"]) == (2, 3, "480 ticks a quarter; meter 4/4")


def test_load_takes_music21_streams():
    music21 = pytest.importorskip("music21")
    stream = music21.converter.parse("tinynotation: 3/4 c4 d8 f# g2.")
    assert load(stream).notes["pitch"].tolist() == [60, 62, 66, 67]


def test_what_cannot_be_loaded():
    with pytest.raises(
        InputError, match=r"This cannot be read as a score\. Expected a path.* Received builtins\.int\."
    ):
        load(7)


def test_unknown_suffixes_list_the_known_ones(tmp_path):
    with pytest.raises(
        FormatError, match=r"tune\.mdi has an unknown suffix\. Expected one of \.mid .* hint: near ones: '\.midi'"
    ):
        load(tmp_path / "tune.mdi")
    with pytest.raises(FormatError, match=r"Received none\. hint: the suffix chooses the format"):
        save(dance(), tmp_path / "tune")
    assert list(tmp_path.iterdir()) == []


def test_one_way_formats_say_so(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(FormatError, match=r"sound can be written but not read\. Expected one of \.mid"):
        load(tmp_path / "a.wav")
    with pytest.raises(FormatError, match=r"kern can be read but not written\. Expected one of \.mid"):
        save(dance(), tmp_path / "a.krn")


def test_unknown_options_are_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"Unknown option 'soundfont' for midi\. Expected one of record, unfold\. Received 'soundfont'"
    ):
        save(dance(), tmp_path / "a.mid", soundfont="x")


@pytest.mark.parametrize(
    ("suffix", "content", "found"),
    [
        (".xml", b"MThd\0\0\0\6", "midi"), (".mid", b"<?xml version='1.0'?><score-partwise>", "musicxml"),
        (".mid", b"PK\3\4....", "musicxml"), (".abc", b"**kern\n4c\n*-\n", "kern"), (".krn", b"% x\nX:1\nK:C\nc|\n", "abc"),
        (".abc", b"\x89PNG\r\n\x1a\n", "picture"), (".mid", b"RIFF....WAVE", "sound"), (".xml", b"<svg xmlns='x'>", "notation"),
    ],
)  # fmt: skip
def test_content_must_be_what_the_suffix_says(tmp_path, suffix, content, found):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    wanted = format_of(path).name
    message = f"does not hold what its suffix says. Expected {wanted} for {suffix}. Received what looks like {found}."
    with pytest.raises(FormatError) as caught:
        load(path)
    assert message in str(caught.value)


def test_content_that_says_nothing_is_left_to_the_reader():
    assert content_of(b"hello") == ""
    assert content_of("<?xml version='1.0'?>".encode("utf-16")) == "musicxml"


def test_missing_files_are_named_by_the_reader(tmp_path):
    for suffix in (".mid", ".musicxml", ".abc", ".krn"):
        with pytest.raises(InputError) as caught:
            load(tmp_path / f"no{suffix}")
        assert f"no{suffix}" in str(caught.value)


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = save(dance(), tmp_path / "a.mid")
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        save(hymn(), path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mid"]
    assert path.read_bytes() == before


def test_a_full_disk_is_an_input_error(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(
        InputError, match=r"a\.mid cannot be written\. Expected a folder with room .* Received No space left"
    ):
        save(dance(), tmp_path / "a.mid")
    assert list(tmp_path.iterdir()) == []
