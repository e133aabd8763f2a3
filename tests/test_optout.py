"""Opting pieces out: of a built corpus, of every later build, with their near duplicates; and licences that are taken on oneself."""

import json

import numpy as np
import pytest

from music import tune
from zhiyin.app.cli.main import main
from zhiyin.corpus import optout
from zhiyin.corpus.build import BuildOptions, build
from zhiyin.corpus.check import check
from zhiyin.corpus.collections import catalog
from zhiyin.corpus.optout import HOUSE_LIST, OptOuts, add, opt_out_of, opt_outs, read_list, user_list
from zhiyin.corpus.remove import readmit, remove
from zhiyin.corpus.source import Collection, PieceSource
from zhiyin.corpus.store import open_corpus, read_lines
from zhiyin.errors import CorpusError
from zhiyin.formats.catalog import save
from zhiyin.provenance.licences import strictest, terms_or_unknown
from zhiyin.training.card import terms
from zhiyin.training.train import corpus_facts


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ZHIYIN_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def world(home):
    """Twelve tunes of two labels, a transposed version of the first, and the corpus built from them."""
    root = home / "songs"
    for i in range(12):
        (root / ("a" if i % 2 else "b")).mkdir(parents=True, exist_ok=True)
        save(tune(24, seed=i), root / ("a" if i % 2 else "b") / f"{i:02}.mid")
    save(tune(24, seed=0).transpose(2), root / "a" / "version.mid")
    return root, home / "corpus", build([root], home / "corpus")


def ids(corpus):
    return {p.id for p in open_corpus(corpus).table}


def test_the_house_list_is_there_and_empty():
    assert HOUSE_LIST.is_file() and read_list(HOUSE_LIST) == []


def test_a_piece_and_its_versions_leave_the_corpus_and_every_later_build(world):
    root, out, report = world
    before = open_corpus(out)
    assert report.pieces == 13 and report.opted_out == 0
    rows = {p.id: np.array(before.arrays(p)["rows"]) for p in before.table}
    styles = {name: dict(s) for name, s in before.styles.items()}
    done = remove("songs/b/00", out, reason="its composer asked")
    assert {name for name, _ in done.removed} == {"songs/b/00", "songs/a/version"}
    assert dict(done.removed)["songs/a/version"] == "a near duplicate of what was opted out: songs/b/00"
    after = open_corpus(out)
    assert after.verify() == [] and len(after.table) == 11 and after.manifest["books"]["opted_out"] == 2
    assert all((np.array(after.arrays(p)["rows"]) == rows[p.id]).all() for p in after.table)
    assert after.styles["a"]["n"] == styles["a"]["n"] - 1 and after.styles["a"]["id"] == styles["a"]["id"]
    assert sum(after.manifest["splits"].values()) == 11 == after.manifest["collections"][0]["pieces"]
    assert after.manifest["notes"] == sum(p.notes for p in after.table)
    assert {r["id"] for r in read_lines(out / "removed.jsonl") if r["kind"] == "opted out"} == {"songs/b/00", "songs/a/version"}
    again = build([root], out)
    assert (again.pieces, again.opted_out) == (11, 2) and "2 opted out" in str(again)
    assert again.pieces_made == again.pieces + again.duplicates + again.held_out + again.opted_out
    assert ids(out) == {p.id for p in after.table}
    fresh = build([root], out.with_name("fresh"))
    assert fresh.opted_out == 2


