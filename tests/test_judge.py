"""The scorecard: percentiles, figures that see only what they should, references without pieces, the verb, its errors."""

import json

import numpy as np
import pytest

import zhiyin as zy
from music import tune
from zhiyin.app.cli.main import main
from zhiyin.encoding import encode
from zhiyin.errors import InputError
from zhiyin.evaluation.excerpts import Excerpt
from zhiyin.evaluation.figures import BARS, figure_table, measure_figures, whole, windows_of
from zhiyin.evaluation.form import closed_phrases, ends_on, returning
from zhiyin.evaluation.scorecard import judge, scorecard
from zhiyin.evaluation.style_reference import LEVELS, open_style, packed, percentile, style_names, summarise
from zhiyin.score import Part, notes_array


def part_of(score) -> Excerpt:
    return whole(encode(score)[0])


def measured(score) -> np.ndarray:
    return measure_figures(part_of(score))


def at(name: str) -> int:
    return [f.name for f in figure_table()].index(name)


@pytest.mark.parametrize("values", [np.random.default_rng(0).normal(size=4000), np.random.default_rng(1).integers(0, 6, 4000)])
def test_percentiles_are_shares_below_with_ties_half(values):
    values = np.asarray(values, dtype=np.float16)
    quantiles = np.quantile(values, LEVELS).astype(np.float16)
    for v in np.unique(values)[::97] if len(np.unique(values)) > 50 else np.unique(values):
        truth = float((values < v).mean() + (values == v).mean() / 2)
        assert percentile(quantiles, float(v)) == pytest.approx(truth, abs=0.03)


def test_percentiles_outside_and_undefined():
    quantiles = np.linspace(1, 2, len(LEVELS)).astype(np.float16)
    assert percentile(quantiles, 0.5) == pytest.approx(LEVELS[0] / 2)
    assert percentile(quantiles, 3.0) == pytest.approx((1 + LEVELS[-1]) / 2)
    assert np.isnan(percentile(quantiles, np.nan))
    assert np.isnan(percentile(np.full(len(LEVELS), np.nan), 1.0))
    assert percentile(np.ones(len(LEVELS), np.float16), 1.0) == 0.5


def test_velocity_tempo_names_and_the_upbeat_are_not_looked_at():
    score = tune(24, seed=1, parts=2)
    louder = score.notes.copy()
    louder["velocity"] = 20
    bars = score.bars.copy()
    bars["tempo_qpm"] = 40
    other = score.replace(notes=louder, bars=bars, parts=tuple(Part("x", p.program) for p in score.parts), metadata={})
    assert np.array_equal(measured(score), measured(other), equal_nan=True)


def test_windows_cover_the_whole_and_none_is_longer():
    part = part_of(tune(41, seed=2))
    windows = windows_of(part)
    assert [w.bars for w in windows] == [BARS] * 3
    assert windows[0].rows[0].tolist() == part.rows[0].tolist()
    last = part.window(part.bars - BARS, BARS)
    assert np.array_equal(windows[-1].rows, last.rows)
    assert [w.bars for w in windows_of(part_of(tune(5)))] == [5]


def test_faults_are_counted_per_hundred_bars():
    wild = tune(10)
    notes = wild.notes.copy()
    notes["pitch"][:3] = 20  # under a violin's lowest note
    low = wild.replace(notes=notes, parts=(Part("Violin", 40),))
    assert measured(low)[at("out of range")] == pytest.approx(30.0)
    assert measured(wild)[at("out of range")] == 0


def test_form_hears_the_tonic_the_phrase_ends_and_what_comes_back():
    score = tune(16, tonic=62)
    assert ends_on(score, 2) == 1.0 and ends_on(score, 7) == 0.0
    held = notes_array(onset=[0, 480 * 4 * 7], duration=[480, 480 * 8], pitch=[60, 62], part=[0, 0])
    assert closed_phrases(part_of(score.replace(notes=held))) == 0.0
    assert closed_phrases(part_of(tune(16))) == 1.0
    assert np.isnan(closed_phrases(part_of(tune(8))))
    first = score.notes[score.notes["onset"] < 8 * 4 * 480]
    second = first.copy()
    second["onset"] += 8 * 4 * 480
    again = score.replace(notes=np.concatenate([first, second]))
    assert returning(part_of(again), 8) == pytest.approx(1.0)
    assert returning(part_of(score), 8) < 0.9
    assert np.isnan(returning(part_of(score), 16))


