"""Prompts in English and Chinese: what they say, what is assumed, what is not understood, and what contradicts itself."""

import pytest

from zhiyin.errors import ControlError
from zhiyin.inference.word_tables import GENRES, MOODS, STOP_WORDS, TEMPO_WORDS
from zhiyin.inference.words import number, parse_words

STYLES = [
    {"name": "jig", "title": "jig", "name_zh": "吉格舞曲", "synonyms": ["double jig", "irish jig", "吉格"]},
    {"name": "waltz", "title": "waltz", "name_zh": "圆舞曲", "synonyms": ["valse", "华尔兹"]},
    {"name": "string-quartet", "title": "string quartet movement", "name_zh": "弦乐四重奏", "synonyms": ["quartet"]},
    {"name": "hymn", "title": "hymn", "name_zh": "赞美诗", "synonyms": ["chorale"]},
    {"name": "mazurka", "title": "mazurka", "name_zh": "玛祖卡", "synonyms": []},
    {"name": "folk-tune", "title": "traditional tune", "name_zh": "传统曲调", "synonyms": ["folk", "traditional"]},
    {"name": "piano-piece", "title": "piano piece", "name_zh": "钢琴曲", "synonyms": ["piano", "钢琴"]},
]
COMPOSERS = [{"name": "Chopin"}, {"name": "Josquin des Prez"}, {"name": "Schubert, Franz"}]


def read(text):
    return parse_words(text, STYLES, COMPOSERS)