def test_coming_back_needs_an_explicit_act(world, capsys):
    root, out, _ = world
    assert main(["corpus", "remove", "b/02.mid", "--corpus", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [r["id"] for r in told["removed"]] == ["songs/b/02"] and told["listed"][0]["id"] == "songs/b/02"
    assert build([root], out).pieces == 12
    assert main(["corpus", "remove", "songs/b/02", "--undo"]) == 0
    assert "off the list: songs/b/02" in capsys.readouterr().err
    assert build([root], out).pieces == 13
    with pytest.raises(CorpusError, match=r"songs/b/02 is not on your list|No piece 'songs/b/02'"):
        readmit("songs/b/02", out)


def test_a_file_can_be_opted_out_without_a_corpus(world, capsys):
    root, out, _ = world
    done = remove(str(root / "b" / "04.mid"))
    assert done.listed[0].id == "04.mid" and done.removed == ()
    assert remove(str(root / "b" / "04.mid")).listed == ()
    assert "songs/b/04" not in ids(out) or build([root], out).opted_out == 1
    build([root], out)
    assert "songs/b/04" not in ids(out)


def test_what_is_not_there_is_said_with_near_names(world):
    _, out, _ = world
    with pytest.raises(CorpusError, match=r"No piece 'songs/b/0'\. .*hint: near ones: 'songs/b/"):
        remove("songs/b/0", out)
    with pytest.raises(CorpusError, match=r"no such file, and no corpus to look in \(--corpus\)"):
        remove("songs/b/00")
    with pytest.raises(CorpusError, match="is not a finished corpus"):
        remove("songs/b/00", out.with_name("none"))


def test_the_last_piece_is_not_taken(home):
    save(tune(24), home / "one.mid")
    (home / "songs").mkdir()
    save(tune(24), home / "songs" / "one.mid")
    build([home / "songs"], home / "corpus")
    with pytest.raises(CorpusError, match="Nothing would be left of the corpus"):
        remove("songs/one", home / "corpus")
    assert read_list(user_list()) == [] and len(open_corpus(home / "corpus").table) == 1


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "a"}', '{"id": "a", "content": "c", "prints": "no"}', "[" * 99_999])
def test_a_damaged_list_stops_the_build(world, line):
    root, out, _ = world
    user_list().parent.mkdir(parents=True, exist_ok=True)
    user_list().write_text(line + "\n")
    with pytest.raises(CorpusError, match=r"The list of opt-outs .*opt-out\.jsonl is damaged in line 1\. Expected JSON lines"):
        build([root], out)


def test_strangers_are_kept(world):
    _, out, _ = world
    corpus = open_corpus(out)
    first = corpus.table[0]
    outs = OptOuts((opt_out_of(vars(first), corpus.arrays(first)["prints"], "", ""),))
    reasons = [outs.reason(p.content, np.asarray(corpus.arrays(p)["prints"])) for p in corpus.table]
    assert reasons[0] == f"opted out: {first.id}" and sum(bool(r) for r in reasons) <= 2


def test_the_house_list_counts_too(world, monkeypatch, tmp_path):
    root, out, _ = world
    corpus = open_corpus(out)
    piece = next(p for p in corpus.table if p.id == "songs/b/06")
    add([opt_out_of(vars(piece), corpus.arrays(piece)["prints"], "", "")], tmp_path / "house.jsonl")
    monkeypatch.setattr(optout, "HOUSE_LIST", tmp_path / "house.jsonl")
    assert len(opt_outs().listed) == 1 and build([root], out).opted_out == 1


def test_a_licence_of_one_piece_counts(home, monkeypatch):
    """A collection with good papers that holds one piece which forbids it."""
    def pieces(root):
        yield PieceSource((root / "a.mid").relative_to(root), "a")
        yield PieceSource((root / "b.mid").relative_to(root), "b", licence="LicenseRef-no-machine-learning")

    theirs = Collection("theirs", "https://x", "CC0-1.0", "they", "they", "a.tar.zst", "0" * 64, pieces)
    monkeypatch.setitem(catalog.COLLECTIONS, "theirs", theirs)
    root = home / "theirs"
    save(tune(24, seed=1), (root / "a.mid"))
    save(tune(24, seed=2), (root / "b.mid"))
    with pytest.raises(CorpusError, match="The licence of theirs does not allow training on it"):
        build(["theirs"], home / "c", roots={"theirs": root})
    build(["theirs"], home / "c", roots={"theirs": root}, options=BuildOptions(i_have_the_rights=True))
    manifest = open_corpus(home / "c").manifest
    assert manifest["i_have_the_rights"] is True and manifest["terms"] == ["no machine learning"]
    facts = corpus_facts(manifest)
    assert facts["i_have_the_rights"] and facts["licence"] == "CC0-1.0 AND LicenseRef-no-machine-learning"
    assert "said that they hold the rights" in " ".join(terms(facts))


def test_an_unknown_licence_is_refused_or_taken_on_oneself_and_recorded(home, capsys):
    save(tune(24), home / "songs" / "a.mid")
    (error,) = [f for f in check(home / "songs", licence="Nobody-1.0") if f.level == "error"]
    assert "'Nobody-1.0' is not known" in error.text
    assert main(["corpus", "check", str(home / "songs"), "--licence", "Nobody-1.0"]) == 3
    assert main(["corpus", "check", str(home / "songs"), "--licence", "Nobody-1.0", "--i-have-the-rights"]) == 0
    with pytest.raises(CorpusError, match="Unknown licence 'Nobody-1.0'"):
        build([home / "songs"], home / "c", options=BuildOptions(licence="Nobody-1.0"))
    build([home / "songs"], home / "c", options=BuildOptions(licence="Nobody-1.0", i_have_the_rights=True))
    manifest = open_corpus(home / "c").manifest
    assert manifest["licence"] == "Nobody-1.0" and manifest["i_have_the_rights"]
    assert "not known: ask the holders of the rights" in manifest["terms"]


def test_the_strictest_terms_of_a_tuned_package_are_those_of_all_its_music():
    old = {"corpus": {"licence": "CC-BY-4.0 AND CC0-1.0", "i_have_the_rights": True}}
    facts = corpus_facts({"pieces": 1, "notes": 2, "licence": "CC-BY-NC-SA-4.0"}, old)
    assert facts["licence"] == "CC-BY-4.0 AND CC-BY-NC-SA-4.0 AND CC0-1.0" and facts["i_have_the_rights"]
    assert facts["terms"] == ["give attribution", "share alike", "no commercial use"]
    assert strictest([terms_or_unknown("CC0-1.0")]).conditions() == []
