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
from zhiyin.score.score import Mark, Part, Score, bars_array, notes_array, regular_bars

METERS = [(4, 4), (3, 4), (2, 4), (6, 8), (9, 8), (12, 8), (3, 8), (2, 2), (5, 4), (7, 8), (5, 8), (3, 2), (6, 4), (4, 8)]
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
    done = subprocess.run([sys.executable, "-c", _VEROVIO, *names], capture_output=True, text=True, timeout=250, check=True)
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
    units = {"even": [48, 24, 12, 6], "dotted": [36, 18, 12, 9, 6], "triplets": [24, 8, 8, 16, 4], "anything": list(range(1, 49))}
    while at < end:
        duration = min(rng.choice(units[kind]) * rng.choice([1, 1, 2]), end - at)
        if kind == "triplets" and at % 24:
            duration = min(rng.choice([8 - at % 8, 24 - at % 24]), end - at)
        if rng.random() < 0.8:
            pitch = 3 * rng.randint(13, 26) + voice
            rows += [{"onset": at, "duration": duration, "pitch": pitch + 3 * k} for k in range(rng.choice([1, 1, 1, 2, 3]))]
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
    meter, key = parsed.recurse().getElementsByClass("TimeSignature")[0], parsed.recurse().getElementsByClass("KeySignature")[0]
    columns = {"number": [b.number for b in bars], "meter_numerator": meter.numerator, "meter_denominator": meter.denominator}
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
def test_two_hundred_load_clean_in_music21_and_verovio(tmp_path) -> None:
    import music21

    names = [n for n in music21.corpus.getComposer("bach") if "bwv" in str(n)][:50]
    scores = [chorale(n) for n in names] + [random_score(seed, seed % 2 == 1) for seed in range(1000, 1150)]
    assert len(scores) == 200
    _check_all(scores, tmp_path)
