import pytest

from zhiyin.corpus.collections.catalog import COLLECTIONS
from zhiyin.corpus.composers import composer_name, era_of, group_of
from zhiyin.corpus.style_rules import RULES, style_of
from zhiyin.corpus.styles import STYLES, fold, resolve_style, spoken_names
from zhiyin.errors import ControlError


def test_every_style_has_its_names_and_a_parent_that_exists():
    assert 40 <= len(STYLES) <= 80
    for name, style in STYLES.items():
        assert name == style.name == name.lower()
        assert style.title
        assert any("一" <= c <= "鿿" for c in style.chinese)
        assert style.parent in STYLES or not style.parent


def test_parents_make_no_circle():
    for name in STYLES:
        seen = [name]
        while parent := STYLES[seen[-1]].parent:
            assert parent not in seen
            seen.append(parent)


def test_names_of_styles_are_not_shared():
    for key in ("name", "title", "chinese"):
        values = [getattr(s, key).lower() for s in STYLES.values()]
        assert len(set(values)) == len(values)


@pytest.mark.parametrize(
    ("said", "style"),
    [
        ("mazurka", "mazurka"),
        ("Mazurek", "mazurka"),
        ("圆舞曲", "waltz"),
        ("华尔兹", "waltz"),
        ("waltzes"[:-2], "waltz"),
        ("string quartet", "string-quartet"),
        ("string_quartet", "string-quartet"),
        ("Jigs", "jig"),
        ("slip jig", "slip-jig"),
        ("赞美诗", "hymn"),
        ("rock", "drums-rock"),
    ],
)
def test_a_style_by_any_of_its_names(said, style):
    assert resolve_style(said).name == style


def test_an_unknown_style_lists_near_names():
    with pytest.raises(ControlError, match=r"Unknown style 'mazurca'.*'mazurka'.*hint"):
        resolve_style("mazurca")


def test_a_style_that_the_model_lacks_becomes_its_parent_or_an_error():
    assert resolve_style("nocturne", {"piano-piece", "jig"}).name == "piano-piece"
    with pytest.raises(ControlError, match=r"has not learned the style 'madrigal'.*'jig'"):
        resolve_style("madrigal", {"piano-piece", "jig"})


def test_thin_styles_fold_into_their_parents():
    target = fold({"nocturne": 20, "rondo": 40, "mazurka": 60, "slip-jig": 10, "jig": 45, "ragtime": 15})
    assert target["mazurka"] == "mazurka"
    assert target["nocturne"] == target["rondo"] == "piano-piece"
    assert target["slip-jig"] == target["jig"] == "jig"
    assert target["ragtime"] == ""


def test_rules_name_styles_and_collections_that_exist():
    assert {style for style, _, _ in RULES} <= set(STYLES)
    assert {where for _, where, _ in RULES} - {"*"} == set(COLLECTIONS)


@pytest.mark.parametrize(
    ("collection", "labels", "style"),
    [
        ("polish-scores", {"genre": "Sacred; Mass", "title": "Kyrie"}, "mass"),
        ("polish-scores", {"title": "Sanctus", "parent": "Missa in D"}, "mass"),
        ("polish-scores", {"genre": "Sacred; Mass", "parent": "Litania de BMV"}, "litany"),
        ("polish-scores", {"genre": "Secular; Mazurka"}, "mazurka"),
        ("polish-scores", {"title": "Mazur No. 3"}, "mazurka"),
        ("polish-scores", {"genre": "Sacred", "set": "Melodiae na psalterz polski"}, "psalm"),
        ("polish-scores", {"genre": "Secular", "title": "Benedictus Mazur"}, "mazurka"),
        ("chopin-first-editions", {"genre": "Polonaise; Fantasie"}, "polonaise"),
        ("openscore-lieder", {"nation": "French"}, "french-melodie"),
        ("mutopia-open", {"genre": "Baroque", "instrument": "Organ", "title": "Fuga"}, "fugue"),
        ("groove", {"genre": "middleeastern"}, "drums"),
        ("cre-irish", {"genre": "slip jig"}, "slip-jig"),
        ("polish-scores", {"title": "?"}, ""),
        ("somebody's folder", {"genre": "Mass"}, ""),
    ],
)
def test_labels_of_collections_become_styles(collection, labels, style):
    assert style_of(collection, labels) == style


def test_composers_have_one_spelling_and_an_era():
    assert composer_name({"composer": "BachJS"}) == "Bach, Johann Sebastian"
    assert composer_name({"composer": "Anonim"}) == ""
    assert era_of({"composer": "X", "dates": "1819/05/05-1872/06/04"}) == "Romantic"
    assert era_of({"date": "1580"}) == "Renaissance"
    assert era_of({"genre": "Baroque"}) == "Baroque"
    assert group_of({"composer": "ChopinFF"}, {"Chopin, Fryderyk"}) == "Chopin, Fryderyk"
    assert group_of({"composer": "X", "born": "1770"}, set()) == "Classical era"
    assert group_of({}, set()) == ""


def test_no_word_names_nothing():
    assert all(name in STYLES for name in spoken_names().values())
    assert "" not in spoken_names()
