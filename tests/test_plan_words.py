"""From controls to a plan: gaps filled and named, sections and cadences, masks, the bar table."""

import numpy as np
import pytest

from zhiyin.corpus.styles import STYLES
from zhiyin.encoding.fields import BAR_COLUMN, BAR_SIZES, CADENCES, LETTERS
from zhiyin.errors import ControlError
from zhiyin.inference.brief import make_brief, tempo_said
from zhiyin.inference.controls import Controls, check_controls, find_form, find_key, find_meter, find_named, merge
from zhiyin.inference.form import default_form, plan_sections, returns, section_lengths, style_form, vary_returns
from zhiyin.inference.harmony import plan_chords
from zhiyin.inference.instruments import ENSEMBLES, INSTRUMENTS, find_parts, numbered, part_instrument
from zhiyin.inference.masks import DOWNBEAT, GRID, NO_POSITION, bass_part, cadence_masks, top_part
from zhiyin.inference.near_styles import NEAR_IN_MEANING
from zhiyin.inference.plan import NO_PART, make_plan

MANIFEST = {
    "default_style": "waltz",
    "styles": [
        {"id": 3, "name": "waltz", "name_zh": "圆舞曲", "synonyms": ["valse"], "n": 200,
         "defaults": {"parts": [["Piano", 0]], "meter": [3, 4], "tempo_qpm": 150, "mode": "major", "density": 6,
                      "register": 7, "meters": {"3/4": 190}, "ensembles": {"0": 195}, "part_counts": {"1": 195}}},
        {"id": 5, "name": "jig", "name_zh": "吉格", "synonyms": [], "n": 900,
         "defaults": {"parts": [["Fiddle", 40]], "meter": [6, 8], "tempo_qpm": 180, "mode": "major", "density": 7,
                      "register": 9, "meters": {"6/8": 900}, "ensembles": {"40": 900}, "part_counts": {"1": 900}}},
    ],
    "composers": [{"id": 2, "name": "Chopin", "n": 60}],
}  # fmt: skip


def brief(seed=1, **controls):
    return make_brief(Controls(**controls), MANIFEST, seed)


def test_nothing_said_gives_the_default_style_and_says_so():
    b = brief()
    assert (b.style, b.style_id, b.meter, b.bars, b.form) == ("waltz", 3, (3, 4), 32, "AABA")
    assert b.title
    said = " | ".join(b.assumed)
    for what in ("style waltz", "meter 3/4", "for Piano", f"key {b.key.name}", "tempo 150", "32 bars", "form AABA"):
        assert what in said
    assert b.seconds == pytest.approx(32 * 3 * 60 / 150)
    assert brief().key == b.key
    assert len({brief(seed).key for seed in range(20)}) > 1


def test_what_is_said_is_not_assumed():
    b = brief(
        style="valse", key="d minor", meter="3/4", tempo_qpm=90, bars=16, form="AB", parts=("flute", "cello"), title="X"
    )
    assert (b.style, b.key.name, b.key.fifths, b.key.tonic) == ("waltz", "D minor", -1, 2)
    assert (b.tempo_qpm, b.bars, b.form, b.names, b.title) == (90, 16, "AB", ("Flute", "Cello"), "X")
    assert b.assumed == (
        "rare: waltz for 2 parts stood in 0 of 200 training pieces",
        "rare: waltz for Flute, Cello is none of the 1 commonest ensembles of its training pieces",
    )


def test_styles_in_which_little_returns_are_planned_so_and_say_it():
    forms = [style_form(32, 0.09, np.random.default_rng(seed)) for seed in range(400)]
    assert set(forms) == {"ABCD", "ABCA"}
    share = np.mean([1 - len(set(f)) / len(f) for f in forms])
    assert share == pytest.approx(0.09, abs=0.02)
    for bars in (1, 8, 16, 24, 32, 48, 64, 72, 200, 1000):
        form = style_form(bars, 0.09, np.random.default_rng(1))
        assert plan_sections(bars, form)[-1].last == bars - 1
        assert set(form) <= set(LETTERS)
    for known in (None, 0.2, 0.5):
        assert style_form(32, known, np.random.default_rng(0)) == "AABA"
    little = {**MANIFEST, "styles": [{**s, "defaults": {**s["defaults"], "return_share": 0.0}} for s in MANIFEST["styles"]]}
    b = make_brief(Controls(), little, 1)
    assert b.form == "ABCD" and "form ABCD" in b.assumed
    assert make_brief(Controls(form="AABA"), little, 1).form == "AABA"
    assert (b.key, b.title) == (brief().key, brief().title), "the form draws from a stream of its own"


