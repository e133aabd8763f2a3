"""zhiyin (知音): learns from scores, composes new ones, and says where each note comes from.

    import zhiyin as zy
    piece = zy.compose("a calm hymn in D minor, 3/4", bars=16, seed=7)
    zy.save(piece, "out.musicxml")

Names are imported when they are first used, so that ``import zhiyin`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zhiyin.version import __version__

if TYPE_CHECKING:
    from zhiyin.corpus.build import build as build_corpus
    from zhiyin.encoding import decode, encode, quantize
    from zhiyin.errors import ZhiyinError
    from zhiyin.evaluation.scorecard import judge
    from zhiyin.formats.catalog import load, save
    from zhiyin.inference.again import again
    from zhiyin.inference.arranging import accompany, arrange, harmonise
    from zhiyin.inference.chords import chords
    from zhiyin.inference.classify import classify
    from zhiyin.inference.compose import compose
    from zhiyin.inference.compose_for import compose_for
    from zhiyin.inference.continue_ import continue_
    from zhiyin.inference.infill import infill
    from zhiyin.inference.latent import blend
    from zhiyin.inference.original import original
    from zhiyin.inference.recommend import recommend
    from zhiyin.inference.repair import repair
    from zhiyin.inference.vary import vary
    from zhiyin.inference.zyz import compress, restore
    from zhiyin.measures.descriptors import describe
    from zhiyin.measures.key import find_key
    from zhiyin.provenance.package import list_packages, load_package
    from zhiyin.score import Mark, Part, Score
    from zhiyin.score.performance import perform
    from zhiyin.training.train import train

_HOME = {
    "accompany": "zhiyin.inference.arranging",
    "arrange": "zhiyin.inference.arranging",
    "harmonise": "zhiyin.inference.arranging",
    "Mark": "zhiyin.score",
    "Part": "zhiyin.score",
    "Score": "zhiyin.score",
    "ZhiyinError": "zhiyin.errors",
    "again": "zhiyin.inference.again",
    "blend": "zhiyin.inference.latent",
    "build_corpus": "zhiyin.corpus.build",
    "chords": "zhiyin.inference.chords",
    "classify": "zhiyin.inference.classify",
    "compose": "zhiyin.inference.compose",
    "compose_for": "zhiyin.inference.compose_for",
    "compress": "zhiyin.inference.zyz",
    "continue_": "zhiyin.inference.continue_",
    "decode": "zhiyin.encoding",
    "describe": "zhiyin.measures.descriptors",
    "encode": "zhiyin.encoding",
    "find_key": "zhiyin.measures.key",
    "infill": "zhiyin.inference.infill",
    "judge": "zhiyin.evaluation.scorecard",
    "list_packages": "zhiyin.provenance.package",
    "load": "zhiyin.formats.catalog",
    "load_package": "zhiyin.provenance.package",
    "original": "zhiyin.inference.original",
    "perform": "zhiyin.score.performance",
    "quantize": "zhiyin.encoding",
    "recommend": "zhiyin.inference.recommend",
    "repair": "zhiyin.inference.repair",
    "restore": "zhiyin.inference.zyz",
    "save": "zhiyin.formats.catalog",
    "train": "zhiyin.training.train",
    "vary": "zhiyin.inference.vary",
}
_OTHER_NAME = {"build_corpus": "build"}

__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> Any:
    """Imports a public name from its room on first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'zhiyin' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), _OTHER_NAME.get(name, name))


def __dir__() -> list[str]:
    """The public names."""
    return __all__
