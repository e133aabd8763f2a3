"""The MusicXML writer against an independent reading of its text, music21 and verovio."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
import zipfile
from collections import Counter, defaultdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zhiyin.errors import InputError
from zhiyin.formats.musicxml_write import musicxml_text, write_musicxml
from zhiyin.formats.notation import Meter
from zhiyin.score.score import Mark, Part, Score, bars_array, notes_array, regular_bars

METERS = [
    (4, 4),
    (3, 4),
    (2, 4),
    (6, 8),
    (9, 8),
    (12, 8),
    (3, 8),
    (2, 2),
    (5, 4),
    (7, 8),
    (5, 8),
    (3, 2),
    (6, 4),
    (4, 8),
]
_TYPES = {"long": 16, "breve": 8, "whole": 4, "half": 2, "quarter": 1}
_TYPES |= {name: Fraction(1, 2 ** (i + 1)) for i, name in enumerate(("eighth", "16th", "32nd", "64th", "128th"))}
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}

Raw = tuple[str, Fraction, Fraction, int, bool, bool]  # lane, onset, duration, pitch, tied from, tied to


# ---------------------------------------------------------------- reading back


def read_plainly(text: str) -> tuple[list[Raw], list[str]]:
    """Notes of a MusicXML text as written (ties not merged) and everything that does not add up."""
    notes: list[Raw] = []
    faults: list[str] = []
    for part in ET.fromstring(text).iter("part"):
        origin, divisions = Fraction(0), 1
        for bar in part.iter("measure"):
            divisions = int(bar.findtext("attributes/divisions") or divisions)
            length, found, wrong = _read_bar(bar, f"{part.get('id')}", origin, divisions)
            notes += found
            faults += [f"bar {bar.get('number')}: {w}" for w in wrong]
            origin += length
    return notes, faults


def _read_bar(bar: ET.Element, lane: str, origin: Fraction, divisions: int) -> tuple[Fraction, list[Raw], list[str]]:
    at = last = Fraction(0)
    filled: dict[str, Fraction] = defaultdict(Fraction)
    notes: list[Raw] = []
    faults: list[str] = []
    for item in bar:
        duration = Fraction(int(item.findtext("duration") or 0), divisions)
        voice = item.findtext("voice") or ""
        if item.tag == "backup":
            at -= duration
        elif item.tag == "forward":
            at, filled[voice] = at + duration, filled[voice] + duration
        elif item.tag == "note" and item.find("grace") is None:
            chord = item.find("chord") is not None
            if not chord:
                last, at, filled[voice] = at, at + duration, filled[voice] + duration
            if item.find("pitch") is not None:
                ties = {t.get("type") for t in item.iter("tie")}
                notes.append((f"{lane}/{voice}", origin + last, duration, _midi(item), "stop" in ties, "start" in ties))
            if item.find("type") is not None and _written(item) != duration:
                faults.append(f"{item.findtext('type')} is not {duration}")
    if len(set(filled.values())) != 1:
        faults.append(f"voices of different length {dict(filled)}")
    return max(filled.values()), notes, faults


def _midi(note: ET.Element) -> int:
    step, octave = _STEPS[note.findtext("pitch/step") or ""], int(note.findtext("pitch/octave") or 0)
    return 12 * octave + 12 + step + int(note.findtext("pitch/alter") or 0)


def _written(note: ET.Element) -> Fraction:
    value = Fraction(_TYPES[note.findtext("type") or ""]) * (2 - Fraction(1, 2 ** len(note.findall("dot"))))
    ratio = note.find("time-modification")
    if ratio is None:
        return value
    return value * int(ratio.findtext("normal-notes") or 1) / int(ratio.findtext("actual-notes") or 1)


def tied(notes: list[Raw]) -> Counter:
    """(onset, tied duration, pitch) as a multiset."""
    open_ends: dict[tuple[str, int, Fraction], list[list]] = defaultdict(list)
    found: list[list] = []
    for lane, onset, duration, pitch, before, after in sorted(notes, key=lambda n: (n[1], not n[4])):
        waiting = open_ends[lane, pitch, onset]
        if before and waiting:
            note = waiting.pop(0)
            note[1] += duration
        else:
            note = [onset, duration, pitch]
            found.append(note)
        if after:
            open_ends[lane, pitch, onset + duration].append(note)
    return Counter(tuple(n) for n in found)


def expected(score: Score) -> Counter:
    notes, q = score.notes[~score.notes["grace"]], score.ticks_per_quarter
    return Counter((Fraction(int(n["onset"]), q), Fraction(int(n["duration"]), q), int(n["pitch"])) for n in notes)


def read_music21(text: str) -> tuple[Counter, list[str]]:
    import music21

    notes: list[Raw] = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        parsed = music21.converter.parse(text, format="musicxml", forceSource=True)
        for part in parsed.parts:
            lane = str(part.id).split("-Staff")[0]
            for item in part.recurse().notes:
                if isinstance(item, music21.harmony.Harmony) or item.duration.isGrace:
                    continue
                onset = Fraction(item.getOffsetInHierarchy(part)).limit_denominator(1000)
                duration = Fraction(item.duration.quarterLength).limit_denominator(1000)
                for note in item.notes if isinstance(item, music21.chord.Chord) else [item]:
                    kind = note.tie.type if note.tie else ""
                    ties = (kind in ("stop", "continue"), kind in ("start", "continue"))
                    notes.append((lane, onset, duration, note.pitch.midi, *ties))
    return tied(notes), [str(w.message) for w in said]


_VEROVIO = """
import json, sys, verovio
verovio.enableLog(verovio.LOG_WARNING)
for name in sys.argv[1:]:
    tk = verovio.toolkit()
    tk.setOptions({"breaks": "none"})
    assert tk.loadFile(name), name
    open_notes, notes = {}, []
    for event in tk.renderToTimemap():
        for key in event.get("off", []):
            if key in open_notes:
                onset, pitch = open_notes.pop(key)
                notes.append((onset, event["qstamp"] - onset, pitch))
        for key in event.get("on", []):
            open_notes[key] = (event["qstamp"], tk.getMIDIValuesForElement(key).get("pitch"))
    assert "<svg" in tk.renderToSVG(1)
    print(json.dumps(notes), flush=True)
