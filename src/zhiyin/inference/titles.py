"""Titles for pieces, made from a seed, the style and the mode. Word lists only."""

from __future__ import annotations

import numpy as np

_PLACES = (
    "Harbour", "Orchard", "Hillside", "River", "Mill", "Bridge", "Garden", "Meadow", "Shore", "Market", "Forest", "Valley",
    "Island", "Courtyard", "Lighthouse", "Fountain", "Crossroads", "Ferry", "Old Quay", "Garden Gate", "Mountain",
)  # fmt: skip
_THINGS = (
    "Harbour", "Willow", "Orchard", "River", "Mill", "Bridge", "Garden", "Meadow", "Lantern", "Shore", "Road", "Island",
    "Chestnut", "Heron", "Swallow", "Foxglove", "Window", "Letter", "Boat", "Ribbon",
)  # fmt: skip
_LIGHT = (
    "Morning",
    "Silver",
    "Golden",
    "Early",
    "Bright",
    "Summer",
    "April",
    "Open",
    "Sunlit",
    "Blue",
    "White",
    "Green",
)
_DARK = ("Evening", "Winter", "Distant", "Last", "Quiet", "Old", "Autumn", "Grey", "Northern", "Lost", "Hidden", "Late")
_BESIDE = ("at the {p}", "by the {p}", "from the {p}")
_HOLY = ("Morning", "Evening", "Advent", "Harvest", "Easter", "Vesper", "Saint Cecilia's", "Michaelmas", "Pilgrim's")
_TUNES = ("jig", "reel", "hornpipe", "polka", "march", "slip-jig", "slide", "strathspey", "folk-tune")
_SACRED = (
    "mass", "requiem", "vespers", "litany", "psalm", "motet", "hymn", "antiphon", "responsory", "carol", "sacred-choral",
)  # fmt: skip
_SONGS = ("song", "lied", "melodie")
_KINDS = {
    "sacred-choral": "Anthem", "piano-piece": "Piece", "guitar-piece": "Piece", "baroque-keyboard": "Invention",
    "chamber": "Trio", "folk-tune": "Air", "opera": "Aria", "symphony": "Sinfonia", "string-quartet": "Quartet",
}  # fmt: skip


def make_title(style: str, minor: bool, rng: np.random.Generator) -> str:
    """A title such as "Evening Waltz" or "The Grey Heron": seeded, darker words for minor keys."""

    def pick(words: tuple[str, ...]) -> str:
        return words[int(rng.integers(len(words)))]

    kind = _KINDS.get(style) or style.split("(")[0].replace("-", " ").strip().title() or "Piece"
    colour, place, thing = pick(_DARK if minor else _LIGHT), pick(_PLACES), pick(_THINGS)
    shape = int(rng.integers(3))
    if style.startswith("drums"):
        return f"{colour} {style.split('-')[-1].title()} Groove" if "-" in style else f"{colour} Groove"
    if style in _SACRED:
        return f"{pick(_HOLY)} {kind}"
    if (style in _TUNES and shape < 2) or any(s in style for s in _SONGS) or shape == 0:
        return f"The {colour} {thing}"
    return f"{colour} {kind}" if shape == 1 else f"{kind} {pick(_BESIDE).format(p=place)}"
