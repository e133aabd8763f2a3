"""The families of networks over rows, and the one way to build them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from zhiyin.errors import TrainingError, near_names
from zhiyin.models.gru import GRU
from zhiyin.models.lstm import LSTM
from zhiyin.models.recurrent import RecurrentSizes
from zhiyin.models.rnn import RNN
from zhiyin.models.rows import RowModel
from zhiyin.models.transformer import Transformer, TransformerSizes

FAMILIES: dict[str, tuple[type[Any], type[Any]]] = {
    "rnn": (RecurrentSizes, RNN),
    "lstm": (RecurrentSizes, LSTM),
    "gru": (RecurrentSizes, GRU),
    "transformer": (TransformerSizes, Transformer),
}


def build(family: str, **sizes: int | float) -> RowModel:
    """A fresh network of a family; sizes not named keep the family's defaults."""
    if family not in FAMILIES:
        raise TrainingError(
            "Unknown family",
            expected=f"one of {', '.join(FAMILIES)}",
            received=repr(family),
            hint=f"try {near_names(family, FAMILIES)}",
        )
    config, trunk = FAMILIES[family]
    known = [f.name for f in fields(config)]
    unknown = [name for name in sizes if name not in known]
    if unknown:
        raise TrainingError(
            f"Unknown size of family {family!r}",
            expected=f"any of {', '.join(known)}",
            received=", ".join(map(repr, unknown)),
        )
    chosen = config(**sizes)
    return RowModel(family, trunk(chosen), chosen)
