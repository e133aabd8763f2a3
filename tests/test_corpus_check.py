import pytest

from zhiyin.corpus.check import check
from zhiyin.corpus.collections import catalog
from zhiyin.corpus.collections.catalog import COLLECTIONS
from zhiyin.corpus.source import Collection, PieceSource
from zhiyin.errors import CorpusError
from zhiyin.provenance.licences import LICENCES, strictest, terms_of


@pytest.mark.parametrize("name", sorted(COLLECTIONS))
def test_the_house_collections_have_no_errors(name):
    found = check(name)
    assert [f for f in found if f.level == "error"] == []


def made(licence: str) -> Collection:
    def pieces(root):
        for path in sorted(root.glob("*.mid")):
            yield PieceSource(path.relative_to(root), path.stem)

    return Collection("theirs", "https://x", licence, "they", "they", "a.tar.zst", "0" * 64, pieces)


@pytest.mark.parametrize(
    ("licence", "words"),
    [("LicenseRef-no-machine-learning", "forbids machine learning"), ("Nobody-1.0", "'Nobody-1.0' is not known")],
)
def test_a_forbidding_or_unknown_licence_is_refused_unless_one_has_the_rights(licence, words, monkeypatch):
    monkeypatch.setitem(catalog.COLLECTIONS, "theirs", made(licence))
    (refused,) = [f for f in check("theirs") if f.level == "error"]
    assert words in refused.text
    allowed = check("theirs", i_have_the_rights=True)
    assert [f.level for f in allowed if words in f.text] == ["warning"]


def test_share_alike_is_a_warning(monkeypatch):
    monkeypatch.setitem(catalog.COLLECTIONS, "theirs", made("CC-BY-SA-4.0"))
    assert [f.level for f in check("theirs")] == ["note", "warning"]


def test_files_and_archives_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setitem(catalog.COLLECTIONS, "theirs", made("CC0-1.0"))
    (tmp_path / "a.mid").write_bytes(b"")
    archive = tmp_path / "a.tar.zst"
    archive.write_bytes(b"other")
    levels = {f.subject: (f.level, f.text) for f in check("theirs", root=tmp_path, archive=archive)}
    assert levels["a.mid"] == ("warning", "is empty")
    assert levels["a.tar.zst"][0] == "error"
    assert "sha256" in levels["a.tar.zst"][1]


def test_own_folders_are_counted_and_nobody_is_asked(tmp_path):
    (tmp_path / "a.mid").write_bytes(b"MThd")
    assert [(f.level, f.subject) for f in check(tmp_path)] == [("note", tmp_path.name), ("note", tmp_path.name)]
    with pytest.raises(CorpusError, match="Unknown collection"):
        check(tmp_path / "missing")


def test_terms_add_up():
    both = strictest([terms_of("CC-BY-4.0"), terms_of("CC-BY-NC-SA-4.0"), terms_of("CC0-1.0")])
    assert (both.attribution, both.share_alike, both.non_commercial, both.open) == (True, True, True, False)
    assert both.spdx == "CC-BY-4.0 AND CC-BY-NC-SA-4.0 AND CC0-1.0"
    assert strictest([terms_of("CC0-1.0"), terms_of("CC-BY-3.0")]).open
    assert not strictest([]).known


def test_an_unknown_licence_lists_near_names():
    with pytest.raises(CorpusError, match=r"Unknown licence 'CC-BY'. Expected .*'CC-BY-4.0'.*SPDX"):
        terms_of("CC-BY")
    assert all(key == terms.spdx for key, terms in LICENCES.items())
