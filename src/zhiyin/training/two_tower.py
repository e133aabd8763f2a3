"""Training the two towers: from a part of a listener's history, tell the rest of it from items drawn at random.

Loss: softmax over the targets of the batch and uniformly drawn items, with logits u·v/temperature less the logarithm of how
probable an item is to be among them (Yi et al. 2019). The items' own vectors are dropped for half of the items in every step,
so that the towers also learn to rank by features alone, as they must for items never heard (Volkovs et al. 2017, "DropoutNet").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from zhiyin.errors import TrainingError
from zhiyin.recommenders.contract import Table, as_table
from zhiyin.recommenders.two_tower import TwoTower

_SPARSE = 0.1  # share of features that are not 0, up to which they are multiplied as a sparse table


@dataclass(frozen=True)
class TowerRecipe:
    """width: of the vectors; hidden: of the layers between; negatives: items drawn a step; dropped: share of own vectors left out."""

    width: int = 64
    hidden: int = 256
    epochs: int = 30
    batch: int = 128
    negatives: int = 2048
    rate: float = 3e-3
    decay: float = 1e-5
    temperature: float = 0.07
    dropped: float = 0.5
    seed: int = 0


class Towers(nn.Module):
    """Item tower and listener tower (see ``recommenders/two_tower.py``)."""

    def __init__(self, features: int, items: int, recipe: TowerRecipe) -> None:
        super().__init__()
        width, hidden = recipe.width, recipe.hidden
        self.item_in, self.item_out = nn.Linear(features, hidden), nn.Linear(hidden, width)
        self.listener_in, self.listener_out = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.own = nn.Embedding(items, width)
        nn.init.normal_(self.own.weight, std=0.1)
        nn.init.zeros_(self.listener_out.weight)

    def item(self, features: torch.Tensor, ids: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        """Item vectors (N, D): features (N, F), dense or sparse, ids (N,), kept (N, 1): 0 where the own vector is left out."""
        layer = self.item_in
        hidden = torch.sparse.mm(features, layer.weight.T) + layer.bias if features.is_sparse else layer(features)
        made = self.item_out(functional.relu(hidden))
        return functional.normalize(made + kept * self.own(ids), dim=1)

    def listener(self, pooled: torch.Tensor) -> torch.Tensor:
        """Listener vectors (B, D) of pooled item vectors (B, D)."""
        pooled = functional.normalize(pooled, dim=1)
        return functional.normalize(pooled + self.listener_out(functional.relu(self.listener_in(pooled))), dim=1)


class NeuralTwoTower:
    """The towers behind the contract of recommenders. ``towers``: what is left of them after fitting, arrays only."""

    name = "two-tower"

    def __init__(self, recipe: TowerRecipe | None = None) -> None:
        self.recipe = recipe or TowerRecipe()

    def fit(self, heard: Table, features: Table | np.ndarray | None = None) -> Self:
        """Trains on one thread; TrainingError without features (I, F) or where no listener has two pieces."""
        table, known = as_table(heard), as_table(features) if features is not None else None
        if known is None or known.shape[0] != table.shape[1]:
            raise TrainingError(
                "two-tower needs features", expected=f"a table of {table.shape[1]} items", received="none" if known is None else f"{known.shape[0]} rows"
            )
        listeners = np.flatnonzero(np.diff(table.indptr) >= 2)
        if not len(listeners):
            raise TrainingError("two-tower has nothing to learn from", expected="listeners with two pieces or more", received="none")
        torch.manual_seed(self.recipe.seed)
        net = Towers(known.shape[1], table.shape[1], self.recipe)
        _train(net, table, known, listeners, self.recipe)
        self.towers = _arrays(net.eval(), known, np.asarray((table > 0).sum(axis=0)).ravel() > 0)
        return self

    def scores(self, history: Table) -> np.ndarray:
        """Scores float32 (B, I)."""
        return self.towers.scores(history)


def _train(net: Towers, heard: Table, features: Table, listeners: np.ndarray, recipe: TowerRecipe) -> None:
    rng = np.random.default_rng(recipe.seed)
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    steps = recipe.epochs * -(-len(listeners) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps)
    for _ in range(recipe.epochs):
        order = rng.permutation(listeners)
        for begin in range(0, len(order), recipe.batch):
            loss = _loss(net, heard, features, order[begin : begin + recipe.batch], (recipe, rng))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def _loss(net: Towers, heard: Table, features: Table, who: np.ndarray, how: tuple[TowerRecipe, np.random.Generator]) -> torch.Tensor:
    """One batch: half of each history goes in, a random item of the other half is told from the others in the draw."""
    recipe, rng = how
    rows, given, targets = [], [], []
    for n, listener in enumerate(who):
        own = rng.permutation(heard.indices[heard.indptr[listener] : heard.indptr[listener + 1]])
        cut = max(1, len(own) // 2)
        given.append(own[:cut])
        rows.append(np.full(cut, n))
        targets.append(own[cut : cut + 4])
    count = np.array([len(t) for t in targets])
    wanted = np.concatenate(targets)
    drawn = rng.choice(heard.shape[1], min(recipe.negatives, heard.shape[1]), replace=False)
    ids, place = np.unique(np.concatenate([*given, wanted, drawn]), return_inverse=True)
    kept = torch.tensor(rng.random((len(ids), 1)) >= recipe.dropped, dtype=torch.float32)
    vectors = net.item(_tensor(features[ids]), torch.tensor(ids), kept)
    inside = sum(map(len, given))
    pooled = torch.zeros(len(who), vectors.shape[1]).index_add(0, torch.tensor(np.concatenate(rows)), vectors[torch.tensor(place[:inside])])
    listener_vectors = net.listener(pooled).repeat_interleave(torch.tensor(count), dim=0)
    choice = np.unique(place[inside:])  # targets of the batch and what was drawn
    often = np.asarray((heard > 0).sum(axis=0)).ravel()[ids[choice]] / heard.nnz
    logq = np.log(np.minimum(1.0, len(wanted) * often + recipe.negatives / heard.shape[1]))
    logits = listener_vectors @ vectors[torch.tensor(choice)].T / recipe.temperature - torch.tensor(logq, dtype=torch.float32)
    owner = np.repeat(np.arange(len(who)), count)
    mask = np.asarray(heard[who][:, ids[choice]].toarray() > 0)[owner]  # what a listener has heard is no wrong answer
    right = np.searchsorted(choice, place[inside : inside + len(wanted)])
    mask[np.arange(len(right)), right] = False
    return functional.cross_entropy(logits.masked_fill(torch.tensor(mask), -1e9), torch.tensor(right))


def _tensor(features: Table) -> torch.Tensor:
    """Features as a sparse tensor where few of them are not 0."""
    if features.nnz > _SPARSE * features.shape[0] * features.shape[1]:
        return torch.tensor(features.toarray())
    found = features.tocoo()
    return torch.sparse_coo_tensor(torch.tensor(np.stack([found.row, found.col])), torch.tensor(found.data), found.shape, check_invariants=False)


@torch.no_grad()
def _arrays(net: Towers, features: Table, known: np.ndarray) -> TwoTower:
    """The towers as arrays; ``known``: items that somebody had heard."""
    layers: dict[str, np.ndarray] = {}
    for name in ("item_in", "item_out", "listener_in", "listener_out"):
        layer = getattr(net, name)
        layers[name], layers[name + "_bias"] = layer.weight.T.contiguous().numpy(), layer.bias.numpy()
    towers = TwoTower(**layers, items=np.zeros((0, net.own.weight.shape[1]), np.float32))
    items = towers.item_vectors(features, net.own.weight.numpy() * known[:, None])
    return TwoTower(**layers, items=items)
