from pathlib import Path

import numpy as np
import pytest

from zhiyin.corpus.midi_rows import BATCH, rows_of_files, write_rows
from zhiyin.encoding import encode
from zhiyin.formats.catalog import load, save
from zhiyin.score.score import Part, Score, bars_array, notes_array, regular_bars


def made_score(seed: int, *, tpq: int = 480, meters: bool = False, parts: int = 2) -> Score:
    """Notes off the grid, doubled notes, restruck pitches, a drum part, a long note, silent bars."""
    rng = np.random.default_rng(seed)
    count = 150
    onset = np.sort(rng.integers(0, 16 * tpq, count))
    notes = notes_array(
        onset=onset,
        duration=rng.choice([1, tpq // 3, tpq // 2, tpq, 5 * tpq, 70 * tpq], count),
        pitch=rng.integers(58, 66, count),
        velocity=rng.integers(1, 128, count),
        part=rng.integers(0, parts, count),
    )
    notes = np.concatenate([notes, notes[:20]])
    bars = regular_bars(20, tpq)
    if meters:
        lengths = [4 * tpq] * 3 + [3 * tpq] * 4 + [tpq * 7 // 2] * 6
        numerators, denominators = [4] * 3 + [3] * 4 + [7] * 6, [4] * 7 + [8] * 6
        bars = bars_array(lengths, meter_numerator=numerators, meter_denominator=denominators)
    listed = tuple(Part(f"p{i}", i, drums=i == 1) for i in range(parts))
    return Score(notes, bars, listed, tpq, timing="performed")


@pytest.fixture
def files(tmp_path) -> list[Path]:
    scores = {
        "plain": made_score(0),
        "coarse": made_score(1, tpq=96),
        "fine": made_score(2, tpq=960),
        "odd": made_score(3, tpq=500),
        "meters": made_score(4, meters=True),
        "many": made_score(5, parts=12),
        "silent": made_score(6).replace(
            notes=notes_array(onset=[0, 480, 480 * 4 * 50], duration=240, pitch=[60, 62, 64], velocity=[1, 50, 99]),
            bars=regular_bars(51, 480),
        ),
        "flat": made_score(7).replace(notes=notes_array(onset=[0, 480], duration=240, pitch=[60, 62], velocity=80)),
    }
    paths = [save(score, tmp_path / f"{name}.mid") for name, score in scores.items()]
    (tmp_path / "bad.mid").write_bytes(b"MThd nonsense")
    (tmp_path / "empty.mid").write_bytes(b"")
    return [*paths, tmp_path / "bad.mid", tmp_path / "empty.mid", tmp_path / "missing.mid"]


def test_the_rows_are_those_of_the_ordinary_road(files):
    found = rows_of_files(files)
    for i, path in enumerate(files[:8]):
        expected = encode(load(path))[0].rows
        assert np.array_equal(found.rows[found.offsets[i] : found.offsets[i + 1]], expected), path.name
        assert len(expected) > 0
    assert found.slow < 6


def test_bad_files_are_listed_and_have_no_rows(files):
    found = rows_of_files(files)
    assert sorted(found.failures) == [8, 9, 10]
    assert "is damaged" in found.failures[8]
    assert "is empty" in found.failures[9]
    assert (np.diff(found.offsets)[8:] == 0).all()


def test_what_is_written_is_what_was_made(files, tmp_path):
    many = files * 30
    assert len(many) > BATCH
    written = write_rows(many, tmp_path / "out")
    assert np.array_equal(np.load(tmp_path / "out" / "rows.npy"), written.rows)
    assert len(written.offsets) == len(many) + 1
    once = rows_of_files(files)
    last = written.rows[written.offsets[-1 - len(files)] :]
    assert np.array_equal(last, once.rows)
    assert len(written.failures) == 90
    assert len((tmp_path / "out" / "failures.jsonl").read_text().splitlines()) == 90


def test_no_files_no_rows(tmp_path):
    assert len(rows_of_files([]).rows) == 0
    assert len(write_rows([], tmp_path).rows) == 0


@pytest.mark.slow
def test_real_files_agree(tmp_path):
    corpus = pytest.importorskip("music21.corpus")
    paths = []
    for name in corpus.getComposer("bach")[:12]:
        path = tmp_path / f"{Path(name).stem}.mid"
        save(load(Path(name)), path)
        paths.append(path)
    found = rows_of_files(paths)
    assert len(paths) == 12
    for i, path in enumerate(paths):
        assert np.array_equal(found.rows[found.offsets[i] : found.offsets[i + 1]], encode(load(path))[0].rows)
