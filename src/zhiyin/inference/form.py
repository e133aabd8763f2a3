"""Form: how many bars fall into which sections, how each section closes, and what returns.

A section is a phrase of about eight bars with a letter; a letter that comes again is a return. Nothing here knows
notes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zhiyin.encoding.fields import LETTERS
from zhiyin.errors import ControlError
from zhiyin.inference.controls import find_form

_PHRASE = 8
FEW_RETURNS = 0.15  # styles in which a smaller share of the sections returns are planned as they are: mostly onwards
_SHORT_FORMS = {1: "A", 2: "AA", 3: "ABA", 4: "AABA", 5: "ABACA", 6: "AABABA", 7: "ABACABA", 8: "AABACABA"}


@dataclass(frozen=True)
class Section:
    """One section: its letter, first bar (row of the bar table), number of bars, cadence ("half" or "authentic")."""

    letter: str
    first: int
    bars: int
    cadence: str

    @property
    def last(self) -> int:
        """Row of its last bar."""
        return self.first + self.bars - 1


def plan_sections(
    bars: int, form: str | None = None, cadence: str | None = None, first: int = 0
) -> tuple[Section, ...]:
    """Sections of ``bars`` bars from row ``first`` on; ``cadence``: how the last one closes (authentic by default)."""
    letters = find_form(form) if form else default_form(bars)
    if len(letters) > bars:
        raise ControlError(
            "The form has more sections than bars",
            expected=f"at least {len(letters)} bars for {letters}",
            received=f"{bars} bars",
            hint="ask for more bars or a shorter form",
        )
    lengths = section_lengths(bars, len(letters))
    out: list[Section] = []
    for i, (letter, length) in enumerate(zip(letters, lengths)):
        closes = cadence or "authentic" if i == len(letters) - 1 else _inner_cadence(letters, i)
        out.append(Section(letter, first, length, closes))
        first += length
    return tuple(out)


def default_form(bars: int) -> str:
    """Letters for a number of bars: one per eight bars, AABA for 32; long pieces are rondos of AABA-like groups."""
    count = max(1, round(bars / _PHRASE)) if bars >= 12 else 1
    if count <= 8:
        return _SHORT_FORMS[count]
    pairs = [LETTERS[i : i + 2] for i in range(0, len(LETTERS), 2)]
    letters = ""
    group = 0
    while len(letters) < count:
        fresh = (group + 1) // 2 if group % 2 else 0
        pair = pairs[min(fresh, len(pairs) - 1) if fresh < len(pairs) else 1 + fresh % (len(pairs) - 1)]
        letters += pair[0] + pair + pair[0]
        group += 1
    return letters[: count - 1] + "A"


def style_form(bars: int, return_share: float | None, rng: np.random.Generator) -> str:
    """Letters for a number of bars in a style of which a share of the sections (0..1) returns in what people wrote.

    Where few do (string quartets, songs: see ``FEW_RETURNS``), as many sections return on average as in the style, drawn
    by ``rng``, the first of them at the end. Elsewhere, where nothing is known, and where there are more sections than
    letters, ``default_form``.
    """
    usual = default_form(bars)
    if return_share is None or return_share >= FEW_RETURNS or not 3 <= len(usual) <= len(LETTERS):
        return usual
    expected = return_share * len(usual)
    back = min(int(expected) + int(rng.random() < expected % 1), len(usual) - 2)
    return LETTERS[: len(usual) - back] + LETTERS[1:back] + ("A" if back else "")


def section_lengths(bars: int, count: int) -> list[int]:
    """Bars of each of ``count`` sections: as equal as multiples of four allow, else of two, else of one; the rest goes last."""
    for unit in (4, 2, 1):
        units, rest = divmod(bars, unit)
        if units >= count and (rest == 0 or unit == 1 or (count == 1)):
            each, more = divmod(units, count)
            lengths = [unit * (each + (i >= count - more)) for i in range(count)]
            lengths[-1] += rest
            return lengths
    if bars // count >= 4:
        each = bars // count // 4 * 4
        return [each] * (count - 1) + [bars - each * (count - 1)]
    return [bars // count] * (count - 1) + [bars - (bars // count) * (count - 1)]


def returns(sections: tuple[Section, ...]) -> np.ndarray:
    """For each bar of the sections the bar (row) that it returns from the letter's first statement, -1 for none. int (bars,)."""
    end = sections[-1].last + 1
    source = np.full(end, -1, dtype=np.int64)
    heads: dict[str, Section] = {}
    for section in sections:
        head = heads.setdefault(section.letter, section)
        if head is section:
            continue
        same = min(head.bars, section.bars)
        source[section.first : section.first + same] = np.arange(head.first, head.first + same)
    return source


def vary_returns(
    source: np.ndarray, sections: tuple[Section, ...], amount: float, rng: np.random.Generator
) -> np.ndarray:
    """Returning bars less those written anew: every return's close (two bars of eight), and others by seeded choice.

    amount: share of a return's bars that are written anew, 0 (only a cadence that differs) to 1 (all).
    """
    source = source.copy()
    heads: dict[str, Section] = {}
    for section in sections:
        head = heads.setdefault(section.letter, section)
        span = np.flatnonzero(source[section.first : section.last + 1] >= 0) + section.first
        if head is section or not len(span):
            continue
        anew = round(amount * section.bars)
        least = int(head.cadence != section.cadence or section is sections[-1] or span[-1] != section.last)
        close = min(max(1, section.bars // 4), max(anew, least))
        source[section.last + 1 - close : section.last + 1] = -1
        inner = span[(span < section.last + 1 - close) & (span > section.first)]
        extra = min(max(anew - close, 0), len(inner))
        if extra:
            begin = int(rng.integers(0, len(inner) - extra + 1)) if amount < 1 else 0
            source[inner[begin : begin + extra]] = -1
        if amount >= 1:
            source[section.first] = -1
    return source


def _inner_cadence(letters: str, i: int) -> str:
    """Half before the section's own repeat, before a return, and after the first section; else authentic."""
    before, here, after = letters[:i], letters[i], letters[i + 1]
    if i == 0 or after == here:
        return "half" if here not in before else "authentic"
    return "half" if after in before else "authentic"
