"""The families of networks (over rows; the encoder that embeds; VAE and GAN over windows), and the one way to build them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from zhiyin.errors import TrainingError, near_names
from zhiyin.models.encoder import Encoder, EncoderSizes
from zhiyin.models.gan import GAN, GANSizes
from zhiyin.models.gru import GRU
from zhiyin.models.lstm import LSTM
from zhiyin.models.recurrent import RecurrentSizes
from zhiyin.models.rnn import RNN
from zhiyin.models.rows import RowModel
from zhiyin.models.transformer import Transformer, TransformerSizes
from zhiyin.models.vae import VAE, VAESizes

FAMILIES: dict[str, tuple[type[Any], type[Any]]] = {
    "rnn": (RecurrentSizes, RNN),
    "lstm": (RecurrentSizes, LSTM),
    "gru": (RecurrentSizes, GRU),
    "transformer": (TransformerSizes, Transformer),
}
EMBEDDING, LATENT, ADVERSARIAL = "embedding", "vae", "gan"
ALONE: dict[str, tuple[type[Any], type[Any]]] = {EMBEDDING: (EncoderSizes, Encoder), LATENT: (VAESizes, VAE), ADVERSARIAL: (GANSizes, GAN)}  # not over rows


def sizes_of(family: str) -> type[Any]:
    """The config dataclass of a family; TrainingError for one that is not known."""
    known = {name: config for name, (config, _) in (FAMILIES | ALONE).items()}
    if family not in known:
        raise TrainingError(
            "Unknown family",
            expected=f"one of {', '.join(known)}",
            received=repr(family),
            hint=f"try {near_names(family, known)}",
        )
    return known[family]


def build(family: str, **sizes: int | float) -> Any:
    """A fresh network of a family (a RowModel, an Encoder, a VAE, a GAN); sizes not named keep the family's defaults."""
    config = sizes_of(family)
    known = [f.name for f in fields(config)]
    unknown = [name for name in sizes if name not in known]
    if unknown:
        raise TrainingError(
            f"Unknown size of family {family!r}",
            expected=f"any of {', '.join(known)}",
            received=", ".join(map(repr, unknown)),
        )
    chosen = config(**sizes)
    return ALONE[family][1](chosen) if family in ALONE else RowModel(family, FAMILIES[family][1](chosen), chosen)
