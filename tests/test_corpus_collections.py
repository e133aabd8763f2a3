"""The contract of every collection: papers, and pieces listed from a small folder laid out like the real one."""

from pathlib import Path

import numpy as np
import pytest

from zhiyin.corpus.collections.catalog import COLLECTIONS, collection
from zhiyin.corpus.collections.cre_irish import FIDDLE
from zhiyin.corpus.repairs import (
    CHOIR,
    forget_flat_velocity,
    joined_staves,
    named_programs,
    pull_late_onsets,
    without_empty_parts,
)
from zhiyin.corpus.source import PieceSource
from zhiyin.errors import CorpusError
from zhiyin.provenance.licences import terms_of
from zhiyin.score.score import Mark, Part, Score, notes_array, regular_bars

NAMES = sorted(COLLECTIONS)
FILES = {
    "polish-scores": {
        "polish_scores/pl-cz/kern/pl-cz--iii-564--001-002_raszek--missa-gloria.krn": "!!!COM: Raszek, Wacław\n"
        "!!!AGN: Sacred; Mass\n!!!OTL: Gloria\n!!!SMS-shelfwork: 001-002 M\n**kern\n*-\n",
        "polish_scores/pl-cz/kern/pl-cz--iii-564--001-003_raszek--missa-credo.krn": "!!!OTL: Credo\n"
        "!!!SMS-shelfwork: 001-003 M\n",
        "polish_scores/pl-cz/kern/pl-cz--iii-565--004_x.krn": "!!!OTL: Mazur\n!!!SMS-shelfwork: 004 W\n",
    },
    "chopin-first-editions": {
        "chopin_fe/kern/007-1-KI-001.krn": "!!!AGN: Mazurka\n!!!OTL: Mazurka No. 1\n",
        "chopin_fe/kern/007-1-Sm-001.krn": "!!!AGN: Mazurka\n",
        "chopin_fe/kern/008-1-Sm-002-piano.krn": "!!!AGN: Trio\n",
        "chopin_fe/kern/010_1-6-1b-KI-005.krn": "!!!AGN: Etude\n",
    },
    "openscore-lieder": {
        "openscore_lieder/scores/Bizet,_Georges/20_Mélodies,_Op.21/11_Berceuse/lc1.mxl": "x",
        "openscore_lieder/scores/Bizet,_Georges/_/Ouvre/lc2.mxl": "x",
        "openscore_lieder/data/composers.tsv": "id\tpath\tgender\tborn\tdesc\n"
        "1\tBizet,_Georges\tMale\t1838\tFrench composer\n",
    },
    "openscore-quartets": {"openscore_quartets/scores/Haydn,_Joseph/Quartet_Op.1/sq1.mxl": "x"},
    "mutopia-open": {
        "mutopia_open/manifest.tsv": "file\tid\tlicence\tstyle\tcomposer\tinstrument\ttitle\tsource\n"
        "a_00.mid\t2004/1\tPD\tHymn\tX\tVoice\tToplady\t\na_01.mid\t2004/1\tCC-BY\t\tY\t\tOther\t\n",
        "mutopia_open/midi/a_00.mid": "x",
        "mutopia_open/midi/a_01.mid": "x",
    },
    "groove": {
        "groove/groove/info.csv": "drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,audio_filename,"
        "duration,split\n"
        "d1,s,d1/s/1,funk/groove1,138,beat,4-4,d1/1.mid,,27.8,validation\n",
        "groove/groove/d1/1.mid": "x",
    },
    "cre-irish": {
        "cre_irish/cre_corpus/MIDI/McGovernsFavoritereel.mid": "x",
        "cre_irish/cre_corpus/MIDI/MooneysReel1.mid": "x",
        "cre_irish/cre_corpus/MIDI/MooneysReel2.mid": "x",
        "cre_irish/cre_corpus/roots.csv": ",root\nMcGovernsFavoritereel,9\n",
    },
}  # fmt: skip


