"""Titles for pieces, made from a seed, the style and the mood. Word lists only."""

from __future__ import annotations

import numpy as np

_PLACES = (
    "Harbour", "Willow", "Orchard", "Hillside", "River", "Mill", "Bridge", "Garden", "Meadow", "Lantern", "Window", "Shore",
    "Chapel", "Market", "Forest", "Valley", "Island", "Courtyard", "Lighthouse", "Fountain",
)  # fmt: skip
_LIGHT = (
    "Morning",
    "Silver",
    "Golden",
    "First",
    "Early",
    "Bright",
    "Summer",
    "April",
    "Open",
    "Sunlit",
    "Blue",
    "White",
)
_DARK = ("Evening", "Winter", "Distant", "Last", "Quiet", "Old", "Autumn", "Grey", "Northern", "Lost", "Hidden", "Late")
_OF = ("at the {p}", "by the {p}", "from the {p}", "of the {p}")
_LIVELY = (
    "jig",
    "reel",
    "hornpipe",
    "polka",
    "march",
    "waltz",
    "mazurka",
    "polonaise",
    "strathspey",
    "slip jig",
    "barndance",
)
_SACRED = ("mass", "motet", "hymn", "chorale", "madrigal")


def make_title(style: str, minor: bool, rng: np.random.Generator) -> str:
    """A title such as "Evening Waltz by the River": seeded, darker words for minor keys."""

    def pick(words: tuple[str, ...]) -> str:
        return words[int(rng.integers(len(words)))]

    kind = style.split("(")[0].strip().title() or "Piece"
    colour, place = pick(_DARK if minor else _LIGHT), pick(_PLACES)
    shape = int(rng.integers(3))
    if style.casefold() in _LIVELY and shape == 0:
        return f"The {colour} {place}"
    if style.casefold() in _SACRED or shape == 1:
        return f"{colour} {kind}"
    return f"{kind} {pick(_OF).format(p=place)}"
