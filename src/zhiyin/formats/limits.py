"""How much a reader or writer takes, in one table: value, what happens beyond it, and what raises it.

A file's header may promise anything; nothing is allocated, looped over or waited for beyond these values.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from zhiyin.errors import FormatError


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest score that a reader returns or a writer takes; every excess is a FormatError, none is a split.

    Raise one with ``dataclasses.replace(LIMITS["midi"], hours=12)`` and pass it as ``limits=``.
    """

    bytes: int = 64 * 2**20  # of the file, unpacked where it is packed
    notes: int = 2_000_000
    parts: int = 256
    bars: int = 20_000
    hours: float = 6.0  # of sounding music, through the tempo map
    marks: int = 500_000


LIMITS: dict[str, Limits] = {
    "midi": Limits(),
    "musicxml": Limits(),
    "kern": Limits(),
    "abc": Limits(bytes=8 * 2**20, notes=200_000, parts=64, bars=5_000),
    "sound": Limits(hours=2.0, notes=500_000),
    "engraving": Limits(notes=100_000, parts=64, bars=3_000),
}

_UNITS = {"bytes": "bytes", "notes": "notes", "parts": "parts", "bars": "bars", "hours": "hours", "marks": "marks"}


def check(quantity: str, received: float, limits: Limits, where: str) -> None:
    """Raises the FormatError for one quantity (a field name of Limits) of ``where`` when it is over the limit."""
    allowed = getattr(limits, quantity)
    if received > allowed:
        unit = _UNITS[quantity]
        raise FormatError(
            f"{where} has too many {unit}",
            expected=f"at most {allowed:,} {unit}",
            received=f"{received:,.1f} {unit}" if isinstance(received, float) else f"{received:,} {unit}",
            hint=f"split the piece, or pass limits= with a larger {quantity}",
        )


def table() -> list[tuple[str, str, float, str, str]]:
    """Rows (format, quantity, value, what happens, what raises it) of all limits, for the reference page."""
    return [
        (name, f.name, getattr(limits, f.name), "FormatError", f"limits=replace(LIMITS[{name!r}], {f.name}=…)")
        for name, limits in LIMITS.items()
        for f in fields(limits)
    ]