def laid_out(name: str, root: Path) -> Path:
    for relative, text in FILES[name].items():
        (root / relative).parent.mkdir(parents=True, exist_ok=True)
        (root / relative).write_text(text, encoding="utf-8")
    return root


def test_the_seven_collections_are_there():
    assert len(COLLECTIONS) == 7
    with pytest.raises(CorpusError, match=r"Unknown collection 'mutopia'. Expected 'mutopia-open'"):
        collection("mutopia")


@pytest.mark.parametrize("name", NAMES)
def test_papers_are_in_order(name):
    found = COLLECTIONS[name]
    assert found.name == name
    assert terms_of(found.licence).open
    assert found.source.startswith("https://")
    assert found.attribution
    assert found.citation
    assert found.archive == f"{name}.tar.zst"
    assert len(found.sha256) == 64


@pytest.mark.parametrize("name", NAMES)
def test_pieces_are_listed_with_what_the_table_needs(name, tmp_path):
    listed = list(COLLECTIONS[name].pieces(laid_out(name, tmp_path)))
    scores = [f for f in FILES[name] if f.endswith((".krn", ".mid", ".mxl"))]
    assert sorted(s.path.as_posix() for s in listed) == sorted(scores)
    for source in listed:
        assert (tmp_path / source.path).is_file()
        assert source.work
        assert all(source.labels.values())
        assert 0 < source.weight <= 1
        assert source.split in {"", "train", "valid", "test"}
        if source.licence:
            assert terms_of(source.licence).open


def test_movements_of_a_mass_share_a_work(tmp_path):
    listed = list(COLLECTIONS["polish-scores"].pieces(laid_out("polish-scores", tmp_path)))
    assert [s.work for s in listed] == ["pl-cz--iii-564--001", "pl-cz--iii-564--001", "pl-cz--iii-565--004"]
    assert listed[0].labels == {"genre": "Sacred; Mass", "title": "Gloria", "composer": "Raszek, Wacław"}


def test_editions_of_a_work_share_its_weight(tmp_path):
    listed = {
        s.path.stem: s for s in COLLECTIONS["chopin-first-editions"].pieces(laid_out("chopin-first-editions", tmp_path))
    }
    assert listed["007-1-KI-001"].work == listed["007-1-Sm-001"].work == "chopin-op7-1"
    assert listed["007-1-KI-001"].weight == 0.5
    assert listed["008-1-Sm-002-piano"].work == "chopin-op8-2"
    assert listed["010_1-6-1b-KI-005"].work == "chopin-op10-5"


def test_labels_of_songs_tunes_and_grooves(tmp_path):
    song = next(
        s
        for s in COLLECTIONS["openscore-lieder"].pieces(laid_out("openscore-lieder", tmp_path / "a"))
        if "lc1" in s.path.name
    )
    assert song.labels["set"] == "20 Mélodies, Op.21"
    assert (song.labels["composer"], song.labels["born"], song.labels["nation"]) == ("Bizet, Georges", "1838", "French")
    tunes = list(COLLECTIONS["cre-irish"].pieces(laid_out("cre-irish", tmp_path / "b")))
    assert tunes[0].labels == {"title": "Mc Governs Favoritereel", "instrument": "melody", "root": "9", "genre": "reel"}
    assert tunes[1].work == tunes[2].work
    groove = next(iter(COLLECTIONS["groove"].pieces(laid_out("groove", tmp_path / "c"))))
    assert (groove.split, groove.labels["genre"]) == ("valid", "funk")


def test_tables_that_are_missing_are_named(tmp_path):
    with pytest.raises(CorpusError, match=r"Mutopia collection has no manifest. Expected a manifest.tsv"):
        list(COLLECTIONS["mutopia-open"].pieces(tmp_path))
    with pytest.raises(CorpusError, match=r"Groove collection has no table. Expected an info.csv"):
        list(COLLECTIONS["groove"].pieces(tmp_path))


def score(parts, notes, *, marks=(), numerator=4, denominator=4, tpq=480):
    bars = regular_bars(4, tpq, numerator, denominator)
    return Score(notes_array(**notes), bars, tuple(parts), tpq, marks=tuple(marks))