def test_a_reference_is_quantiles_of_its_pieces_and_hears_a_stranger():
    table = np.stack([measured(tune(16, seed=i)) for i in range(40)])
    reference = summarise("scales", table, {"split": "train"})
    own = [scorecard(measured(tune(16, seed=100 + i)), reference, bars=16, windows=1) for i in range(20)]
    assert 0.3 < np.mean([c.more_unusual_than for c in own]) < 0.7
    stranger = tune(16, seed=0)
    notes = stranger.notes.copy()
    notes["pitch"] = np.random.default_rng(0).integers(40, 90, len(notes))
    card = scorecard(measured(stranger.replace(notes=notes)), reference, bars=16, windows=1)
    assert card.more_unusual_than > 0.99 and card.outside > 2 * max(c.outside for c in own)
    assert {e.figure.name for e in card.entries if e.outside} >= {"scale_consistency", "pitch_class_entropy"}
    arrays = packed([reference])
    assert all(a.dtype != object for a in arrays.values())
    assert arrays["quantiles"].shape == (1, len(figure_table()), len(LEVELS))


def test_the_shipped_references_are_of_these_figures_and_of_people():
    names = style_names()
    assert names[0] == "all" and len(names) >= 40 and {"jig", "mazurka", "hymn", "string-quartet"} <= set(names)
    for name in names:
        style = open_style(name)
        assert style.pieces >= 30
        known = np.isfinite(style.quantiles).all(axis=1)
        assert known.sum() > 400
        assert (np.diff(style.quantiles[known].astype(float), axis=1) >= 0).all()
    assert open_style("Jigs").style == "jig" and open_style("string quartet").style == "string-quartet"
    assert open_style("jig").about["split"] == "train"
    assert all(c["licence"] for c in open_style().about["collections"])
    jigs, masses = (open_style(s).quantiles[at("polyphony"), LEVELS.tolist().index(0.5)] for s in ("jig", "mass"))
    assert jigs < 2 < masses


def test_judge_in_python_takes_a_score_or_a_file(tmp_path):
    score = tune(16, tonic=67)
    card = zy.judge(score, reference="jig")
    zy.save(score, tmp_path / "t.mid")
    same = judge(tmp_path / "t.mid", reference="jig")
    assert [e.value for e in same.entries] == pytest.approx([e.value for e in card.entries], nan_ok=True)
    assert card.style == "jig" and card.bars == 16 and card.windows == 1
    assert 0 <= card.more_unusual_than <= 1
    assert str(card).startswith("more unusual than ")
    assert len(card.group("statistics")) == 12
    assert zy.judge(score).style == "all"


def test_what_cannot_be_judged_says_so():
    with pytest.raises(InputError) as error:
        judge(tune(16), reference="tango")
    assert str(error.value).startswith("No reference for this style. Expected one of ")
    assert "drums-latin" in str(error.value)
    with pytest.raises(InputError, match="Too little music to judge. Expected 8 notes. Received 1"):
        judge(tune(1))


def test_the_verb(tmp_path, capsys):
    zy.save(tune(16), tmp_path / "a.mid")
    zy.save(tune(20, seed=4), tmp_path / "b.musicxml")
    assert main(["judge", str(tmp_path / "a.mid"), "--reference", "reel"]) == 0
    text = capsys.readouterr().out
    assert "(reel)" in text and "pitch class entropy" in text and "most unusual of the rest" in text
    assert main(["judge", str(tmp_path / "a.mid"), str(tmp_path / "b.musicxml"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [c["style"] for c in found["scorecards"]] == ["all", "all"] and found["failures"] == []
    assert set(found["scorecards"][0]["figures"][0]) == {"name", "group", "unit", "value", "percentile", "low", "middle", "high", "mean"}
    (tmp_path / "c.mid").write_bytes(b"MThd")
    assert main(["judge", str(tmp_path / "a.mid"), str(tmp_path / "c.mid")]) == 3
    told = capsys.readouterr()
    assert "a.mid: more unusual than" in told.out and "failed: " in told.err
    assert main(["judge", "--styles"]) == 0
    assert " jig" in capsys.readouterr().out
    assert main(["judge"]) == 1
    assert "Nothing to judge. Expected a score file. Received none" in capsys.readouterr().err


def test_a_file_is_judged_by_the_style_of_its_record(tmp_path):
    piece = zy.compose("a jig", bars=8, takes=1, candidates=1, seed=3)
    path = zy.save(piece, tmp_path / "j.mid")
    assert judge(path).style == "jig"
    assert judge(path, reference="all").style == "all"


def test_judging_needs_no_torch():
    import subprocess
    import sys

    script = (
        "import sys; sys.modules['torch'] = None; sys.modules['sklearn'] = None; sys.modules['music21'] = None\n"
        "import zhiyin as zy; sys.path.insert(0, 'tests'); from music import tune; print(zy.judge(tune(16)).line())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("more unusual than")
