"""`zhiyin show --descriptors`: in words, as JSON, as a table of a folder; and the page that lists them."""

import csv
import importlib.util
import json

import numpy as np
import pytest

import zhiyin
from docs_pages import ROOT
from music import tune
from zhiyin.app.cli.main import main
from zhiyin.errors import InputError
from zhiyin.formats.catalog import load, save
from zhiyin.inference.describing import describe_files, scores_below
from zhiyin.measures.descriptors import DESCRIPTORS, NAMES, describe


def test_the_page_of_descriptors_is_fresh():
    where = ROOT / "tools" / "make_descriptor_reference.py"
    spec = importlib.util.spec_from_file_location("make_descriptor_reference", where)
    assert spec and spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    text = tool.page()
    assert (ROOT / tool.PAGE).read_text(encoding="utf-8") == text, "run python tools/make_descriptor_reference.py"
    assert all(f"| `{name}` |" in text for name in NAMES)


def test_in_words(tmp_path, capsys):
    path = save(tune(8, parts=2), tmp_path / "t.mid")
    assert main(["show", str(path), "--descriptors"]) == 0
    said = capsys.readouterr().out
    groups = [line for line in said.splitlines() if line and not line.startswith(" ")]
    assert groups[0] == "pitch" and {"melody", "rhythm", "meter", "harmony", "texture", "form"} <= set(groups)
    assert any("four beats" in line and line.endswith("100 %") for line in said.splitlines())


def test_as_json(tmp_path, capsys):
    path = save(tune(8, parts=2), tmp_path / "t.mid")
    assert main(["show", str(path), "--descriptors", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["version"] == "descriptors/1" and told["failures"] == [] and told["files"] == [] and told["seconds"] >= 0
    (row,) = told["descriptors"]
    assert list(row) == ["file", *NAMES]
    assert row["range"] == np.ptp(load(path).notes["pitch"])


def test_a_folder_becomes_a_table_and_the_bad_file_is_named(tmp_path, capsys):
    folder = tmp_path / "scores"
    (folder / "more").mkdir(parents=True)
    for i in range(3):
        save(tune(8, seed=i), folder / ("more" if i == 2 else "") / f"{i}.mid")
    (folder / "bad.mid").write_bytes(b"MThd broken")
    (folder / "notes.txt").write_text("no score")
    out = tmp_path / "features.csv"
    assert main(["show", str(folder), "--descriptors", "-o", str(out)]) == 3
    said = capsys.readouterr()
    assert "bad.mid" in said.err and "3 described" in said.out
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert [r["file"].rsplit("/", 1)[1] for r in rows] == ["0.mid", "1.mid", "2.mid"]
    again = describe(load(folder / "0.mid"))
    assert np.allclose([float(rows[0][n]) for n in NAMES], again, rtol=1e-6)
    assert main(["show", str(folder), "--descriptors", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert len(told["descriptors"]) == 3 and [f["path"].endswith("bad.mid") for f in told["failures"]] == [True]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["FOLDER", "--descriptors"], "Many files make a table. Expected --out features.csv or --json."),
        (["FILE", "--descriptors", "-o", "x.txt"], "Descriptors are written as a table. Expected a name that ends in .csv. Received x.txt."),
        (["FILE", "-o", "x.csv"], "--out goes with --descriptors. Expected --descriptors. Received --out x.csv alone."),
        (["FILE", "--descriptors", "--roll", "x.png"], "--descriptors draws nothing."),
        (["EMPTY", "--descriptors", "--json"], "Nothing to describe in"),
        (["FOLDER"], "is a folder"),
    ],
)
def test_what_cannot_be_done_is_said(arguments, words, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").mkdir()
    path = save(tune(4), tmp_path / "folder" / "t.mid")
    places = {"FOLDER": str(tmp_path / "folder"), "FILE": str(path), "EMPTY": str(tmp_path / "empty")}
    assert main(["show", *(places.get(a, a) for a in arguments)]) == 1
    assert words in capsys.readouterr().err


def test_python_says_the_same(tmp_path):
    path = save(tune(8), tmp_path / "t.mid")
    values = zhiyin.describe(zhiyin.load(path))
    found = describe_files([path, tmp_path / "missing.mid"])
    assert np.array_equal(found.values[0], values) and len(values) == len(DESCRIPTORS)
    assert [p.name for p, _ in found.failures] == ["missing.mid"]
    assert scores_below(tmp_path) == [path]
    with pytest.raises(InputError, match="Nothing to describe"):
        scores_below(tmp_path / "nowhere")
