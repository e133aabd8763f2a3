"""Infill as a user calls it: a MIDI file comes back with only the asked bars changed, tick for tick; what cannot be is said."""

from pathlib import Path

import numpy as np
import pytest
import symusic

from fake_step import FakeGraph
from music import tune
from test_plan_words import MANIFEST
from zhiyin.errors import ControlError, InputError
from zhiyin.formats.catalog import load, save
from zhiyin.formats.midi_bytes import chunks
from zhiyin.formats.midi_splice import _walk
from zhiyin.formats.recorded import record_inside
from zhiyin.inference.edit import EditOptions
from zhiyin.inference.infill import infill
from zhiyin.inference.sampler import Sampler
from zhiyin.inference.session import StepSession
from zhiyin.provenance.package import Package
from zhiyin.score import Part, Score, bars_array, notes_array, regular_bars

PACKAGE = Package(Path("nowhere"), {**MANIFEST, "name": "stand-in", "files": {}, "sizes": {"window": 256}}, "0" * 64)
ONE = EditOptions(takes=1, candidates=1)


def fill(source, span="5-8", **changes):
    graph = FakeGraph(window=256, stay=3.0)
    options = changes.pop("options", ONE)
    return infill(source, span, model=PACKAGE, sampler=Sampler(session=StepSession(graph, 256)), seed=3, options=options, **changes)


def played(path):
    """All notes of a MIDI file with velocities, as another program reads them."""
    return sorted(
        (n.time, n.duration, n.pitch, n.velocity, t.name) for t in symusic.Score(str(path)).tracks for n in t.notes
    )


def other_events(data):
    """All events of a MIDI file that are no notes and not our record, chunk by chunk."""
    return [
        [(tick, e) for tick, e in _walk(data, *place).events if e[0] & 0xF0 not in (0x80, 0x90) and not e.startswith(b"\xff\x01")]
        for place in chunks(data)
    ]


@pytest.fixture
def midi(tmp_path):
    """A file with uneven ticks, velocities, controllers, bends, lyrics and running status."""
    rng = np.random.default_rng(2)
    score = tune(parts=2, ticks=480)
    notes = score.notes.copy()
    notes["onset"] += rng.integers(0, 9, len(notes)).astype(np.int32)
    notes["velocity"] = rng.integers(30, 110, len(notes))
    save(score.replace(notes=notes, timing="performed"), tmp_path / "plain.mid")
    raw = symusic.Score(str(tmp_path / "plain.mid"))
    for i in range(60):
        raw.tracks[0].controls.append(symusic.ControlChange(i * 131, 64, 127 * (i % 2)))
        raw.tracks[1].pitch_bends.append(symusic.PitchBend(i * 97, i * 10))
    raw.tracks[0].lyrics.append(symusic.TextMeta(500, "la"))
    raw.dump_midi(str(tmp_path / "tune.mid"))
    return tmp_path / "tune.mid"


@pytest.mark.parametrize("parts", [(), ("Part 2",)])
def test_notes_outside_the_span_keep_ticks_and_velocities(midi, tmp_path, parts):
    made = fill(midi, parts=parts)
    out = save(made, tmp_path / "out.mid")
    before, after = played(midi), played(out)
    begin, end = 4 * 1920, 8 * 1920
    outside = [n for n in before if not begin <= n[0] < end or (parts and n[4] != "Part 2")]
    assert outside and set(outside) <= set(after)
    assert [n for n in after if not begin <= n[0] < end] == [n for n in before if not begin <= n[0] < end]
    new = [n for n in after if begin <= n[0] < end and n not in before]
    assert new and all(n[0] + n[1] <= end for n in new)
    assert other_events(midi.read_bytes()) == other_events(out.read_bytes()), "controllers, bends, texts as they were"


def test_the_record_tells_what_was_edited(midi, tmp_path):
    out = save(fill(midi), tmp_path / "out.mid")
    record = record_inside(out)
    assert (record["verb"], record["settings"]["span"], record["settings"]["seed"]) == ("infill", "5-8", 3)
    assert record["inputs"][0]["name"] == "tune.mid" and len(record["inputs"][0]["sha256"]) == 64
    again = fill(out, "9-10")
    twice = save(again, tmp_path / "twice.mid")
    assert record_inside(twice)["settings"]["span"] == "9-10", "the older record is replaced"
    assert record_inside(twice)["inputs"][0]["record"]["verb"] == "infill"


def test_takes_are_kept_by_pick(midi):
    best = fill(midi, options=EditOptions(takes=2, candidates=5))
    wide = fill(midi, options=EditOptions(takes=2, candidates=5, pick="diverse"))
    assert best.pieces[0].report["take"] == wide.pieces[0].report["take"]
    assert len({p.report["take"] for p in wide.pieces}) == 2
    with pytest.raises(ControlError, match=r"Unknown way to pick takes. Expected best or diverse. Received 'worst'"):
        fill(midi, options=EditOptions(pick="worst"))


