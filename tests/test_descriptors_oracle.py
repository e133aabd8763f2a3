"""Descriptors beside music21 (chords, ambitus, pitch classes, its port of jSymbolic) where the definitions agree."""

from collections import Counter

import numpy as np
import pytest

from zhiyin.formats.catalog import load
from zhiyin.measures.descriptors import NAMES, describe
from zhiyin.measures.key import find_key
from zhiyin.measures.sonority import KIND_OF, KINDS, interval_classes, kinds
from zhiyin.score import Part, Score

music21 = pytest.importorskip("music21")
CHORALES = ("bwv66.6", "bwv269", "bwv40.6", "bwv7.7", "bwv114.7", "bwv48.7")
# Forte's classes (with inversion) of the chords that have a name; the rest by the number of pitch classes
FORTE = {
    "3-11B": "major", "3-11A": "minor", "3-10": "diminished", "3-12": "augmented", "3-9": "suspended", "4-27B": "dominant_seventh",
    "4-20": "major_seventh", "4-26": "minor_seventh", "4-27A": "half_diminished", "4-28": "diminished_seventh",
    "2-1": "second", "2-2": "second", "2-3": "third", "2-4": "third", "2-5": "fifth", "2-6": "tritone",
}  # fmt: skip


@pytest.fixture(scope="module")
def pairs():
    """(our score, music21's with ties stripped, music21's as it is) of each chorale."""
    found = []
    for name in CHORALES:
        path = music21.corpus.getWork(f"bach/{name}")
        theirs = music21.corpus.parse(f"bach/{name}")
        found.append((load(path), theirs.stripTies(), theirs))
    assert len(found) == len(CHORALES)
    return found


def said(score: Score) -> dict[str, float]:
    return dict(zip(NAMES, describe(score).tolist()))


def kind_of(pitches: list[int]) -> str:
    classes = {p % 12 for p in pitches}
    chord = music21.chord.Chord(sorted(classes))
    size = ("", "single", "", "three", "four")[len(classes)] if len(classes) < 5 else "five"
    return FORTE.get(chord.forteClass, size)


def test_sets_of_pitch_classes_have_the_names_of_their_forte_classes():
    """All sets of up to four pitch classes on C, a sample of the larger; music21 takes minutes for all 4,096."""
    kind, _ = kinds()
    small = [bits for bits in range(1, 4096, 2) if bits.bit_count() <= 4]
    large = [bits for bits in range(1, 4096, 2) if bits.bit_count() > 4][::40]
    assert len(small) == 232 and len(large) > 40
    for bits in small + large:
        classes = [d for d in range(12) if bits >> d & 1]
        assert KINDS[kind[bits]][0] == kind_of(classes), classes
        assert interval_classes()[bits].tolist() == list(music21.chord.Chord(classes).intervalVector), classes


def test_the_tables_of_sets_turn_with_transposition():
    kind, root = kinds()
    bits = np.arange(4096)
    up = (bits << 1 | bits >> 11) & 4095
    assert (kind[up] == kind).all() and (interval_classes()[up] == interval_classes()).all()
    assert (root[up] == np.where(root >= 0, (root + 1) % 12, -1)).all()
    assert (root >= 0).sum() == 12 * 7


def test_sonorities_are_chordify_s(pairs):
    for ours, _, theirs in pairs:  # after stripTies, chordify adds notes of its own
        time: Counter[str] = Counter()
        for chord in theirs.chordify().recurse().getElementsByClass("Chord"):
            time[kind_of([p.midi for p in chord.pitches])] += float(chord.quarterLength)
        values = said(ours)
        assert sum(time.values()) > 20
        for name in KIND_OF:
            assert values[f"sonority_{name}"] == pytest.approx(time[name] / sum(time.values()), abs=1e-5), name


def test_pitch_classes_range_and_pitches(pairs):
    for ours, theirs, _ in pairs:
        tonic, values = find_key(ours).tonic, said(ours)
        notes = list(theirs.flatten().notes)
        time = np.zeros(12)
        for note in notes:
            time[(note.pitch.midi - tonic) % 12] += float(note.quarterLength)
        degrees = [values[n] for n in NAMES if n.startswith("degree_")]
        np.testing.assert_allclose(degrees, time / time.sum(), atol=1e-5)
        assert values["range"] == theirs.analyze("ambitus").semitones
        assert values["pitches"] == len({n.pitch.midi for n in notes})
        assert values["pitch_mean"] == pytest.approx(np.mean([n.pitch.midi for n in notes]), abs=1e-4)


def test_a_line_agrees_with_music21_s_jsymbolic(pairs):
    features = music21.features.jSymbolic
    for ours, theirs, _ in pairs:
        notes = ours.notes[ours.notes["part"] == 0].copy()
        values = said(ours.replace(notes=notes, parts=(Part(),)))
        soprano = theirs.parts[0]

        def theirs_is(name: str, soprano=soprano) -> float:
            return getattr(features, name)(soprano).extract().vector[0]

        assert values["melody_stepwise"] == pytest.approx(theirs_is("StepwiseMotionFeature"), abs=1e-5)
        assert values["melody_chordal"] == pytest.approx(theirs_is("AmountOfArpeggiationFeature"), abs=1e-5)
        assert values["melody_rising"] == pytest.approx(theirs_is("DirectionOfMotionFeature"), abs=1e-5)
        assert values["melody_interval_unison"] == pytest.approx(theirs_is("RepeatedNotesFeature"), abs=1e-5)
        assert values["melody_interval_semitone"] == pytest.approx(theirs_is("ChromaticMotionFeature"), abs=1e-5)
        assert values["melody_interval_mean"] == pytest.approx(theirs_is("AverageMelodicIntervalFeature"), abs=1e-5)
        assert values["range"] == theirs_is("RangeFeature")
        assert values["top_degrees_ratio"] > 0


def test_durations_and_parts(pairs):
    for ours, theirs, _ in pairs:
        values = said(ours)
        lengths = [float(n.quarterLength) for n in theirs.flatten().notes]
        assert values["parts"] == len(theirs.parts) == 4
        assert values["duration_mean"] == pytest.approx(np.mean(lengths), abs=1e-4)
        assert values["duration_one"] == pytest.approx(lengths.count(1.0) / len(lengths), abs=1e-4)
        assert values["duration_half"] == pytest.approx(lengths.count(0.5) / len(lengths), abs=1e-4)
