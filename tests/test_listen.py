"""The listening test: balanced pairs, a page that tells nothing, a design that cannot be changed, attention, Bradley-Terry."""

import hashlib
import json
import re

import numpy as np
import pytest

from music import tune
from zhiyin.app.cli.main import main
from zhiyin.encoding import encode
from zhiyin.errors import InputError
from zhiyin.evaluation.bradley_terry import count_wins, strengths, with_intervals
from zhiyin.evaluation.excerpts import excerpt
from zhiyin.evaluation.listening import ANSWERS, Clip, analyse, design_hash, design_text, make_design
from zhiyin.evaluation.listening_clips import sound_of
from zhiyin.evaluation.listening_page import listening_html

SOURCES, ITEMS = ("human", "default", "peer", "shuffled"), ("one", "two", "three", "four")


@pytest.fixture(scope="module")
def clips():
    return [Clip(s, i, f"{s} {i}".encode()) for i in ITEMS for s in SOURCES]


@pytest.fixture(scope="module")
def key(clips) -> str:
    return design_text(make_design(clips, seed=1, checks=3, about={"bars": 8}))


def answers(key: str, listener: str, choose) -> str:
    design = json.loads(key)
    source = {c["clip"]: c["source"] for c in design["clips"]}
    found = []
    for t in design["trials"]:
        chosen = choose(t, [source[c] for c in t["clips"]])
        found.append({"trial": t["trial"], "prefer": t["clips"][chosen], "person": t["clips"][chosen], "known": False})
    return json.dumps({"format": ANSWERS, "design": design_hash(key), "listener": listener, "answers": found})


def by_rank(order):
    return lambda trial, sources: 0 if order.index(sources[0]) < order.index(sources[1]) else 1


def test_strengths_are_those_that_the_answers_were_drawn_from():
    rng, truth = np.random.default_rng(0), np.array([0.0, 1.0, -0.5])
    pairs = []
    for _ in range(3000):
        i, j = rng.choice(3, 2, replace=False).tolist()
        pairs.append((i, j) if rng.random() < 1 / (1 + np.exp(truth[j] - truth[i])) else (j, i))
    found, ends = with_intervals([[p] for p in pairs], 3, resamples=100)
    assert found == pytest.approx(truth, abs=0.15)
    assert (ends[0] <= truth).all() and (truth <= ends[1]).all()
    assert np.isfinite(strengths(count_wins([(0, 1)] * 9, 2))).all()
    assert np.isnan(strengths(count_wins([(0, 1)], 3))[2])


def test_the_design_has_every_pair_once_an_item_and_its_checks(clips, key):
    design = json.loads(key)
    source = {c["clip"]: (c["source"], c["item"]) for c in design["clips"]}
    asked = [(t["check"], source[t["clips"][0]], source[t["clips"][1]]) for t in design["trials"]]
    assert len(asked) == 3 * len(ITEMS) + 3
    assert all(a[1] == b[1] for _, a, b in asked)
    pairs = [(a[1], frozenset((a[0], b[0]))) for check, a, b in asked if not check]
    assert len(set(pairs)) == len(pairs) == 12
    assert all({a[0], b[0]} == {"human", "shuffled"} for check, a, b in asked if check)
    assert design_text(make_design(clips, seed=1, checks=3, about={"bars": 8})) == key
    assert design_text(make_design(clips, seed=2, checks=3, about={"bars": 8})) != key


def test_the_page_plays_every_clip_and_names_no_source(clips, key):
    design = json.loads(key)
    page = listening_html(design, design_hash(key), clips)
    test = json.loads(re.search(r'id="test">(.*?)</script>', page, re.S)[1])
    assert set(test["sounds"]) == {c for t in design["trials"] for c in t["clips"]}
    assert set(test["trials"][0]) == {"trial", "clips"} and test["design"] == design_hash(key)
    assert not re.search(r"default\b(?!-src)|peer|shuffled", page.replace("default-src", ""))
    script = re.search(r"<script>(.*?)</script>", page, re.S)[1]
    assert "http" not in script
    assert "connect-src" not in page and "default-src 'none'" in page