"""


def read_verovio(texts: list[str], folder) -> tuple[list[Counter], str]:
    """Notes that verovio plays for each text (ties not merged), and what it wrote to its log, from one process."""
    names = []
    for i, text in enumerate(texts):
        names.append(str(folder / f"{i}.musicxml"))
        (folder / f"{i}.musicxml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", _VEROVIO, *names], capture_output=True, text=True, timeout=600, check=True
    )
    found = []
    for line in done.stdout.splitlines():
        notes = json.loads(line)
        found.append(Counter((_exact(a), _exact(b), p) for a, b, p in notes))
    return found, done.stderr


def _exact(value: float) -> Fraction:
    return Fraction(value).limit_denominator(500)


# ---------------------------------------------------------------- scores to write


def random_score(seed: int, given_voices: bool) -> Score:
    """Voices of random rhythm on the 24-grid, from plain to tortuous; pitch classes mod 3 keep the voices apart."""
    rng = random.Random(seed)
    top, bottom = rng.choice(METERS)
    bar = 96 * top // bottom
    durations, numbers = [bar] * rng.randint(2, 6), []
    if rng.random() < 0.3:
        durations.insert(0, 12 * rng.randint(1, bar // 12))
        numbers = [0]
    numbers += list(range(1, len(durations) + 1 - len(numbers)))
    rows: list[dict] = []
    parts = rng.randint(1, 3)
    for part in range(parts):
        for voice in range(rng.randint(1, 3)):
            rows += [{**row, "part": part, "voice": voice + 1 if given_voices else 0}
                     for row in _random_voice(rng, sum(durations), voice)]  # fmt: skip
    bars = bars_array(durations, number=numbers, meter_numerator=top, meter_denominator=bottom, key=rng.randint(-6, 6))
    return Score(notes_array(rows), bars, tuple(Part(f"Player {i}", rng.choice([0, 40, 56])) for i in range(parts)), 24)


def _random_voice(rng: random.Random, end: int, voice: int) -> list[dict]:
    rows, at, kind = [], 0, rng.choice(["even", "dotted", "triplets", "anything"])
    units = {
        "even": [48, 24, 12, 6],
        "dotted": [36, 18, 12, 9, 6],
        "triplets": [24, 8, 8, 16, 4],
        "anything": list(range(1, 49)),
    }
    while at < end:
        duration = min(rng.choice(units[kind]) * rng.choice([1, 1, 2]), end - at)
        if kind == "triplets" and at % 24:
            duration = min(rng.choice([8 - at % 8, 24 - at % 24]), end - at)
        if rng.random() < 0.8:
            pitch = 3 * rng.randint(13, 26) + voice
            rows += [
                {"onset": at, "duration": duration, "pitch": pitch + 3 * k} for k in range(rng.choice([1, 1, 1, 2, 3]))
            ]
        at += duration
    return rows


def chorale(name: str) -> Score:
    """A score of music21's corpus, by hand, without a reader of ours."""
    import music21

    parsed = music21.corpus.parse(name)
    rows = []
    for i, part in enumerate(parsed.parts):
        for note in part.stripTies().recurse().notes:
            onset, duration = (Fraction(t) * 24 for t in (note.getOffsetInHierarchy(part), note.duration.quarterLength))
            rows += [{"onset": int(onset), "duration": int(duration), "pitch": p.midi, "part": i} for p in note.pitches]
    bars = list(parsed.parts[0].getElementsByClass("Measure"))
    meter, key = (
        parsed.recurse().getElementsByClass("TimeSignature")[0],
        parsed.recurse().getElementsByClass("KeySignature")[0],
    )
    columns = {
        "number": [b.number for b in bars],
        "meter_numerator": meter.numerator,
        "meter_denominator": meter.denominator,
    }
    durations = [int(b.duration.quarterLength * 24) for b in bars]
    parts = tuple(Part(p.partName or "", 52) for p in parsed.parts)
    return Score(notes_array(rows), bars_array(durations, key=key.sharps, **columns), parts, 24, timing="notated")


