"""`zhiyin library` as a user calls it: add, list, rate, import-events, export, remove; stopped and run again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from music import tune
from zhiyin.app.cli.main import main
from zhiyin.errors import InputError
from zhiyin.formats.catalog import save
from zhiyin.inference.bring import DESCRIPTORS, add, embedding_kind, rate, read_piece
from zhiyin.library import open_library
from zhiyin.library.events import read_heard
from zhiyin.library.events_csv import import_csv
from zhiyin.library.pieces import list_pieces, read_vectors


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six tunes, one of them twice under two names, and two files that are broken."""
    place = tmp_path_factory.mktemp("music")
    for i in range(6):
        save(tune(8, seed=i, parts=1 + i % 2), place / f"tune-{i}.mid")
    (place / "below").mkdir()
    shutil.copy(place / "tune-0.mid", place / "below" / "copy.mid")
    (place / "broken.mid").write_bytes(b"MThd" + b"\x00" * 40)
    (place / "below" / "empty.musicxml").write_text("<score-partwise/>")
    return place


@pytest.fixture
def home(filled, tmp_path, monkeypatch):
    """The user's data folder with that library in it."""
    monkeypatch.setenv("ZHIYIN_HOME", str(tmp_path))
    shutil.copy(filled, tmp_path / "library.sqlite")
    return tmp_path


