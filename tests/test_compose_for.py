"""`compose --for`: candidates ranked by a listener's taste, reasons, feedback that moves the next round."""

import json
from dataclasses import replace

import numpy as np
import pytest

from music import tune
from zhiyin.app.cli.main import main
from zhiyin.errors import ControlError, InputError
from zhiyin.formats.catalog import save
from zhiyin.inference.bring import rate
from zhiyin.inference.compose_for import Memory, compose_for, draw_styles, remember
from zhiyin.inference.recreate import recreate
from zhiyin.inference.shelf import empty_shelf
from zhiyin.library import open_library
from zhiyin.provenance.package import load_package

SMALL = {"bars": 4, "takes": 2, "candidates": 8, "seed": 5}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a library in which Mei liked one waltz and did not like another tune."""
    place = tmp_path_factory.mktemp("home")
    opened = open_library(str(place / "library.sqlite"))
    for name, meter, kind in (("waltz", (3, 4), "like"), ("march", (4, 4), "dislike")):
        rate(opened, str(save(tune(12, seed=1, meter=meter), place / f"{name}.mid")), "Mei", kind)
    opened.close()
    return place


@pytest.fixture(scope="module")
def made(place):
    return compose_for("Mei", library=open_library(str(place / "library.sqlite")), **SMALL)


@pytest.fixture
def library(place, tmp_path, monkeypatch):
    monkeypatch.setenv("ZHIYIN_HOME", str(tmp_path))
    (tmp_path / "library.sqlite").write_bytes((place / "library.sqlite").read_bytes())
    return open_library()


def test_takes_are_ranked_by_taste_and_say_why(made):
    assert len(made.pieces) == 2 and made.report["candidates"]["written"] == 8 and len(made.report["styles"]) == 2
    for piece in made.pieces:
        assert piece.score.bar_count == 4 and piece.report["for"] == "Mei" and -1 <= piece.report["expected_liking"] <= 1
        assert "which you liked" in piece.report["reason"] or piece.report["reason"] == "other than what you liked so far"
    assert made.report["reason"] == made.pieces[0].report["reason"]


def test_the_best_take_is_the_best_of_all_candidates(library):
    one = compose_for("Mei", library=library, diverse=0.0, **{**SMALL, "takes": 1})
    again = compose_for("Mei", library=library, diverse=0.0, **{**SMALL, "takes": 4})
    kept = again.report["candidates"]["of_style"] or 4  # where the classifier agrees with none, all stay and that is said
    assert len(again.pieces) == kept and np.array_equal(one.pieces[0].rows, again.pieces[0].rows)


def test_a_record_says_how_and_not_for_whom(made):
    package = load_package("default")
    for piece in made.pieces:
        assert "Mei" not in json.dumps(piece.record)
        assert np.array_equal(recreate(piece.record, package).notes, piece.score.notes)


def test_candidates_that_the_classifier_takes_for_another_style_are_dropped(library, monkeypatch):
    from zhiyin.inference import compose_for as module

    plain = compose_for("Mei", library=library, **{**SMALL, "takes": 4})
    assert all("style_check" in p.report for p in plain.pieces) and plain.report["candidates"]["of_style"] <= 4
    styles = plain.report["styles"]

    def only_the_second(made, style):
        told = {"agrees": style == styles[1]}
        return replace(made, pieces=tuple(replace(p, report={**p.report, "style_check": told}) for p in made.pieces))

    monkeypatch.setattr(module, "_checked", only_the_second)
    found = compose_for("Mei", library=library, **{**SMALL, "takes": 4})
    assert {p.report["style"] for p in found.pieces} == {styles[1]} and found.report["candidates"]["of_style"] == len(found.pieces)


def test_words_and_controls_hold(library):
    found = compose_for("Mei", "a waltz in D major", library=library, **{**SMALL, "candidates": 2, "takes": 1})
    assert found.report["styles"] == ["waltz"] and found.pieces[0].report["key"] == "D major"


def test_styles_that_were_liked_are_drawn_more_often_and_others_still():
    manifest = load_package("default").manifest
    plain = [draw_styles(manifest, {}, 4, seed) for seed in range(200)]
    liked = [draw_styles(manifest, {"waltz": 0.8, "mass": -0.8}, 4, seed) for seed in range(200)]
    count = {n: (sum(n in s for s in plain), sum(n in s for s in liked)) for n in ("waltz", "mass", "jig")}
    assert count["waltz"][1] > 4 * count["waltz"][0] and count["mass"][1] < count["mass"][0] and count["jig"][1] > 0
    assert all(len(set(s)) == 4 for s in plain) and plain == [draw_styles(manifest, {}, 4, seed) for seed in range(200)]


def test_feedback_moves_style_and_ranking(library, made, tmp_path):
    before = remember(library, "Mei")
    style = made.pieces[0].report["style"]
    for number, piece in enumerate(made.pieces):
        path = save(piece.score, tmp_path / f"take-{number}.mid", record=piece.record)
        rate(library, str(path), "Mei", "rating", 5.0 if number == 0 else 1.0)
    after = remember(library, "Mei")
    assert len(after.rows) == len(before.rows) + 2
    assert (after.style_likings()[style] > 0 or made.pieces[1].report["style"] == style) and style not in before.style_likings()
    own = after.shelf.features[after.rows[-2:]]
    assert after.scores(own, explore=0)[0] > before.scores(own, explore=0)[0]


def test_without_a_history_it_says_so(library):
    from zhiyin.library.listeners import make_listener

    with library.write() as connection:
        make_listener(connection, "Newcomer")
    found = compose_for("Newcomer", library=library, **{**SMALL, "candidates": 2, "takes": 1})
    assert "nothing is known of what Newcomer likes" in found.report["of_listener"][0] and found.report["expected_liking"] is None


def test_one_who_liked_nothing_is_told(library):
    shelf = empty_shelf()
    from zhiyin.inference.compose_for import _notes

    assert _notes(Memory(shelf, np.array([0]), np.array([-1.0])), "Mei") == ["Mei liked nothing so far: what is unlike it comes first"]


def test_what_cannot_be_used_is_refused(library):
    with pytest.raises(InputError, match=r"No listener 'Mai'.*near names: 'Mei'"):
        compose_for("Mai", library=library)
    with pytest.raises(ControlError, match=r"diverse out of range. Expected 0..1. Received -0.1"):
        compose_for("Mei", library=library, diverse=-0.1)
    with pytest.raises(ControlError, match="Unknown control"):
        compose_for("Mei", library=library, speed=3)


def test_the_command_writes_and_says_how_to_rate(library, tmp_path, capsys):
    assert main(["compose", "--for", "Mei", "--bars", "4", "--candidates", "2", "--seed", "2", "-o", str(tmp_path / "p.mid")]) == 0
    said = capsys.readouterr().err
    assert "for Mei: " in said
    assert main(["library", "rate", str(tmp_path / "p.mid"), "--listener", "Mei", "--stars", "4"]) == 0
