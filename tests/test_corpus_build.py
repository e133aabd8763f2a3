import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import zhiyin
from zhiyin.corpus.build import BuildOptions, build
from zhiyin.corpus.chunks import note_times, read_chunk
from zhiyin.corpus.store import open_corpus
from zhiyin.encoding import encode
from zhiyin.encoding.fields import CONTROL_COLUMN
from zhiyin.encoding.rows import EncodedPiece
from zhiyin.errors import CorpusError
from zhiyin.formats.catalog import load, save
from zhiyin.measures.key import with_keys
from zhiyin.score.score import Part, Score, notes_array, regular_bars


def tune(seed: int, *, transpose: int = 0, bars: int = 8, program: int = 0) -> Score:
    rng = np.random.default_rng(seed)
    steps = rng.choice([12, 24, 48], 200)
    onset = np.r_[0, np.cumsum(steps)]
    onset = onset[onset < bars * 96]
    pitch = np.clip(60 + np.cumsum(rng.choice([-3, -2, -1, 1, 2, 3], len(onset))), 40, 90) + transpose
    notes = notes_array(onset=onset, duration=12, pitch=pitch, velocity=80)
    return Score(notes, regular_bars(bars, 24), (Part("tune", program),), 24, timing="notated")


def own_folder(root: Path, pieces: int = 70) -> Path:
    """Files in two sub-folders, with a transposed version, a copy, three bad files and one that is no score."""
    for i in range(pieces):
        folder = root / ("jig" if i % 2 else "my-style")
        folder.mkdir(parents=True, exist_ok=True)
        save(tune(i), folder / f"{i:03}.mid")
    save(tune(0, transpose=3), root / "my-style" / "version.mid")
    (root / "jig" / "copy.mid").write_bytes((root / "jig" / "001.mid").read_bytes())
    (root / "jig" / "empty.mid").write_bytes(b"")
    (root / "jig" / "cut.mid").write_bytes((root / "jig" / "001.mid").read_bytes()[:60])
    (root / "jig" / "text.mid").write_bytes(b"this is no MIDI file at all")
    (root / "readme.txt").write_text("not a score")
    return root


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = own_folder(tmp_path_factory.mktemp("own"))
    out = tmp_path_factory.mktemp("corpus")
    told: list[tuple[int, int]] = []
    report = build([root], out, options=BuildOptions(workers=2), progress=lambda *now: told.append(now))
    return root, out, report, told


def test_the_books_balance_and_say_so(built):
    _, _, report, told = built
    assert report.files == 75 == report.files_read + len(report.failures)
    assert report.pieces_made == 72 == report.pieces + report.duplicates + report.held_out
    assert (report.duplicates, report.held_out) == (1, 0)
    assert str(report).startswith("75 files in = 72 read + 3 failed; 72 pieces made = 71 kept + 1 duplicates")
    assert told[0] == (0, 75)
    assert told[-1] == (75, 75)


def test_bad_files_are_listed_with_their_reason(built):
    _, out, _, _ = built
    rows = [json.loads(line) for line in (out / "failures.jsonl").read_text().splitlines()]
    assert [Path(r["path"]).name for r in rows] == ["cut.mid", "empty.mid", "text.mid"]
    assert all(r["error"] == "FormatError" and "Expected" in r["reason"] for r in rows)
    (removed,) = [json.loads(line) for line in (out / "removed.jsonl").read_text().splitlines()]
    assert removed["kind"] == "duplicate"


