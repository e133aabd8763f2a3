"""`recommend`: to a listener, like files, with reasons; what it does where little or nothing is known."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update

from music import tune
from zhiyin.app.cli.main import main
from zhiyin.errors import InputError
from zhiyin.formats.catalog import save
from zhiyin.inference.bring import rate
from zhiyin.inference.features import features, heard_columns, scale, standard
from zhiyin.inference.reasons import ASPECTS, content_reason, shared_aspects
from zhiyin.inference.recommend import recommend
from zhiyin.library import open_library
from zhiyin.library.events import Event, store_events
from zhiyin.library.listeners import make_listener
from zhiyin.library.pieces import find_piece
from zhiyin.library.schema import PIECE
from zhiyin.measures.descriptors import NAMES, index_of
from zhiyin.recommenders.nearest import Nearest

KINDS = {"waltz": (62, 1, (3, 4)), "duet": (67, 2, (4, 4))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six tunes in three-four time for one line, six duets in common time."""
    place = tmp_path_factory.mktemp("kinds")
    for kind, (tonic, parts, meter) in KINDS.items():
        for i in range(6):
            save(tune(12, seed=i, tonic=tonic, parts=parts, meter=meter), place / f"{kind}-{i}.musicxml")
    return place


@pytest.fixture
def library(filled, tmp_path, monkeypatch):
    """A library of twelve pieces in the user's data folder; nobody has heard anything."""
    monkeypatch.setenv("ZHIYIN_HOME", str(tmp_path))
    (tmp_path / "library.sqlite").write_bytes(filled.read_bytes())
    return open_library()


def like(library, folder, who, *names, kind="like"):
    for name in names:
        rate(library, str(folder / f"{name}.musicxml"), who, kind, at=0)


def kinds(found) -> list[str]:
    return [i.files[0].split("/")[-1].split("-")[0] for i in found.items]


def test_a_listener_gets_more_of_what_was_liked_with_reasons(library, folder):
    like(library, folder, "Mei", "waltz-0", "waltz-1")
    like(library, folder, "Mei", "duet-0", kind="dislike")
    found = recommend("Mei", count=9, library=library)
    assert kinds(found) == ["waltz"] * 4 + ["duet"] * 5
    assert "triple time" in str(found.items[0].reason) and "which you liked" in str(found.items[0].reason)
    assert {"Tune 0", "Tune 1"} >= set(found.items[0].reason.near)
    assert found.items[0].score > 0 > found.items[-1].score


def test_each_listener_has_an_own_taste(library, folder):
    like(library, folder, "Mei", "waltz-0", "waltz-1")
    like(library, folder, "Bo", "duet-0", "duet-1")
    assert kinds(recommend("Mei", count=4, library=library)) == ["waltz"] * 4
    assert kinds(recommend("Bo", count=4, library=library)) == ["duet"] * 4


def test_new_leaves_out_what_anybody_has_heard(library, folder):
    like(library, folder, "Mei", "waltz-0", "waltz-1")
    like(library, folder, "Bo", "waltz-2", "waltz-3", kind="play")
    assert len(recommend("Mei", count=12, library=library).items) == 10
    found = recommend("Mei", count=12, new=True, library=library)
    assert len(found.items) == 8 and not [i for i in found.items if i.files[0].endswith(("waltz-2.musicxml", "waltz-3.musicxml"))]


def test_diverse_mixes_kinds(library, folder):
    like(library, folder, "Mei", "waltz-0", "waltz-1")
    assert set(kinds(recommend("Mei", count=4, diverse=0.8, library=library))) == {"waltz", "duet"}
    with pytest.raises(InputError, match=r"diverse out of range. Expected 0..1. Received 1.5."):
        recommend("Mei", diverse=1.5, library=library)
    with pytest.raises(InputError, match=r"count out of range. Expected 1..1000. Received 0."):
        recommend("Mei", count=0, library=library)


def test_unknown_listeners_are_answered_with_near_names(library, folder):
    like(library, folder, "Meissner", "waltz-0")
    with pytest.raises(InputError, match=r"No listener 'Meisner'. Expected a listener of the library. Received 'Meisner'. hint: near names: 'Meissner'"):
        recommend("Meisner", library=library)


def test_an_empty_history_falls_back_and_says_so(library, folder):
    like(library, folder, "Bo", "duet-2")
    with library.write() as connection:
        make_listener(connection, "Mei")
    found = recommend("Mei", count=1, library=library)
    assert found.method == "popularity" and kinds(found) == ["duet"]
    assert found.notes == ("nothing is known of what Mei likes: pieces that others liked",)
    assert str(found.items[0].reason) == "liked by other listeners"


