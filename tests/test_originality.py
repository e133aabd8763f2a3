"""The originality index, on tunes written here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from music import tune
from zhiyin.corpus.index import piece_lines
from zhiyin.encoding import encode
from zhiyin.errors import InputError, PackageError
from zhiyin.evaluation.originality import KINDS, Tune, vary
from zhiyin.measures.distribution import wilson
from zhiyin.provenance.originality import (
    TOP,
    Line,
    SourceLine,
    SourcePiece,
    build_index,
    lines_of,
    open_index,
    write_index,
)
from zhiyin.provenance.originality_scale import QUANTILES, Scale
from zhiyin.provenance.originality_store import MAGIC, _body
from zhiyin.provenance.package import load_package

PIECES, NOTES = 12, 160


def melody(seed: int, notes: int = NOTES) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    pitch = 60 + np.cumsum(rng.choice([-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5], notes)) % 24
    return np.cumsum(rng.choice([6, 12, 12, 24], notes)), pitch


def source(number: int) -> SourceLine:
    onset, pitch = melody(number)
    return SourceLine(number, number % 3, onset, pitch, 1 + onset // 96)


def pieces(count: int = PIECES) -> list[SourcePiece]:
    return [SourcePiece(f"p{i}", f"Tune {i}", "", "own", "reel", "CC0-1.0", f"g{i // 2}", f"{i}.mid") for i in range(count)]


@pytest.fixture(scope="module", params=[True, False], ids=["dense", "shipped"])
def index(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("index") / "originality.bin"
    write_index(path, build_index(pieces(), [source(i) for i in range(PIECES)], dense=request.param))
    return open_index(path)


def query(number: int, first: int, last: int, *, shift: int = 0, tempo: int = 1) -> Line:
    """Notes first..last of a source, with 20 strange notes before and after."""
    onset, pitch = melody(number)
    before, after = melody(900 + number, 20), melody(950 + number, 20)
    middle = (onset[first : last + 1] - onset[first]) * tempo + before[0][-1] + 12
    time = np.r_[before[0], middle, after[0] + middle[-1]]
    height = np.r_[before[1], pitch[first : last + 1] + shift, after[1]]
    return Line(0, time, height, np.arange(len(time)))


@pytest.mark.parametrize(("shift", "tempo"), [(0, 1), (5, 1), (-7, 1), (0, 2), (3, 4)])
def test_a_copied_passage_is_found_at_any_pitch_and_tempo(index, shift, tempo):
    found = index.passages([query(4, 30, 69, shift=shift, tempo=tempo)])[0]
    assert (found.piece, found.source_part, found.transposition, found.changed) == (4, 1, shift, 0)
    assert abs(found.first - 20) <= 1 and abs(found.last - 59) <= 1 and abs(found.notes - 40) <= 2
    bars = 1 + melody(4)[0][[30, 69]] // 96
    assert abs(found.source_first_bar - bars[0]) <= 1 and abs(found.source_last_bar - bars[1]) <= 1
    assert found.tempo_ratio == (tempo if index.dense else None)


@settings(max_examples=60, deadline=None)
@given(number=st.integers(0, PIECES - 1), first=st.integers(0, NOTES - 16), shift=st.integers(-11, 11))
def test_no_sixteen_notes_are_missed(shipped, number, first, shift):
    pitch = melody(number)[1]
    if len(np.unique(np.diff(pitch[first : first + 16]))) < 4:
        return
    found = shipped.passages([query(number, first, first + 15, shift=shift)])
    assert any(p.piece == number and p.notes >= 12 for p in found)


@pytest.fixture(scope="module")
def shipped():
    return build_index(pieces(), [source(i) for i in range(PIECES)], dense=False)


def test_one_note_in_eight_changed_is_one_passage_on_the_dense_index():
    dense = build_index(pieces(), [source(i) for i in range(PIECES)], dense=True)
    line = query(2, 40, 79)
    pitch = line.pitch.copy()
    pitch[[24, 32, 40, 48, 56]] += 3
    found = dense.passages([Line(0, line.onset, pitch, line.note)])[0]
    assert found.piece == 2 and found.last - found.first >= 30 and 3 <= found.changed <= 5


def test_inserted_notes_do_not_end_a_passage():
    dense = build_index(pieces(), [source(i) for i in range(PIECES)], dense=True)
    line = query(2, 40, 79)
    at = 40
    extra = Line(0, np.insert(line.onset, at, line.onset[at] - 3), np.insert(line.pitch, at, 90), np.arange(len(line.onset) + 1))
    found = dense.passages([extra])[0]
    assert found.piece == 2 and found.first <= 21 and found.last >= 59


def test_what_is_excluded_is_not_compared_with(index):
    line = query(4, 30, 69)
    assert all(p.piece != 4 for p in index.passages([line], exclude_pieces=[4]))
    assert all(p.piece not in (4, 5) for p in index.passages([line], exclude_groups=["g2"]))
    assert index.passages([line], exclude_groups=["no such group"])[0].piece == 4


def test_scales_repeated_notes_and_strangers_are_no_passages():
    onset, up = np.arange(64) * 12, 40 + np.arange(64)
    plain = [SourceLine(0, 0, onset, up, 1 + onset // 96), SourceLine(1, 0, onset, np.full(64, 60), 1 + onset // 96)]
    index = build_index(pieces(2), plain, dense=True)
    assert index.passages([Line(0, onset, up, np.arange(64)), Line(1, onset, np.full(64, 60), np.arange(64))]) == []
    assert index.passages([]) == []
    assert index.passages([Line(0, onset[:3], up[:3], np.arange(3))]) == []


def test_the_lines_are_the_top_notes_of_the_parts_and_of_all():
    onset, pitch, part = [0, 0, 24, 24, 48, 48], [60, 64, 50, 62, 38, 65], [0, 0, 1, 0, 2, 0]
    lines = lines_of(onset, [24] * 6, pitch, part, np.array([False, False, True]))
    assert [(line.part, line.pitch.tolist()) for line in lines] == [(0, [64, 62, 65]), (1, [50]), (TOP, [64, 62, 65])]
    assert lines[0].note.tolist() == [1, 3, 5]
    with pytest.raises(InputError, match=r"A note's part is not there\. Expected 0\.\.1\. Received 0\.\.2"):
        lines_of(onset, [24] * 6, pitch, part, np.array([False, False]))


def test_bars_are_numbered_as_a_notation_program_does():
    piece = encode(tune(8, 3))[0]
    _, bar = piece_lines(piece.rows, piece.bars, piece.programs)
    assert bar[0] == 1 and bar[-1] == 8


def test_drums_alone_cannot_be_indexed():
    with pytest.raises(InputError, match="Nothing to index"):
        build_index(pieces(1), [], dense=True)


@pytest.mark.parametrize("dense", [True, False])
def test_a_damaged_index_says_so(tmp_path, dense):
    path = write_index(tmp_path / "originality.bin", build_index(pieces(), [source(i) for i in range(PIECES)], dense=dense))
    data = path.read_bytes()
    size = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 8], "little")
    header = json.loads(data[len(MAGIC) + 8 : len(MAGIC) + 8 + size])

    def refuses(changed: bytes, text: str) -> None:
        path.write_bytes(changed)
        with pytest.raises(PackageError, match=text):
            open_index(path)

    def with_header(**more) -> bytes:
        text = json.dumps({**header, **more}).encode()
        start = MAGIC + len(text).to_bytes(8, "little") + text
        return start + bytes(_body(len(text)) - len(start)) + data[_body(size) :]

    refuses(b"", "No originality index")
    refuses(b"MThd" + data[4:], "is no originality index")
    refuses(data.replace(b"originality/1", b"originality/9", 1), "of another version")
    refuses(data[: len(data) // 2], r"the index is damaged\. Expected .* inside the file")
    refuses(MAGIC + (1 << 40).to_bytes(8, "little") + b"{}", "a header of ≤ 1048576 bytes")
    refuses(with_header(notes=1 << 40), "codes for every note")
    refuses(with_header(n=99), "n from 3 to 16")
    refuses(with_header(arrays={**header["arrays"], "codes": [1 << 50, 0]}), "codes of 1125899906842624")
    refuses(with_header(arrays={}), "the array codes")
    path.write_bytes(data)
    with pytest.raises(PackageError, match=r"the index was altered\. Expected sha256 0000"):
        open_index(path, sha256="0" * 64)
    with pytest.raises(PackageError, match="No originality index at"):
        open_index(tmp_path / "nothing.bin")


def test_flipped_bytes_never_crash(tmp_path):
    path = write_index(tmp_path / "o.bin", build_index(pieces(), [source(i) for i in range(PIECES)], dense=False))
    data, rng, line = path.read_bytes(), np.random.default_rng(0), query(4, 30, 69)
    searched = 0
    for _ in range(60):
        changed = bytearray(data)
        for at in rng.integers(0, len(data), 1 + searched % 3):
            changed[at] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(changed))
        try:
            opened = open_index(path)
            _ = opened.passages([line], exclude_groups=["g1"]), opened.scale
            searched += 1
        except PackageError:
            pass
    assert searched > 5


def scale(scores=None) -> Scale:
    scores = np.arange(1000) / 10 if scores is None else scores
    styles = ["slip-jig"] * 50 + ["jig"] * 250 + ["mass"] * (len(scores) - 300)
    return Scale.measured(scores, [300] * len(scores), styles, {"slip-jig": "jig", "jig": "folk-tune"}, {"seed": 0})


def test_thin_styles_are_judged_by_their_parents(index, tmp_path):
    made = scale()
    verdict = made.verdict((), 300, "slip-jig")
    assert (verdict.n, verdict.pooled_from, verdict.style, verdict.bin) == (300, "slip-jig", "jig", "200..399 notes")
    assert made.verdict((), 300, "mass").pooled_from == ""
    assert made.verdict((), 90, "mass").n == 1000 and made.verdict((), 90, "mass").bin == "any length"
    write_index(tmp_path / "o.bin", index, made)
    again = open_index(tmp_path / "o.bin").scale
    assert again == Scale.from_table(json.loads(json.dumps(made.table()))) and len(again.cells["", -1][1]) == len(QUANTILES)
    with pytest.raises(InputError, match="scale of the originality index is damaged"):
        Scale.from_table({"cells": []})


def test_the_floor_flags_whatever_the_percentile_says(index):
    strict = scale(np.full(1000, 1e6))
    long = index.passages([query(4, 30, 69)])
    assert strict.verdict(long, 300, "jig").level == "copied" and strict.verdict(long, 300, "jig").floor
    short = index.passages([query(4, 30, 47)])
    assert short and strict.verdict(short, 300, "jig").level == "clear"
    assert scale().verdict(short, 300, "jig").percentile > scale().verdict((), 300, "jig").percentile == 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_copy_is_what_it_says(kind):
    onset, pitch = melody(1, 33)
    plain = Tune(onset[:-1] - onset[0], np.diff(onset), pitch[:-1], np.zeros(32, dtype=np.int64))
    made = vary(plain, kind, np.random.default_rng(0))
    same = {
        "exact": np.array_equal(made.pitch, plain.pitch),
        "transposed": len(set(made.pitch - plain.pitch)) == 1 and made.pitch[0] != plain.pitch[0],
        "half tempo": np.array_equal(made.onset, plain.onset * 2),
        "ornaments": len(made.pitch) == 36 and np.isin(plain.onset, made.onset).all(),
        "1 in 8 changed": np.count_nonzero(made.pitch != plain.pitch) == 4,
        "split between parts": set(made.part) == {0, 1},
    }[kind] if kind != "ornaments" else len(made.pitch) == 36 and np.isin(plain.onset, made.onset).all()
    assert same
    with pytest.raises(InputError, match="No such kind of copy"):
        vary(plain, "backwards", np.random.default_rng(0))


def test_intervals_of_shares():
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(99, 100)
    assert 0.94 < low < 0.99 < high < 1.0


def test_a_package_may_share_the_index_of_another(tmp_path, monkeypatch):
    monkeypatch.setenv("ZHIYIN_HOME", str(tmp_path))
    base = {"name": "one", "family": "lstm", "encoding": "rows/1"}
    write_index(tmp_path / "o.bin", build_index(pieces(), [source(i) for i in range(PIECES)], dense=False))
    make_package(tmp_path / "packages" / "one", base, index=(tmp_path / "o.bin").read_bytes())
    one = load_package("one")
    assert one.originality_path == one.folder / "originality.bin"
    shared = {"originality": {"package": "one", "sha256": one.manifest["files"]["originality.bin"]}}
    make_package(tmp_path / "packages" / "two", {**base, "name": "two", **shared})
    assert load_package("two").originality_path == one.folder / "originality.bin"
    make_package(tmp_path / "packages" / "three", {**base, "name": "three"})
    assert load_package("three").originality_path is None
    for entry, text in (
        ({"package": "one", "sha256": "0" * 64}, r"shares with 'one' does not match\. Expected sha256 0000"),
        ({"package": "../one", "sha256": "0"}, "Received no such file"),
        ({"package": "four", "sha256": "0"}, "Received no such file"),
        ({"package": "one"}, "originality entry is damaged"),
    ):
        make_package(tmp_path / "packages" / "two", {**base, "name": "two", "originality": entry})
        with pytest.raises(PackageError, match=text):
            _ = load_package("two").originality_path


def make_package(folder: Path, manifest: dict, index: bytes = b"") -> None:
    from zhiyin.provenance.package import write_package

    staged = folder.with_name("." + folder.name)
    staged.mkdir(parents=True)
    for name in ("step.onnx", "score.onnx", "weights.bin"):
        (staged / name).write_bytes(b"x")
    if index:
        (staged / "originality.bin").write_bytes(index)
    write_package(folder, staged, manifest, "card")