def test_mended_files_are_listed_and_counted(tmp_path):
    good = "\n".join(f"={k}\n4c\n4{'defga'[k % 5]}" for k in range(1, 41))
    whole = f"**kern\n*M2/4\n{good}\n==\n*-\n"
    both = whole.replace("\n*M2/4", "\t**kern\n*M2/4\t*M2/4").replace("\n4c\n", "\n4c\t4e\n")
    both = re.sub(r"\n(=+\d*|\*-|4[a-g])(?=\n)", r"\n\1\t\1", both)
    (tmp_path / "files" / "jig").mkdir(parents=True)
    for number in range(3):
        (tmp_path / "files" / "jig" / f"{number}.krn").write_text(both.replace("4c\t4e", "4c\t2e", number))
    report = build([tmp_path / "files"], tmp_path / "out", options=BuildOptions(workers=1))
    assert [(Path(m["path"]).name, m["mended"]) for m in report.mended] == [
        ("1.krn", "rhythm that does not add up in bar 1 (line 5)"),
        ("2.krn", "rhythm that does not add up in bars 1 (line 5), 2 (line 8)"),
    ]
    lines = [json.loads(line) for line in (tmp_path / "out" / "mended.jsonl").read_text().splitlines()]
    assert lines == list(report.mended)
    assert "2 files mended" in str(report) and not report.failures
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["books"]["mended"] == 2


def test_what_is_stored_is_what_encode_makes(built):
    root, out, _, _ = built
    corpus = open_corpus(out)
    assert len(corpus.table) == 71
    for piece in corpus.table[::7]:
        stored = corpus.arrays(piece)
        made, _ = encode(with_keys(load(root / piece.path)))
        for name in ("rows", "bars", "programs"):
            assert np.array_equal(stored[name], getattr(made, name)), (piece.path, name)
        assert (piece.notes, piece.bars) == (len(made.rows), len(made.bars))
    assert sum(p.notes for p in corpus.table) == len(corpus.columns["rows"]) == corpus.manifest["notes"]


def test_folders_are_labels_and_known_words_are_catalog_styles(built):
    _, out, _, _ = built
    corpus = open_corpus(out)
    assert set(corpus.styles) == {"jig", "my-style"}
    for piece in corpus.table:
        assert piece.style == Path(piece.path).parts[0]
        control = corpus.arrays(piece)["controls"][CONTROL_COLUMN["style"]]
        assert control == corpus.styles[piece.style]["id"]
    assert corpus.styles["jig"]["n"] == len(corpus.pieces(style="jig")) == 35


def test_versions_share_weight_and_side(built):
    _, out, _, _ = built
    by_path = {Path(p.path).name: p for p in open_corpus(out).table}
    first, version = by_path["000.mid"], by_path["version.mid"]
    assert first.group == version.group
    assert first.split == version.split
    assert first.weight == version.weight == 0.5
    assert by_path["002.mid"].weight == 1.0


def test_every_side_has_pieces_and_no_group_straddles(built):
    _, out, _, _ = built
    corpus = open_corpus(out)
    assert all(corpus.pieces(side) for side in ("train", "valid", "test"))
    sides: dict[str, set[str]] = {}
    for piece in corpus.table:
        sides.setdefault(piece.group, set()).add(piece.split)
    assert all(len(s) == 1 for s in sides.values())


def test_the_manifest_names_papers_and_hashes(built):
    _, out, _, _ = built
    corpus = open_corpus(out)
    assert corpus.manifest["collections"][0]["licence"] == "LicenseRef-own"
    assert corpus.manifest["held_out"] == ["Bach's four-part chorales"]
    assert corpus.manifest["encoding"] == "rows/1"
    assert corpus.verify() == []
    assert all(len(p.file_sha256) == 64 for p in corpus.table)


def test_arrays_are_mapped_not_read(built):
    _, out, _, _ = built
    assert isinstance(open_corpus(out).columns["rows"], np.memmap)


def test_a_second_build_reuses_everything_and_is_the_same(built):
    root, out, report, _ = built
    before = {p.name: p.stat().st_mtime_ns for p in (out / "chunks").iterdir()}
    tables = (out / "pieces.jsonl").read_bytes(), (out / "rows.npy").read_bytes()
    again = build([root], out)
    assert again.reused_files == 75
    assert {p.name: p.stat().st_mtime_ns for p in (out / "chunks").iterdir()} == before
    assert ((out / "pieces.jsonl").read_bytes(), (out / "rows.npy").read_bytes()) == tables
    assert again.failures == report.failures


