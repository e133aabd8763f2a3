"""The .zyz container: both modes there and back, and every way in which a file can be wrong, by its text."""

import numpy as np
import pytest

from music import tune
from test_vae import result  # noqa: F401 - a fixture
from zhiyin.encoding import encode, same_music
from zhiyin.encoding.rows import decode
from zhiyin.errors import ControlError, FormatError, InputError, PackageError
from zhiyin.formats.catalog import load, save
from zhiyin.inference.zyz import HEADER, _pack, compress, restore
from zhiyin.score import Part, Score, notes_array, regular_bars


def test_lossless_brings_every_note_back():
    for seed, meter in enumerate([(4, 4), (3, 4), (5, 4), (6, 8)]):
        score = tune(12, seed=seed, parts=1 + seed, meter=meter)
        made = compress(score, lossless=True)
        assert same_music(restore(made.data), decode(encode(score)[0]))
        assert made.report["note_accuracy"] == 1.0 and made.report["bits_per_note"] < 18


def test_the_notes_are_what_counts_not_the_plan():
    score = tune(12, seed=3)
    assert len(compress(score, lossless=True).data) < 150 and restore(compress(score, lossless=True).data).bar_count == 12


def test_latents_bring_most_notes_back(result, monkeypatch):  # noqa: F811
    monkeypatch.setattr("zhiyin.inference.zyz.list_packages", lambda: {"tiny-vae": result.package.folder})
    score = tune(11, seed=5, parts=2)
    made = compress(score, model=result.package, bits=6)
    assert same_music(restore(made.data), made.restored) and made.report["note_accuracy"] > 0
    assert len(compress(score, model=result.package, bits=3).data) < len(made.data)
    monkeypatch.setattr("zhiyin.inference.zyz.list_packages", dict)
    with pytest.raises(PackageError, match="the data needs a model package that is not here. Expected a package with hash"):
        restore(made.data)


def test_every_altered_byte_is_found():
    data = compress(tune(8, seed=1), lossless=True).data
    for at in range(len(data)):
        bad = bytearray(data)
        bad[at] ^= 0x55
        with pytest.raises((FormatError, PackageError)):
            restore(bytes(bad))


def test_what_is_wrong_is_said(tmp_path):
    data = compress(tune(8, seed=1), lossless=True).data
    other_notes = _pack(2, 0, bytes(8), data[HEADER.size :], encode(tune(8, seed=2))[0])
    for bad, text in (
        (b"MThd" + data, "the data is not a .zyz file. Expected a file that begins with ZYZ"),
        (data[:10], "the data is not a .zyz file"),
        (data[:-3], "the data is cut off. Expected .* bytes after the header"),
        (data[:3] + b"\x09" + data[4:], "the data is a .zyz of another version. Expected 1. Received 9"),
        (data[:4] + b"\x07" + data[5:], "the data was altered or is damaged. .* Received mode 7 with 0 bits"),
        (data[:14] + bytes(8) + data[22:], "the data was altered or is damaged. .* Received another check sum"),
        (other_notes, "the data was altered or is damaged. .* Received other notes than were compressed"),
    ):
        with pytest.raises(FormatError, match=text):
            restore(bad)
    with pytest.raises(InputError, match="is not there"):
        restore(tmp_path / "none.zyz")
    (tmp_path / "empty.zyz").write_bytes(b"")
    with pytest.raises(FormatError, match="is empty"):
        restore(tmp_path / "empty.zyz")


def test_a_header_asks_for_no_memory():
    payload = b"\xff" * 64
    data = _pack(2, 0, bytes(8), payload, encode(tune(8, seed=2))[0])
    with pytest.raises(FormatError, match="was altered or is damaged"):
        restore(data)


def test_wrong_wishes(result):  # noqa: F811
    with pytest.raises(ControlError, match="bits out of range. Expected 2..8. Received 9"):
        compress(tune(4), model=result.package, bits=9)
    drums = Score(notes_array([(0, 24, 36)]), regular_bars(4, 24), (Part("", 0, True),), 24)
    with pytest.raises(InputError, match="Nothing but drums. .* hint: --lossless keeps drums"):
        compress(drums, model=result.package)
    with pytest.raises(InputError, match="The score has no notes"):
        compress(Score(notes_array([]), regular_bars(4, 24), (Part("", 0),), 24), lossless=True)
    assert len(restore(compress(drums, lossless=True).data).notes) == 1


def test_the_verbs(tmp_path, capsys):
    import json

    from zhiyin.app.cli.main import main

    path = save(tune(8, seed=2), tmp_path / "a.mid")
    assert main(["compress", str(path), "--lossless", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["note_accuracy"] == 1.0 and told["times_smaller_than_midi"] > 3
    assert main(["restore", str(tmp_path / "a.zyz"), "-o", str(tmp_path / "b.musicxml")]) == 0
    assert np.array_equal(load(tmp_path / "b.musicxml").notes["pitch"], load(path).notes["pitch"])
    assert main(["compress", str(path), "--lossless", "-o", str(tmp_path / "a.zip")]) == 1
    assert "compress writes .zyz files. Expected a name that ends in .zyz. Received a.zip" in capsys.readouterr().err
    assert main(["compress", str(path), "--lossless"]) == 0 and "100.00% of the notes come back" in capsys.readouterr().out


def test_sizes_are_said_as_smaller_or_larger(tmp_path, capsys):
    from zhiyin.app.cli.compress import _size
    from zhiyin.app.cli.main import main

    assert [_size(x) for x in (1.636, 0.841, 1.0)] == ["1.64 times smaller than", "1.19 times larger than", "as large as"]
    score = tune(8, seed=2)
    notes = score.notes.copy()
    notes["onset"][1:] += 3  # off the grid
    path = save(score.replace(notes=notes), tmp_path / "a.mid")
    assert main(["compress", str(path), "--lossless"]) == 0
    said = capsys.readouterr().err
    assert "onsets moved to the grid (by at most 0.00" in said and "largest_move" not in said
