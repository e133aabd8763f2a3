"""What of a piece was machine-composed, in one sentence: the same words wherever a file can hold them.

A record lists it in ``composed``, newest first: "bars 5-8 of Voice", "Alto, Tenor and Bass", or "all".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SIGN = "zhiyin (知音)"  # stands in every sentence of ours
ALL = "all"
DISCLOSURE = f"Machine-composed with {SIGN}."
_MOST = 6  # stretches of bars that are named; more are counted


def disclosed(record: Mapping[str, Any], what: str, earlier: Sequence[str] = ()) -> dict[str, Any]:
    """A record that says what was composed ("" = nothing), and what of the given music had been composed ``earlier``."""
    composed = [*([what] if what else []), *(earlier if what != ALL else ())]
    return {**record, "composed": composed, "disclosure": _sentence(record, composed)}


def composed_in(record: Mapping[str, Any]) -> list[str]:
    """What a record says was machine-composed; [] for none. Records from before 2026-11-25 say it by their verb."""
    if not record:
        return []
    if "composed" in record:
        return [str(w) for w in record["composed"]]
    verb = record.get("verb")
    if verb in (None, "compose", "blend") or (record.get("settings") or {}).get("method") == "latent":
        return [ALL]
    source: Mapping[str, Any] = next(iter(record.get("inputs") or ()), {})
    return [f"what {verb} wrote", *composed_in(source.get("record") or {})]


def in_chinese(record: Mapping[str, Any]) -> str:
    """The sentence of a record in Chinese."""
    composed = composed_in(record) or ([] if record else [ALL])
    parts = "、".join(_item_in_chinese(w) for w in composed if w != ALL)
    if ALL in composed:
        return "本曲由 zhiyin 机器作曲" + (f"，最后改写：{parts}。" if parts else "。")
    if not composed:
        return "和弦记号出自 zhiyin，音符照原样。"
    return f"以下由 zhiyin 机器作曲：{parts}；其余照原样。"


def bars_of(numbers: Sequence[int], parts: Sequence[str] = ()) -> str:
    """Bars by number, and the parts in them, in words: "bars 5-8 of Voice", "bar 3", "40 bars between 1 and 90"."""
    found = np.unique(np.asarray(numbers, dtype=np.int64))
    stretches = np.split(found, np.flatnonzero(np.diff(found) > 1) + 1)
    words = [f"{s[0]}-{s[-1]}" if len(s) > 1 else f"{s[0]}" for s in stretches]
    text = f"{'bar' if len(found) == 1 else 'bars'} {listed(words)}"
    if len(words) > _MOST:
        text = f"{len(found)} bars between {found[0]} and {found[-1]}"
    return text + (f" of {listed(parts)}" if parts else "")


def listed(words: Sequence[str]) -> str:
    """Words as a sentence lists them: "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def _sentence(record: Mapping[str, Any], composed: Sequence[str]) -> str:
    if record.get("verb") == "chords":
        symbols = f"Chord symbols by {SIGN}"
        return f"{symbols}; the notes as given." if not composed else f"{symbols}. {_sentence({}, composed)}"
    if ALL in composed:
        last = ", and before that ".join(composed[: list(composed).index(ALL)])
        after = {"blend": " after two given melodies", "vary": " after a given melody"}.get(str(record.get("verb")), "")
        return f"Machine-composed with {SIGN}" + (f", {last} last." if last else f"{after}.")
    first = f"{composed[0][:1].upper()}{composed[0][1:]}"
    before = f", and before that {listed(composed[1:])}," if len(composed) > 1 else ""
    return f"{first}{before} machine-composed with {SIGN}; the rest as given."


def _item_in_chinese(words: str) -> str:
    match = re.fullmatch(r"bars? ([\d,\- and]+)(?: of (.+))?", words)
    return f"{match[2] or ''}第 {match[1].replace(' and ', '、').replace(', ', '、')} 小节" if match else words
