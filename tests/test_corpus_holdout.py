import numpy as np
import pytest

from zhiyin.corpus.holdout import HOLDOUT_FILE, chorales, reason_held_out, reason_not_clean
from zhiyin.errors import CorpusError
from zhiyin.provenance.fingerprint import piece_prints

NOTHING = np.zeros(0, dtype=np.uint64)


def chorale_prints(name: str, transpose: int = 0, stretch: int = 1) -> np.ndarray:
    """Fingerprints of a chorale of music21's corpus, its four voices as notes."""
    corpus = pytest.importorskip("music21.corpus")
    rows = []
    for part in corpus.parse(name).parts[:4]:
        for note in part.stripTies().flatten().notes:
            onset, duration = float(note.offset) * 24 * stretch, float(note.duration.quarterLength) * 24 * stretch
            rows += [(round(onset), round(duration), p.midi + transpose) for p in note.pitches]
    onset, duration, pitch = np.array(rows).T
    return np.unique(piece_prints(onset, duration, pitch).hashes)


def test_the_list_is_committed_small_and_full():
    listed = chorales()
    assert HOLDOUT_FILE.stat().st_size <= 200_000
    assert len(listed.names) >= 780
    assert sum(name.startswith("JSB ") for name in listed.names) == 382
    assert (np.diff(listed.hashes.astype(np.int64)) >= 0).all()


@pytest.mark.parametrize("name", ["bach/bwv269", "bach/bwv66.6", "bach/bwv227.1"])
def test_a_chorale_is_known_in_any_key_and_any_note_value(name):
    for transpose, stretch in ((0, 1), (3, 1), (-5, 2)):
        prints = chorale_prints(name, transpose, stretch)
        assert "outer lines" in reason_held_out({"composer": "somebody"}, prints)


def test_other_music_is_not_taken_for_a_chorale():
    rng = np.random.default_rng(0)
    for _ in range(50):
        onset = np.cumsum(rng.choice([6, 12, 24], 400))
        prints = piece_prints(onset, np.full(400, 6), 60 + np.cumsum(rng.choice([-2, -1, 1, 2], 400))).hashes
        assert reason_held_out({"title": "Mazurka"}, np.unique(prints)) == ""


def test_madrigals_by_monteverdi_are_not_chorales():
    assert reason_held_out({"composer": "Monteverdi"}, chorale_prints("monteverdi/madrigal.3.1.rntxt")[:0]) == ""
    assert chorales().match(chorale_prints("palestrina/Agnus_01")) == ""


@pytest.mark.parametrize(
    ("title", "held"),
    [
        ("Aus meines Herzens Grunde (Chorale 1)", True),
        ("Christ lag in Todesbanden, BWV 277", True),
        ("Matthäus Passion, Choral 'O Haupt voll Blut'", True),
        ("Das Wohltemperierte Clavier I, Fuga I", False),
        ("Praeludium 15 - BWV 860", False),
        ("Chorale prelude 'Wer nur den lieben Gott'", False),
    ],
)
def test_words_name_chorales_by_bach(title, held):
    assert bool(reason_held_out({"composer": "BachJS", "title": title}, NOTHING)) == held
    assert reason_held_out({"composer": "RegerM", "title": title}, NOTHING) == ""


def test_four_voices_by_bach_are_held():
    labels = {"composer": "BachJS", "title": "28. Nun komm, der Heiden Heiland.", "instrument": "Voice (SATB)"}
    assert reason_held_out(labels, NOTHING) == "a four-part vocal setting by Bach"
    psalm = labels | {"title": "Lobet den Herrn, alle Heiden (Psalm 117)"}
    assert reason_held_out(psalm, NOTHING) == ""


@pytest.mark.parametrize(
    ("labels", "held"),
    [
        ({"composer": "Haydn, Joseph", "genre": "string quartet"}, True),
        ({"composer": "MozartWA", "genre": "Classical", "instrument": "String Quartet"}, True),
        ({"composer": "Haydn, Joseph", "instrument": "1 cello 1 viola 2 violn"}, True),
        ({"composer": "Haydn, Joseph", "genre": "Sacred; Mass"}, False),
        ({"composer": "Mayer, Emilie", "genre": "string quartet"}, False),
    ],
)
def test_quartets_of_the_composer_benchmark_can_be_left_out(labels, held):
    assert bool(reason_not_clean(labels, "haydn-mozart")) == held


def test_an_unknown_benchmark_is_an_error():
    with pytest.raises(CorpusError, match=r"Unknown benchmark 'haydn'. Expected 'haydn-mozart'"):
        reason_not_clean({}, "haydn")
