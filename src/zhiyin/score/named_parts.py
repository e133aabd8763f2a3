"""Parts of a score by their name or number, as every verb takes them."""

from __future__ import annotations

from collections.abc import Sequence

from zhiyin.errors import ControlError, near_only
from zhiyin.score.score import Score


def part_title(score: Score, part: int) -> str:
    """A part's name, or its number where it has none."""
    return score.parts[part].name.strip() or f"part {part + 1}"


def part_titles(score: Score) -> list[str]:
    """The same of every part."""
    return [part_title(score, i) for i in range(len(score.parts))]


def named_parts(name: str, titles: Sequence[str], *, several: bool = True) -> list[int]:
    """Indices of the parts that a name (whatever its case; "Violin" is Violin 1 and 2 too), a number from 1 or "all" means.

    several: whether more than one may be meant; else the first, and "all" is none. Raises ControlError with near names.
    """
    wanted = name.strip().casefold()
    if several and wanted == "all":
        return list(range(len(titles)))
    rows = [i for i, n in enumerate(titles) if n.casefold() == wanted]
    rows = rows or [i for i, n in enumerate(titles) if n.casefold().rstrip(" 0123456789") == wanted]
    if not rows and wanted.isdigit() and 1 <= int(wanted) <= len(titles):
        rows = [int(wanted) - 1]
    if not rows:
        numbers = f"a number 1..{len(titles)}, or all" if several else f"or a number 1..{len(titles)}"
        raise ControlError(
            f"There is no part {name!r}", expected=f"one of {', '.join(titles)}, {numbers}", received=repr(name),
            hint=near_only(name, titles, "parts"),
        )  # fmt: skip
    return rows if several else rows[:1]
