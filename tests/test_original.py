"""zhiyin original: planted passages found and told, the piece itself, what is left out, composing under a limit, errors."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fake_step import FakeGraph
from music import tune
from test_plan_words import MANIFEST
from zhiyin.app.cli.main import main
from zhiyin.corpus.index import piece_lines
from zhiyin.encoding import encode
from zhiyin.errors import ControlError, InputError, PackageError
from zhiyin.formats.catalog import save
from zhiyin.inference import guard as guarding
from zhiyin.inference.compose import compose
from zhiyin.inference.continue_ import continue_
from zhiyin.inference.original import compare, open_reference, original, style_of_record
from zhiyin.inference.passage_picture import draw_passage
from zhiyin.inference.sampler import Sampler
from zhiyin.inference.session import StepSession
from zhiyin.provenance.originality import TOP, Scale, SourceLine, SourcePiece, build_index, write_index
from zhiyin.provenance.package import ORIGINALITY, Package, file_hash
from zhiyin.provenance.record import write_side_file
from zhiyin.score import Part, Score, notes_array

HUMAN = Scale.measured([0.3 * i for i in range(250)], [80] * 250, ["waltz"] * 250, {}, {})


def index_of(folder: Path, scores: list[Score], *, dense: bool = True, scale: Scale | None = HUMAN) -> Path:
    """An index file of some scores; scores 0 and 1 are of one group."""
    pieces, lines = [], []
    for number, score in enumerate(scores):
        name = score.metadata.get("title", "")
        group = "both" if number < 2 else str(number)
        pieces.append(SourcePiece(f"c/{number}", name, "Anna Magdalena", "tests", "waltz", "CC0-1.0", group, f"{number}.mid"))
        piece = encode(score)[0]
        found, bar = piece_lines(piece.rows, piece.bars, piece.programs)
        lines += [SourceLine(number, x.part, x.onset, x.pitch, bar[x.note]) for x in found if x.part != TOP]
    folder.mkdir(exist_ok=True)
    return write_index(folder / ORIGINALITY, build_index(pieces, lines, dense=dense), scale)


def with_passage(host: Score, source: Score, *, bars=(4, 9), at=6, up=0, slower=1) -> Score:
    """``host`` with bars ``bars`` (0-based, last one excluded) of a source's only part put at bar ``at`` of its first part."""
    bar = 4 * host.ticks_per_quarter
    notes = source.notes[(source.notes["onset"] >= bars[0] * bar) & (source.notes["onset"] < bars[1] * bar)].copy()
    notes["onset"] = (notes["onset"] - bars[0] * bar) * slower + at * bar
    notes["duration"] *= slower
    notes["pitch"] += up
    end = at * bar + (bars[1] - bars[0]) * bar * slower
    old = host.notes
    kept = old[(old["part"] != 0) | (old["onset"] + old["duration"] <= at * bar) | (old["onset"] >= end)]
    return host.replace(notes=np.concatenate([kept, notes]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a dense index of twelve tunes."""
    root = tmp_path_factory.mktemp("indexed")
    index_of(root, [tune(16, seed) for seed in range(12)])
    return root


@pytest.fixture(scope="module")
def reference(folder):
    return open_reference(corpus=folder)


@pytest.mark.parametrize(("up", "slower"), [(0, 1), (5, 1), (-3, 2), (7, 2)])
@pytest.mark.parametrize("parts", [1, 2])
def test_a_planted_passage_is_told_in_bars_and_pieces(reference, parts, up, slower):
    source = tune(16, 4)
    piece = with_passage(tune(24, 50, parts=parts), source, up=up, slower=slower)
    report = compare(piece, reference, style="waltz")
    found = report.longest
    assert found.source.title == "Tune 4"
    assert found.passage.transposition == up
    assert found.passage.tempo_ratio == pytest.approx(slower, rel=0.05), "a chance note at an end blurs it"
    planted = int(((source.notes["onset"] >= 4 * 1920) & (source.notes["onset"] < 9 * 1920)).sum())
    assert planted <= found.notes <= planted + 4
    assert found.source_bars[0] in (4, 5)
    assert found.source_bars[1] in (9, 10)
    assert found.first_bar in (6, 7)
    assert found.last_bar in (6 + 5 * slower, 7 + 5 * slower)
    assert report.level == "copied"
    assert report.floor == ((found,) if found.passage.changed == 0 else ())
    assert report.share == pytest.approx(found.notes / report.notes, abs=0.08)
    words = str(report)
    assert "“Tune 4” by Anna Magdalena (tests, CC0-1.0)" in words
    assert ("4 bars and 24 notes or more stand there note for note" in words) == bool(report.floor)
    assert ("2 times as long" in words) == (slower == 2)
    assert (f"{abs(up)} semitones {'higher' if up > 0 else 'lower'}" in words) == (up != 0)


def test_the_indices_name_the_shared_notes(reference):
    piece = with_passage(tune(24, 50), tune(16, 4), up=5)
    found = compare(piece, reference).longest
    pitches = piece.notes["pitch"][found.indices].astype(int) - 5
    source = tune(16, 4).notes["pitch"].astype(int)
    windows = np.lib.stride_tricks.sliding_window_view(source, len(pitches))
    assert (windows == pitches).all(axis=1).any()


def test_another_tune_is_clear(reference):
    levels = [compare(tune(16, seed), reference, style="waltz") for seed in range(100, 120)]
    assert all(r.level == "clear" for r in levels)
    assert all(not r.floor and r.itself is None and r.share == 0 for r in levels)
    assert "closer to the training set than" in str(levels[0])
    assert "(waltz; 0..99 notes) are to each other, n = 250" in str(levels[0])


def test_a_piece_of_the_index_is_told_and_left_out_on_request(reference):
    report = compare(tune(16, 0), reference)
    assert report.itself[0].id == "c/0"
    assert report.itself[1] > 0.95
    assert report.level == "copied"
    assert "this is itself a piece of the index, or nearly" in str(report)
    without = compare(tune(16, 0), reference, exclude_itself=True)
    assert without.itself is None
    assert without.level == "clear"
    assert not {p.source.id for p in without.passages} & {"c/0", "c/1"}, "its group is left out too"
    assert without.excluded[0].startswith("“Tune 0” by Anna Magdalena (tests, CC0-1.0) and its near duplicates: ")
    assert "left out: “Tune 0”" in str(without)


def test_drums_are_not_compared(reference):
    piece = with_passage(tune(24, 50), tune(16, 4))
    drums = piece.replace(parts=(Part("Drums", 0, True),))
    report = compare(drums, reference)
    assert (report.notes, report.passages, report.verdict) == (0, (), None)
    assert "nothing to compare: it has no pitched notes" in str(report)
    assert report.excluded == ("drum parts: their patterns are everybody's",)


def test_an_index_without_a_scale_still_lists_passages(tmp_path):
    index_of(tmp_path, [tune(16, seed) for seed in range(3)], scale=None)
    report = original(with_passage(tune(24, 50), tune(16, 2)), corpus=tmp_path)
    assert report.longest.notes >= 24
    assert report.level == "copied", "the floor needs no scale"
    assert report.verdict is None
    assert "no scale of human pieces lies beside this index" in str(report)


def test_the_winnowed_form_finds_it_too_and_says_what_it_cannot(tmp_path):
    index_of(tmp_path, [tune(16, seed) for seed in range(6)], dense=False)
    report = original(with_passage(tune(24, 50), tune(16, 3), up=2), corpus=tmp_path / ORIGINALITY)
    assert report.longest.source.title == "Tune 3"
    assert report.longest.passage.tempo_ratio is None
    assert "winnowed: finds every passage of ≥ 16 notes" in str(report)


def test_the_style_is_the_one_of_the_record(tmp_path, folder):
    score = tune(16, 50)
    path = save(score, tmp_path / "a.mid", record={"settings": {"style": "waltz"}})
    assert style_of_record(path) == "waltz"
    assert original(path, corpus=folder).style == "waltz"
    assert original(path, corpus=folder, style="reel").style == "reel"
    write_side_file(path, {"originality": {"style": "jig"}, "settings": {"style": "waltz"}})
    assert style_of_record(path) == "jig"
    path.with_name("a.mid.zhiyin.json").write_text("[not json")
    assert style_of_record(path) == ""
    assert style_of_record(save(score, tmp_path / "b.musicxml")) == ""
    assert original(tmp_path / "b.musicxml", corpus=folder).title in ("Tune 50", "b")


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_picture_joins_every_shared_note(tmp_path, reference, suffix):
    source = tune(16, 4)
    piece = with_passage(tune(24, 50), source, up=5, slower=2)
    report = compare(piece, reference)
    path = draw_passage(tmp_path / f"p{suffix}", piece, report, source)
    if suffix == ".svg":
        svg = path.read_text(encoding="utf-8")
        assert svg.count('class="join"') == report.longest.notes
        assert svg.count('class="match"') == 2 * report.longest.notes
        assert "5 semitones higher, in note values 2 times as long" in svg
    alone = draw_passage(tmp_path / "alone.svg", piece, report).read_text(encoding="utf-8")
    assert 'class="join"' not in alone
    assert "the index holds no notes of its pieces; --corpus CORPUS draws them" in alone
    with pytest.raises(InputError, match="There is no passage to draw"):
        draw_passage(tmp_path / "x.svg", piece, replace(report, passages=()))


def packed(folder: Path, scores: list[Score], **options) -> Package:
    """A package (without graphs) that carries an index of some scores."""
    path = index_of(folder, scores, **options)
    return Package(folder, {**MANIFEST, "name": "stand-in", "files": {ORIGINALITY: file_hash(path)}}, "0" * 64)


def write(package, **changes):
    graph = FakeGraph(window=256, stay=4.0)
    sampler = Sampler(session=StepSession(graph, graph.window))
    settings = {"takes": 1, "candidates": 2, "seed": 5, "bars": 12, "style": "waltz", "parts": "flute", **changes}
    return compose(model=package, sampler=sampler, **settings)


def test_composing_tells_the_verdict(tmp_path):
    made = write(packed(tmp_path, [tune(16, seed) for seed in range(3)]), takes=2)
    for piece in made.pieces:
        known = piece.report["originality"]
        assert known["level"] == "clear"
        assert known["style"] == "waltz"
        assert known["line"].startswith(("clear: no passage of it was found in the 3 training pieces", "clear: the longest passage that also stands in"))
        assert known["index"]["hash"] == file_hash(tmp_path / ORIGINALITY)
        json.dumps(known)
    none = write(Package(Path("nowhere"), {**MANIFEST, "name": "stand-in", "files": {}}, "0" * 64))
    assert none.report["originality"]["line"] == "not checked: the package has no originality index"


def test_a_limit_keeps_copies_out_and_the_same_seed_gives_the_same_notes(tmp_path):
    plain = write(packed(tmp_path / "a", [tune(16, 0)]), takes=3, candidates=4)
    package = packed(tmp_path / "b", [p.score for p in plain.pieces] + [tune(16, 0)])
    again = write(package, takes=3, candidates=4)
    assert [p.report["originality"]["level"] for p in again.pieces] == ["copied"] * 3
    kept = write(package, takes=3, candidates=4, original="p95")
    assert kept.report["candidates"]["went_back"] > 0
    for piece in kept.pieces:
        assert piece.report["originality"]["level"] == "clear"
        assert piece.report["originality"]["verdict"]["score"] <= piece.report["originality"]["verdict"]["threshold_p95"]
    twice = write(package, takes=3, candidates=4, original="p95")
    assert [p.rows.tolist() for p in kept.pieces] == [p.rows.tolist() for p in twice.pieces]


def test_where_nothing_is_far_enough_that_is_an_error(tmp_path, monkeypatch):
    plain = write(packed(tmp_path / "a", [tune(16, 0)]), candidates=1)
    package = packed(tmp_path / "b", [tune(16, 0), plain.score])
    monkeypatch.setattr("zhiyin.inference.compose._ROUNDS", 1)
    monkeypatch.setattr(guarding, "MAX_BACKUPS", 0)
    with pytest.raises(ControlError) as caught:
        write(package, candidates=1, original="p99")
    text = str(caught.value)
    assert text.startswith("No take kept under p99 of the originality scale. Expected no passage closer to the training music than 99 %")
    assert "Received 1 of 1 takes given up after going back 0 times. hint: another --seed" in text


def test_limits_that_cannot_be_kept_have_words(tmp_path):
    with pytest.raises(ControlError, match=r"Unknown limit of originality. Expected p95 or p99. Received 'p50'"):
        write(packed(tmp_path, [tune(16, 0)]), original="p50")
    with pytest.raises(PackageError, match="The package 'stand-in' has no originality index. Expected originality.bin"):
        write(Package(Path("nowhere"), {**MANIFEST, "name": "stand-in", "files": {}}, "0" * 64), original="p95")
    with pytest.raises(PackageError, match="has no scale. Expected percentiles of human pieces. Received none"):
        write(packed(tmp_path, [tune(16, 0)], scale=None), original="p95")


def test_continuing_compares_new_bars_only(tmp_path):
    source = tune(16, 0)
    package = packed(tmp_path, [source, *(tune(16, seed) for seed in range(2, 5))])
    graph = FakeGraph(window=256, stay=4.0)
    made = continue_(source, bars=4, model=package, seed=1, sampler=Sampler(session=StepSession(graph, graph.window)))
    known = made.report["originality"]
    assert known["level"] == "clear"
    assert known["excluded"][0] == f"the {len(source.notes):,} notes that were given"
    assert known["excluded"][1].startswith("“Tune 0” by Anna Magdalena (tests, CC0-1.0) and its near duplicates: ")
    assert known["excluded"][1].endswith("before it goes on")
    assert known["longest"] is None or known["longest"]["bars"][0] > 16


def test_no_index_and_damaged_ones_have_words(tmp_path, folder):
    with pytest.raises(InputError) as caught:
        original(tune(4), corpus=tmp_path / "no")
    assert str(caught.value).endswith(f"Received no such file. hint: zhiyin corpus index {tmp_path / 'no'} makes one")
    (tmp_path / ORIGINALITY).write_bytes(b"something else")
    with pytest.raises(PackageError, match="no originality index"):
        original(tune(4), corpus=tmp_path)
    data = (folder / ORIGINALITY).read_bytes()
    (tmp_path / ORIGINALITY).write_bytes(data[: len(data) // 2])
    with pytest.raises(PackageError, match="damaged"):
        original(tune(4), corpus=tmp_path)
    with pytest.raises(InputError, match=r"min_notes out of range. Expected ≥ 4. Received 1"):
        original(tune(4), corpus=folder, min_notes=1)


def test_a_piece_without_notes_is_told_so(folder):
    report = original(tune(4).replace(notes=notes_array()), corpus=folder)
    assert (report.level, report.notes, report.passages) == ("nothing to compare", 0, ())
    assert report.line() == "nothing to compare: it has no notes" and "clear" not in str(report)
    drums = original(tune(4).replace(parts=tuple(replace(p, drums=True) for p in tune(4).parts)), corpus=folder)
    assert drums.line() == "nothing to compare: it has no pitched notes"
    assert "left out: drum parts" in str(drums)


def test_the_line_is_one_plain_sentence(reference):
    copied = compare(with_passage(tune(24, 50), tune(16, 4)), reference)
    found = copied.longest
    assert copied.line().startswith(f"copied: the longest passage that also stands in a training piece has {found.notes} notes (bars ")
    assert copied.line().endswith(" of people's pieces come as close to one another")
    clear = compare(tune(16, 105), reference)
    assert clear.line().startswith("clear: ") and ("no passage" in clear.line() or "% of people's pieces" in clear.line())


def test_many_files_on_the_command_line(tmp_path, folder, capsys):
    good = save(with_passage(tune(24, 50), tune(16, 4)), tmp_path / "copied.mid")
    other = save(tune(16, 105), tmp_path / "own.mid")
    bad = tmp_path / "bad.mid"
    bad.write_bytes(b"MThd")
    files = [str(good), str(other), str(bad)]
    assert main(["original", *files, "--corpus", str(folder)]) == 3
    said = capsys.readouterr()
    assert f"{good}: copied: the longest passage that also stands in" in said.out
    assert f"{other}: clear: " in said.out
    assert f"failed: {bad}: {bad} is damaged" in said.err
    assert main(["original", *files, "--corpus", str(folder), "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert [r["level"] for r in told["reports"]] == ["copied", "clear"]
    assert told["reports"][0]["longest"]["source"]["title"] == "Tune 4"
    assert told["failures"][0]["file"] == str(bad)
    assert main(["original", str(bad), "--corpus", str(folder)]) == 1
    assert main(["original", str(good), str(other), "--corpus", str(folder), "--picture", "p.svg"]) == 1
    assert "A picture shows one piece. Expected one file with --picture. Received 2 files" in capsys.readouterr().err


def test_one_file_with_its_picture(tmp_path, folder, capsys):
    good = save(with_passage(tune(24, 50), tune(16, 4)), tmp_path / "copied.mid")
    picture = tmp_path / "p.svg"
    assert main(["original", str(good), "--corpus", str(folder), "--picture", str(picture), "--min-notes", "8"]) == 0
    said = capsys.readouterr()
    assert "of its" in said.out
    assert "copied passages of ≥ 8 notes" in said.out
    assert f"drawn: {picture}" in said.err
    assert 'class="match"' in picture.read_text(encoding="utf-8")
    assert main(["original", str(good), "--corpus", str(folder), "--quiet"]) == 0
    assert capsys.readouterr().out == ""