def test_where_nobody_likes_anything_typical_pieces_are_named(library, folder):
    with library.write() as connection:
        make_listener(connection, "Mei")
    found = recommend("Mei", count=3, library=library)
    assert found.method == "typical" and len(found.items) == 3 and "or anybody likes" in found.notes[0]


def test_one_who_dislikes_everything_heard_gets_something_else(library, folder):
    like(library, folder, "Mei", "duet-0", "duet-1", kind="dislike")
    found = recommend("Mei", count=5, library=library)
    assert kinds(found) == ["waltz"] * 5 and str(found.items[0].reason) == "unlike what you did not like"


def test_everything_heard_leaves_nothing(library, folder, capsys):
    like(library, folder, "Mei", *(f"{k}-{i}" for k in KINDS for i in range(6)))
    assert main(["recommend", "--listener", "Mei"]) == 0
    said = capsys.readouterr().err
    assert "every piece that is asked for has been heard already" in said and "nothing to recommend" in said


def test_like_files_in_the_library(library, folder):
    found = recommend(like=[folder / "waltz-0.musicxml", folder / "waltz-1.musicxml"], count=4, library=library)
    assert found.method == "likeness" and kinds(found) == ["waltz"] * 4
    assert not [i for i in found.items if i.files[0].endswith(("waltz-0.musicxml", "waltz-1.musicxml"))]
    assert "which you liked" not in str(found.items[0].reason) and "Tune" in str(found.items[0].reason)