def test_the_converters_late_tick_is_pulled_back():
    fixed = pull_late_onsets(score([Part()], {"onset": [1, 241, 480], "duration": [239, 239, 240], "pitch": 60}))
    assert fixed.notes["onset"].tolist() == [0, 240, 480]
    assert (fixed.notes["onset"] + fixed.notes["duration"]).tolist() == [240, 480, 720]


def test_a_tune_without_a_name_gets_its_meters_dance_and_a_fiddle():
    tune = score(
        [Part()], {"onset": [1, 241], "duration": 239, "pitch": [62, 64], "velocity": 80}, numerator=9, denominator=8
    )
    fixed, labels = COLLECTIONS["cre-irish"].prepare(tune, PieceSource(Path("x.mid"), "x", {"title": "x"}))
    assert labels["genre"] == "slip jig"
    assert fixed.parts[0].program == FIDDLE
    assert fixed.notes["velocity"].tolist() == [0, 0]
    _, labels = COLLECTIONS["cre-irish"].prepare(tune, PieceSource(Path("x.mid"), "x", {"genre": "reel"}))
    assert labels["genre"] == "reel"


def test_flat_velocities_are_unknown_and_played_ones_stay():
    flat = score([Part()], {"onset": [0, 1, 2, 3], "duration": 9, "pitch": 60, "velocity": [90, 90, 100, 110]})
    assert not forget_flat_velocity(flat).notes["velocity"].any()
    played = score([Part()], {"onset": [0, 1, 2, 3], "duration": 9, "pitch": 60, "velocity": [90, 91, 92, 93]})
    assert forget_flat_velocity(played).notes["velocity"].tolist() == [90, 91, 92, 93]


def test_empty_parts_go_with_their_marks():
    parts = [Part("a"), Part("b"), Part("c")]
    marks = [Mark(0, "dynamic", "p", part=1), Mark(0, "dynamic", "f", part=2), Mark(0, "text", "x")]
    kept = without_empty_parts(score(parts, {"onset": [0, 5], "duration": 5, "pitch": 60, "part": [0, 2]}, marks=marks))
    assert [p.name for p in kept.parts] == ["a", "c"]
    assert kept.notes["part"].tolist() == [0, 1]
    assert [(m.kind, m.part) for m in kept.marks] == [("text", -1), ("dynamic", 1)]


def test_parts_are_named_by_words_and_names():
    parts = [Part("S", 68), Part("Cornu Primo"), Part("Basso", 52), Part("Violino 2do"), Part("Fortepian")]
    notes = {"onset": range(5), "duration": 9, "pitch": 60, "part": range(5)}
    sung = named_programs(score(parts, notes, marks=[Mark(0, "lyric", "la", part=0)]))
    assert [p.program for p in sung.parts] == [CHOIR, 60, CHOIR, 40, 0]
    band = named_programs(
        score([Part("Violino", 40), Part("Basso", 52)], {"onset": [0, 1], "duration": 9, "pitch": 60, "part": [0, 1]})
    )
    assert [p.program for p in band.parts] == [40, 43]


def test_a_pianos_two_parts_become_staves_of_one():
    parts = [Part("Voice", 52), Part("right"), Part("left"), Part("Violin", 40)]
    notes = {"onset": range(4), "duration": 9, "pitch": 60, "part": range(4)}
    joined = joined_staves(score(parts, notes, marks=[Mark(0, "dynamic", "p", part=3)]))
    assert [p.program for p in joined.parts] == [52, 0, 40]
    assert joined.notes["part"].tolist() == [0, 1, 1, 2]
    assert joined.notes["staff"].tolist() == [0, 1, 2, 0]
    assert joined.marks[0].part == 2
    sung = score(
        [Part("a"), Part("b")],
        {"onset": [0, 1], "duration": 9, "pitch": 60, "part": [0, 1]},
        marks=[Mark(0, "lyric", "la", part=1)],
    )
    assert len(joined_staves(sung).parts) == 2
    assert np.array_equal(joined_staves(sung).notes, sung.notes)
