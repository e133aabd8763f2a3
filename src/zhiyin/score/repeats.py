"""Unfolding of repeats: a score as it is played, bar after bar, without its repeat signs.

Reads the marks ``repeat`` (start at a bar's onset, end at the place of the bar line, "end:3" = three times),
``ending`` (numbers "1", "2", "1,2" from onset to end) and ``jump`` (D.C., D.S., each with "al Fine" or "al Coda", Fine,
Segno, To Coda, Coda). After a jump repeats are not taken again and the last ending is played. Knows no file format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from zhiyin.errors import InputError
from zhiyin.score.score import Mark, Score, meter_ticks

MAX_TIMES = 16  # how often one repeat sign is obeyed at most
MAX_BARS = 40_000  # bars after unfolding
_STRUCTURE = ("repeat", "ending", "jump")


def has_repeats(score: Score) -> bool:
    """Whether the score has any sign that ``expand_repeats`` obeys."""
    return any(m.kind in _STRUCTURE for m in score.marks)


def expand_repeats(score: Score) -> Score:
    """The score as played: bars, notes and marks in playing order, numbered anew; itself where it has no repeats.

    A note that sounds into a bar that is not played next ends at the seam. Two short bars that meet at a seam and fill
    one bar together become one.
    """
    if not has_repeats(score):
        return score
    segments = _merged(_Road(score).walk())
    starts = np.cumsum([0] + [b - a for a, b in segments])
    notes, marks, bars = [], [], []
    for i, (a, b) in enumerate(segments):
        shift = int(starts[i]) - a
        notes.append(_notes(score.notes, a, b, shift, last=i == len(segments) - 1))
        marks += _marks(score, a, b, shift, ends=b == score.end)
        bars.append(_bars(score, a, b, shift, left=segments[i - 1][1] if i else -1))
    table = _numbered(_joined(bars, score.ticks_per_quarter), score)
    end = int(starts[-1])
    marks = [m for m in marks if not (m.kind == "barline" and m.value == "final" and m.onset != end)]
    return score.replace(notes=np.concatenate(notes), bars=table, marks=tuple(dict.fromkeys(marks)))


@dataclass(frozen=True, slots=True)
class _Ending:
    onset: int
    end: int
    passes: frozenset[int]
    highest: int  # of all endings of its group
    last: bool  # of its group


class _Road:
    """The walk through a score: which stretches (ticks) are played in which order."""

    def __init__(self, score: Score) -> None:
        self.end = score.end
        self.lines = np.append(score.bars["onset"], score.end)
        marks = score.marks
        self.starts = {m.onset for m in marks if m.kind == "repeat" and m.value.startswith("start")}
        self.ends = {m.onset: _times(m.value) for m in marks if m.kind == "repeat" and m.value.startswith("end")}
        self.endings = _endings([m for m in marks if m.kind == "ending" and m.end > m.onset])
        self.jumps: dict[int, str] = {}
        self.fines: set[int] = set()
        self.segno, self.to_coda, self.coda = 0, -1, -1
        self._read_jumps([m for m in marks if m.kind == "jump"])
        places = {0, self.end, *self.starts, *self.ends, *self.jumps, *self.fines, self.segno, self.to_coda, self.coda}
        places |= {t for e in self.endings for t in (e.onset, e.end)}
        self.places = sorted(t for t in places if 0 <= t <= self.end)

    def _read_jumps(self, jumps: list[Mark]) -> None:
        signs = [m for m in jumps if m.value.strip().lower() == "coda"]
        for m in jumps:
            word = " ".join(m.value.lower().replace(".", "").split())
            if re.match(r"d ?c|da capo|d ?s|dal segno", word):
                self.jumps[self._line_after(m.onset)] = word
            elif word == "fine":
                self.fines.add(self._line_after(m.onset))
            elif word == "segno":
                self.segno = self._line_before(m.onset)
            elif word in ("to coda", "tocoda", "al coda") or (len(signs) > 1 and m is signs[0]):
                self.to_coda = self._line_after(m.onset)
            elif word == "coda":
                self.coda = self._line_before(m.onset)

    def _line_after(self, tick: int) -> int:
        """The bar line at a tick > 0, else the one after it (tick 0 belongs to the first bar)."""
        return int(self.lines[min(int(np.searchsorted(self.lines, max(tick, 1))), len(self.lines) - 1)])

    def _line_before(self, tick: int) -> int:
        return int(self.lines[max(int(np.searchsorted(self.lines, tick, side="right")) - 1, 0)])

    def walk(self) -> list[tuple[int, int]]:
        """Stretches (from, to) in ticks, in playing order."""
        self.played: list[tuple[int, int]] = []
        self.at, self.section, self.turn = 0, 0, 1
        self.jumped = ""
        self.stop = False
        while self.at < len(self.places) - 1 and not self.stop:
            self._step()
            if len(self.played) > MAX_BARS:
                raise InputError("Repeats unfold too far", expected=f"≤ {MAX_BARS} stretches", received="more")
        return self.played

    def _step(self) -> None:
        tick = self.places[self.at]
        if tick in self.starts and self.at != self.section:
            self.section, self.turn = self.at, 1
        ending = next((e for e in self.endings if e.onset <= tick < e.end), None)
        if ending and not self._is_turn_of(ending):
            self.at = self.places.index(ending.end)
            if not any(e.onset == ending.end for e in self.endings):
                self.section, self.turn = self.at, 1
            return
        until = self.places[self.at + 1]
        self.played.append((tick, until))
        self.at += 1
        if self._ends_stretch(until, ending):
            return
        self._jump(until)

    def _is_turn_of(self, ending: _Ending) -> bool:
        return ending.last if self.jumped else self.turn in ending.passes

    def _ends_stretch(self, until: int, ending: _Ending | None) -> bool:
        """Goes back at a repeat sign; True when it did."""
        closes = ending is not None and ending.end == until
        if until not in self.ends and not closes:
            return False
        times = self.ends.get(until, 1)
        if ending is not None:
            times = max(times, ending.highest)
        if self.turn < times and not self.jumped:
            self.turn += 1
            self.at = self.section
            return True
        self.section, self.turn = self.at, 1
        return False

    def _jump(self, until: int) -> None:
        """Obeys Fine, To Coda, D.C. and D.S. at a bar line."""
        if self.jumped:
            if until in self.fines and "coda" not in self.jumped:
                self.stop = True
            elif until == self.to_coda and self.coda >= 0 and "fine" not in self.jumped:
                self.at = self.places.index(self.coda)
                self.to_coda = -1
            return
        word = self.jumps.pop(until, "")
        if word:
            self.jumped = word
            target = self.segno if re.match(r"d ?s|dal", word) else 0
            self.at = self.section = self.places.index(target)


def _times(value: str) -> int:
    number = value.partition(":")[2]
    return min(max(int(number), 1), MAX_TIMES) if number.isdecimal() else 2


def _endings(marks: list[Mark]) -> list[_Ending]:
    """Ending brackets with what their group (brackets that follow each other) says; doubles of other parts left out."""
    spans: dict[tuple[int, int], frozenset[int]] = {}
    for m in marks:
        numbers = frozenset(min(int(n), MAX_TIMES) for n in re.findall(r"\d{1,4}", m.value))
        spans.setdefault((m.onset, m.end), numbers or frozenset({1}))
    groups: list[list[tuple[int, int]]] = []
    for span in sorted(spans):
        if groups and groups[-1][-1][1] == span[0] and min(spans[span]) > min(spans[groups[-1][-1]]):
            groups[-1].append(span)
        else:
            groups.append([span])
    out = []
    for group in groups:
        highest = max(max(spans[s]) for s in group)
        out += [_Ending(*s, passes=spans[s], highest=highest, last=s == group[-1]) for s in group]
    return out


def _merged(segments: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches that follow each other in the score as one."""
    out: list[tuple[int, int]] = []
    for a, b in segments:
        if out and out[-1][1] == a:
            out[-1] = (out[-1][0], b)
        else:
            out.append((a, b))
    return out