def test_constraints_hold_in_the_new_bars(midi):
    made = fill(midi, scale="C major pentatonic", ranges=["Part 1=C5..E6"])
    old = set(map(tuple, load(midi).notes[["onset", "pitch", "part"]].tolist()))
    new = [n for n in made.score.notes[["onset", "pitch", "part"]].tolist() if tuple(n) not in old]
    assert new and {p % 12 for _, p, _ in new} <= {0, 2, 4, 7, 9}
    assert all(72 <= p <= 88 for _, p, part in new if part == 0)
    with pytest.raises(ControlError, match=r"The scale and the range cannot be met together"):
        fill(midi, scale="C major pentatonic", ranges=["Part 1=F4..F4"])


def test_meter_changes_and_upbeats_keep_their_bars():
    lengths = [480, 1920, 1440, 1440, 1920, 1920]
    table = bars_array(lengths, number=np.arange(6), key=0, mode=0, meter_numerator=[4, 4, 3, 3, 4, 4], meter_denominator=4)
    onset = np.arange(sum(lengths) // 480) * 480
    score = Score(notes_array(onset=onset, duration=480, pitch=60 + onset // 480 % 8, velocity=70), table, (Part("Flute", 73),), 480)
    for span, first, end in (("1-3", 480, 480 + 1920 + 2880), ("0", 0, 480)):
        made = fill(score, span).score
        assert made.bars.tolist() == score.bars.tolist()
        inside = (made.notes["onset"] >= first) & (made.notes["onset"] < end)
        assert inside.any() and (made.notes["onset"] + made.notes["duration"])[inside].max() <= end
        outside = (score.notes["onset"] < first) | (score.notes["onset"] >= end)
        assert made.notes[~inside][["onset", "pitch"]].tolist() == score.notes[outside][["onset", "pitch"]].tolist()
    with pytest.raises(ControlError, match=r"lies outside the piece. Expected bars 0 to 5 \(bar 0 is the upbeat\). Received 6"):
        fill(score, "6")


def test_what_cannot_be_edited_is_said(midi):
    with pytest.raises(ControlError, match=r"The span lies outside the piece. Expected bars 1 to 17. Received 15-20"):
        fill(midi, "15-20")
    with pytest.raises(ControlError, match=r"There is no part 'Tuba'. Expected one of Part 1, Part 2"):
        fill(midi, parts=["Tuba"])
    with pytest.raises(ControlError, match=r"'H4' is not a pitch"):
        fill(midi, ranges=["Part 1=H4..A5"])
    empty = Score(notes_array([]), regular_bars(2, 24), (Part(),), 24)
    with pytest.raises(InputError, match=r"Nothing to edit. Expected a score with notes. Received 0 notes"):
        fill(empty)


def test_lines_keep_within_an_octave_of_their_neighbours():
    from zhiyin.inference.seams import leap_at, seams

    score = tune(parts=2)
    for seed in range(3):
        graph = FakeGraph(window=256, stay=3.0, seed=seed)
        made = infill(score, "5-8", model=PACKAGE, sampler=Sampler(session=StepSession(graph, 256)), seed=seed, options=ONE)
        cells = np.zeros((16, 2), dtype=bool)
        cells[4:8] = True
        found = seams(score, made.score, cells)
        assert found and not any(s.wide for s in found)
    far = score.notes.copy()
    far["pitch"][(score.bar_of(far["onset"]) == 4) & (far["part"] == 0)] += 24
    wide = score.replace(notes=far)
    assert abs(leap_at(wide, 0, 4)) > 12 and seams(wide, wide, cells)[0].allowed > 12, "the original may leap"


def test_signs_come_as_densely_as_around():
    from zhiyin.inference.dressing import dress
    from zhiyin.score import Mark

    score = tune(parts=1)
    notes = score.notes
    bars = score.bar_of(notes["onset"])
    cells = np.zeros((16, 1), dtype=bool)
    cells[6:10] = True
    eighths = notes["onset"][(notes["duration"] == 240) & ~np.isin(bars, range(6, 10))]
    slurs = [Mark(int(score.bars["onset"][b]), "slur", "", 0, end=int(notes["onset"][bars == b][-1])) for b in (2, 4, 11, 13)]
    score = score.replace(marks=(*score.marks, *(Mark(int(o), "articulation", "staccato", 0) for o in eighths), *slurs))
    found = dress(score, cells, np.isin(bars, range(6, 10)))
    new = notes[np.isin(bars, range(6, 10))]
    assert {m.onset for m in found if m.kind == "articulation"} == set(new["onset"][new["duration"] == 240].tolist())
    slurred = [m for m in found if m.kind == "slur"]
    assert slurred and all(m.onset < m.end and cells[score.bar_of(m.onset), 0] and cells[score.bar_of(m.end), 0] for m in slurred)
    assert dress(score.replace(timing="performed"), cells, np.isin(bars, range(6, 10))) == ()
