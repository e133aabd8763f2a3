"""ABC: the grammar, the signs, the writer, an independent program as oracle, and the text of every error."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from zhiyin.errors import FormatError
from zhiyin.formats.abc import read_abc, read_abc_tunes, write_abc
from zhiyin.formats.abc_tune import parse_key, split_tunes
from zhiyin.formats.abc_write import abc_text
from zhiyin.formats.limits import LIMITS
from zhiyin.formats.midi import read_midi
from zhiyin.score import Part, Score, bars_array, notes_array, regular_bars
from zhiyin.score.repeats import expand_repeats

Q = 480


def tune(music: str, *fields: str, key: str = "C", meter: str = "4/4") -> Score:
    head = "\n".join(("X:1", "T:Test", f"M:{meter}", "L:1/8", *fields, f"K:{key}"))
    return read_abc(f"{head}\n{music}\n".encode())


def pitches(music: str, **options) -> list[int]:
    return tune(music, **options).notes["pitch"].tolist()


def durations(music: str, **options) -> list[float]:
    """Durations in eighths."""
    score = tune(music, **options)
    return (score.notes["duration"] * 2 / score.ticks_per_quarter).round(6).tolist()


# ---------------------------------------------------------------- reading


def test_pitches_octaves_and_accidentals():
    assert pitches("C,CcC'c'|^F_B=F^^C__E|") == [48, 60, 72, 72, 84, 66, 70, 65, 62, 62]
    assert pitches("^Ff F|F", key="C") == [66, 78, 66, 65]
    assert pitches("FcC|=FF|F", key="D") == [66, 73, 61, 65, 65, 66]


def test_lengths():
    assert durations("A A2 A/ A// A3/2 A3/|z8|") == [1, 2, 0.5, 0.25, 1.5, 1.5]
    assert durations("A>B A<B A>>B|") == [1.5, 0.5, 0.5, 1.5, 1.75, 0.25]
    assert durations("[CE]2 [C2E2]/|") == [2, 2, 1, 1]
    assert durations("(3ABc (3:2:2A2B (2AB|", meter="6/8") == pytest.approx(
        [2 / 3] * 3 + [4 / 3, 2 / 3] + [1.5, 1.5], abs=1e-4
    )
    assert durations("(5ABcde|", meter="9/8") == pytest.approx([3 / 5] * 5, abs=1e-4)


def test_the_unit_length_follows_the_meter():
    assert read_abc(b"X:1\nM:2/4\nK:C\nA|").notes["duration"].tolist() == [120]
    assert read_abc(b"X:1\nM:3/4\nK:C\nA|").notes["duration"].tolist() == [240]


def test_ties_over_bar_lines_keep_the_pitch():
    score = tune("^F8-|F4 F4|[CE]4-[CE]4-|[CE]8|")
    assert score.notes[["onset", "duration", "pitch"]].tolist() == [
        (0, 12 * 240, 66), (12 * 240, 4 * 240, 65), (16 * 240, 16 * 240, 60), (16 * 240, 16 * 240, 64),
    ]  # fmt: skip


def test_spelling_is_kept():
    assert tune("^C_D=F|", key="Eb").notes["spelling"].tolist() == [7, -5, -1]


def test_upbeat_bars_and_signs():
    score = tune("|:d|c8|B8:|[1 A8:|[2 G8||F8|]")
    assert score.bars["number"].tolist() == [0, 1, 2, 3, 4, 5]
    signs = [(int(score.bar_of(m.onset)), m.kind, m.value) for m in score.marks]
    assert (0, "repeat", "start") in signs
    assert sum(m.kind == "repeat" and m.value == "end" for m in score.marks) == 2
    assert [m.value for m in score.marks if m.kind == "ending"] == ["1", "2"]
    assert [m.value for m in score.marks if m.kind == "barline"] == ["double", "final"]


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("|:C8:|D8|]", "CCD"), ("|:C8::D8:|", "CCDD"), ("C8:|:D8:|", "CCDD"), ("|:C8|1D8:|2E8|]", "CDCE"),
        ("C8||D8:|", "CDD"), ("|::C8::|", "CCC"), ("C8:|]D8|", "CCD"), ("|:C8|[1,2 D8:|[3 E8|]", "CDCDCE"),
        ("C8[|]:|\n|:D8[|]:|", "CCDD"), ("C8||\n:D8:|", "CDD"), ("C8!fine!|D8!D.C.!|]", "CDC"),
    ],
)  # fmt: skip
def test_repeats_as_played(music, expected):
    played = expand_repeats(tune(music)).notes["pitch"].tolist()
    assert "".join("CDE"[(60, 62, 64).index(p)] for p in played) == expected


def test_fields_and_header():
    score = read_abc(
        b'X:7\nT:Reel & more\nC:Trad.\nR:reel\nM:C|\nQ:"Fast" 1/2=60\nL:1/4\nK:Bm\nB2|[M:3/4][K:D]A3|[Q:1/4=99]A3|\n'
    )
    assert score.metadata == {"title": "Reel & more", "composer": "Trad.", "rhythm": "reel"}
    assert score.bars["meter_numerator"].tolist() == [2, 3, 3]
    assert score.bars[["key", "mode"]].tolist() == [(2, 1), (2, 0), (2, 0)]
    assert score.bars["tempo_qpm"].tolist() == [120, 120, 99]
    assert [m.value for m in score.marks if m.kind == "tempo"] == ["Fast"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("C", (0, 0)), ("Am", (0, 1)), ("F#m", (3, 1)), ("Bb", (-2, 0)), ("D dor", (0, -1)), ("ADorian", (1, -1)), ("G mix", (0, -1)),
        ("E minor", (1, 1)), ("Ephr", (0, -1)), ("F lydian", (0, -1)), ("none", (0, -1)), ("HP", (2, -1)), ("C clef=bass", (0, 0)),
    ],
)  # fmt: skip
def test_keys(name, expected):
    found = parse_key(name)
    assert found is not None
    assert found[0] == expected


def test_voices_become_parts():
    score = tune("V:1\nc8|d8|\nV:2\nC8|D4 E4|", 'V:1 name="Flute"', "V:2 nm=Bass octave=-1")
    assert [p.name for p in score.parts] == ["Flute", "Bass"]
    assert score.notes[["onset", "pitch", "part"]].tolist() == [
        (0, 72, 0),
        (0, 48, 1),
        (1920, 74, 0),
        (1920, 50, 1),
        (2880, 52, 1),
    ]


def test_inline_voices_and_layers():
    score = tune("[V:1]c8 & E4 F4|[V:2]C8|")
    assert score.notes[["onset", "pitch", "part", "voice"]].tolist() == [
        (0, 64, 0, 2),
        (0, 72, 0, 1),
        (0, 60, 1, 0),
        (960, 65, 0, 2),
    ]


def test_words_chords_and_decorations():
    score = tune('"Dm7"!p!(A2B2) "^slow"Tc2 .d2|!crescendo(!e4 !crescendo)!Hf4|\nw: one two-three * four~five|')
    marks = {(m.onset // 240, m.kind, m.value) for m in score.marks if m.kind != "slur"}
    assert marks == {
        (0, "chord", "Dm7"), (0, "dynamic", "p"), (4, "text", "slow"), (4, "ornament", "trill"), (6, "articulation", "staccato"),
        (8, "hairpin", "crescendo"), (12, "fermata", ""), (0, "lyric", "one"), (2, "lyric", "two-"), (4, "lyric", "three"),
        (8, "lyric", "four five"),
    }  # fmt: skip
    assert [(m.onset // 240, m.end // 240) for m in score.marks if m.kind == "slur"] == [(0, 2)]


def test_grace_notes_have_no_length():
    notes = tune("{cd}e8|").notes
    assert notes[["onset", "duration", "pitch", "grace"]].tolist() == [
        (0, 0, 72, True),
        (0, 0, 74, True),
        (0, 1920, 76, False),
    ]


def test_music_without_bar_lines_gets_those_of_the_meter():
    score = tune("c8 d8 e8 f4")
    assert score.bars["duration"].tolist() == [1920] * 4
    assert score.metadata["assumed"] == "bar lines by the meter"


def test_what_has_no_meaning_is_listed():
    assert tune("!unheard!c4 Jd4|").metadata["ignored"] == "!unheard!, 'J'"


def test_many_tunes():
    text = b"%%MIDI program 40\n\nX:1\nT:One\nK:C\nC|\n\nX:2\nT:Two\nK:G\nF|\n"
    one, two = read_abc_tunes(text)
    assert (one.metadata["title"], two.metadata["title"]) == ("One", "Two")
    assert two.notes["pitch"].tolist() == [66]
    assert read_abc(text).metadata["title"] == "One"
    assert one.parts[0].program == 40


# ---------------------------------------------------------------- writing


def test_a_written_tune_reads_like_one():
    notes = notes_array(
        onset=[0, 240, 480, 640, 800, 960, 2160],
        duration=[240, 240, 160, 160, 160, 1200, 240],
        pitch=[62, 66, 69, 71, 73, 74, 72],
    )
    score = Score(
        notes, regular_bars(2, Q, 3, 4, key=2, mode=0, tempo_qpm=100), (Part("Fiddle", 40),), Q, metadata={"title": "A"}
    )
    assert abc_text(score) == (
        'X:1\nT:A\nM:3/4\nL:1/8\nQ:1/4=100\nK:D\nV:1 name="Fiddle"\n%%MIDI program 40\nDF (3:2:3ABc d2- | d3=c z2 |]\n'
    )


def test_accidentals_are_written_where_a_reader_could_doubt():
    notes = notes_array(
        onset=np.arange(6) * Q, duration=Q, pitch=[66, 77, 65, 65, 66, 65], spelling=[6, -1, -1, -1, 6, -1]
    )
    score = Score(notes, regular_bars(2, Q), (Part(),), Q)
    assert abc_text(score).splitlines()[-1] == "^F2 =f2 =F2 =F2 | ^F2 =F2 z4 |]"


def test_the_record_is_a_comment(tmp_path):
    path = write_abc(tune("c8|"), tmp_path / "a.abc", record={"seed": 3})
    assert '%zhiyin:{"seed":3}' in path.read_text()
    assert len(read_abc(path).notes) == 1


def test_played_times_are_rounded():
    notes = notes_array(onset=[3, 477], duration=[471, 500], pitch=[60, 62])
    read = read_abc(abc_text(Score(notes, regular_bars(1, Q), (Part(),), Q, timing="performed")).encode())
    assert (read.notes["onset"] * 24 // read.ticks_per_quarter).tolist() == [0, 24]


def test_too_large_a_score_is_refused():
    score = Score(notes_array(), regular_bars(5001, Q), (Part(),), Q)
    with pytest.raises(
        FormatError, match=r"the score has too many bars\. Expected at most 5,000 bars\. Received 5,001 bars"
    ):
        abc_text(score)


@st.composite
def scores(draw) -> Score:
    """Scores on the grid of 24 steps a quarter, chords and layers, one or two parts, irregular bars."""
    step = 20
    count = draw(st.integers(1, 4))
    lengths = [draw(st.sampled_from([Q, 3 * Q, 4 * Q, 2 * Q + 240])) for _ in range(count)]
    bars = bars_array(lengths, key=draw(st.integers(-7, 7)), mode=draw(st.integers(0, 1)))
    end = sum(lengths)
    rows = {}
    for _ in range(draw(st.integers(1, 14))):
        onset = draw(st.integers(0, end // step - 1)) * step
        duration = min(draw(st.sampled_from([20, 40, 60, 80, 120, 160, 240, 480, 720, 960, 100, 320])), end - onset)
        rows[draw(st.integers(0, 1)), draw(st.integers(30, 100))] = (onset, duration)
    columns = {
        "onset": [o for o, _ in rows.values()], "duration": [d for _, d in rows.values()],
        "pitch": [p for _, p in rows], "part": [part for part, _ in rows],
    }  # fmt: skip
    return Score(notes_array(**columns), bars, (Part("a"), Part("b")), Q, metadata={"title": "t"})


@settings(max_examples=150, deadline=None)
@given(scores())
def test_reading_gives_back_what_was_written(score):
    read = read_abc(abc_text(score).encode()).with_resolution(Q)
    columns = ["onset", "duration", "pitch", "part"]
    assert np.sort(read.notes[columns]).tolist() == np.sort(score.notes[columns]).tolist()
    assert (
        read.bars[["onset", "duration", "key", "mode"]].tolist()
        == score.bars[["onset", "duration", "key", "mode"]].tolist()
    )


# ---------------------------------------------------------------- an independent program


def by_abc2midi(text: str, folder: Path) -> Counter:
    """(onset in 1/24 quarter, pitch) of every note as the abc2midi that comes with symusic plays it."""
    source, target = folder / "in.abc", folder / "out.mid"
    source.write_text(text)
    assert symusic  # importing it sets the path of the program
    options = ["-NGUI", "-NGRA", "-NFER", "-NFNP", "-silent"]
    program = os.environ["SYMUSIC_ABC2MIDI"]
    subprocess.run([program, str(source), "-o", str(target), *options], capture_output=True, timeout=20, check=False)
    notes = read_midi(target).notes
    return Counter(zip(((notes["onset"] - 1) / 20).round().astype(int).tolist(), notes["pitch"].tolist()))


def plain(text: str) -> str:
    """A tune without what abc2midi plays in its own manner: ornaments, graces, swing of hornpipes."""
    out = [
        re.sub(r'![^!|]*!|"[^"]*"|[~THLMOPSuvk.]|\{[^}]*\}', "", x) if not re.match(r"[A-Za-z]:|%", x) else x
        for x in text.split("\n")
    ]
    return "\n".join(x for x in out if not x.startswith("R:"))


def test_corpus_tunes_sound_as_abc2midi_plays_them(tmp_path):
    """A sample of music21's ABC files; the few that differ have repeat signs without a partner or uncommon bars."""
    music21 = pytest.importorskip("music21")
    folder = Path(music21.__file__).parent / "corpus"
    texts = []
    for name in (
        "essenFolksong/altdeu10.abc",
        "essenFolksong/han1.abc",
        "oneills1850/0001-0050.abc",
        "oneills1850/0301-0350.abc",
    ):
        texts += split_tunes((folder / name).read_bytes().decode("latin-1"))[3:40:4]
    assert len(texts) >= 36
    equal = 0
    for text in map(plain, texts):
        score = expand_repeats(read_abc(text.encode()))
        onsets = (score.notes["onset"] * 24 / score.ticks_per_quarter).round().astype(int)
        equal += Counter(zip(onsets.tolist(), score.notes["pitch"].tolist())) == by_abc2midi(text, tmp_path)
    assert equal >= 0.9 * len(texts), f"{equal} of {len(texts)}"


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "the ABC text has no ABC tune. Expected a line that begins with 'X:'. Received 'hello'."),
        ("X:1\nT:a\n", "the ABC text: The ABC tune has no key. Expected a K: line before the music. Received none."),
        ("X:1\nK:C\n", "the ABC text has no notes. Expected at least one note. Received none."),
        ("X:1\nM:4/5\nK:C\nc|", "the ABC text: Unknown meter in line 2. Expected such as 4/4 or 6/8. Received '4/5'."),
        ("X:1\nL:0\nK:C\nc|", "the ABC text: Unknown unit length in line 2. Expected such as 1/8. Received '0'."),
        ("X:1\nK:G#\nc|", "the ABC text: Unknown key. Expected at most seven sharps or flats. Received 'G#'."),
        (
            "X:1\nK:C\n" + "?" * 20,
            "the ABC text: The ABC music cannot be read at line 3, column 11. Expected notes, rests",
        ),
    ],
)
def test_errors_say_where(text, message):
    with pytest.raises(FormatError) as caught:
        read_abc(text.encode())
    assert str(caught.value).startswith(message)


def test_an_error_names_the_tune_among_many():
    with pytest.raises(FormatError, match=r"tune 2: Unknown meter in line 2"):
        read_abc_tunes(b"X:1\nK:C\nc|\nX:2\nM:x\nK:C\nc|")


def test_limits():
    limits = replace(LIMITS["abc"], bars=10, notes=5)
    with pytest.raises(FormatError, match=r"The ABC tune has too many bars\. Expected at most 10\. Received more\."):
        read_abc(b"X:1\nK:C\n" + b"c|" * 11, limits=limits)
    with pytest.raises(
        FormatError, match=r"the ABC text has too many notes\. Expected at most 5 notes\. Received 6 notes"
    ):
        read_abc(b"X:1\nK:C\n" + b"c" * 6, limits=limits)
    with pytest.raises(FormatError, match="too many bars"):
        read_abc(b"X:1\nK:C\nZ999999999|c|", limits=limits)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ABCabcz|:[]()123/>-<^_=,'\"!{}&VKMLQw \n", max_size=80))
def test_any_music_reads_or_raises_a_format_error(music):
    try:
        score = read_abc(f"X:1\nK:C\n{music}\n".encode())
    except FormatError:
        return
    assert len(score.notes) > 0
    assert score.bars["duration"].min() > 0