CASES = [
    ("a lively jig in D major, 32 bars", {"style": "jig", "key": "D major", "bars": 32}),
    ("一首D小调的圆舞曲，三拍子，16小节", {"style": "waltz", "key": "D minor", "meter": "3/4", "bars": 16}),
    (
        "slow sad string quartet in 3/4, about a minute",
        {"style": "string-quartet", "meter": "3/4", "seconds": 60.0, "mode": "minor", "tempo_word": "Lento",
         "parts": ("Violin", "Violin", "Viola", "Cello")},
    ),
    ("a calm hymn in D minor, 3/4", {"style": "hymn", "key": "D minor", "meter": "3/4", "density": "sparse"}),
    ("a mazurka like Chopin in Bb minor, ♩=120, AABA",
     {"style": "mazurka", "composer": "Chopin", "key": "Bb minor", "tempo_qpm": 120.0, "form": "AABA"}),
    ("请写一首悲伤的降B小调圆舞曲，四分之三拍，一分半钟", {"key": "Bb minor", "meter": "3/4", "seconds": 90.0}),
    ("two flutes and piano, 1:30, thirty-two bars",
     {"parts": ("Flute", "Flute", "Piano"), "seconds": 90.0, "bars": 32}),
    ("A minor waltz for violin and cello, sixteen bars", {"key": "A minor", "parts": ("Violin", "Cello"), "bars": 16}),
    ("Allegro in F# minor, 120 bpm, 90 seconds",
     {"key": "F# minor", "tempo_qpm": 120.0, "seconds": 90.0, "tempo_word": "Allegro"}),
    ("慢板 大约九十秒 肖邦风格 小调 钢琴",
     {"seconds": 90.0, "composer": "Chopin", "mode": "minor", "tempo_word": "Lento", "parts": ("Piano",)}),
    ("二胡与古筝 一百二十小节 快板 ABA", {"parts": ("Erhu", "Guzheng"), "bars": 120, "form": "ABA"}),
    ("a hymn for SATB in cut time", {"meter": "2/2", "parts": ("Soprano", "Alto", "Tenor", "Bass")}),
    ("six-eight jig, a minute and a half", {"meter": "6/8", "seconds": 90.0}),
    ("a jig in six-eight time, half a minute", {"meter": "6/8", "seconds": 30.0}),
    ("waltz, two minutes and 15 seconds", {"seconds": 135.0}),
    ("圆舞曲，两分三十秒", {"seconds": 150.0}),
    ("圆舞曲，半分钟，降E大调，八分之六拍", {"seconds": 30.0, "key": "Eb major", "meter": "6/8"}),
    ("a waltz in E flat", {"key": "Eb major"}),
    ("a waltz in C sharp minor", {"key": "C# minor"}),
    ("a waltz in Gm", {"key": "G minor"}),
    ("a waltz in a minor key", {"mode": "minor"}),
    ("ternary waltz with an open ending", {"form": "ABA", "cadence": "half"}),
    ('a waltz called "Winter Road"', {"title": "Winter Road"}),
    ("题为《秋夜》的圆舞曲", {"title": "秋夜"}),
    ("bright, busy waltz", {"register": "high", "density": "dense", "mode": "major"}),
    ("a traditional Irish jig", {"style": "jig"}),
    ("a waltz for piano", {"style": "waltz", "parts": ("Piano",)}),
    ("two hundred and fifty bars", {"bars": 250}),
    ("弦乐四重奏 G大调 每分钟96拍", {"style": "string-quartet", "key": "G major", "tempo_qpm": 96.0}),
    ("in the style of Schubert", {"composer": "Schubert, Franz"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[c[0][:40] for c in CASES])
def test_what_words_say(text, expected):
    words = read(text)
    assert {k: v for k, v in words.controls.said().items() if k in expected} == expected
    allowed = {"a traditional Irish jig": ["traditional"]}.get(text, [])
    assert words.ignored == allowed
    assert words.understood


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("in C major in D minor", "in C major", "in D minor"),
        ("fast slow", "slow", "fast"),
        ("a happy sad waltz", "happy", "sad"),
        ("waltz mazurka", "waltz", "mazurka"),
        ("a waltz in 3/4 and 6/8", "3/4", "6/8"),
        ("16 bars, no, wait: 32 bars", "16 bars", "32 bars"),
        ("string quartet for brass quintet", "string quartet", "brass quintet"),
        ("D小调 C大调", "D小调", "C大调"),
        ("快板，很慢", "很慢", "快板"),
        ("fast waltz, tempo 60", "tempo 60", "fast"),
        ("a waltz in C major in minor", "in C major", "in minor"),
        ("sparse dense waltz", "sparse", "dense"),
        ("AABA ABA", "AABA", "ABA"),
    ],
)
def test_contradictions_name_both_sides(text, first, second):
    with pytest.raises(ControlError, match="The words contradict each other about") as e:
        read(text)
    assert first in str(e.value)
    assert second in str(e.value)
    assert "hint: leave one out" in str(e.value)


def test_what_is_not_understood_is_listed_and_nothing_is_concluded_from_it():
    words = read("a glittering waltz with seven elephants, not fast")
    assert words.ignored == ["not fast", "glittering", "seven", "elephants"]
    assert words.controls.said() == {"style": "waltz"}
    assert read("不要太快的圆舞曲").controls.said() == {"style": "waltz"}
    assert read("一首紫色的圆舞曲").ignored == ["紫色"]


def test_negated_instruments_are_not_asked_for():
    words = read("a waltz without piano")
    assert words.controls.parts == ()
    assert words.ignored == ["without piano"]


def test_assumptions_are_listed():
    assert "in A: major" in read("a waltz in A").assumed
    assert any("only major and minor are known" in a for a in read("a jig in E dorian").assumed)
    assert any(a.startswith("calm: sparse, p, 56 to 88") for a in read("a calm waltz").assumed)
    assert read("a sad waltz in C major").controls.key == "C major"


def test_a_kind_of_music_that_the_model_lacks_is_refused_with_near_names():
    with pytest.raises(ControlError, match=r"No style 'tango' in this model. .*known: ") as e:
        read("write me a tango")
    assert "'jig'" in str(e.value) or "'waltz'" in str(e.value)
    with pytest.raises(ControlError, match="No style '探戈'"):
        read("一首探戈")


