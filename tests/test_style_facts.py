"""What a corpus says of its styles."""

from __future__ import annotations

import numpy as np

from zhiyin.encoding.fields import BAR_COLUMN, BAR_FIELDS, LETTERS
from zhiyin.training.style_facts import returning_share


def table(form: str, length: int = 8) -> np.ndarray:
    bars = np.zeros((len(form) * length, len(BAR_FIELDS)), dtype=np.int64)
    bars[:, BAR_COLUMN["section"]] = np.repeat([1 + LETTERS.index(letter) for letter in form], length)
    bars[:, BAR_COLUMN["section_bar"]] = np.tile(np.arange(1, length + 1), len(form))
    return bars


def test_share_of_returning_sections() -> None:
    assert returning_share(table("AABA")) == 0.5
    assert returning_share(table("ABCD")) == 0
    assert returning_share(table("ABCDAAAA")) == 0, "only what begins in the first 32 bars counts"
    assert returning_share(table("ABCDAAAA", 4)) == 0.5
    assert returning_share(table("ABHHHH", 4)) == 0, "the last letter stands for all that no letter is left for"
    assert returning_share(table("")) == 0
