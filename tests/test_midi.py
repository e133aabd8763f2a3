"""MIDI: what is read, what is written, ticks that stay what they are, and the text of every error."""

from __future__ import annotations

import io
import warnings
from dataclasses import replace

import mido
import numpy as np
import pytest
import symusic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zhiyin.errors import FormatError, InputError
from zhiyin.formats.limits import LIMITS, table
from zhiyin.formats.midi import read_midi, read_record, write_midi
from zhiyin.formats.midi_bytes import find_record, variable_length
from zhiyin.formats.midi_write import midi_bytes, part_channels
from zhiyin.score import Mark, Part, Score, bars_array, notes_array, regular_bars

Q = 480
META, NOTE_ON = mido.MetaMessage, "note_on"


def midi(*tracks: list, tpq: int = Q) -> bytes:
    """A MIDI file by mido from tracks of messages, as an independent writer."""
    file = mido.MidiFile(type=1, ticks_per_beat=tpq)
    for track in tracks:
        file.tracks.append(mido.MidiTrack(track))
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def line(*pitches: int, length: int = Q, channel: int = 0, velocity: int | None = None) -> list:
    """Messages of a line of notes of one length; velocities rise unless one is given."""
    out = []
    for i, pitch in enumerate(pitches):
        level = 60 + i % 60 if velocity is None else velocity
        out.append(mido.Message(NOTE_ON, note=pitch, velocity=level, channel=channel))
        out.append(mido.Message("note_off", note=pitch, time=length, channel=channel))
    return out


def bytes_of(score: Score, **options) -> mido.MidiFile:
    return mido.MidiFile(file=io.BytesIO(midi_bytes(score, **options)))


def simple(**changes) -> Score:
    notes = notes_array(onset=[0, Q, 2 * Q], duration=Q, pitch=[60, 62, 64], velocity=[70, 71, 72])
    return Score(notes, regular_bars(1, Q), (Part("Flute", 73),), Q).replace(**changes)


# ---------------------------------------------------------------- reading


def test_notes_parts_and_head_are_read():
    head = [
        META("track_name", name="My tune"),
        META("copyright", text="me 2026"),
        META("text", text="composer: A. Nonym"),
    ]
    flute = [META("track_name", name="Flute"), mido.Message("program_change", program=73), *line(60, 62, 64, 65)]
    drums = [META("track_name", name="Kit"), *line(36, 38, channel=9)]
    score = read_midi(midi(head, flute, drums))
    assert score.parts == (Part("Flute", 73), Part("Kit", 0, True))
    assert score.metadata == {
        "title": "My tune", "copyright": "me 2026", "composer": "A. Nonym", "assumed": "meter 4/4",
    }  # fmt: skip
    assert score.notes[["onset", "duration", "pitch", "velocity", "part"]].tolist() == [
        (0, Q, 60, 60, 0), (0, Q, 36, 60, 1), (Q, Q, 62, 61, 0), (Q, Q, 38, 61, 1), (2 * Q, Q, 64, 62, 0), (3 * Q, Q, 65, 63, 0),
    ]  # fmt: skip
    assert score.timing == "notated"


def test_a_meter_change_inside_a_bar_cuts_it():
    head = [
        META("time_signature", numerator=4, denominator=4),
        META("time_signature", numerator=3, denominator=4, time=6 * Q),
    ]
    bars = read_midi(midi(head, line(*range(60, 72)))).bars
    assert bars["duration"].tolist() == [4 * Q, 2 * Q, 3 * Q, 3 * Q]
    assert bars["meter_numerator"].tolist() == [4, 4, 3, 3]
    assert bars["number"].tolist() == [1, 2, 3, 4]


def test_one_short_bar_before_a_meter_is_an_upbeat():
    head = [
        META("time_signature", numerator=1, denominator=4),
        META("time_signature", numerator=4, denominator=4, time=Q),
    ]
    bars = read_midi(midi(head, line(*range(60, 69)))).bars
    assert bars["duration"].tolist() == [Q, 4 * Q, 4 * Q]
    assert bars["number"].tolist() == [0, 1, 2]
    assert bars["meter_numerator"].tolist() == [4, 4, 4]


