"""Whether a prompt asks for drums alone: a genre known only from drum grooves ("jazz") is not taken for a melodic request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zhiyin.encoding.fields import DRUM_PROGRAM

_SAYS_DRUMS = re.compile(r"(?<![a-z])(?:drum(?:s|mer|ming|beat)?|grooves?|percussion)(?![a-z])|鼓点?|打击乐|律动", re.IGNORECASE)
_NAMES_DRUMS = re.compile(_SAYS_DRUMS.pattern + r"|(?<![a-z])beat(?![a-z])", re.IGNORECASE)


def drums_only(style: Mapping[str, Any]) -> bool:
    """Whether a style of the catalog was learnt from drums alone."""
    parts = style.get("defaults", {}).get("parts") or ()
    return bool(parts) and all(program == DRUM_PROGRAM for _, program in parts)


def says_drums(text: str) -> bool:
    """Whether words ask for drums or a groove; what they do not want is to be blanked out before."""
    return bool(_SAYS_DRUMS.search(text))


def names_drums(name: str) -> bool:
    """Whether a style's name says by itself that it is drums: "rock beat", not "rock"."""
    return bool(_NAMES_DRUMS.search(name))


def only_drums(name: str) -> bool:
    """Whether a style's name says nothing but drums: "groove", not "rock groove"."""
    return not _NAMES_DRUMS.sub("", name).strip()


def not_taken(word: str) -> str:
    """What is said of a genre that is known as drums alone and was not asked for as such."""
    return f"{word} (this model knows it as drums alone: add {'“drums”' if word.isascii() else '“鼓”'} to get them)"