def _notes(notes: np.ndarray, a: int, b: int, shift: int, *, last: bool) -> np.ndarray:
    """Notes (NOTE) of a stretch in their new place, cut at its end except at the end of all."""
    out = notes[(notes["onset"] >= a) & (notes["onset"] < b)].copy()
    if not last:
        out["duration"] = np.minimum(out["duration"], b - out["onset"])
    out["onset"] += shift
    return out


def _marks(score: Score, a: int, b: int, shift: int, *, ends: bool) -> list[Mark]:
    """Marks of a stretch in their new place; bar lines belong to the bar before them."""
    out = []
    for m in score.marks:
        inside = a < m.onset <= b if m.kind == "barline" else a <= m.onset < b or (ends and m.onset >= b)
        if inside and m.kind not in _STRUCTURE:
            end = min(m.end, b) + shift if m.end >= 0 else -1
            out.append(replace(m, onset=m.onset + shift, end=end))
    return out


def _bars(score: Score, a: int, b: int, shift: int, *, left: int) -> np.ndarray:
    """Bars (BAR) of a stretch in their new place, cut at its ends; the first says its tempo where a jump changes it.

    ``left`` is the tick that the walk jumps from, -1 at the start.
    """
    ends = score.bars["onset"] + score.bars["duration"]
    out = score.bars[(ends > a) & (score.bars["onset"] < b)].copy()
    ends = np.minimum(out["onset"] + out["duration"], b)
    out["onset"] = np.maximum(out["onset"], a)
    out["duration"] = ends - out["onset"]
    out["onset"] += shift
    if left > 0 and len(out):
        tempos = score.tempo_map()
        before, now = tempos[np.searchsorted(tempos[:, 0], (left - 1, a), side="right") - 1, 1]
        said = score.bars["tempo_qpm"][score.bar_of(left - 1)]  # 0 where the score says a tempo only once
        out["tempo_qpm"][0] = now if now != before else said
    return out


def _joined(stretches: list[np.ndarray], tpq: int) -> np.ndarray:
    """All bars; two short ones that meet at a seam and fill one bar of the same meter become one."""
    out: list[np.ndarray] = []
    for bars in stretches:
        if out and len(bars) and len(out[-1]):
            before, after = out[-1][-1], bars[0]
            same = all(before[c] == after[c] for c in ("meter_numerator", "meter_denominator", "key"))
            nominal = meter_ticks(int(after["meter_numerator"]), int(after["meter_denominator"]), tpq)
            same = same and after["tempo_qpm"] in (0, before["tempo_qpm"])
            if same and int(before["duration"]) + int(after["duration"]) == nominal:
                out[-1]["duration"][-1] = nominal
                bars = bars[1:]
        out.append(bars)
    return np.concatenate(out)


def _numbered(bars: np.ndarray, score: Score) -> np.ndarray:
    """Bars with contiguous onsets, numbered from 0 with an upbeat, else from 1."""
    bars["onset"] = np.concatenate([[0], np.cumsum(bars["duration"])[:-1]])
    first = 0 if len(score.bars) and score.bars["number"][0] == 0 else 1
    bars["number"] = np.arange(first, first + len(bars))
    return bars
