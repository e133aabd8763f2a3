"""Parts by name or number, with one error for every verb."""

import pytest

from music import tune
from zhiyin.errors import ControlError
from zhiyin.inference.constraints import with_ranges
from zhiyin.inference.instruments import find_parts
from zhiyin.inference.selection import select
from zhiyin.measures.melody import find_melody
from zhiyin.score import Part
from zhiyin.score.named_parts import named_parts, part_titles

TITLES = ["Violin 1", "Violin 2", "Viola", "part 4"]


@pytest.mark.parametrize(("name", "rows"), [("viola", [2]), ("Violin", [0, 1]), ("violin 2", [1]), ("3", [2]), ("Part 4", [3]), ("all", [0, 1, 2, 3])])
def test_parts_by_name_number_or_all(name, rows):
    assert named_parts(name, TITLES) == rows


def test_one_part_is_the_first_and_all_is_none():
    assert named_parts("violin", TITLES, several=False) == [0]
    with pytest.raises(ControlError, match=r"There is no part 'all'. Expected one of Violin 1, Violin 2, Viola, part 4, or a number 1..4. Received 'all'"):
        named_parts("all", TITLES, several=False)


def test_every_verb_says_the_same_of_a_part_that_is_not_there():
    score = tune(2, parts=2).replace(parts=(Part("Flute", 73), Part("Cello", 42)))
    said = r"There is no part 'Flut[es]{2}'. Expected one of Flute, Cello, (a number 1..2, or all|or a number 1..2). Received 'Flut[es]{2}'. hint: near parts: 'Flute'"
    for attempt in (
        lambda: find_melody(score, "Flutes"), lambda: select(score, parts=["Flutes"]), lambda: select(score, lock=["Flutes"]),
        lambda: with_ranges(find_parts(["flute", "cello"]), part_titles(score), [("Flutes", 60, 70)]),
    ):  # fmt: skip
        with pytest.raises(ControlError, match=said):
            attempt()
