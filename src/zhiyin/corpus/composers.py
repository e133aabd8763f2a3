"""Composers under one spelling, and the eras they are grouped into. Knows no scores and counts nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

MIN_PIECES = 50
ERAS = (("Renaissance", 1585), ("Baroque", 1725), ("Classical", 1785), ("Romantic", 1868), ("Modern", 2100))

# Spellings of Mutopia (surname and initials) and variants of the others, by canonical name.
ALIASES: dict[str, str] = {
    "BachJS": "Bach, Johann Sebastian",
    "BeethovenLv": "Beethoven, Ludwig van",
    "BrahmsJ": "Brahms, Johannes",
    "ChopinFF": "Chopin, Fryderyk",
    "Chopin, Frédéric": "Chopin, Fryderyk",
    "CzernyC": "Czerny, Carl",
    "DebussyC": "Debussy, Claude",
    "FaureG": "Fauré, Gabriel",
    "FranckC": "Franck, César",
    "GiulianiM": "Giuliani, Mauro",
    "GriegE": "Grieg, Edvard",
    "HandelGF": "Handel, George Frideric",
    "HaydnFJ": "Haydn, Joseph",
    "HoretzkyF": "Horetzky, Felix",
    "JoplinS": "Joplin, Scott",
    "LisztF": "Liszt, Franz",
    "Mendelssohn-BartholdyF": "Mendelssohn, Felix",
    "MozartWA": "Mozart, Wolfgang Amadeus",
    "W. A. Mozart (1756-1791)": "Mozart, Wolfgang Amadeus",
    "RegerM": "Reger, Max",
    "SatieE": "Satie, Erik",
    "SchubertF": "Schubert, Franz",
    "SchumannR": "Schumann, Robert",
    "SorF": "Sor, Fernando",
    "TchaikovskyPI": "Tchaikovsky, Pyotr",
    "TelemannGP": "Telemann, Georg Philipp",
}
_NOBODY = {"", "Anonim", "Anonymous", "Traditional", "Anon."}
_BORN = {
    "Bach, Johann Sebastian": 1685,
    "Beethoven, Ludwig van": 1770,
    "Giuliani, Mauro": 1781,
    "Horetzky, Felix": 1796,
    "Joplin, Scott": 1868,
    "Marenzio, Luca": 1553,
    "Reger, Max": 1873,
}


def composer_name(labels: Mapping[str, str]) -> str:
    """The composer's canonical name ("Surname, Given"), or "" for nobody known."""
    raw = labels.get("composer", "").strip()
    return "" if raw in _NOBODY else ALIASES.get(raw, raw)


def era_of(labels: Mapping[str, str]) -> str:
    """The era of a piece, from the composer's birth, the print's date or the source's own word; "" = not known."""
    name = composer_name(labels)
    born = _BORN.get(name) or _year(labels.get("born", "")) or _year(labels.get("dates", ""))
    if not born and (printed := _year(labels.get("date", ""))):
        born = printed - 35
    if born:
        return next(era for era, until in ERAS if born < until)
    word = labels.get("genre", "").strip()
    return word if word in {era for era, _ in ERAS} else ""


def composer_groups(names: Mapping[str, float], min_pieces: float = MIN_PIECES) -> set[str]:
    """The composers with enough pieces to be a group of their own. names: pieces per canonical name."""
    return {name for name, count in names.items() if name and count >= min_pieces}


def group_of(labels: Mapping[str, str], own: set[str]) -> str:
    """The composer group of a piece: the composer, else the era with the word ``era``, else ""."""
    name = composer_name(labels)
    if name in own:
        return name
    era = era_of(labels)
    return f"{era} era" if era else ""


def _year(text: str) -> int:
    match = re.search(r"\b(1[3-9]\d\d|20\d\d)", text)
    return int(match[1]) if match else 0
