"""A recipe: everything that decides a training run, as one flat TOML file. Unknown keys are an error."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

from zhiyin.errors import TrainingError, near_hint, near_names
from zhiyin.models.catalog import sizes_of
from zhiyin.training.style_fit import STYLE, StyleSizes


@dataclass(frozen=True)
class Recipe:
    """One training run. Times in minutes, rows = notes; ``sizes`` are the keys of the family's config in the TOML."""

    family: str = "transformer"
    minutes: float = 0.0  # time budget; 0 = use steps or epochs
    steps: int = 0
    epochs: int = 0  # passes over the training rows, used when neither minutes nor steps are given
    batch_rows: int = 8192  # rows per optimiser step
    batch_pieces: int = 0  # fixed number of sequences per step instead (the classic recipe: 64)
    window: int = 512  # rows a sequence may have
    learning_rate: float = 1e-3
    final_rate: float = 0.05  # of learning_rate, at the end of the cosine; 1 = constant
    warmup: float = 0.02  # share of the steps
    weight_decay: float = 0.05
    clip: float = 1.0
    ema: float = 0.998  # 0 = off
    transpose: int = 6  # semitones either way
    given_share: float = 0.3  # share of sequences with given rows
    control_dropout: float = 0.2  # chance that a control or plan column is left out
    style_temperature: float = 0.5  # 1 = by number of rows, 0 = all styles alike
    layout: str = "interleaved"
    validations: int = 20  # how often the held-out pieces are measured
    valid_rows: int = 120_000  # at most this many rows of them (0 = all)
    patience: int = 6  # validations without progress before stopping; 0 = never
    precision: str = "auto"  # auto | fp32 | bf16
    int8: bool = True
    seed: int = 1
    sizes: dict[str, Any] = field(default_factory=dict)

    def replace(self, **changes: Any) -> Recipe:
        """A recipe with some values changed; ``None`` leaves a value as it is."""
        return replace(self, **{k: v for k, v in changes.items() if v is not None})

    def flat(self) -> dict[str, Any]:
        """All values as one flat dict, as the manifest and a TOML file hold them."""
        values = asdict(self)
        return values | values.pop("sizes")


def recipe_names() -> list[str]:
    """Names of the recipes that come with zhiyin."""
    return sorted(p.name[:-5] for p in resources.files("zhiyin.recipes").iterdir() if p.name.endswith(".toml"))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """A recipe by name (``classic``, ``lstm`` …) or from a TOML file."""
    path = Path(name_or_path)
    if path.suffix == ".toml" and path.is_file():
        text = path.read_text(encoding="utf-8")
    elif str(name_or_path) in recipe_names():
        text = resources.files("zhiyin.recipes").joinpath(f"{name_or_path}.toml").read_text(encoding="utf-8")
    else:
        raise TrainingError(
            f"No recipe {str(name_or_path)!r}",
            expected="the name of a recipe or a .toml file",
            received=str(name_or_path),
            hint=f"recipes: {near_names(str(name_or_path), recipe_names())}",
        )
    return parse_recipe(text, str(name_or_path))


def parse_recipe(text: str, name: str) -> Recipe:
    """A recipe from TOML text; keys that are neither Recipe's nor the family's sizes are refused."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise TrainingError(f"Recipe {name}: not valid TOML", expected="key = value lines", received=str(e)) from None
    own = {f.name for f in fields(Recipe)} - {"sizes"}
    family = str(values.get("family", Recipe.family))
    known_sizes = [f.name for f in fields(StyleSizes if family == STYLE else sizes_of(family))]
    unknown = [k for k in values if k not in own and k not in known_sizes]
    if unknown:
        raise TrainingError(
            f"Recipe {name}: unknown key",
            expected="keys of a recipe or sizes of the family",
            received=", ".join(unknown),
            hint=near_hint(unknown[0], [*own, *known_sizes]),
        )
    sizes = {k: v for k, v in values.items() if k in known_sizes and k not in own}
    return Recipe(**{k: v for k, v in values.items() if k in own}, sizes=sizes)
