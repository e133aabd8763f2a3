"""Harmonise, accompany, arrange over a stand-in graph: given notes untouched, rules of voice leading, errors by their text."""

import numpy as np
import pytest

from fake_step import FakeGraph
from music import tune, with_rest
from test_continue import PACKAGE
from test_continue import tune as small_tune
from zhiyin.errors import ControlError, InputError, RecordError
from zhiyin.formats.catalog import load, save
from zhiyin.inference.again import again
from zhiyin.inference.arranging import Wish, accompany, arrange, arranged, harmonise
from zhiyin.inference.compose import Options
from zhiyin.inference.recreate import recreate
from zhiyin.inference.sampler import Sampler
from zhiyin.inference.session import StepSession
from zhiyin.measures.chord_symbol import parse_chord
from zhiyin.measures.counterpoint import counterpoint
from zhiyin.measures.melody import find_melody
from zhiyin.score import Part, Score, notes_array, regular_bars


def ask(verb, score, **changes):
    graph = FakeGraph(window=512, stay=4.0)
    sampler = Sampler(session=StepSession(graph, graph.window))
    options = Options(takes=1, candidates=changes.pop("candidates", 1))
    return verb(score, model=PACKAGE, sampler=sampler, options=options, **{"seed": 3, **changes})


def part_notes(score, part):
    return score.notes[score.notes["part"] == part]


def same_notes(a, b, scale=1):
    times = all(np.array_equal(a[n], b[n] * scale) for n in ("onset", "duration"))
    return times and all(np.array_equal(a[n], b[n]) for n in ("pitch", "velocity"))