def _check_all(scores: list[Score], folder) -> None:
    texts = [musicxml_text(s) for s in scores]
    played, log = read_verovio(texts, folder)
    assert log == ""
    assert len(played) == len(scores)
    for score, text, heard in zip(scores, texts, played):
        raw, faults = read_plainly(text)
        assert faults == []
        assert tied(raw) == expected(score)
        assert heard == Counter((onset, duration, pitch) for _, onset, duration, pitch, _, _ in raw)
        read, said = read_music21(text)
        assert said == []
        assert read == expected(score)


# ---------------------------------------------------------------- tests


@given(seed=st.integers(0, 2**32), given_voices=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_bars_are_exactly_full_and_hold_the_same_notes(seed: int, given_voices: bool) -> None:
    score = random_score(seed, given_voices)
    raw, faults = read_plainly(musicxml_text(score))
    assert faults == []
    assert tied(raw) == expected(score)


def test_twelve_load_clean_in_music21_and_verovio(tmp_path) -> None:
    _check_all([random_score(seed, seed % 2 == 1) for seed in range(12)], tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_hundred_load_clean_in_music21_and_verovio(tmp_path) -> None:
    import music21

    names = [n for n in music21.corpus.getComposer("bach") if "bwv" in str(n)][:50]
    scores = [chorale(n) for n in names] + [random_score(seed, seed % 2 == 1) for seed in range(1000, 1150)]
    assert len(scores) == 200
    _check_all(scores, tmp_path)


# ---------------------------------------------------------------- single things


def _tune(pitches: list[int], duration: int = 24, **bars) -> Score:
    notes = notes_array(onset=np.arange(len(pitches)) * duration, duration=duration, pitch=pitches)
    count = -(-len(pitches) * duration // 96)
    return Score(notes, regular_bars(count, 24, **bars), (Part("Flute", 73),), 24)


def _written_notes(score: Score) -> list[ET.Element]:
    return list(ET.fromstring(musicxml_text(score)).iter("note"))


def test_values_ties_and_dots_show_the_beats() -> None:
    notes = notes_array([(0, 12, 60), (12, 48, 62), (60, 36, 64), (96, 84, 65), (180, 12, 67)])
    score = Score(notes, regular_bars(2, 24), (Part("A", 73),), 24)
    told = [
        (n.findtext("type"), len(n.findall("dot")), [t.get("type") for t in n.iter("tie")])
        for n in _written_notes(score)
    ]
    assert told == [
        ("eighth", 0, []),
        ("quarter", 1, ["start"]),
        ("eighth", 0, ["stop"]),
        ("quarter", 1, []),
        ("half", 2, []),
        ("eighth", 0, []),
    ]


@pytest.mark.parametrize(
    ("durations", "ratio", "types"),
    [
        ([8, 8, 8], ("3", "2"), ["eighth"] * 3),
        ([4] * 6, ("6", "4"), ["16th"] * 6),
        ([16, 16, 16], ("3", "2"), ["quarter"] * 3),
        ([32, 32, 32], ("3", "2"), ["half"] * 3),
        ([16, 8], ("3", "2"), ["quarter", "eighth"]),
    ],
)
def test_tuplets_have_their_usual_values(durations: list[int], ratio: tuple[str, str], types: list[str]) -> None:
    onsets = np.cumsum([0, *durations])
    notes = notes_array(onset=onsets[:-1], duration=durations, pitch=60 + np.arange(len(durations)))
    written = [
        n
        for n in _written_notes(Score(notes, regular_bars(1, 24), (Part("A", 73),), 24))
        if n.find("pitch") is not None
    ]
    assert [n.findtext("type") for n in written] == types
    assert {
        (n.findtext("time-modification/actual-notes"), n.findtext("time-modification/normal-notes")) for n in written
    } == {ratio}
    assert [t.get("type") for n in written for t in n.iter("tuplet")] == ["start", "stop"]


def test_quintuplets_on_a_finer_grid_are_kept() -> None:
    notes = notes_array(onset=np.arange(5) * 4, duration=4, pitch=60)
    text = musicxml_text(Score(notes, regular_bars(1, 20), (Part("A", 73),), 20))
    raw, faults = read_plainly(text)
    assert faults == []
    assert [n[2] for n in raw] == [Fraction(1, 5)] * 5
    assert "<actual-notes>5</actual-notes><normal-notes>4</normal-notes>" in text


def test_eighths_are_beamed_by_meter() -> None:
    def beams(score: Score) -> str:
        words = [n.findtext("beam") or "none" for n in _written_notes(score)]
        return "".join({"begin": "[", "continue": "-", "end": "]", "none": "."}[w] for w in words)

    assert beams(_tune([60] * 8, 12)) == "[--][--]"
    assert beams(_tune([60] * 12, 12, numerator=6, denominator=8))[:6] == "[-][-]"


def test_accidentals_follow_key_and_bar() -> None:
    score = _tune([66, 66, 65, 66, 66, 65, 66, 65], key=1)
    notes = score.notes.copy()
    notes["spelling"] = np.where(notes["pitch"] == 66, 6, -1)
    signs = [n.findtext("accidental") or "" for n in _written_notes(score.replace(notes=notes))]
    assert signs == ["", "", "natural", "sharp", "", "natural", "sharp", "natural"]


def test_a_pickup_is_bar_zero_and_implicit() -> None:
    notes = notes_array([(0, 24, 67), (24, 96, 72)])
    score = Score(notes, bars_array([24, 96], number=[0, 1]), (Part("A", 73),), 24)
    bars = list(ET.fromstring(musicxml_text(score)).iter("measure"))
    assert [(b.get("number"), b.get("implicit")) for b in bars] == [("0", "yes"), ("1", None)]


def test_marks_are_written() -> None:
    marks = (
        Mark(0, "dynamic", "mf", 0), Mark(0, "hairpin", "crescendo", 0, end=96), Mark(0, "slur", "", 0, end=48),
        Mark(24, "articulation", "staccato", 0), Mark(72, "fermata", "", 0), Mark(0, "lyric", "Al-", 0),
        Mark(24, "lyric", "le", 0), Mark(0, "chord", "Dm7/F", 0), Mark(96, "repeat", "start"), Mark(192, "repeat", "end"),
        Mark(96, "ending", "1", end=192), Mark(0, "tempo", "Andante =72"), Mark(0, "ornament", "trill", 0),
        Mark(48, "text", "dolce", 0), Mark(96, "jump", "D.C. al Fine"),
    )  # fmt: skip
    text = musicxml_text(_tune([62] * 8).replace(marks=marks))
    root = ET.fromstring(text)
    for path in ("dynamics/mf", "wedge[@type='crescendo']", "wedge[@type='stop']", "slur[@type='start']", "slur[@type='stop']",
                 "articulations/staccato", "fermata", "ornaments/trill-mark", "repeat[@direction='forward']",
                 "repeat[@direction='backward']", "ending[@number='1'][@type='start']", "ending[@type='stop']"):  # fmt: skip
        assert len(root.findall(f".//{path}")) == 1, path
    assert [(e.findtext("syllabic"), e.findtext("text")) for e in root.iter("lyric")] == [
        ("begin", "Al"),
        ("end", "le"),
    ]
    assert [root.findtext(f".//harmony/{p}") for p in ("root/root-step", "kind", "bass/bass-step")] == [
        "D",
        "minor-seventh",
        "F",
    ]
    assert root.find(".//sound[@tempo='72']") is not None
    assert {(e.text or "").strip() for e in root.iter("words")} == {"Andante", "dolce", "D.C. al Fine"}


def test_grace_notes_stand_before_their_note() -> None:
    notes = notes_array([(0, 24, 60), (24, 72, 64)])
    grace = notes_array(onset=[24, 24], duration=0, pitch=[62, 65], grace=True)
    written = _written_notes(Score(np.concatenate([notes, grace]), regular_bars(1, 24), (Part("A", 73),), 24))
    assert [n.find("grace") is not None for n in written] == [False, True, True, False]


def test_piano_music_takes_two_staves_and_clefs() -> None:
    right = notes_array(onset=np.arange(8) * 24, duration=24, pitch=[72, 74, 76, 77, 79, 77, 76, 74])
    left = notes_array(onset=np.arange(4) * 48, duration=48, pitch=[48, 43, 48, 43])
    root = ET.fromstring(
        musicxml_text(Score(np.concatenate([right, left]), regular_bars(2, 24), (Part("Piano", 0),), 24))
    )
    assert root.findtext(".//staves") == "2"
    assert [c.findtext("sign") for c in root.iter("clef")] == ["G", "F"]
    assert Counter(n.findtext("staff") for n in root.iter("note")) == {"1": 8, "2": 4}


def test_drums_are_unpitched_with_their_keys() -> None:
    notes = notes_array(onset=[0, 24, 48, 72], duration=24, pitch=[36, 42, 38, 42])
    root = ET.fromstring(musicxml_text(Score(notes, regular_bars(1, 24), (Part("Kit", 0, True),), 24)))
    keys = {e.get("id"): int(e.findtext("midi-unpitched") or 0) - 1 for e in root.iter("midi-instrument")}
    assert [keys[n.find("instrument").get("id")] for n in root.iter("note")] == [36, 42, 38, 42]
    assert root.findtext(".//clef/sign") == "percussion"


def test_more_than_four_lines_are_cut_but_bars_stay_full() -> None:
    notes = notes_array(onset=np.arange(12) * 6, duration=96, pitch=50 + 3 * np.arange(12))
    raw, faults = read_plainly(musicxml_text(Score(notes, regular_bars(2, 24), (Part("A", 73),), 24)))
    assert faults == []
    assert sorted(n[3] for n in raw if not n[4]) == [50 + 3 * i for i in range(12)]


def test_off_grid_times_are_rounded_to_a_24th() -> None:
    rng = np.random.default_rng(0)
    notes = notes_array(
        onset=np.sort(rng.integers(0, 1900, 40)), duration=rng.integers(1, 700, 40), pitch=rng.integers(40, 80, 40)
    )
    raw, faults = read_plainly(
        musicxml_text(Score(notes, regular_bars(2, 480), (Part("A", 73),), 480, timing="performed"))
    )
    assert faults == []
    assert all((n[1] * 24).denominator == (n[2] * 24).denominator == 1 for n in raw)


def test_same_score_same_bytes_and_mxl_holds_the_same_document(tmp_path) -> None:
    score = _tune([60, 62, 64, 65]).replace(metadata={"title": "A & B", "composer": "Nobody"})
    for name in ("a.musicxml", "b.musicxml", "a.mxl", "b.mxl"):
        write_musicxml(score, tmp_path / name, record={"seed": 7})
    assert (tmp_path / "a.musicxml").read_bytes() == (tmp_path / "b.musicxml").read_bytes()
    assert (tmp_path / "a.mxl").read_bytes() == (tmp_path / "b.mxl").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.mxl") as archive:
        assert archive.read("score.musicxml") == (tmp_path / "a.musicxml").read_bytes()
        assert b"score.musicxml" in archive.read("META-INF/container.xml")
    root = ET.parse(tmp_path / "a.musicxml").getroot()
    assert root.findtext("work/work-title") == "A & B"
    told = [e.text or "" for e in root.iterfind("identification/encoding/encoding-description")]
    assert told == ['zhiyin:{"seed":7}']


def test_an_unwritable_place_is_said(tmp_path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_musicxml(_tune([60]), tmp_path)


@pytest.mark.parametrize(
    ("meter", "mark"),
    [((4, 4), ("quarter", 0, 120)), ((2, 1), ("whole", 0, 30)), ((2, 2), ("half", 0, 60)), ((6, 8), ("quarter", 1, 80)),
     ((6, 4), ("half", 1, 40)), ((5, 8), ("quarter", 0, 120)), ((9, 16), ("eighth", 1, 160))],
)  # fmt: skip
def test_the_metronome_counts_the_beat_of_the_meter(meter: tuple[int, int], mark: tuple[str, int, int]) -> None:
    bars = regular_bars(1, 24, *meter, tempo_qpm=120)
    root = ET.fromstring(
        musicxml_text(Score(notes_array([(0, 24, 60)]), bars, (Part("A", 73),), 24, (Mark(0, "tempo", "Moderato"),)))
    )
    sign = root.find(".//metronome")
    found = (sign.findtext("beat-unit"), len(sign.findall("beat-unit-dot")), int(sign.findtext("per-minute")))
    assert found == mark
    assert root.find(".//sound").get("tempo") == "120"


def test_a_meter_of_thirds_has_a_beat_too() -> None:
    assert Meter(4, 3).beat == ("quarter", 0, 1.0)


@pytest.mark.parametrize(("program", "pitch", "sign"), [(42, 62, "F"), (42, 76, "G"), (40, 62, "G"), (73, 50, "F")])
def test_low_instruments_keep_the_bass_clef(program: int, pitch: int, sign: str) -> None:
    root = ET.fromstring(
        musicxml_text(Score(notes_array([(0, 96, pitch)]), regular_bars(1, 24), (Part("A", program),), 24))
    )
    assert root.findtext(".//clef/sign") == sign
