import os
import time

import pytest

from zhiyin.pool import run_tasks


def careful(task, struck, tell):
    """Sums a list; "die", "hang" and "raise" do what they say unless they are struck."""
    total = 0
    for i, item in enumerate(task):
        if i in struck:
            continue
        tell(i)
        if item == "die":
            os._exit(3)
        if item == "hang":
            time.sleep(600)
        if item == "raise":
            raise ValueError("as told")
        total += item
    return total, dict(struck)


def test_tasks_come_back_with_their_results():
    got = dict(run_tasks(careful, [[1, 2], [3], []], workers=2))
    assert got == {0: (3, {}), 1: (3, {}), 2: (0, {})}


@pytest.mark.slow
def test_what_kills_or_hangs_is_struck_and_the_rest_is_done():
    got = dict(run_tasks(careful, [[1, "die", 2], [5, "hang", 6, "die", 7], [8]], workers=2, seconds_per_item=1.5))
    assert got[2] == (8, {})
    assert got[0][0] == 3
    assert "code 3" in got[0][1][1]
    assert got[1][0] == 18
    assert "longer than 1.5 s" in got[1][1][1]
    assert "code 3" in got[1][1][3]


def test_an_exception_of_the_work_itself_is_raised_here():
    with pytest.raises(ValueError, match="as told"):
        list(run_tasks(careful, [["raise"]], workers=1))


def test_no_tasks_no_processes():
    assert list(run_tasks(careful, [], workers=2)) == []
