"""The piece that is most alike as a whole: found, weighed on human pieces, left out, told; damaged and foreign files."""

import contextlib
import json

import numpy as np
import pytest

from music import tune
from test_training import write_folder
from zhiyin.app.cli.main import main
from zhiyin.corpus.build import BuildOptions, build
from zhiyin.corpus.store import open_corpus
from zhiyin.errors import InputError, PackageError
from zhiyin.formats.catalog import save
from zhiyin.inference.original import original
from zhiyin.provenance.nearest import NEAREST, Vectors, quantised, read_vectors, write_vectors
from zhiyin.provenance.package import ORIGINALITY
from zhiyin.training.nearest import nearest_beside


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nearest")
    build([write_folder(folder / "tunes", 24)], folder / "corpus", options=BuildOptions(hold_out=False))
    assert main(["corpus", "index", str(folder / "corpus"), "--nearest", "-q"]) == 0
    return open_corpus(folder / "corpus")


def test_a_piece_of_the_index_is_the_most_alike_to_itself(corpus, tmp_path):
    from zhiyin.corpus.scores import score_of

    piece = corpus.pieces("train")[3]
    report = original(score_of(corpus.path, piece.id), corpus=corpus.path)
    assert report.nearest.cosine > 0.99 and report.nearest.n == len(corpus.pieces("valid") + corpus.pieces("test"))
    assert "most alike as a whole (embedding): “" in str(report) and report.as_dict()["nearest"]["piece"]["collection"]
    others = original(score_of(corpus.path, report.nearest.piece.id), corpus=corpus.path, exclude_itself=True)
    assert others.nearest.piece.id != report.nearest.piece.id


def test_the_verb_names_it(corpus, tmp_path, capsys):
    save(tune(8, tonic=70), tmp_path / "x.mid")
    assert main(["original", str(tmp_path / "x.mid"), "--corpus", str(corpus.path), "--json"]) == 0
    assert 0 <= json.loads(capsys.readouterr().out)["reports"][0]["nearest"]["percentile"] <= 100


def test_the_same_vectors_give_the_same_bytes_and_come_back(tmp_path):
    vectors = np.eye(3, 8, dtype=np.float32)
    made = Vectors(quantised(vectors), np.array([0.2, 0.5], dtype=np.float32), {"index": "abc", "embedding": "e"})
    assert write_vectors(tmp_path / "a.npz", made).read_bytes() == write_vectors(tmp_path / "b.npz", made).read_bytes()
    found = read_vectors(tmp_path / "a.npz", 3, "abc")
    assert found.near(vectors[1])[0] == 1 and found.near(vectors[1], np.array([False, True, False]))[1] == 0
    assert found.percentile(0.3) == 50.0 and found.percentile(0.9) == 100.0
    assert read_vectors(tmp_path / "a.npz", 3, "another index") is None and read_vectors(tmp_path / "c.npz", 3, "abc") is None


def test_a_damaged_file_and_an_index_of_another_corpus(corpus, tmp_path):
    (tmp_path / NEAREST).write_bytes(b"PK\x03\x04 no")
    with pytest.raises(PackageError, match=r"nearest.npz cannot be read.*the vectors of an index"):
        read_vectors(tmp_path / NEAREST, 1, "")
    whole = bytearray((corpus.path / NEAREST).read_bytes())
    for at in range(40, len(whole), 97):  # a byte anywhere
        (tmp_path / NEAREST).write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        with contextlib.suppress(PackageError):  # and nothing else
            read_vectors(tmp_path / NEAREST, 1, "")
    build([write_folder(tmp_path / "others", 6, tonic=65)], tmp_path / "corpus", options=BuildOptions(hold_out=False))
    with pytest.raises(InputError, match="is an index of another corpus"):
        nearest_beside(corpus.path / ORIGINALITY, open_corpus(tmp_path / "corpus"))
