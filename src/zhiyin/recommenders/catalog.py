"""The recommenders that learn from listeners, by name. The neural one is trained above: ``training/two_tower.py``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zhiyin.recommenders.als import Als
from zhiyin.recommenders.bpr import Bpr
from zhiyin.recommenders.content_ease import ContentEase
from zhiyin.recommenders.contract import Recommender
from zhiyin.recommenders.ease import Ease
from zhiyin.recommenders.hybrid import Hybrid
from zhiyin.recommenders.item_knn import ItemKnn
from zhiyin.recommenders.popularity import Popularity

RECOMMENDERS: Mapping[str, Callable[[], Recommender]] = {
    Popularity.name: Popularity,
    ItemKnn.name: ItemKnn,
    Als.name: Als,
    Bpr.name: Bpr,
    Ease.name: Ease,
    ContentEase.name: ContentEase,
    Hybrid.name: lambda: Hybrid([ContentEase(), ItemKnn()]),
}