def test_styles_nobody_has_are_refused_with_the_nearest_in_meaning():
    known = [{"name": n} for n in ("hymn", "folk-song", "prelude")]
    with pytest.raises(ControlError, match="Unknown style 'Lullaby'.*nearest in meaning: 'folk-song'; by spelling"):
        find_named("style", "Lullaby", known)
    with pytest.raises(ControlError, match="hint: known: 'hymn', 'folk-song', 'prelude'") as caught:
        find_named("style", "zither", known)
    assert "meaning" not in str(caught.value)
    house = {name for row in NEAR_IN_MEANING.values() for name in row}
    assert house <= set(STYLES), "every style that is named as near is one of the house's"


def test_rare_meters_are_named_with_their_n():
    assert "rare: jig in 3/4 stood in 0 of 900 training pieces" in brief(style="jig", meter="3/4").assumed


def test_seconds_set_the_bars_from_the_tempo():
    b = brief(seconds=90.0)
    assert b.seconds == pytest.approx(90, rel=0.01)
    assert b.bars % 4 == 0
    fixed = brief(seconds=90.0, tempo_qpm=100)
    assert fixed.bars == 50 or fixed.bars % 4 == 0
    assert fixed.tempo_qpm == 100
    assert abs(fixed.seconds - 90) <= 90 * 0.08
    both = brief(seconds=60.0, bars=32)
    assert both.tempo_qpm == pytest.approx(96)


def test_bars_seconds_and_tempo_may_contradict_each_other():
    with pytest.raises(ControlError, match=r"Bars, seconds and tempo contradict each other. Expected about 58 seconds"):
        brief(bars=32, seconds=20.0, tempo_qpm=100)
    with pytest.raises(ControlError, match=r"Bars, seconds and tempo contradict each other. Expected 32 bars of 3/4"):
        brief(bars=32, seconds=600.0)
    with pytest.raises(ControlError, match="Too long"):
        brief(seconds=7000.0)


def test_a_tempo_word_counts_beats_not_quarters():
    jig = brief(style="jig", tempo_range=(118.0, 156.0))
    assert 118 * 1.5 <= jig.tempo_qpm <= 156 * 1.5
    assert jig.tempo_word in ("Allegro", "Allegretto")


def test_style_follows_parts_and_meter_when_none_is_said():
    assert brief(meter="6/8").style == "jig"
    assert brief(parts=("Violin",), meter="6/8").style == "jig"


@pytest.mark.parametrize(
    ("controls", "text"),
    [
        ({"style": "walz"}, r"Unknown style 'walz'.*near: 'waltz'"),
        ({"style": "tango"}, r"Unknown style 'tango'.*known: 'waltz', 'jig'"),
        ({"key": "H minor"}, r"Unknown key 'H minor'.*near: "),
        ({"key": "G# major"}, r"No key signature for 'G# major'.*Received 8 sharps"),
        ({"meter": "3/5"}, r"Unknown meter '3/5'.*near: .*'3/4'"),
        ({"meter": "32/1"}, "Unknown meter '32/1'"),
        ({"bars": 0}, r"bars out of range. Expected 1..1000. Received 0"),
        ({"bars": 1001}, r"bars out of range. Expected 1..1000. Received 1001"),
        ({"bars": -3}, r"bars out of range. Expected 1..1000. Received -3"),
        ({"seconds": 0.2}, r"seconds out of range. Expected 1..7200. Received 0.2"),
        ({"tempo_qpm": 900}, r"tempo_qpm out of range. Expected 20..400"),
        ({"parts": ("flutte",)}, r"Unknown instrument 'flutte'.*near: 'flute'"),
        ({"parts": ("piano",) * 33}, r"Too many parts. Expected ≤ 32. Received 33"),
        ({"composer": "Chopan"}, r"Unknown composer 'Chopan'.*near: 'Chopin'"),
        ({"form": "ABXA"}, r"Unknown form. Expected letters A..H, new ones in order"),
        ({"form": "BA"}, "Unknown form"),
        ({"cadence": "plagal"}, "Unknown cadence 'plagal'"),
        ({"density": "crowded"}, "Unknown density 'crowded'"),
        ({"form": "AABA", "bars": 3}, r"The form has more sections than bars. Expected at least 4 bars for AABA"),
    ],
)
def test_wrong_controls_are_refused_by_name(controls, text):
    with pytest.raises(ControlError, match=text):
        make_brief(Controls(**controls), MANIFEST, 1)


