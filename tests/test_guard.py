"""Going back while sampling: deterministic alone and in a batch, bounded, and nothing changes where nobody objects."""

import numpy as np
import pytest

from test_sampler import make_request, make_sampler, piece_of
from zhiyin.encoding import check_legal
from zhiyin.encoding.rows import BAR
from zhiyin.inference.form import plan_sections, returns
from zhiyin.inference.guard import MAX_BACKUPS, sample_guarded


def never(rows):
    return False


def picky(rows):
    """Objects to about one bar in four, by its notes."""
    last = np.array([r for r in rows if r[BAR] == rows[-1][BAR]])
    return int((last @ [0, 3, 5, 7, 11, 13]).sum()) % 4 == 0


def test_nothing_changes_where_nobody_objects():
    sampler, _ = make_sampler()
    requests = [make_request(seed, bars) for seed, bars in ((1, 8), (2, 4), (3, 12))]
    for plain, guarded in zip(sampler.sample(requests), sample_guarded(sampler.session, requests, [never] * 3)):
        assert guarded.clean
        assert guarded.backups == 0
        assert np.array_equal(plain.rows, guarded.written.rows)
        assert np.array_equal(plain.nats, guarded.written.nats)
    alone = sample_guarded(sampler.session, requests[:1], [never])[0]
    assert np.array_equal(alone.written.rows, sampler.sample(requests[:1])[0].rows)


def test_the_same_notes_alone_and_in_a_batch():
    sampler, _ = make_sampler()
    requests = [make_request(seed, bars) for seed, bars in ((1, 8), (2, 4), (3, 12), (4, 8), (5, 6))]
    together = sample_guarded(sampler.session, requests, [picky] * 5)
    assert sum(g.backups for g in together) > 0
    for request, guarded in zip(requests, together):
        alone = sample_guarded(sampler.session, [request], [picky])[0]
        assert (alone.backups, alone.clean) == (guarded.backups, guarded.clean)
        assert np.array_equal(alone.written.rows, guarded.written.rows)
        assert np.array_equal(alone.written.nats, guarded.written.nats)


def test_what_is_kept_has_no_bar_that_was_objected_to():
    sampler, _ = make_sampler(window=48)  # the ring comes round, and is put back
    found = [sample_guarded(sampler.session, [make_request(seed)], [picky])[0] for seed in range(8)]
    kept = [(seed, g) for seed, g in enumerate(found) if g.clean]
    assert len(kept) >= 4
    for seed, guarded in kept:
        rows = guarded.written.rows
        assert not any(picky(rows[rows[:, BAR] <= bar].tolist()) for bar in range(8))
        check_legal(piece_of(make_request(seed), rows))
        assert len(guarded.written.nats) == len(rows)


def test_going_back_is_bounded():
    sampler, graph = make_sampler()
    (guarded,) = sample_guarded(sampler.session, [make_request(1)], [lambda rows: True])
    assert not guarded.clean
    assert guarded.backups == MAX_BACKUPS
    assert graph.calls < 60 * MAX_BACKUPS


def test_returns_are_not_written_again_but_the_bars_they_return():
    sections = plan_sections(16, "AA")
    source = returns(sections)
    source[15] = -1
    sampler, _ = make_sampler()
    request = make_request(6, 16, form="AA", source=source)
    refused = []

    def once_in_the_return(rows):
        if rows[-1][BAR] == 9 and len(refused) < 2:
            refused.append(len(rows))
            return True
        return False

    (guarded,) = sample_guarded(sampler.session, [request], [once_in_the_return])
    assert guarded.clean
    assert guarded.backups == 2
    rows = guarded.written.rows
    check_legal(piece_of(request, rows))
    for bar in range(8, 15):
        assert np.array_equal(rows[rows[:, BAR] == bar][:, 1:4], rows[rows[:, BAR] == source[bar]][:, 1:4])


@pytest.mark.parametrize("bar", [0, 3, 7])
def test_one_objection_changes_that_bar_and_leaves_what_stands_before_it(bar):
    sampler, _ = make_sampler()
    refused = []

    def once(rows):
        if rows[-1][BAR] == bar and not refused:
            refused.append(1)
            return True
        return False

    request = make_request(11)
    plain = sampler.sample([request])[0].rows
    rows = sample_guarded(sampler.session, [request], [once])[0].written.rows
    before = int((plain[:, BAR] < bar).sum())
    assert np.array_equal(rows[:before], plain[:before])
    if bar < 7:  # the last bar has little choice
        assert not np.array_equal(rows[before:], plain[before:])