def test_wrong_numbers_are_refused_with_their_text():
    with pytest.raises(ControlError, match=r"bars must be a whole number. Expected 1..1000. Received 2.5 bars"):
        read("2.5 bars")
    with pytest.raises(ControlError, match="Unknown meter '7/5'"):
        read("a waltz in 7/5")


def test_nothing_said():
    words = read("")
    assert words.controls.said() == {}
    assert (words.understood, words.assumed, words.ignored) == ([], [], [])


@pytest.mark.parametrize(
    ("text", "value"),
    [("twelve", 12), ("thirty-two", 32), ("a hundred", 100), ("two hundred and six", 206), ("one thousand", 1000),
     ("十二", 12), ("二十", 20), ("三十二", 32), ("一百零八", 108), ("一千", 1000), ("两", 2), ("16", 16), ("1.5", 1.5)],
)  # fmt: skip
def test_numbers(text, value):
    assert number(text) == value


def test_every_word_of_the_tables_is_understood_alone():
    known = {n for s in STYLES for n in (s["name"], s["title"], s["name_zh"], *s["synonyms"])}
    tables = [*TEMPO_WORDS, *MOODS]
    assert len(tables) > 150
    for word in tables:
        words = read(word)
        assert words.understood, word
        assert not words.ignored, word
    missing = [g for g in GENRES if g not in known]
    assert len(missing) > 40


def test_stop_words_say_nothing():
    assert read(" ".join(sorted(STOP_WORDS))).controls.said() == {}


DRUMS: list[dict] = [
    {"name": f"drums-{name}", "title": f"{name} drums", "name_zh": f"{zh}鼓", "synonyms": [f"{name} beat", name, zh], "defaults": {"parts": [["Drums", 128]]}}
    for name, zh in (("jazz", "爵士"), ("rock", "摇滚"))
] + [{"name": "drums", "title": "drum groove", "name_zh": "鼓点", "synonyms": ["groove", "drums", "节奏"], "defaults": {"parts": [["Drums", 128]]}}]  # fmt: skip


def read_with_drums(text):
    return parse_words(text, [*STYLES, *DRUMS], COMPOSERS)


@pytest.mark.parametrize("text", ["slow jazz ballad", "慢速爵士抒情曲", "jazz", "a jazz tune without drums", "a jazz tune for flute and drums", "摇滚小提琴"])
def test_a_genre_known_as_drums_alone_is_not_taken_for_a_melodic_request(text):
    words = read_with_drums(text)
    assert words.controls.style is None
    said = next(i for i in words.ignored if "this model knows it as drums alone" in i)
    assert said.split(" (")[0] in ("jazz", "爵士", "摇滚") and "add “" in said


@pytest.mark.parametrize(
    ("text", "style"),
    [("jazz drums", "drums-jazz"), ("a rock groove, 8 bars", "drums-rock"), ("rock beat", "drums-rock"), ("爵士鼓", "drums-jazz"), ("一段摇滚鼓点", "drums-rock"),
     ("groove", "drums"), ("a jazz waltz", "waltz"), ("爵士圆舞曲", "waltz"), ("节奏欢快的圆舞曲", "waltz")],
)  # fmt: skip
def test_drums_are_taken_where_drums_are_said(text, style):
    words = read_with_drums(text)
    assert words.controls.style == style and all("drums alone" in i for i in words.ignored)


def test_the_style_assumed_for_drums_is_one_of_drums_and_for_nothing_else():
    from zhiyin.inference.brief import make_brief
    from zhiyin.inference.controls import Controls

    manifest = {"styles": [{"id": 1, "n": 9, "name": "waltz", "defaults": {"parts": [["", 0]], "meters": {"3/4": 9}}}, *({"id": 2, "n": 1, **d} for d in DRUMS)]}
    assert make_brief(Controls(parts=("drums",)), manifest, 1).style.startswith("drums")
    assert make_brief(Controls(parts=("drum",), meter="3/4"), manifest, 1).style.startswith("drums")
    assert make_brief(Controls(parts=("flute",), meter="4/4"), manifest, 1).style == "waltz"