def test_tempo_at_bars_and_inside_them():
    head = [
        META("set_tempo", tempo=500_000),
        META("set_tempo", tempo=600_000, time=5 * Q),
        META("set_tempo", tempo=750_000, time=3 * Q),
    ]
    score = read_midi(midi(head, line(*range(60, 72))))
    assert score.bars["tempo_qpm"].tolist() == [120, 120, 80]
    assert [(m.onset, m.value) for m in score.marks] == [(5 * Q, "=100")]
    assert score.tempo_map().tolist() == [[0, 120], [5 * Q, 100], [8 * Q, 80]]


def test_keys_count_from_the_next_bar_line():
    head = [META("key_signature", key="Cm"), META("key_signature", key="D", time=5 * Q)]
    bars = read_midi(midi(head, line(*range(60, 72)))).bars
    assert bars["key"].tolist() == [-3, -3, 2]
    assert bars["mode"].tolist() == [1, 1, 0]


def test_lyrics_pedal_and_markers_become_marks():
    melody = [
        META("track_name", name="Voice"),
        META("lyrics", text="A-"),
        *line(60),
        META("lyrics", text="ve"),
        *line(62),
    ]
    piano = [
        META("track_name", name="Piano"), *line(48, channel=1),
        mido.Message("control_change", control=64, value=127, channel=1),
        mido.Message("control_change", control=64, value=0, time=Q, channel=1), *line(50, channel=1),
    ]  # fmt: skip
    score = read_midi(midi([META("marker", text="Verse", time=Q)], melody, piano))
    assert [(m.onset, m.kind, m.value, m.part, m.end) for m in score.marks] == [
        (0, "lyric", "A-", 0, -1), (Q, "text", "Verse", -1, -1), (Q, "lyric", "ve", 0, -1), (Q, "pedal", "", 1, 2 * Q),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("velocities", "expected"),
    [([64] * 4, [0] * 4), ([105, 80, 95, 80], [0] * 4), ([64, 65, 64, 64], [64, 65, 64, 64])],
)
def test_a_programs_default_velocity_is_not_given(velocities, expected):
    track = [m for p, v in zip((60, 62, 64, 65), velocities) for m in line(p, velocity=v)]
    score = read_midi(midi(track))
    assert score.notes["velocity"].tolist() == expected
    assert ("velocity not given" in score.metadata["assumed"]) == (expected[0] == 0)


