"""The walk of chords that plans are written over: counts, smoothing, cadences, the style's own chords, the tool."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from zhiyin.encoding.fields import BAR_COLUMN, BAR_FIELDS, CHORD_QUALITIES, chord_class
from zhiyin.inference.chord_walk import BEGIN, QUALITIES, STATES, ChordCounts, shipped_counts, walk_chords
from zhiyin.inference.controls import find_key
from zhiyin.inference.form import plan_sections

ROOT = Path(__file__).parent.parent


def shares(style: str, key: str = "C major", seeds: int = 40) -> dict[str, float]:
    walks = [walk_chords(plan_sections(32), find_key(key), np.random.default_rng(s), style) for s in range(seeds)]
    qualities = (np.concatenate(walks) - 2) % QUALITIES
    return {q: float((qualities == i).mean()) for i, q in enumerate(CHORD_QUALITIES)}


def test_rows_are_probabilities_and_a_style_of_its_own_leans_to_its_counts():
    counts = np.zeros((2, 2, STATES + 1, STATES))
    counts[0, 0, BEGIN, 3] = 1000
    counts[1, 0, BEGIN, 8] = 1000
    table = ChordCounts(("a", "b"), counts)
    for style in ("a", "b", "unknown"):
        assert table.odds(style, 0).sum(axis=1) == pytest.approx(np.ones(STATES + 1))
    assert table.odds("a", 0)[BEGIN, 3] > 0.98 > 0.52 > table.odds("unknown", 0)[BEGIN, 3] > 0.48


def test_the_shipped_counts_are_of_many_bars_and_styles():
    found = shipped_counts()
    assert found.counts.sum() > 400_000 and len(found.styles) >= 35 and {"jig", "mazurka", "hymn"} <= set(found.styles)
    assert not [s for s in found.styles if s.startswith("drums")]


def test_the_walk_begins_at_home_and_closes_as_asked():
    for key, tonic, mode in (("G major", 7, 0), ("A minor", 9, 1)):
        for style in ("jig", "string-quartet", ""):
            for seed in range(8):
                chords = walk_chords(plan_sections(32), find_key(key), np.random.default_rng(seed), style)
                roots, quality = (chords - 2) // QUALITIES, (chords - 2) % QUALITIES
                assert roots[0] == tonic
                assert (roots[7], quality[7]) == ((tonic + 7) % 12, 0), "half cadence: the major dominant"
                assert (roots[31], quality[31]) == (tonic, mode)
                assert roots[30] == (tonic + 7) % 12 and CHORD_QUALITIES[quality[30]] in ("major", "seventh")
                assert (chords[:6] == chords[8:14]).all(), "the return has its harmony again"


def test_styles_differ_and_sevenths_are_there():
    lieder, hymns = shares("german-lied"), shares("jig")
    assert lieder["seventh"] > 0.1 and lieder["major seventh"] + lieder["minor seventh"] > 0.05
    assert any(abs(lieder[q] - hymns[q]) > 0.03 for q in CHORD_QUALITIES)
    walk = [walk_chords(plan_sections(32), find_key("C major"), np.random.default_rng(s), "jig").tolist() for s in (1, 1, 2)]
    assert walk[0] == walk[1] != walk[2]


def test_one_bar_is_the_tonic():
    assert walk_chords(plan_sections(1), find_key("D minor"), np.random.default_rng(0)).tolist() == [chord_class(2, "minor")]


def test_the_tool_reads_chords_from_the_key_of_their_bar():
    spec = importlib.util.spec_from_file_location("make_chord_walk", ROOT / "tools/make_chord_walk.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    bars = np.zeros((3, len(BAR_FIELDS)), dtype=np.int64)
    bars[:, BAR_COLUMN["chord"]] = [chord_class(9, "seventh"), chord_class(0, "minor"), 1]
    bars[:, BAR_COLUMN["key"]], bars[:, BAR_COLUMN["mode"]] = [8 + 2, 8 - 3, 8], [1, 2, 1]  # D major, C minor, C major without a chord
    states, modes = module.states_of(bars)
    assert states.tolist() == [7 * QUALITIES + CHORD_QUALITIES.index("seventh"), CHORD_QUALITIES.index("minor"), -1]
    assert modes.tolist() == [0, 1, 0]
