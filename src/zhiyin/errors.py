"""Every error that zhiyin raises on purpose, and the one template their texts follow.

ZhiyinError
├── InputError       a file, folder or argument that cannot be used
│   └── FormatError  a score file that cannot be read or written
├── EncodingError    a score that does not fit the rows, or rows that are not legal
├── ControlError     controls or words that contradict each other or name something unknown
├── CorpusError      a collection that cannot be fetched, checked or built
├── TrainingError    training data or a recipe that cannot be trained on
├── PackageError     a model package that is altered, incomplete or of another version
└── RecordError      a record of how a piece was made, a log or a signature that is missing, damaged or altered

The text says what failed, what was expected, what was received, and a hint.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ZhiyinError(Exception):
    """Base of all deliberate errors. ``str(e)`` follows: what · Expected · Received · hint."""

    def __init__(self, what: str, *, expected: str = "", received: str = "", hint: str = "") -> None:
        self.what, self.expected, self.received, self.hint = what, expected, received, hint
        text = what if what.endswith((".", "!", "?")) else what + "."
        if expected:
            text += f" Expected {expected}."
        if received:
            text += f" Received {received}."
        if hint:
            text += f" hint: {hint}"
        super().__init__(text)

    def __reduce__(self) -> tuple[object, ...]:
        """Lets an error cross a process boundary with all four of its parts."""
        return (_rebuild, (type(self), self.what, self.expected, self.received, self.hint))


def _rebuild(cls: type[ZhiyinError], what: str, expected: str, received: str, hint: str) -> ZhiyinError:
    return cls(what, expected=expected, received=received, hint=hint)


class InputError(ZhiyinError):
    """A file, folder or argument that cannot be used."""


class FormatError(InputError):
    """A score file that cannot be read or written."""


class EncodingError(ZhiyinError):
    """A score that does not fit the rows, or rows that are not legal."""


class ControlError(ZhiyinError):
    """Controls or words that contradict each other or name something unknown."""


class CorpusError(ZhiyinError):
    """A collection that cannot be fetched, checked or built."""


class TrainingError(ZhiyinError):
    """Training data or a recipe that cannot be trained on."""


class PackageError(ZhiyinError):
    """A model package that is altered, incomplete or of another version."""


class RecordError(ZhiyinError):
    """A record of how a piece was made, a log or a signature that is missing, damaged or altered."""


_ALIKE = 0.6  # of the letters of two names that match (difflib's own default), from which one is near the other
_PART = 0.8  # a name that holds the other counts as so much alike at least
_LISTED = 12  # known names that are listed where none is near


def near_names(name: str, known: Iterable[str], count: int = 5) -> str:
    """The known names nearest to ``name``, quoted and joined, for hints; where none is near, those that there are."""
    names = list(known)
    near = nearest(name, names, count)
    if near or len(names) <= _LISTED:
        return ", ".join(repr(n) for n in near or names)
    return ", ".join(repr(n) for n in names[: _LISTED - 1]) + f" and {len(names) - _LISTED + 1} more"


def near_only(name: str, known: Iterable[str], noun: str = "", count: int = 5) -> str:
    """``near_hint`` where a name is near, else nothing: for errors that list the known names already."""
    hint = near_hint(name, list(known), noun, count)
    return hint if hint.startswith("near") else ""


def near_hint(name: str, known: Iterable[str], noun: str = "", count: int = 5) -> str:
    """A hint that says "near titles: …" only where a known name is near, else "known titles: …". noun: what is named."""
    names = list(known)
    label = "near" if nearest(name, names, count) else "known"
    return f"{label}{noun and ' '}{noun}: {near_names(name, names, count) or 'none'}"


def nearest(name: str, names: list[str], count: int) -> list[str]:
    """Names that differ little from ``name`` in their letters, or hold it, or are held by it, the most alike first; capitals do not count."""
    match = difflib.SequenceMatcher()
    match.set_seq2(wanted := name.casefold().strip())
    found = []
    for at, other in enumerate(names):
        match.set_seq1(own := other.casefold())
        held = min(len(own), len(wanted)) > 2 and (own in wanted or wanted in own)
        alike = _PART + (1 - _PART) * min(len(own), len(wanted)) / max(len(own), len(wanted), 1) if held else 0.0
        if match.real_quick_ratio() >= _ALIKE and match.quick_ratio() >= _ALIKE:
            alike = max(alike, match.ratio())
        if alike >= _ALIKE:
            found.append((-alike, at, other))
    return [other for _, _, other in sorted(found)[:count]]