@pytest.mark.parametrize("seed", range(5))
def test_a_melody_gets_three_voices_below_it(seed):
    score = tune(8, seed=seed, tonic=67)
    made = ask(harmonise, score, seed=seed)
    assert [p.name for p in made.score.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert same_notes(part_notes(made.score, 0), score.notes, made.score.ticks_per_quarter // score.ticks_per_quarter)
    tops = {int(n["onset"]): int(n["pitch"]) for n in part_notes(made.score, 0)}
    for part in (1, 2, 3):
        notes = part_notes(made.score, part)
        assert len(notes) >= 8 and set(notes["onset"].tolist()) <= set(tops)  # together with the melody
    last = made.score.notes[made.score.notes["onset"] >= made.score.bars["onset"][-1]]
    assert last["pitch"].min() % 12 == 7  # the tonic in the bass
    assert made.report["written_parts"] == ["Alto", "Tenor", "Bass"] and made.report["given_notes"] == len(score.notes)


@pytest.mark.parametrize(("verb", "wish"), [(harmonise, {}), (accompany, {"for_": "flute"}), (accompany, {"for_": "piano"}), (arrange, {"for_": "SATB"})])
def test_a_melody_may_rest_for_longer_than_a_row_can_step_over(verb, wish):
    score = with_rest(tune(8, tonic=67), 3, 40)
    made = ask(verb, score, **wish).score
    assert len(made.bars) == len(score.bars) == 48
    scale = made.ticks_per_quarter // score.ticks_per_quarter
    assert np.array_equal(part_notes(made, 0)["onset"], score.notes["onset"] * scale)
    struck = set((score.notes["onset"] * scale).tolist())
    for part in range(1, len(made.parts)):
        onsets = part_notes(made, part)["onset"]
        assert made.bar_of(onsets)[-1] == 47, "it plays to the end"
        if wish.get("for_") != "piano":
            assert set(onsets.tolist()) <= struck, "it strikes with the melody, on either side of the rest"


def test_rules_of_voice_leading_hold_but_where_nothing_else_is_left():
    kinds = {"parallel fifths": 0, "parallel octaves": 0, "crossing": 0}
    chords = 0
    for seed in range(6):
        made = ask(harmonise, tune(8, seed=seed, tonic=67), seed=seed).score
        chords += len(part_notes(made, 3))
        for f in counterpoint(made):
            if f.kind in kinds:
                kinds[f.kind] += 1
    assert chords > 100 and sum(kinds.values()) < 0.05 * chords, (kinds, chords)


def test_a_chart_is_harmonised_as_it_says():
    made = ask(harmonise, tune(4, seed=1, tonic=60), chords="C | F | G | C")
    for bar, symbol in enumerate(("C", "F", "G", "C")):
        begin = int(made.score.bars["onset"][bar])
        below = made.score.notes[(made.score.notes["onset"] >= begin) & (made.score.notes["onset"] < begin + made.score.bars["duration"][bar])]
        below = below[below["part"] > 0]
        assert set((below["pitch"] % 12).tolist()) <= set(parse_chord(symbol).classes), symbol


def test_accompanying_leaves_every_part_as_it_is():
    score = small_tune()
    made = ask(accompany, score, for_="piano").score
    assert [p.name for p in made.parts] == ["Flute", "Cello", "Piano"]
    scale = made.ticks_per_quarter // score.ticks_per_quarter
    for old, new in ((0, 0), (2, 1)):
        assert same_notes(part_notes(made, new), part_notes(score, old), scale)
    assert len(part_notes(made, 2)) > 4
    assert [(m.kind, m.value) for m in made.marks] == [(m.kind, m.value) for m in score.marks]


def test_one_part_of_a_name_and_program_is_added():
    made = ask(accompany, small_tune(), add_part="Second flute", program=73)
    assert [p.name for p in made.score.parts] == ["Flute", "Cello", "Second flute"] and made.score.parts[2].program == 73
    with pytest.raises(ControlError, match="program out of range"):
        ask(accompany, small_tune(), add_part="X", program=300)


def test_another_ensemble_keeps_melody_and_bass():
    score = small_tune()
    made = ask(arrange, score, for_="string quartet")
    assert [p.name for p in made.score.parts] == ["Violin 1", "Violin 2", "Viola", "Cello"]
    assert made.report["written_parts"] == ["Violin 2", "Viola"]
    top, bass = part_notes(made.score, 0), part_notes(made.score, 3)
    assert np.array_equal(top["pitch"], part_notes(score, 0)["pitch"])
    assert np.array_equal(bass["pitch"], part_notes(score, 2)["pitch"])


def test_a_piano_takes_all_in_one_part():
    made = ask(arrange, small_tune(), for_="piano")
    assert [p.name for p in made.score.parts] == ["Piano"]
    pairs = list(zip(made.score.notes["onset"].tolist(), made.score.notes["pitch"].tolist()))
    assert len(pairs) == len(set(pairs)) > 16
    assert made.report["written_parts"] == ["Piano"]


def test_the_record_makes_it_again():
    score = small_tune()
    made = ask(harmonise, score, candidates=3, chords="Dm | A7")
    package = PACKAGE
    graph = FakeGraph(window=512, stay=4.0)
    import zhiyin.inference.arranging as module

    real = module.Sampler
    module.Sampler = lambda _: Sampler(session=StepSession(graph, graph.window))
    try:
        again = recreate(made.record, package, score)
    finally:
        module.Sampler = real
    assert np.array_equal(again.notes, made.score.notes)
    assert made.record["verb"] == "harmonise" and made.record["settings"]["chords"] == "Dm | A7"


def chords_part():
    onset = np.repeat(np.arange(8) * 480, 2)
    notes = notes_array(onset=onset, duration=480, pitch=[60, 72, 62, 74] * 4, part=0, velocity=80)
    return Score(notes, regular_bars(2, 480, 4, 4, key=0, mode=0), (Part("Choir", 52),), 480)


def test_a_melody_with_chords_in_it_is_named():
    made = ask(harmonise, chords_part())
    assert made.report["assumed"] == ["the highest line of Choir is taken as the melody (8 of 16 notes)"]
    assert part_notes(made.score, 0)["pitch"].tolist() == [72, 74] * 4


def test_the_melody_is_found_by_name_then_by_height():
    score = small_tune()
    assert find_melody(score).part == 0 and find_melody(score).said == "melody from Flute"
    assert find_melody(score, "cello").part == 2 and find_melody(score, "3").part == 2


@pytest.mark.parametrize(
    ("verb", "wish", "error", "said"),
    [
        (harmonise, {"melody": "Oboe"}, ControlError, "There is no part 'Oboe'"),
        (harmonise, {"melody": "Silent"}, InputError, "Part 'Silent' has no melody"),
        (harmonise, {"for_": "flute"}, ControlError, "Nothing to harmonise with"),
        (arrange, {"for_": "flute"}, ControlError, "Nothing to write beside the melody of one Flute"),
        (arrange, {"for_": "kazoo"}, ControlError, "Unknown instrument 'kazoo'"),
        (harmonise, {"style": "nonesuch"}, ControlError, "Unknown style 'nonesuch'"),
        (harmonise, {"chords": "C | H"}, ControlError, "Bar 2 of the chord chart"),
    ],
)
def test_what_cannot_be_is_named(verb, wish, error, said):
    with pytest.raises(error) as caught:
        ask(verb, small_tune(), **wish)
    assert said in str(caught.value)


def test_nothing_to_harmonise():
    empty = tune(2)
    with pytest.raises(InputError, match="No melody to take"):
        ask(harmonise, empty.replace(notes=empty.notes[:0]))


@pytest.mark.parametrize(("verb", "wish"), [("harmonise", {"for_": "SATB"}), ("accompany", {"for_": "piano"}), ("arrange", {"for_": "SATB"})])
def test_again_changes_one_thing_of_what_was_arranged(tmp_path, verb, wish):
    graph = FakeGraph(window=512, stay=4.0)
    sampler = Sampler(session=StepSession(graph, graph.window))
    source = save(tune(6, tonic=67), tmp_path / "tune.mid")
    made = arranged(load(source), Wish(verb, **wish), model=PACKAGE, sampler=sampler, seed=3, options=Options(takes=1, candidates=2))
    file = save(made.score, tmp_path / "made.mid", record=made.record)
    same = again(file, source=source, model=PACKAGE, sampler=sampler, seed=3)
    assert np.array_equal(same.score.notes, made.score.notes) and same.record["settings"] == made.record["settings"]
    other = again(file, source=source, model=PACKAGE, sampler=sampler, scale="G major")
    assert other.record["settings"] == made.record["settings"] | {"scale": "G major", "take": other.record["settings"]["take"]}
    assert other.report["seed"] == 3 and other.record["inputs"] == made.record["inputs"]
    with pytest.raises(RecordError, match="goes on from another file, which is needed to make it again"):
        again(file, model=PACKAGE, sampler=sampler)
    with pytest.raises(ControlError, match=r"Unknown control. Expected add_part, .*Received foo"):
        again(file, source=source, model=PACKAGE, sampler=sampler, foo=1)
