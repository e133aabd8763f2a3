"""What an error's hint calls near is near, and what is not is called known."""

import pytest

from zhiyin.errors import near_hint, near_names

STYLES = ["waltz", "jig", "slip-jig", "string-quartet", "hymn", "mazurka", "folk-tune", "piano-piece", "drums-jazz"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("walz", "near: 'waltz'"), ("WALTZ", "near: 'waltz'"), ("quartet", "near: 'string-quartet'"), ("jigg", "near: 'jig'"),
        ("jazz", "near: 'drums-jazz'"), ("piano piece for two", "near: 'piano-piece'"), ("zither", "known: 'waltz', 'jig'"), ("", "known: 'waltz'"),
    ],
)  # fmt: skip
def test_near_is_said_only_of_names_that_are(name, said):
    assert near_hint(name, STYLES).startswith(said)


def test_long_lists_of_known_names_are_cut_and_say_so():
    many = [f"piece {i:03}" for i in range(200)]
    assert near_hint("zzz", many, "titles").startswith("known titles: 'piece 000', ") and near_hint("zzz", many, "titles").endswith(" and 189 more")
    assert near_names("piece 017x", many, 1) == "'piece 017'"
    assert near_hint("x", [], "listeners") == "known listeners: none"
