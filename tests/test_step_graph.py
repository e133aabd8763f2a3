"""The step graph writes legal rows only, always ends, and does so the same single, in a batch and with force.

The networks here are untrained with biased heads, so that rules and not habits decide; rules are open (nothing
forbidden) or tight (few pitches, positions, quarters and parts left).
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rows_world import TINY, Host, empty_state, open_rules, tight_rules, tiny, torch_call
from zhiyin.encoding.fields import DURATIONS, END, MAX_BAR_STEP, MAX_PARTS
from zhiyin.encoding.rows import check_legal
from zhiyin.models.layers.sampling import Draw
from zhiyin.models.step import StepGraph


def host(model, rules) -> Host:
    graph = StepGraph(model).eval()
    return Host(torch_call(graph), graph.input_names, empty_state(model, len(rules["bars"])), rules)


def hasty(seed: int, family: str = "rnn"):
    """An untrained network with strong random habits that likes to move on and to end."""
    model = tiny(family, seed)
    torch.manual_seed(seed)
    for head in model.heads.heads:
        head[-1].bias.data.normal_(0, 2)
    model.heads.heads[0][-1].bias.data[1:] += 2
    return model


def play(player: Host, rng, limit: int = 3000) -> Host:
    """Runs until every item has ended."""
    for _ in range(limit):
        player.step(rng.random((len(player.ended), 6)))
        if player.ended.all():
            return player
    raise AssertionError(f"{(~player.ended).sum()} of {len(player.ended)} never ended")


def check_rules(player: Host, rules) -> int:
    """Every written row obeys the rules; returns how many there are."""
    for b, rows in enumerate(player.rows):
        if not rows:
            continue
        piece = player.piece(b)
        check_legal(piece)
        bar, position, part, pitch, duration, velocity = piece.rows.T
        count = rules["bar_count"][b]
        assert (bar < count).all()
        assert rules["pitch_masks"][rules["mask_index"][b, bar, position // 24, part], pitch].all()
        assert rules["position_masks"][rules["position_index"][b, bar], position].all()
        onset = np.r_[0, np.cumsum(rules["bars"][b, :count, 0])]
        assert (onset[bar] + position + DURATIONS[duration] <= onset[count]).all()
        assert (velocity > 0).all()
    return sum(len(rows) for rows in player.rows)


def placeable(rules, b: int) -> np.ndarray:
    """bool (bars, 32): in which bars each part has a legal place, found by trying them all."""
    out = np.zeros((rules["bar_count"][b], MAX_PARTS), bool)
    for bar in range(len(out)):
        for position in range(rules["bars"][b, bar, 0]):
            if rules["position_masks"][rules["position_index"][b, bar], position]:
                out[bar] |= rules["pitch_masks"][rules["mask_index"][b, bar, position // 24]].any(-1)
    return out & (rules["programs"][b] < 129)


@pytest.mark.parametrize("seed", range(4))
def test_open_rules_end_in_the_last_bar_with_every_part(seed):
    rng = np.random.default_rng(seed)
    rules = open_rules(rng, 6, 5, 4)
    player = play(host(hasty(seed), rules), rng)
    assert check_rules(player, rules) >= 6 * 4
    for b in range(6):
        assert player.rows[b][-1][0] == 4
        assert {row[2] for row in player.rows[b]} == {0, 1, 2, 3}
        assert (np.array(player.nats[b]) >= 0).all()
        assert np.isfinite(player.nats[b]).all()


@pytest.mark.parametrize("seed", range(6))
def test_tight_rules_never_lead_to_a_dead_end(seed):
    rng = np.random.default_rng(100 + seed)
    bars = int(rng.integers(1, 9))
    rules = tight_rules(rng, 8, bars, 4)
    player = play(host(hasty(seed), rules), rng)
    check_rules(player, rules)
    for b in range(8):
        possible = placeable(rules, b)
        played = {row[2] for row in player.rows[b]}
        asked = set(np.flatnonzero(rules["must_play"][b] & possible.any(0)))
        assert asked <= played, f"item {b}: asked {asked}, played {played}"
        late = np.flatnonzero(possible.any(1)[rules["end_bar"][b] :])
        if len(late):
            assert player.rows[b][-1][0] >= rules["end_bar"][b]


@pytest.mark.slow
def test_thousands_of_tight_rows_are_legal():
    rows = 0
    for seed in range(120):
        rng = np.random.default_rng(1000 + seed)
        rules = tight_rules(rng, 16, int(rng.integers(1, 50)), int(rng.integers(1, 6)))
        rows += check_rules(play(host(hasty(seed), rules), rng), rules)
    assert rows > 5000


def test_bars_further_than_one_step_are_reached_through_open_ones():
    rng = np.random.default_rng(0)
    rules = open_rules(rng, 2, 70, 1)
    rules["mask_index"][:, 1:20] = 0
    rules["mask_index"][:, 21:50] = 0
    player = play(host(hasty(3), rules), rng)
    check_rules(player, rules)
    assert all(rows[-1][0] == 69 for rows in player.rows)


def test_where_no_row_is_possible_the_piece_ends():
    rng = np.random.default_rng(0)
    rules = open_rules(rng, 3, 4, 2)
    rules["mask_index"][:] = 0
    player = host(hasty(0), rules)
    assert (player.step(rng.random((3, 6))) == [END, 0, 0, 0, 0, 0]).all()


def test_a_waiting_part_comes_first_when_only_one_place_is_left():
    rng = np.random.default_rng(0)
    rules = open_rules(rng, 1, 1, 3)
    rules["position_masks"][:, 1:] = False
    rules["pitch_masks"][1, 61:] = rules["pitch_masks"][1, :60] = False
    for seed in range(5):
        player = play(host(hasty(seed), rules), np.random.default_rng(seed))
        assert [row[2] for row in player.rows[0]] == [0, 1, 2]
        assert [row[3] for row in player.rows[0]] == [60, 60, 60]


def test_padding_of_the_bar_table_is_not_read():
    rules = open_rules(np.random.default_rng(0), 4, 3, 2)
    padded = {k: v.copy() for k, v in rules.items()}
    for name in ("bars", "mask_index", "position_index"):
        padded[name] = np.concatenate([rules[name], rules[name]], 1)
    plain = play(host(hasty(1), rules), np.random.default_rng(1))
    wide = play(host(hasty(1), padded), np.random.default_rng(1))
    assert [np.array(r).tolist() for r in plain.rows] == [np.array(r).tolist() for r in wide.rows]


def test_force_takes_the_class_it_is_told():
    rng = np.random.default_rng(0)
    rules = open_rules(rng, 2, 40, 3)
    rules["force"][:] = [MAX_BAR_STEP, 5, 2, 77, 3, 9]
    assert (host(hasty(0), rules).step(rng.random((2, 6))) == rules["force"]).all()
    rules["force"][:] = [-1, -1, 1, -1, -1, -1]
    following = host(hasty(0), rules).step(rng.random((2, 6)))
    assert (following[:, 2] == 1).all()


@pytest.mark.parametrize("family", list(TINY))
def test_an_item_writes_the_same_single_and_in_a_batch(family):
    rules = open_rules(np.random.default_rng(7), 4, 3, 2)
    uniforms = np.random.default_rng(8).random((30, 4, 6))
    model = hasty(2, family)
    together = host(model, rules)
    alone = [host(model, {k: v if k.endswith("_masks") else v[b : b + 1] for k, v in rules.items()}) for b in range(4)]
    for uniform in uniforms:
        together.step(uniform)
        for b, one in enumerate(alone):
            one.step(uniform[b : b + 1])
    assert sum(map(len, together.rows)) > 8
    for b, one in enumerate(alone):
        assert np.array_equal(together.piece(b).rows, one.piece(0).rows)
        np.testing.assert_allclose(together.nats[b], one.nats[0], atol=1e-4)


def draw(uniform: float, *, temperature: float = 1.0, top_p: float = 1.0, min_p: float = 0.0, force: int = -1) -> Draw:
    def column(value, kind=torch.float32):
        return torch.full((1, 6), value, dtype=kind)

    numbers = (column(v) for v in (uniform, temperature, top_p, min_p))
    return Draw(*numbers, column(force, torch.int64))


LOGITS = torch.tensor([[0.1, 0.2, 0.4, 0.3]]).log()
ALL = torch.ones(1, 4, dtype=torch.bool)


def test_uniform_numbers_draw_with_the_given_probabilities():
    grid = (np.arange(1000) + 0.5) / 1000
    drawn = np.array([int(draw(u).fields()[0].take(LOGITS, ALL)[0]) for u in grid])
    assert np.bincount(drawn, minlength=4).tolist() == [100, 200, 400, 300]


@pytest.mark.parametrize(
    ("settings", "kept"),
    [({"top_p": 0.5}, {2, 3}), ({"top_p": 0.0}, {2}), ({"min_p": 0.6}, {2, 3}), ({"temperature": 0.0}, {2})],
)
def test_top_p_min_p_and_temperature_keep_the_probable(settings, kept):
    drawn = {int(draw(u, **settings).fields()[0].take(LOGITS, ALL)[0]) for u in np.linspace(0, 0.9999999, 200)}
    assert drawn == kept


def test_nats_are_those_under_the_mask_at_temperature_one():
    legal = torch.tensor([[True, True, False, False]])
    value, likelihood = draw(0.99, temperature=0.2).fields()[0].take(LOGITS, legal)
    assert int(value) in (0, 1)
    assert float(likelihood) == pytest.approx(np.log([1 / 3, 2 / 3][int(value)]), abs=1e-5)