def run(capsys, *arguments) -> tuple[int, dict]:
    code = main(["library", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_add_reads_describes_embeds_and_is_idempotent(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ZHIYIN_HOME", str(tmp_path))
    code, done = run(capsys, "add", folder, "--workers", 2)
    assert code == 3 and (done["looked_at"], done["new"], done["known"]) == (9, 6, 1)
    assert sorted(f["file"].split("/")[-1] for f in done["failures"]) == ["broken.mid", "empty.musicxml"]
    code, done = run(capsys, "add", folder / "tune-0.mid", folder / "below" / "copy.mid")
    assert code == 0 and (done["new"], done["known"]) == (0, 2)
    opened = open_library()
    assert len(list_pieces(opened)) == 6
    ids, table = read_vectors(opened, DESCRIPTORS)
    other, vectors = read_vectors(opened, embedding_kind())
    assert ids.tolist() == other.tolist() and table.shape[0] == vectors.shape[0] == 6
    assert [len(r["files"]) for r in list_pieces(opened)].count(2) == 1


def test_a_library_that_is_named_and_not_there_is_made_by_add_and_rate_only(home, folder, capsys):
    place = str(home / "other" / "l.sqlite")
    for words in (["library", "list"], ["library", "export", "--listener", "Mei"], ["recommend", "--listener", "Mei"], ["recommend", "--like", str(folder / "tune-0.mid")],
                  ["compose", "--for", "Mei", "-o", str(home / "p.mid")]):  # fmt: skip
        assert main([*words, "--library", place]) == 1
        said = capsys.readouterr().err
        assert f"There is no library at {place}. Expected a library's SQLite file. Received no such file. hint: zhiyin library add FOLDER --library" in said
    assert main(["library", "add", str(folder / "tune-0.mid"), "--workers", "0", "--library", place]) == 0
    assert main(["library", "list", "--library", place]) == 0 and "Tune 0" in capsys.readouterr().out


def test_add_says_what_is_not_there(home, capsys):
    assert main(["library", "add", str(home / "nothing")]) == 1
    assert "nothing" in capsys.readouterr().err
    (home / "hollow").mkdir()
    assert main(["library", "add", str(home / "hollow")]) == 1
    assert "Expected score files (" in capsys.readouterr().err


SLOW_ADD = """
import sys, time
from zhiyin.inference import bring
bring.FILES_PER_TASK = 1
def progress(done, total, words):
    print(done, total, flush=True)
    time.sleep(0.2)
from zhiyin.library import open_library
bring.add(open_library(sys.argv[1]), [sys.argv[2]], workers=0, progress=progress)
"""


def test_killed_in_the_middle_nothing_is_lost_or_doubled(folder, tmp_path):
    place = tmp_path / "library.sqlite"
    child = subprocess.Popen([sys.executable, "-c", SLOW_ADD, str(place), str(folder)], stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        if int(line.split()[0]) >= 6:  # of 9: two are broken or twice, so at least three are stored
            break
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    before = len(list_pieces(open_library(str(place))))
    assert 0 < before < 6
    done = add(open_library(str(place)), [folder], workers=0)
    assert done.new == 6 - before and len(list_pieces(open_library(str(place)))) == 6


def test_list_finds_by_words(home, capsys):
    code, found = run(capsys, "list", "TUNE 3")
    assert code == 0 and [r["title"] for r in found["pieces"]] == ["Tune 3"] and found["files"][0].endswith("tune-3.mid")
    assert run(capsys, "list", "%")[1]["pieces"] == []
    assert main(["library", "list", "no such"]) == 0
    assert "no piece matches 'no such'" in capsys.readouterr().err
    assert len(run(capsys, "list")[1]["pieces"]) == 6


def test_rate_takes_numbers_titles_and_new_files(home, folder, capsys):
    code, said = run(capsys, "rate", folder / "tune-2.mid", "--listener", "Mei", "--stars", 5)
    assert code == 0 and said["title"] == "Tune 2" and said["value"] == 5
    assert run(capsys, "rate", "Tune 4", "--listener", "Mei", "--skip")[0] == 0
    save(tune(8, seed=99), home / "new.mid")
    assert run(capsys, "rate", home / "new.mid", "--listener", "Bo", "--like")[1]["piece"] == 7
    assert run(capsys, "list", "--listeners")[1]["listeners"] == [
        {"name": "Bo", "events": 1, "pieces": 1}, {"name": "Mei", "events": 2, "pieces": 2},
    ]  # fmt: skip


def test_rate_refuses_what_is_not_clear(home, capsys):
    for flags, text in (
        ((), "What is said of the piece is not clear. Expected one of --stars, --like, --dislike, --play, --skip. Received none."),
        (("--like", "--skip"), "Received like, skip."),
        (("--stars", "7"), "rating out of range. Expected 1..5. Received 7."),
    ):
        assert main(["library", "rate", "1", "--listener", "Mei", *flags]) == 1
        assert text in capsys.readouterr().err
    assert main(["library", "rate", "Tune 33", "--listener", "Mei", "--like"]) == 1
    assert "near titles: 'Tune 3'" in capsys.readouterr().err
    assert len(read_heard(open_library()).piece) == 0


GOOD = "listener,piece,kind,value,at\nMei,1,play,3,100\nMei,Tune 2,like,,2026-11-25T10:00\n"
BROKEN = (
    "Bo,999,like,,\n"  # line 4: no such piece
    "Bo,1,rating,9,\n"  # 5: out of range
    "Bo,1,hate,,\n"  # 6: no such kind
    "Bo,1,like,,yesterday\n"  # 7: no time
    ",1,like,,\n"  # 8: nobody
    "Bo,1,rating,,\n"  # 9: a rating without stars
    "Bo,1,play,many,\n"  # 10: no number
    "Bo,1,like,1,5,6\n"  # 11: too many fields
)


def test_broken_rows_are_listed_with_their_lines_and_the_others_imported(home, capsys):
    (home / "e.csv").write_text(GOOD + BROKEN + "Bo,1,play,,\n")
    code, done = run(capsys, "import-events", home / "e.csv")
    assert code == 3 and done["imported"] == 3 and [b["line"] for b in done["broken"]] == list(range(4, 12))
    for said, text in zip(
        done["broken"],
        ("No piece '999'", "rating out of range", "Unknown kind of event 'hate'", "at is no time", "listener is missing", "a rating needs a value",
         "value is no number", "more fields than the header has"),
    ):  # fmt: skip
        assert text in said["reason"]
    assert run(capsys, "import-events", home / "e.csv")[1]["duplicates"] == 3
    assert len(read_heard(open_library()).piece) == 3


def test_strict_is_all_or_nothing(home, capsys):
    (home / "e.csv").write_text(GOOD + BROKEN)
    assert main(["library", "import-events", str(home / "e.csv"), "--strict"]) == 1
    said = capsys.readouterr().err
    assert "has 8 broken rows, nothing was imported. Expected no broken row with --strict. Received line 4: No piece '999'" in said
    assert len(read_heard(open_library()).piece) == 0
    (home / "good.csv").write_text(GOOD)
    assert import_csv(open_library(), home / "good.csv", strict=True).imported == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no table of events. Expected a header with listener,piece,kind,value,at. Received no column listener, piece, kind."),
        ("a;b\n1;2\n", "no column listener"),
        ("listener,piece\nMei,1\n", "Received no column kind. hint: value and at may be left out"),
        ("\x00\x01\xff" * 50, "no column"),
    ],
)
def test_a_table_that_is_none_is_refused(home, text, said):
    (home / "e.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=said.replace(".", r"\.")):
        import_csv(open_library(), home / "e.csv")
    with pytest.raises(InputError, match="cannot be read"):
        import_csv(open_library(), home / "none.csv")


def test_a_listener_is_exported_and_erased(home, capsys):
    run(capsys, "rate", "1", "--listener", "Mei", "--stars", 4)
    code, done = run(capsys, "export", "--listener", "Mei", "-o", home / "mei.json")
    known = json.loads((home / "mei.json").read_text())
    assert code == 0 and done["events"] == 1 and known["events"][0]["value"] == 4 and known["events"][0]["time"]
    assert run(capsys, "remove", "--listener", "Mei")[1]["events"] == 1
    assert main(["library", "export", "--listener", "Mei"]) == 1
    assert "No listener 'Mei'" in capsys.readouterr().err


def test_remove_forgets_pieces_and_leaves_the_files(home, folder, capsys):
    assert run(capsys, "remove", "Tune 1", folder / "tune-2.mid")[1]["removed"] == 2
    assert (folder / "tune-2.mid").is_file() and len(list_pieces(open_library())) == 4
    assert run(capsys, "remove", folder)[1]["removed"] == 4  # the folder holds all files of these
    assert main(["library", "remove"]) == 1
    assert "What to remove is not clear. Expected pieces, or --listener NAME. Received neither." in capsys.readouterr().err


def test_the_style_of_a_record_is_kept(home):
    import zhiyin as zy

    piece = zy.compose("a short waltz", bars=4, takes=1, candidates=1, seed=3)
    path = zy.save(piece, home / "w.mid", record=piece.record)
    read = read_piece(path)
    assert read.style == "waltz" and json.loads(read.record)["verb"] == "compose"
    assert rate(open_library(), str(path), "Mei", "like", at=int(time.time()))["title"] == read.title