def test_words_and_flags_must_agree():
    both = merge(Controls(key="D minor", bars=16), Controls(key="d minor", meter="3/4"))
    assert (both.key, both.bars, both.meter) == ("d minor", 16, "3/4")
    with pytest.raises(
        ControlError,
        match=r"The words and the flags contradict each other about key.*'D minor' in the words, 'C major' in the flags",
    ):
        merge(Controls(key="D minor"), Controls(key="C major"))
    assert merge(Controls(tempo_range=(40, 60), tempo_word="Largo"), Controls(tempo_qpm=50)).said() == {"tempo_qpm": 50}


def test_names_become_canonical():
    c = check_controls(
        Controls(style="圆舞曲", key="bb minor", meter=" 3/4 "), MANIFEST["styles"], MANIFEST["composers"]
    )
    assert (c.style, c.key, c.meter) == ("waltz", "Bb minor", "3/4")
    assert find_key("F# minor").fifths == 3
    assert find_key("Eb").name == "Eb major"
    assert find_meter("12/8") == (12, 8)
    assert find_form("ABA'") == "ABA"


@pytest.mark.parametrize("bars", [1, 3, 8, 12, 16, 20, 24, 31, 32, 33, 48, 64, 100, 257, 1000])
def test_sections_cover_exactly_the_bars(bars):
    sections = plan_sections(bars)
    assert sections[0].first == 0
    assert sections[-1].last == bars - 1
    assert all(a.last + 1 == b.first for a, b in zip(sections, sections[1:]))
    assert sections[-1].cadence == "authentic"
    assert set(default_form(bars)) <= set(LETTERS)
    if bars % 4 == 0 and bars >= 12:
        assert all(s.bars % 4 == 0 for s in sections), "phrases end at multiples of four bars"


def test_the_usual_piece_is_aaba_with_a_half_cadence_at_bar_8():
    sections = plan_sections(32)
    assert [(s.letter, s.first, s.bars, s.cadence) for s in sections] == [
        ("A", 0, 8, "half"), ("A", 8, 8, "authentic"), ("B", 16, 8, "half"), ("A", 24, 8, "authentic"),
    ]  # fmt: skip
    assert plan_sections(24, "ABA")[0].cadence == "half"
    assert plan_sections(16, cadence="half")[-1].cadence == "half"
    assert [s.bars for s in plan_sections(30, "ABA")] == [10, 10, 10]
    assert section_lengths(7, 2) == [3, 4]


def test_returns_are_recognisable_and_varied():
    sections = plan_sections(32)
    source = returns(sections)
    assert (source[8:16] == np.arange(8)).all()
    assert (source[16:24] == -1).all()
    varied = vary_returns(source, sections, 0.35, np.random.default_rng(1))
    for first in (8, 24):
        kept = (varied[first : first + 8] >= 0).sum()
        assert 4 <= kept <= 6
        assert varied[first] == 0, "a return begins as it did"
        assert (varied[first + 6 : first + 8] == -1).all(), "and closes anew"
    assert (vary_returns(source, sections, 1.0, np.random.default_rng(1)) == -1).all()


def test_the_bar_table_is_legal_and_says_the_plan():
    b = brief(bars=32, key="D minor", tempo_qpm=100)
    plan = make_plan(b)
    assert plan.bars.shape == (32, 13)
    for column, size in zip(plan.bars.T, BAR_SIZES):
        assert column.min() >= 0
        assert column.max() < size

    def get(name):
        return plan.bars[:, BAR_COLUMN[name]]

    assert (get("length") == 72).all()
    assert (get("key")[0], get("mode")[0], get("denominator")[0]) == (7, 2, 3)
    assert get("phrase_left")[:9].tolist() == [8, 7, 6, 5, 4, 3, 2, 1, 8]
    assert get("section").tolist() == [1] * 16 + [2] * 8 + [1] * 8
    assert get("cadence")[7] == 1 + CADENCES.index("half")
    assert get("cadence")[31] == 1 + CADENCES.index("authentic")
    assert get("left")[31] == 1
    assert plan.programs[0] == 0
    assert plan.programs[1] == NO_PART
    assert plan.controls.tolist() == [3, 0, 6, 7, 1]