def test_answers_are_counted_and_the_inattentive_are_not(key):
    good = [answers(key, f"l{i}", by_rank(["human", "default", "peer", "shuffled"])) for i in range(5)]
    bad = answers(key, "asleep", by_rank(["shuffled", "peer", "default", "human"]))
    found = analyse(key, [*good, bad])
    assert (found["listeners"], found["attentive"], found["answers"]) == (6, 5, 75)
    assert found["checks_right"]["asleep"] == 0.0 and found["interval_by"] == "listener"
    order = sorted(found["strengths"], key=lambda s: -found["strengths"][s]["strength"])
    assert order[:2] == ["human", "default"]
    assert found["strengths"]["human"]["strength"] == 0 and found["strengths"]["peer"]["over_human"][0] < 0.2
    assert found["taken_for_a_person"]["default"] == {"share": 0.0, "n": 20}


def test_known_pieces_do_not_count(key):
    told = json.loads(answers(key, "l", by_rank(["human", "default", "peer", "shuffled"])))
    for a in told["answers"][:5]:
        a["known"] = True
    assert analyse(key, [json.dumps(told)])["answers"] == 10


def test_what_cannot_be_analysed_says_so(key, clips):
    fine = answers(key, "l", by_rank(list(SOURCES)))
    other = design_text(make_design(clips, seed=5, checks=3, about={}))
    with pytest.raises(InputError, match=r"The answers are to another design\. Expected [0-9a-f]{12}\. Received [0-9a-f]{12}\. hint: give the key"):
        analyse(other, [fine])
    with pytest.raises(InputError, match="One listener's answers are given twice. Expected one file a listener. Received 2 files"):
        analyse(key, [fine, fine])
    with pytest.raises(InputError, match="No answers count"):
        analyse(key, [answers(key, "l", by_rank(["shuffled", "peer", "default", "human"]))])
    with pytest.raises(InputError, match="The answers cannot be read. Expected zhiyin-listening-answers/1. Received None"):
        analyse(key, ["{}"])
    with pytest.raises(InputError, match="The key cannot be read. Expected JSON."):
        analyse("no", [fine])
    broken = json.loads(fine)
    broken["answers"][0]["prefer"] = "x"
    with pytest.raises(InputError, match="An answer fits no trial"):
        analyse(key, [json.dumps(broken)])


def test_one_changed_letter_of_the_design_is_noticed(key):
    assert design_hash(key) == hashlib.sha256(key.encode()).hexdigest()
    with pytest.raises(InputError, match="another design"):
        analyse(key.replace('"default"', '"human"', 1), [answers(key, "l", by_rank(list(SOURCES)))])


def test_sounds_are_the_same_for_the_same_notes_whoever_wrote_them():
    piece = encode(tune(16, seed=1))[0]
    window = excerpt("a", piece.rows, piece.bars, piece.programs).window(0, 2)
    sound = sound_of(window, 120.0)
    assert sound[:4] == b"OggS" and sound == sound_of(window, 120.0)
    assert b"zhiyin" not in sound.lower() or b"composed" not in sound.lower()
    with pytest.raises(InputError, match="A clip is silent. Expected notes in its bars. Received none"):
        sound_of(excerpt("a", piece.rows[:0], piece.bars, piece.programs), 120.0)


def test_the_verb_analyses(tmp_path, key, capsys):
    (tmp_path / "k.json").write_text(key, encoding="utf-8")
    (tmp_path / "a.json").write_text(answers(key, "l", by_rank(list(SOURCES))), encoding="utf-8")
    assert main(["listen", "analyse", str(tmp_path / "a.json"), "--key", str(tmp_path / "k.json")]) == 0
    assert "1 of 1 listeners attentive, 15 answers; intervals by answer" in capsys.readouterr().out
    assert main(["listen", "analyse", str(tmp_path / "b.json"), "--key", str(tmp_path / "k.json")]) == 1
    assert "b.json is not there. Expected a file" in capsys.readouterr().err
    assert main(["listen", "page", "--data", str(tmp_path), "--peer", "midigpt"]) == 1
    assert "A peer cannot be found. Expected NAME=FOLDER, a folder that is there. Received midigpt" in capsys.readouterr().err