def test_timing_follows_the_grid():
    rng = np.random.default_rng(7)
    played = [m for p in rng.integers(50, 70, 64).tolist() for m in line(p, length=int(rng.integers(200, 900)))]
    assert read_midi(midi(played)).timing == "performed"
    assert read_midi(midi([mido.Message("note_off", time=1), *line(*range(50, 80), length=Q // 3)])).timing == "notated"
    assert read_midi(midi(line(60, 61, 62))).timing == "unknown"
    assert read_midi(midi(line(*range(50, 80), length=12), tpq=48)).timing == "unknown"


def test_names_that_are_not_utf8_are_read_as_latin1():
    data = midi([META("track_name", name="Fl\xf6te"), *line(60, 62)])
    assert b"Fl\xf6te" in data
    assert read_midi(data).parts[0].name == "Flöte"


def test_a_file_without_notes_is_one_empty_bar():
    score = read_midi(midi([META("time_signature", numerator=3, denominator=4)]))
    assert (len(score.notes), score.bars["duration"].tolist()) == (0, [3 * Q])


def test_every_tick_is_kept():
    """The notes of symusic's own writer, read by us, tick for tick; and ours read by symusic."""
    rng = np.random.default_rng(3)
    source = symusic.Score(384)
    track = symusic.Track("x", 3, False)
    onsets = np.sort(rng.choice(50_000, 400, replace=False))
    for onset, pitch in zip(onsets.tolist(), rng.permutation(400) % 88 + 21):
        track.notes.append(symusic.Note(onset, int(rng.integers(1, 50)), int(pitch), int(rng.integers(1, 128))))
    source.tracks.append(track)
    expected = sorted((n.time, n.duration, n.pitch, n.velocity) for n in track.notes)
    score = read_midi(source.dumps_midi())
    columns = ["onset", "duration", "pitch", "velocity"]
    assert sorted(score.notes[columns].tolist()) == expected
    back = symusic.Score.from_midi(midi_bytes(score)).tracks[0].notes
    assert sorted((n.time, n.duration, n.pitch, n.velocity) for n in back) == expected


# ---------------------------------------------------------------- writing


def test_written_files_open_in_mido_and_symusic():
    score = simple(metadata={"title": "T", "copyright": "me"}, bars=regular_bars(1, Q, key=-3, mode=1, tempo_qpm=90))
    file = bytes_of(score)
    assert [m.type for m in file.tracks[0]] == [
        "track_name", "copyright", "time_signature", "key_signature", "set_tempo", "end_of_track",
    ]  # fmt: skip
    assert [(m.key) for m in file.tracks[0] if m.type == "key_signature"] == ["Cm"]
    assert [m.program for m in file.tracks[1] if m.type == "program_change"] == [73]
    assert symusic.Score.from_midi(midi_bytes(score)).note_num() == 3


def test_the_same_score_gives_the_same_bytes(tmp_path):
    one = write_midi(simple(), tmp_path / "a.mid", record={"seed": 1, "a": "ü"}).read_bytes()
    two = write_midi(simple(), tmp_path / "b.mid", record={"a": "ü", "seed": 1}).read_bytes()
    assert one == two


def test_every_track_ends_with_the_last_bar():
    score = simple(bars=regular_bars(3, Q))
    for track in bytes_of(score).tracks:
        assert sum(m.time for m in track) == 12 * Q
    assert len(read_midi(midi_bytes(score)).bars) == 3


def test_no_note_hangs_where_a_pitch_starts_again():
    notes = notes_array(onset=[0, Q, Q, 2 * Q], duration=[4 * Q, Q, 3 * Q, Q], pitch=60, velocity=[70, 71, 72, 73])
    sounding = 0
    for message in bytes_of(simple(notes=notes)).tracks[1]:
        if message.type in ("note_on", "note_off"):
            sounding += 1 if message.type == "note_on" else -1
            assert sounding in (0, 1)
    assert sounding == 0
    read = read_midi(midi_bytes(simple(notes=notes))).notes
    assert read[["onset", "duration"]].tolist() == [(0, Q), (Q, Q), (2 * Q, Q)]


def test_velocity_comes_from_marks_else_it_is_80():
    notes = notes_array(onset=[0, Q, 2 * Q], duration=Q, pitch=[60, 62, 64])
    plain = [m.velocity for m in bytes_of(simple(notes=notes)).tracks[1] if m.type == "note_on"]
    marked = simple(notes=notes, marks=(Mark(Q, "dynamic", "p", 0), Mark(2 * Q, "dynamic", "ff", 0)))
    assert plain == [80, 80, 80]
    assert [m.velocity for m in bytes_of(marked).tracks[1] if m.type == "note_on"] == [80, 49, 112]


def test_grace_notes_sound_before_the_beat():
    notes = notes_array(onset=[Q, Q], duration=[0, Q], pitch=[62, 60], grace=[True, False], velocity=[70, 71])
    read = read_midi(midi_bytes(simple(notes=notes))).notes
    assert read[["onset", "duration", "pitch"]].tolist() == [(Q - 40, 40, 62), (Q, Q, 60)]


def test_repeats_are_unfolded_unless_told_otherwise():
    score = simple(marks=(Mark(4 * Q, "repeat", "end"),))
    assert len(read_midi(midi_bytes(score)).notes) == 6
    assert len(read_midi(midi_bytes(score, unfold=False)).notes) == 3


def test_irregular_bars_keep_their_lines():
    durations = [Q, 4 * Q, 3 * Q, 4 * Q, 4 * Q + 7, 4 * Q]
    bars = bars_array(durations, number=range(6))
    notes = notes_array(onset=bars["onset"], duration=durations, pitch=60, velocity=range(50, 56))
    read = read_midi(midi_bytes(simple(notes=notes, bars=bars)))
    assert read.bars["duration"][:4].tolist() == durations[:4]
    assert read.bars["number"][:4].tolist() == [0, 1, 2, 3]
    assert int(read.bars["onset"][-1]) == int(bars["onset"][-1])


def test_marks_that_midi_has_are_kept():
    marks = (
        Mark(0, "lyric", "la-", 0), Mark(Q, "pedal", "", 0, 2 * Q), Mark(0, "chord", "Dm7"), Mark(2 * Q, "text", "dolce"),
        Mark(Q, "tempo", "=77"),
    )  # fmt: skip
    read = read_midi(midi_bytes(simple(marks=marks, bars=regular_bars(1, Q, tempo_qpm=100))))
    assert {(m.onset, m.kind, m.value) for m in read.marks} == {
        (0, "lyric", "la-"), (Q, "pedal", ""), (0, "text", "Dm7"), (2 * Q, "text", "dolce"), (Q, "tempo", "=77"),
    }  # fmt: skip


def test_channels():
    assert part_channels((Part(), Part("", 3), Part("", 0, True), Part())) == [0, 1, 9, 2]
    same = part_channels(tuple(Part("", i % 4) for i in range(40)))
    assert len(set(same)) == 4
    with pytest.warns(UserWarning, match="20 programs share 15 MIDI channels"):
        assert 9 not in part_channels(tuple(Part("", i) for i in range(20)))


def test_fifty_parts_write_without_a_warning_when_programs_suffice():
    parts = tuple(Part(f"p{i}", i % 10) for i in range(50))
    notes = notes_array(onset=np.zeros(50), duration=Q, pitch=60, part=np.arange(50), velocity=np.arange(50) + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = read_midi(midi_bytes(simple(notes=notes, parts=parts)))
    assert read.parts == parts


# ---------------------------------------------------------------- the record


@pytest.mark.parametrize(
    "record", [{}, {"seed": 7, "words": "一首D小调的圆舞曲"}, {"long": "x" * 5000, "deep": {"a": [1, 2.5, None]}}]
)
def test_the_record_travels_inside(tmp_path, record):
    path = write_midi(simple(), tmp_path / "a.mid", record=record)
    assert read_record(path) == record
    assert read_record(path.read_bytes()) == record
    resaved = io.BytesIO()
    mido.MidiFile(path).save(file=resaved)
    assert find_record(resaved.getvalue()) == record
    assert read_midi(path).metadata.get("title") is None


def test_no_record_is_none():
    assert read_record(midi_bytes(simple())) is None
    assert find_record(b"\xff\x01\x09zhiyin:{x") is None


# ---------------------------------------------------------------- properties


@st.composite
def scores(draw) -> Score:
    """Scores on whole ticks with up to four parts, no two notes of one pitch overlapping in a part."""
    tpq = draw(st.sampled_from([24, 96, 384, 480, 960]))
    parts = tuple(Part(f"P{i}", draw(st.integers(0, 127)), draw(st.booleans())) for i in range(draw(st.integers(1, 4))))
    rows, free = [], {}
    for _ in range(draw(st.integers(1, 30))):
        part, pitch = draw(st.integers(0, len(parts) - 1)), draw(st.integers(0, 127))
        onset = free.get((part, pitch), 0) + draw(st.integers(0, 2 * tpq))
        duration = draw(st.integers(1, 2 * tpq))
        free[part, pitch] = onset + duration
        rows.append((onset, duration, pitch, draw(st.integers(1, 127)), part))
    columns = dict(zip(("onset", "duration", "pitch", "velocity", "part"), map(list, zip(*rows))))
    numerator, denominator = draw(st.sampled_from([(4, 4), (3, 4), (6, 8), (5, 4), (2, 2)]))
    length = 4 * tpq * numerator // denominator
    count = max(-(-max(o + d for o, d, *_ in rows) // length), 1)
    bars = regular_bars(count, tpq, numerator, denominator, key=draw(st.integers(-7, 7)), mode=draw(st.integers(0, 1)))
    bars["tempo_qpm"] = draw(st.integers(20, 300))
    return Score(notes_array(**columns), bars, parts, tpq, metadata={"title": "t"})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scores())
def test_reading_gives_back_what_was_written(score):
    read = read_midi(midi_bytes(score))
    used = sorted(set(score.notes["part"].tolist()))
    assert read.parts == tuple(score.parts[i] for i in used)
    columns = ["onset", "duration", "pitch", "velocity"]
    if len(set(score.notes["velocity"].tolist())) == 1 or set(score.notes["velocity"].tolist()) <= {80, 95, 105}:
        columns.pop()
    mine, theirs = (np.sort(s.notes[columns], order=columns) for s in (score, read))
    assert (mine == theirs).all()
    assert (read.bars == score.bars).all()
    assert midi_bytes(read.replace(metadata={"title": "t"})) == midi_bytes(
        read_midi(midi_bytes(read)).replace(metadata={"title": "t"})
    )


@given(st.integers(0, 2**28 - 1))
def test_variable_length_numbers(number):
    value = 0
    for byte in variable_length(number):
        value = value << 7 | byte & 0x7F
    assert value == number
    assert [b >= 0x80 for b in variable_length(number)] == [True] * (len(variable_length(number)) - 1) + [False]


# ---------------------------------------------------------------- bad input


def header(division: bytes) -> bytes:
    return b"MThd\0\0\0\6\0\1\0\1" + division + b"MTrk\0\0\0\4\0\xff\x2f\0"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"<xml/>..",
            "the MIDI bytes is not a MIDI file. Expected a file that begins with 'MThd'. Received '<xml/>..'.",
        ),
        (b"MThd\0\0", "the MIDI bytes is damaged. Expected whole MIDI chunks. Received "),
        (header(b"\xe7\x28"), "the MIDI bytes counts time in frames (SMPTE). Expected ticks per quarter."),
        (header(b"\0\0"), "the MIDI bytes has a damaged header. Expected at least 1 tick per quarter. Received 0."),
    ],
)
def test_damaged_bytes(data, message):
    with pytest.raises(FormatError) as caught:
        read_midi(data)
    assert str(caught.value).startswith(message)


def test_a_cut_file_is_refused():
    data = midi(line(*range(50, 80)))
    with pytest.raises(FormatError, match=r"is damaged\. Expected whole MIDI chunks"):
        read_midi(data[: len(data) // 2])


def test_files_that_are_not_there_empty_or_folders(tmp_path):
    (tmp_path / "tune.mid").write_bytes(b"")
    with pytest.raises(FormatError, match=r"tune\.mid is empty\. Expected a score file\. Received 0 bytes\."):
        read_midi(tmp_path / "tune.mid")
    with pytest.raises(
        InputError, match=r"is not there\. Expected a file\. Received nothing\. hint: near names there: 'tune\.mid'"
    ):
        read_midi(tmp_path / "tun.mid")
    with pytest.raises(InputError, match=r"is a folder\. Expected a file\. Received a folder"):
        read_midi(tmp_path)


def test_500_parts_are_refused():
    tracks = [line(60, channel=i % 9) for i in range(500)]
    with pytest.raises(
        FormatError, match=r"has too many parts\. Expected at most 256 parts\. Received 500 parts\. hint: split"
    ):
        read_midi(midi(*tracks))


def test_ten_hours_are_refused_and_may_be_allowed():
    data = midi([META("set_tempo", tempo=500_000)], [*line(60), *line(62, length=Q), mido.Message("note_off", time=0)])
    long = midi([META("set_tempo", tempo=6_000_000)], [m for _ in range(30) for m in line(60, length=200 * Q)])
    assert len(read_midi(data).notes) == 2
    with pytest.raises(FormatError, match=r"has too many hours\. Expected at most 6\.0 hours\. Received 10\.0 hours"):
        read_midi(long)
    assert read_midi(long, limits=replace(LIMITS["midi"], hours=12)).bars["duration"].sum() == 6000 * Q


def test_more_bars_than_allowed_are_refused():
    data = midi([META("time_signature", numerator=1, denominator=64)], line(*range(60, 70), length=16 * Q))
    with pytest.raises(FormatError, match=r"has too many bars\. Expected at most 100 bars\. Received 2,560 bars"):
        read_midi(data, limits=replace(LIMITS["midi"], bars=100))


@pytest.mark.parametrize(("name", "value"), [("notes", 3), ("bytes", 20), ("marks", 0)])
def test_other_limits(name, value):
    with pytest.raises(FormatError, match=f"has too many {name}. Expected at most {value} {name}"):
        read_midi(
            midi([META("marker", text="x")], line(60, 62, 64, 65)), limits=replace(LIMITS["midi"], **{name: value})
        )


def test_the_limits_table_says_what_raises_each():
    rows = {(r[0], r[1]): r for r in table()}
    assert rows["midi", "parts"][2:] == (256, "FormatError", "limits=replace(LIMITS['midi'], parts=…)")
    assert {r[0] for r in table()} == set(LIMITS)


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(
        InputError, match=r"cannot be written\. Expected a folder with room that may be written to\. Received "
    ):
        write_midi(simple(), tmp_path / "file" / "a.mid")
    with pytest.raises(InputError, match="cannot be written"):
        write_midi(simple(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_ticks_too_fine_are_refused():
    score = simple().with_resolution(40_000)
    with pytest.raises(FormatError, match=r"Ticks too fine for MIDI\. Expected ≤ 32767 a quarter\. Received 40000\."):
        midi_bytes(score)
