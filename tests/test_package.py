"""Packages: what is written is read back; whatever was altered is refused with words that say what."""

import json
from pathlib import Path

import pytest

from zhiyin.errors import PackageError
from zhiyin.provenance.package import CARD, MANIFEST, SCORE, STEP, WEIGHTS, list_packages, load_package, write_package
from zhiyin.provenance.record import DISCLOSURE, attributions, make_record, notes_hash, write_side_file


@pytest.fixture
def package(tmp_path):
    staged = tmp_path / "staged"
    staged.mkdir()
    for name in (STEP, SCORE, WEIGHTS):
        (staged / name).write_bytes(name.encode())
    return write_package(
        tmp_path / "mine", staged, {"name": "mine", "family": "lstm", "encoding": "rows/1"}, "# card\n"
    )


def test_what_is_written_is_read_back(package):
    assert load_package(package.folder).hash == package.hash
    assert sorted(package.manifest["files"]) == sorted([STEP, SCORE, WEIGHTS, CARD])
    assert (package.folder / CARD).read_text() == "# card\n"


@pytest.mark.parametrize("name", [STEP, SCORE, WEIGHTS, CARD])
def test_one_changed_byte_is_refused(package, name):
    path = package.folder / name
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(PackageError, match=rf"{name} was altered. Expected sha256 .* hint: install the package again"):
        load_package(package.folder)


def test_a_missing_file_is_named(package):
    (package.folder / STEP).unlink()
    with pytest.raises(PackageError, match=f"{STEP} is missing"):
        load_package(package.folder)


def _edit(package, **changes):
    path = package.folder / MANIFEST
    manifest = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(manifest))


def test_a_future_version_is_refused(package):
    _edit(package, format="package/9")
    with pytest.raises(
        PackageError, match=r"another format. Expected package/1. Received package/9. hint: a newer zhiyin"
    ):
        load_package(package.folder)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": "package/1"}', '{"format": "package/1", "files": 3, "name": "x"}']
)
def test_a_damaged_manifest_is_named(package, text):
    (package.folder / MANIFEST).write_text(text)
    with pytest.raises(PackageError, match="manifest.json is damaged"):
        load_package(package.folder)


def test_files_outside_the_folder_are_not_followed(package):
    _edit(package, files={STEP: "0", SCORE: "0", WEIGHTS: "0", "../outside": "0"})
    with pytest.raises(PackageError, match="was altered|is missing"):
        load_package(package.folder)


def test_unknown_names_list_near_ones(package, tmp_path, monkeypatch):
    monkeypatch.setenv("ZHIYIN_HOME", str(tmp_path / "home"))
    target = tmp_path / "home" / "packages" / "chorales"
    target.parent.mkdir(parents=True)
    Path(package.folder).rename(target)
    assert "chorales" in list_packages()
    assert load_package("chorales").folder == target
    with pytest.raises(PackageError, match="No model package 'chorals'.*'chorales'"):
        load_package("chorals")


def test_rewriting_a_package_replaces_it_whole(package, tmp_path):
    staged = tmp_path / "again"
    staged.mkdir()
    for name in (STEP, SCORE, WEIGHTS):
        (staged / name).write_bytes(b"new")
    newer = write_package(package.folder, staged, {"name": "mine", "family": "gru", "encoding": "rows/1"}, "")
    assert newer.manifest["family"] == "gru" and not staged.exists()
    assert list(package.folder.parent.glob("*.old")) == []


def test_a_record_says_how_and_names_the_notes(tmp_path):
    from music import tune

    score = tune(4)
    name = notes_hash(score.notes, score.ticks_per_quarter)
    assert name != notes_hash(score.transpose(1).notes, score.ticks_per_quarter)
    model = {"name": "m", "collections": [{"attribution": "A, CC BY 4.0"}, {"attribution": ""}]}
    record = make_record("compose", "0.1.0", {"seed": 7}, model=model, model_hash="h", notes=name)
    assert record["disclosure"] == DISCLOSURE and record["attribution"] == ["A, CC BY 4.0"] == attributions(
        model["collections"]
    )
    assert "written" not in record
    side = write_side_file(tmp_path / "a.mid", record, seconds=3)
    told = json.loads(side.read_text())
    assert (
        side.name == "a.mid.zhiyin.json"
        and told["settings"] == {"seed": 7}
        and told["written"]
        and told["seconds"] == 3
    )
