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


def near_names(name: str, known: Iterable[str], count: int = 5) -> str:
    """The known names nearest to ``name``, quoted and joined, for hints (all of them when few)."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=count, cutoff=0.4) or names[: 4 * count]
    return ", ".join(repr(n) for n in near)