def test_planned_harmony_closes_as_the_cadences_ask():
    key = find_key("G major")
    sections = plan_sections(32)
    for seed in range(10):
        chords = plan_chords(sections, key, np.random.default_rng(seed))
        roots, quality = (chords - 2) // 7, (chords - 2) % 7
        assert roots[7] == 2
        assert roots[31] == 7
        assert roots[30] == 2
        assert (quality[[7, 31]] == 0).all()
        assert (chords[:6] == chords[8:14]).all(), "the return has its harmony again"
    minor = plan_chords(sections, find_key("A minor"), np.random.default_rng(0))
    assert (minor[7] - 2) % 7 == 0, "the dominant of minor is major"


def test_masks_hold_ranges_everywhere_and_cadences_at_the_ends():
    parts = find_parts(["satb"])
    b = brief(bars=16, key="C major", meter="4/4", parts=("satb",))
    plan = make_plan(b)
    masks = cadence_masks(plan.bars, parts, b.key, b.sections)
    assert not masks.pitch[0].any()
    assert masks.pitch[1:].any(axis=1).all()
    assert masks.position_index.tolist() == [GRID] * 15 + [DOWNBEAT]
    assert not masks.position[NO_POSITION].any()
    soprano = masks.pitch[masks.pitch_index[0, 0, 0]]
    assert (np.flatnonzero(soprano)[0], np.flatnonzero(soprano)[-1]) == (60, 79)
    bass_end = np.flatnonzero(masks.pitch[masks.pitch_index[15, 0, 3]])
    assert set(bass_end % 12) == {0}
    top_end = np.flatnonzero(masks.pitch[masks.pitch_index[15, 0, 0]])
    assert set(top_end % 12) == {0, 4}
    half = np.flatnonzero(masks.pitch[masks.pitch_index[7, 2, 1]])
    assert set(half % 12) == {7, 11, 2}
    assert np.array_equal(masks.pitch[masks.pitch_index[7, 0, 1]], masks.pitch[masks.pitch_index[0, 0, 1]])
    assert (bass_part(parts), top_part(parts)) == (3, 0)


def test_every_instrument_can_close_in_every_key():
    keys = [
        find_key(f"{t} {m}")
        for t in ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
        for m in ("minor", "major")
        if (t, m) not in (("Db", "minor"),)
    ]
    assert len(INSTRUMENTS) > 40
    for instrument in INSTRUMENTS:
        sections = plan_sections(16)
        for key in keys:
            masks = cadence_masks(make_plan(brief(bars=16)).bars, [instrument], key, sections)
            assert masks.pitch[masks.pitch_index[:, :, 0]].any(axis=2).all(), (instrument.name, key.name)


def test_instruments_by_name_program_and_ensemble():
    assert [i.name for i in find_parts(["长笛", "cello", "73"])] == ["Flute", "Cello", "Flute"]
    assert numbered(find_parts(["string quartet"])) == ("Violin 1", "Violin 2", "Viola", "Cello")
    assert all(find_parts([e]) for e in ENSEMBLES)
    assert part_instrument("Tenor", 52).low == 48
    assert part_instrument("Violin 2", 40).single
    assert part_instrument("", 88).name == "Program 88"


@pytest.mark.parametrize(
    ("tempo", "meter", "said"),
    [(186, (6, 8), "124 dotted quarters a minute"), (76, (3, 2), "38 halves a minute"), (120, (3, 4), "120 quarters a minute"), (120, (4, 3), "120 quarters a minute")],
)  # fmt: skip
def test_tempos_are_said_in_the_beat_of_the_meter(tempo, meter, said):
    assert tempo_said(tempo, meter) == said
    if meter == (6, 8):
        assert f"tempo {brief(meter='6/8').tempo_qpm / 1.5:.0f} dotted quarters a minute" in brief(meter="6/8").assumed


def test_names_are_taken_in_chinese_and_by_surname():
    assert [find_key(n).name for n in ("D小调", "降E大调", "升C小调", "G大调")] == ["D minor", "Eb major", "C# minor", "G major"]
    people = [{"name": "Chopin, Fryderyk"}, {"name": "Bach, Johann Sebastian"}]
    assert [find_named("composer", n, people)["name"].split(",")[0] for n in ("chopin", "肖邦", "Bach", "巴赫", "Bach, Johann Sebastian")] == ["Chopin", "Chopin", "Bach", "Bach", "Bach"]
