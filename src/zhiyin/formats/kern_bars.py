"""Bar lines and interpretations of a walked kern file -> the bar table, structure marks and metadata."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zhiyin.formats.exact_ticks import Scale, to_score
from zhiyin.formats.kern_spines import Table
from zhiyin.formats.kern_walk import Walked
from zhiyin.score.score import BAR, UNKNOWN_KEY, Mark

_METER = re.compile(r"\*M(\d+(?:\+\d+)*)/(\d+)(?![\d%])")
_TEMPO = re.compile(r"\*MM(\d+(?:\.\d+)?)$")
_TEMPO_WORD = re.compile(r"\*MM\[(.+)\]$")
_KEY_NAME = re.compile(r"\*([a-gA-G])([#-]*):(ion|dor|phr|lyd|mix|aeo|loc)?$")
_SIGNATURE = re.compile(r"\*k\[([a-g#n-]*)\]")
_LABEL = re.compile(r"\*>([^\[\]]+)$")
_EXPANSION = re.compile(r"\*>([^\[]*)\[(.*)\]$")
_DIGITS = re.compile(r"\d+")
_MAJOR_FIFTHS = {"C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5, "F": -1}
_MODE_SHIFT = {"ion": 0, "lyd": 1, "mix": -1, "dor": -2, "aeo": -3, "phr": -4, "loc": -5}
_KEYS_OF_RECORDS = {"OTL": "title", "COM": "composer", "YEC": "copyright"}


@dataclass(slots=True)
class _Stretch:
    """The music between two bar lines."""

    onset: int
    duration: int
    number: int | None
    text: str


def bar_table(walked: Walked, scale: Scale) -> np.ndarray:
    """The bar table; ``scale`` is (ticks per quarter of the table, of the walk)."""
    meters = meter_changes(walked)
    stretches = _numbered(_joined(_stretches(walked), meters, walked.unit), meters, walked.unit)
    edges = [to_score(s.onset, scale) for s in stretches] + [to_score(walked.end, scale)]
    kept = [i for i in range(len(stretches)) if edges[i + 1] > edges[i]]
    bars = np.zeros(len(kept), dtype=BAR)
    onsets = [stretches[i].onset for i in kept]
    bars["onset"] = [edges[i] for i in kept]
    bars["duration"] = [edges[i + 1] - edges[i] for i in kept]
    bars["number"] = [stretches[i].number for i in kept]
    found = [_at(meters, t, (4, 4)) for t in onsets]
    bars["meter_numerator"], bars["meter_denominator"] = [m[0] for m in found], [m[1] for m in found]
    bars["key"], bars["mode"] = _keys(walked, onsets)
    tempi = tempo_changes(walked)
    bars["tempo_qpm"] = [_at(tempi, t, 0.0) for t in onsets]
    return bars


def _at(changes: Sequence[tuple[int, Any]], time: int, default: Any) -> Any:
    """The value of the last change at or before ``time`` (changes sorted by time)."""
    low, high = 0, len(changes)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if changes[middle][0] <= time else (low, middle)
    return changes[low - 1][1] if low else default


def meter_changes(walked: Walked) -> list[tuple[int, tuple[int, int]]]:
    """(tick, (numerator, denominator)) of each meter; ``3/0`` (breves) is written over 1."""
    changes = []
    for time, _, text in walked.interpretations:
        found = _METER.match(text) if text.startswith("*M") else None
        if found:
            numerator, denominator = sum(map(int, found.group(1).split("+"))), int(found.group(2))
            if denominator == 0:
                numerator, denominator = 2 * numerator, 1
            if 0 < numerator <= 999 and 0 < denominator <= 256:
                changes.append((time, (numerator, denominator)))
    return changes


def tempo_changes(walked: Walked) -> list[tuple[int, float]]:
    """(tick, quarters per minute) of each ``*MM`` number."""
    found = ((t, _TEMPO.match(text)) for t, _, text in walked.interpretations if text.startswith("*MM"))
    return [(t, float(m.group(1))) for t, m in found if m and 0 < float(m.group(1)) < 10_000]


def _stretches(walked: Walked) -> list[_Stretch]:
    lines: dict[int, str] = {}
    for time, text in walked.barlines:
        lines[time] = lines.get(time, "") + text
    lines.setdefault(0, "")
    times = sorted(t for t in lines if t < walked.end)
    out = []
    for time, after in zip(times, [*times[1:], walked.end]):
        digits = _DIGITS.search(lines[time])
        out.append(_Stretch(time, after - time, int(digits.group()) % 100_000 if digits else None, lines[time]))
    return out


def _joined(stretches: list[_Stretch], meters: list, unit: int) -> list[_Stretch]:
    """Joins what a plain bar line without a number splits, as far as it fits into one bar of the meter."""
    if not any(s.number is not None for s in stretches):
        return stretches
    out = stretches[:1]
    for s in stretches[1:]:
        last = out[-1]
        fits = last.duration + s.duration <= _nominal(_at(meters, last.onset, None), unit)
        if s.number is None and fits and not any(c in s.text for c in ":|!") and "==" not in s.text:
            last.duration += s.duration
        else:
            out.append(s)
    return out


def _nominal(meter: tuple[int, int] | None, unit: int) -> float:
    return 4 * unit * meter[0] / meter[1] if meter else 0


def _numbered(stretches: list[_Stretch], meters: list, unit: int) -> list[_Stretch]:
    """Gives each stretch a number: its own, or that of the bar it completes, or the next one."""
    first = stretches[0]
    if first.number is None:
        following = next((i for i, s in enumerate(stretches) if s.number is not None), None)
        if following:
            first.number = max((stretches[following].number or 0) - following, 0)
        else:
            nominal = _nominal(_at(meters, 0, None), unit)
            first.number = 0 if first.duration < nominal and len(stretches) > 1 else 1
    for last, s in itertools.pairwise(stretches):
        if s.number is None:
            completes = last.duration + s.duration <= _nominal(_at(meters, last.onset, None), unit)
            s.number = last.number if completes else (last.number or 0) + 1
    return stretches


def _keys(walked: Walked, onsets: list[int]) -> tuple[list[int], list[int]]:
    """Key signature and mode of each bar; where parts differ, what most of them have."""
    signatures: dict[int, int] = {}
    names: dict[int, tuple[int, int]] = {}
    changes = [
        (t, track, s, n) for t, track, text in walked.interpretations for s, n in [_key(text)] if s is not None or n
    ]
    keys, modes, i = [], [], 0
    key, mode = UNKNOWN_KEY, -1
    for onset in onsets:
        moved = False
        while i < len(changes) and changes[i][0] <= onset:
            _, track, signature, named = changes[i]
            if signature is not None:
                signatures[track] = signature
                names.pop(track, None)
            if named:
                names[track] = named
            moved, i = True, i + 1
        if moved:
            named_now = Counter(names.values()).most_common(1)
            mode = named_now[0][0][1] if named_now else -1
            key = Counter(signatures.values()).most_common(1)[0][0] if signatures else named_now[0][0][0]
        keys.append(key)
        modes.append(mode)
    return keys, modes


def _key(text: str) -> tuple[int | None, tuple[int, int] | None]:
    """(fifths of a signature or None, (fifths, mode) of a named key or None)."""
    found = _SIGNATURE.match(text)
    if found:
        letters = found.group(1)
        return max(-7, min(7, letters.count("#") - letters.count("-"))), None
    named = _KEY_NAME.match(text)
    if not named:
        return None, None
    letter, alter, church = named.groups()
    fifths = _MAJOR_FIFTHS[letter.upper()] + 7 * (alter.count("#") - alter.count("-"))
    if church:
        shift, mode = _MODE_SHIFT[church], {"ion": 0, "aeo": 1}.get(church, -1)
    else:
        shift, mode = (0, 0) if letter.isupper() else (-3, 1)
    return None, (max(-7, min(7, fifths + shift)), mode)


def structure_marks(walked: Walked) -> list[Mark]:
    """Repeats, double and final bar lines, endings, and tempo changes inside bars or in words (ticks of the walk)."""
    marks = []
    for time, text in dict.fromkeys(walked.barlines):
        body = _DIGITS.sub("", text)
        if re.search(r":[|!]", body):
            marks.append(Mark(time, "repeat", "end"))
        if re.search(r"[|!]:", body):
            marks.append(Mark(time, "repeat", "start"))
        if body.startswith("=="):
            marks.append(Mark(time, "barline", "final"))
        elif "||" in body and ":" not in body:
            marks.append(Mark(time, "barline", "double"))
    bar_times = {t for t, _ in walked.barlines} | {0}
    for time, qpm in dict.fromkeys(tempo_changes(walked)):
        if time not in bar_times:
            marks.append(Mark(time, "tempo", f"={qpm:g}"))
    for time, text in dict.fromkeys((t, text) for t, _, text in walked.interpretations if text.startswith("*MM[")):
        found = _TEMPO_WORD.match(text)
        if found and "=" not in found.group(1):
            marks.append(Mark(time, "tempo", found.group(1)))
    return marks + _endings(walked)


def _endings(walked: Walked) -> list[Mark]:
    """Labels ``A1``, ``A2`` after a section ``A`` are first and second endings."""
    labels = sections(walked)
    known = {label for _, label in labels}
    marks = []
    for i, (time, label) in enumerate(labels):
        found = re.match(r"(.*\D)(\d)$", label)
        pair = found and {found.group(1) + "1", found.group(1) + "2"} <= known
        if found and pair:
            end = labels[i + 1][0] if i + 1 < len(labels) else walked.end
            if found.group(2) != "1":
                end = min([t for t, _ in walked.barlines if t > time] + [end])
            if end > time:
                marks.append(Mark(time, "ending", found.group(2), end=end))
    return marks


def sections(walked: Walked) -> list[tuple[int, str]]:
    """(tick, label) of each section label ``*>A``."""
    found = ((t, _LABEL.match(text)) for t, _, text in walked.interpretations if text.startswith("*>"))
    return list(dict.fromkeys((t, m.group(1)) for t, m in found if m))


def metadata(table: Table, walked: Walked) -> dict[str, str]:
    """Reference records by their key (title, composer and copyright by those names), section labels and expansion."""
    out: dict[str, str] = {}
    for key, value in table.records:
        if not key or not value:
            continue
        name = _KEYS_OF_RECORDS.get(key, _KEYS_OF_RECORDS.get(key.split("@")[0], key))
        if name in out and name in _KEYS_OF_RECORDS.values():
            continue
        out[name] = f"{out[name]}; {value}" if name in out else value
    for _, _, text in walked.interpretations:
        found = _EXPANSION.match(text) if text.startswith("*>") else None
        if found:
            out[f"expansion {found.group(1)}".strip()] = found.group(2)
    return out