def test_like_a_file_without_a_library_looks_beside_it(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ZHIYIN_HOME", str(tmp_path))
    assert main(["recommend", "--like", str(folder / "duet-0.musicxml"), "-n", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert ["duet" in f for f in told["files"]] == [True] * 3 and "the library is empty" in told["notes"][0]
    assert {"piece", "title", "composer", "files", "score", "reason", "because"} == set(told["recommended"][0])
    assert not (tmp_path / "library.sqlite").exists()


def test_every_piece_has_a_reason_in_musical_words_and_none_is_without_notes(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ZHIYIN_HOME", str(tmp_path / "home"))
    empty = tune(4).replace(notes=tune(4).notes[:0])
    save(empty, tmp_path / "empty.mid")
    found = recommend(like=[folder / "waltz-0.musicxml"], among=[folder, tmp_path / "empty.mid"], count=20)
    assert len(found.items) == 11 and not any("empty" in i.files[0] for i in found.items)
    assert [Path(f).name for f, _ in found.failures] == ["empty.mid"] and "empty.mid has no notes" in found.failures[0][1]
    reasons = [str(i.reason) for i in found.items]
    assert all(i.reason.aspects and a in r for i, r in zip(found.items, reasons) for a in i.reason.aspects)
    with pytest.raises(InputError, match="Nothing to be like. Expected scores with notes that can be read. Received empty.mid has no notes"):
        recommend(like=[tmp_path / "empty.mid"], among=[folder])


def test_a_piece_without_notes_in_an_old_library_is_left_out(library, folder):
    with library.write() as connection:
        connection.execute(update(PIECE).where(PIECE.c.title == "Tune 3").values(notes=0))
    found = recommend(like=[folder / "waltz-0.musicxml"], library=library, count=20)
    assert found.items and all(i.title != "Tune 3" for i in found.items)


def test_like_a_file_among_named_files(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("ZHIYIN_HOME", str(tmp_path))
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    among = [folder / "waltz-3.musicxml", folder / "duet-3.musicxml", tmp_path / "broken.mid"]
    found = recommend(like=[folder / "duet-0.musicxml"], among=among)
    assert kinds(found) == ["duet", "waltz"] and found.failures[0][0].endswith("broken.mid")


def test_alone_in_its_folder_a_file_has_nothing_to_be_compared_with(tmp_path, monkeypatch):
    monkeypatch.setenv("ZHIYIN_HOME", str(tmp_path / "home"))
    save(tune(8), tmp_path / "one.mid")
    with pytest.raises(InputError, match=r"There is nothing to choose from. .*hint: zhiyin library add FOLDER, or --in FOLDER"):
        recommend(like=[tmp_path / "one.mid"])


def test_a_very_large_library_is_ranked_through_a_graph(library, folder, tmp_path, monkeypatch):
    like(library, folder, "Mei", "waltz-0", "waltz-1")
    exact = recommend("Mei", count=4, library=library)
    monkeypatch.setattr("zhiyin.inference.shelf.EXACT_BELOW", 5)
    monkeypatch.setitem(Nearest.__init__.__kwdefaults__, "exact_below", 5)
    assert [i.piece for i in recommend("Mei", count=4, library=library).items] == [i.piece for i in exact.items]
    assert len(list((tmp_path / "graphs").glob("*.voyager"))) == 1


def test_the_light_install_is_enough(folder, tmp_path):
    script = (
        "import sys\nfor name in ('scipy', 'implicit', 'voyager', 'torch', 'sklearn', 'psycopg'): sys.modules[name] = None\n"
        "import zhiyin as zy\nfrom zhiyin.library import open_library\nfrom zhiyin.inference.bring import add, rate\n"
        f"add(open_library(), [{str(folder)!r}], workers=0)\nrate(open_library(), '1', 'Mei', 'like')\n"
        "found = zy.recommend('Mei', count=3)\nassert len(found.items) == 3 and found.method == 'taste'"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=os.environ | {"ZHIYIN_HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr


def test_whom_to_recommend_to_must_be_said(library):
    for arguments in ({}, {"listener": "Mei", "like": ["x.mid"]}):
        with pytest.raises(InputError, match="Whom to recommend to is not clear. Expected a listener's name, or files to be like"):
            recommend(**arguments)


def test_the_words_of_the_command(library, folder, capsys):
    like(library, folder, "Mei", "waltz-0")
    assert main(["recommend", "--listener", "Mei", "-n", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("  1. Tune ") and "shares " in lines[1] and lines[2].strip().endswith(".musicxml") and len(lines) == 6


def test_features_have_length_one_and_know_nothing_of_velocity_or_program():
    mean, spread = scale()
    assert len(mean) == len(NAMES) and (spread > 0).all()
    rng = np.random.default_rng(0)
    described = (mean + spread * rng.normal(size=(5, len(mean)))).astype(np.float32)
    embedded = rng.normal(size=(5, 16)).astype(np.float32)
    assert np.allclose(np.linalg.norm(features(described, embedded), axis=1), 1, atol=1e-5)
    left = set(range(len(NAMES))) - set(heard_columns().tolist())
    assert len(left) > 5
    louder = described.copy()
    louder[:, sorted(left)] += 3 * spread[sorted(left)]
    assert np.allclose(features(louder, embedded), features(described, embedded))
    assert np.abs(standard(described * 1e6)).max() <= 4


def test_reasons_name_what_is_shared_and_uncommon():
    mean, spread = scale()
    liked, piece = np.tile(mean, (3, 1)), mean.copy()
    assert shared_aspects(piece, liked)[0] == "about the same tempo"  # nothing uncommon is shared: that in which they differ least
    for row in (piece, *liked):
        row[index_of("meter_triple")] += 2 * spread[index_of("meter_triple")]
        row[index_of("tempo")] -= spread[index_of("tempo")]
    assert shared_aspects(piece, liked) == ("triple time", "a slow tempo")
    assert {d for _, d, _, _ in ASPECTS} <= set(NAMES) and len(ASPECTS) > 30
    unlike = content_reason(piece, liked, np.array([-0.3, -0.1, -0.2]), ["A", "B", "C"], given=True)
    assert str(unlike) == "unlike “B” on the whole; in common: triple time and a slow tempo"


def test_popularity_counts_what_others_like_and_not_what_they_dislike(library, folder):
    hated, liked = (find_piece(library, str(folder / f"{n}.musicxml")) for n in ("waltz-5", "duet-4"))
    store_events(library, [Event(n, hated, "dislike") for n in ("A", "B", "C")] + [Event("A", liked, "like")])
    with library.write() as connection:
        make_listener(connection, "Mei")
    assert [i.piece for i in recommend("Mei", count=1, library=library).items] == [liked]


def crowd(library, folder):
    """Forty listeners who like waltz-0 and duet-3 together: a tie that no feature tells."""
    pair = [find_piece(library, str(folder / f"{n}.musicxml")) for n in ("waltz-0", "duet-3")]
    store_events(library, [Event(f"L{n}", piece, "like") for n in range(40) for piece in pair])
    like(library, folder, "Mei", "waltz-0")


def test_what_listeners_of_the_same_piece_like_counts_and_is_the_reason(library, folder):
    like(library, folder, "Mei", "waltz-0")
    alone = recommend("Mei", count=12, library=library)
    crowd(library, folder)
    found = recommend("Mei", count=12, library=library)
    assert alone.method == "taste" and found.method == "taste and others"
    place = [[i.files[0].endswith("duet-3.musicxml") for i in f.items].index(True) for f in (alone, found)]
    assert place[1] == 0 < place[0]
    assert str(found.items[0].reason).endswith("liked by listeners of “Tune 0”") and found.items[0].reason.others == ("Tune 0",)


def test_without_scipy_others_are_left_out_and_that_is_said(library, folder, monkeypatch):
    crowd(library, folder)
    for name in [m for m in sys.modules if m == "scipy" or m.startswith(("scipy.", "zhiyin.recommenders.ease", "zhiyin.recommenders.contract"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "scipy", None)
    found = recommend("Mei", count=1, library=library)
    assert found.method == "taste" and found.notes == ("what other listeners like is not looked at: pip install 'zhiyin[recommend]'",)