def test_a_changed_file_is_read_again_and_its_old_chunk_goes(tmp_path):
    for i in range(3):
        save(tune(200 + i), tmp_path / "in" / f"{i}.mid")
    build([tmp_path / "in"], tmp_path / "out")
    (before,) = (tmp_path / "out" / "chunks").iterdir()
    save(tune(300), tmp_path / "in" / "1.mid")
    report = build([tmp_path / "in"], tmp_path / "out")
    (after,) = (tmp_path / "out" / "chunks").iterdir()
    assert (report.reused_files, report.pieces) == (0, 3)
    assert after != before


def test_a_folder_of_songs_called_jazz_is_a_style_of_its_own(tmp_path):
    save(tune(1), tmp_path / "in" / "jazz" / "song.mid")
    drums = tune(2).replace(parts=(Part("kit", 0, drums=True),))
    save(drums, tmp_path / "in" / "rock" / "beat.mid")
    build([tmp_path / "in"], tmp_path / "out")
    assert set(open_corpus(tmp_path / "out").styles) == {"jazz", "drums-rock"}


def test_a_changed_byte_is_noticed(built, tmp_path):
    _, out, _, _ = built
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(out), str(copy)], check=True)
    data = bytearray((copy / "rows.npy").read_bytes())
    data[-1] ^= 1
    (copy / "rows.npy").write_bytes(data)
    assert open_corpus(copy).verify() == ["rows.npy"]
    (copy / "pieces.jsonl").write_text("".join((copy / "pieces.jsonl").read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(CorpusError, match=r"is damaged. Expected 71 pieces. Received 70"):
        open_corpus(copy)


@pytest.mark.slow
def test_after_a_kill_the_build_goes_on_and_nothing_is_lost_or_doubled(tmp_path):
    root, out = own_folder(tmp_path / "own", pieces=400), tmp_path / "corpus"
    code = "from pathlib import Path; from zhiyin.corpus.build import build\n"
    code += "if __name__ == '__main__': build([Path('own')], Path('corpus'))\n"
    (tmp_path / "run.py").write_text(code)
    env = os.environ | {"PYTHONPATH": str(Path(zhiyin.__file__).parents[1])}
    running = subprocess.Popen([sys.executable, "run.py"], cwd=tmp_path, env=env, process_group=0)
    limit = time.monotonic() + 200
    while time.monotonic() < limit and len(list(out.glob("chunks/*.npz"))) < 2:
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not (out / "manifest.json").exists()
    with pytest.raises(CorpusError, match="not a finished corpus"):
        open_corpus(out)
    finished = {p.name: p.stat().st_mtime_ns for p in out.glob("chunks/[!.]*.npz")}
    assert 2 <= len(finished) < 13
    report = build([root], out)
    assert report.reused_files == 32 * len(finished)
    assert {n: (out / "chunks" / n).stat().st_mtime_ns for n in finished} == finished
    whole = build([root], tmp_path / "whole")
    assert (out / "pieces.jsonl").read_bytes() == (tmp_path / "whole" / "pieces.jsonl").read_bytes()
    assert (out / "rows.npy").read_bytes() == (tmp_path / "whole" / "rows.npy").read_bytes()
    assert report.pieces == whole.pieces


@pytest.mark.slow
def test_a_script_without_a_main_guard_is_told_so(tmp_path):
    save(tune(1), tmp_path / "own" / "a.mid")
    (tmp_path / "run.py").write_text(
        "from pathlib import Path; from zhiyin.corpus.build import build\nbuild([Path('own')], Path('corpus'))\n"
    )
    env = os.environ | {"PYTHONPATH": str(Path(zhiyin.__file__).parents[1])}
    run = subprocess.run([sys.executable, "run.py"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "A worker process could not start" in run.stderr
    assert "if __name__ == '__main__'" in run.stderr


def test_labels_from_a_table(tmp_path):
    for i in range(4):
        save(tune(100 + i), tmp_path / f"{i}.mid")
    (tmp_path / "labels.csv").write_text("file,label\n0.mid,圆舞曲\n1.mid,Walzer\n2.mid,my own\n", encoding="utf-8")
    build([tmp_path], tmp_path / "out")
    styles = {Path(p.path).name: p.style for p in open_corpus(tmp_path / "out").table}
    assert styles == {"0.mid": "waltz", "1.mid": "waltz", "2.mid": "my own", "3.mid": ""}


def test_a_book_of_tunes_is_several_pieces(tmp_path):
    tunes = [f"X:{i}\nT:Tune {i}\nM:4/4\nL:1/8\nK:{key}\nCDEF GABc|{end}|\n" for i, key, end in
             ((1, "C", "c4 C4"), (2, "G", "d2d2 G4"), (3, "D", "A8"))]  # fmt: skip
    (tmp_path / "book.abc").write_text("\n".join(tunes))
    report = build([tmp_path], tmp_path / "out")
    assert (report.files, report.pieces_made) == (1, 3)
    ids = [p.id.rsplit("/", 1)[1] for p in open_corpus(tmp_path / "out").table]
    assert ids == ["book#1", "book#2", "book#3"]


def test_a_table_without_columns_is_refused(tmp_path):
    save(tune(1), tmp_path / "a.mid")
    (tmp_path / "labels.csv").write_text("a.mid\n")
    with pytest.raises(CorpusError, match=r"no table of labels. Expected two columns: file,label. Received a.mid"):
        build([tmp_path], tmp_path / "out")


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match=r"nothing to build from.*0 files.*\.krn"):
        build([tmp_path], tmp_path / "out")


def test_a_folder_of_bad_files_is_an_error_with_the_first_reasons(tmp_path):
    (tmp_path / "bad.mid").write_bytes(b"nonsense")
    with pytest.raises(CorpusError, match=r"No piece is left.*1 files, 1 failed.*bad.mid: "):
        build([tmp_path], tmp_path / "out")
    assert (tmp_path / "out" / "failures.jsonl").exists()


def test_a_wrong_name_or_a_missing_collection(tmp_path):
    with pytest.raises(CorpusError, match=r"Unknown collection 'openscore'.*'openscore-lieder'"):
        build(["openscore"], tmp_path)
    with pytest.raises(CorpusError, match=r"files of groove are not there.*zhiyin corpus fetch groove"):
        build(["groove"], tmp_path)


def test_a_forbidding_licence_is_refused_until_one_has_the_rights(tmp_path):
    save(tune(1), tmp_path / "in" / "a.mid")
    forbidden = BuildOptions(licence="LicenseRef-no-machine-learning")
    with pytest.raises(CorpusError, match=r"does not allow training on it.*--i-have-the-rights"):
        build([tmp_path / "in"], tmp_path / "out", options=forbidden)
    rights = BuildOptions(licence="LicenseRef-no-machine-learning", i_have_the_rights=True)
    build([tmp_path / "in"], tmp_path / "out", options=rights)
    assert open_corpus(tmp_path / "out").manifest["i_have_the_rights"] is True


def test_chunks_hold_times_that_add_up(built):
    _, out, _, _ = built
    chunk = read_chunk(sorted((out / "chunks").glob("*.npz"))[0])
    rows, bars = (chunk.arrays[n][: chunk.offsets[n][1]] for n in ("rows", "bars"))
    piece = EncodedPiece(rows, bars, np.zeros(1, np.uint8), np.zeros(5, np.int16))
    onset, duration = note_times(piece)
    assert (np.diff(onset) >= 0).all()
    assert (onset + duration).max() <= bars[:, 0].sum() + 384
