"""Bars of some parts of a MusicXML file replaced in its bytes; every other byte stays as it is.

In a replaced bar the notes (with their lyrics, slurs and signs) are new; attributes, directions, chord symbols, bar lines
and layout stay at their times. Slurs that begin before or end after the replaced bars are tied to the nearest new note.
The new notes are what ``musicxml_part`` writes for the score as it is now.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from xml.etree.ElementTree import Element, fromstring, tostring

import numpy as np

from zhiyin.errors import FormatError
from zhiyin.formats.limits import LIMITS
from zhiyin.formats.musicxml_outline import Node, changed, outline
from zhiyin.formats.musicxml_page import page_of
from zhiyin.formats.musicxml_parse import score_tree, unpacked
from zhiyin.formats.musicxml_part import PartWriter
from zhiyin.formats.musicxml_record import record_edits
from zhiyin.formats.musicxml_values import divisions_of, transposition_of
from zhiyin.formats.musicxml_write import packed as pack
from zhiyin.score.score import UNKNOWN_KEY, UNSPELLED, Score
from zhiyin.score.spelling import spell

_SOUNDING = ("note", "backup", "forward")
_SPANNERS = ("slur", "glissando", "slide")
_ON_NOTES = ("slur", "articulation", "ornament", "fermata", "lyric")


def splice_musicxml(
    data: bytes, before: Score, cells: np.ndarray, after: Score, *, packed: bool = False,
    record: Mapping[str, object] | None = None,
) -> bytes:  # fmt: skip
    """The file ``data``, read as ``before``, with the bars of ``cells`` (bool (bars, parts)) as they are in ``after``.

    packed: as .mxl. Raises FormatError where the file cannot be changed in place.
    """
    path = ""
    xml = data
    if data[:2] == b"PK":
        path, xml = unpacked(data, "the score", LIMITS["musicxml"].bytes)
    xml = _with_ascii(xml)
    top, root = outline(xml), score_tree(xml, "the score", LIMITS["musicxml"].bytes)
    columns = list(zip(_columns(top), _columns_of(root), strict=True))
    if len(columns) != len(before.parts) or len(after.parts) != len(before.parts):
        raise FormatError(
            "The parts of the score are not those of the file", expected=f"{len(columns)}", received=f"{len(after.parts)}"
        )
    spelled = spell(after)
    edits: list[tuple[int, int, bytes]] = []
    for part, (nodes, elements) in enumerate(columns):
        rows = [int(r) for r in np.flatnonzero(cells[:, part]) if r < len(nodes)]
        if rows:
            edits += _Part(xml, nodes, elements, spelled, part).edits(rows)
    if record is not None:
        edits += record_edits(xml, top, record)
    xml = changed(xml, edits)
    if not packed:
        return xml
    return _repacked(data, path, xml) if path else pack(xml.decode("utf-8"))


def _with_ascii(xml: bytes) -> bytes:
    """The document in an encoding that contains ASCII: UTF-16 becomes UTF-8, its declaration with it."""
    if xml[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = xml.decode("utf-16")
        return re.sub(r'(<\?xml[^>]*encoding=)["\'][^"\']+["\']', r'\1"UTF-8"', text, count=1).encode()
    return xml


def _columns(top: Node) -> list[list[Node]]:
    """The measures of each part as nodes (in a timewise score, the parts of each measure)."""
    columns: dict[str, list[Node]] = {}
    if top.tag == "score-partwise":
        for i, part in enumerate(top.all("part")):
            columns[str(i)] = list(part.all("measure"))
    else:
        for measure in top.all("measure"):
            for i, part in enumerate(measure.all("part")):
                columns.setdefault(str(i), []).append(part)
    return list(columns.values())


def _columns_of(root: Element) -> list[list[Element]]:
    """The same as elements. FormatError where a part comes in pieces."""
    outer, inner = ("part", "measure") if root.tag == "score-partwise" else ("measure", "part")
    groups = [list(e.iterfind(inner)) for e in root.iterfind(outer)]
    if root.tag == "score-partwise":
        names = [e.get("id") for e in root.iterfind("part")]
        if len(set(names)) < len(names):
            raise FormatError("A part of the file comes in pieces", expected="one part of each id", received=", ".join(map(str, names)))
        return groups
    orders = {tuple(e.get("id") for e in g) for g in groups}
    if len(orders) != 1:
        raise FormatError("The bars of the file have different parts", expected="the same in each bar", received=str(len(orders)))
    return [list(column) for column in zip(*groups)]


@dataclass
class _Kept:
    """A child of a measure that stays: its time in quarters, its bytes, what it is."""

    time: Fraction
    text: bytes
    element: Element


@dataclass
class _Bar:
    """What one bar of the file says: divisions and transposition at its beginning, what stays, the voices of its notes."""

    divisions: int
    chromatic: int
    fifths: int
    kept: list[_Kept] = field(default_factory=list)
    closing: list[_Kept] = field(default_factory=list)


class _Part:
    """The bars of one part. ``score``: as it is to be, every note spelled."""

    def __init__(self, xml: bytes, nodes: list[Node], elements: list[Element], score: Score, part: int) -> None:
        self.xml, self.nodes, self.elements, self.score, self.part = xml, nodes, elements, score, part
        self.voices: dict[str, Counter[str]] = defaultdict(Counter)
        for note in (n for e in elements for n in e.iterfind("note")):
            self.voices[(note.findtext("staff") or "1").strip()][(note.findtext("voice") or "1").strip()] += 1

    def edits(self, rows: list[int]) -> list[tuple[int, int, bytes]]:
        """The replaced stretches of the file for some bars."""
        bars = self._read(rows)
        fresh = self._written(rows, bars)
        for stretch in np.split(np.array(rows), np.flatnonzero(np.diff(rows) > 1) + 1):
            self._tie_spanners([int(r) for r in stretch], bars, fresh)
        out = []
        for row in rows:
            node, new = self.nodes[row], self._composed(row, bars[row], fresh[row])
            if node.close == node.end:  # an empty element gets an end tag
                out.append((node.start, node.end, self.xml[node.start : node.end - 2] + b">" + new + f"</{node.tag}>".encode()))
            else:
                out.append((node.inner, node.close, new))
        return out

    # ------------------------------------------------------------ what the file says

    def _read(self, rows: list[int]) -> dict[int, _Bar]:
        """The bars as the file has them."""
        wanted, found = set(rows), {}
        state = _Bar(1, 0, 0)
        for row in range(rows[-1] + 1):
            element, node = self.elements[row], self.nodes[row]
            bar = _Bar(state.divisions, state.chromatic, state.fifths)
            time = Fraction(0)
            for i, child in enumerate(element):
                if child.tag == "attributes":
                    self._attributes(child, state, bar, time, row in wanted)
                if row in wanted and child.tag not in _SOUNDING:
                    stop = node.children[i + 1].start if i + 1 < len(element) else node.close
                    kept = _Kept(time, self.xml[node.children[i].start : stop].rstrip(), child)
                    right = child.tag == "barline" and child.get("location", "right") == "right"
                    (bar.closing if right else bar.kept).append(kept)
                time = max(time + _advance(child, state.divisions), Fraction(0))
            if row in wanted:
                found[row] = bar
        return found

    @staticmethod
    def _attributes(child: Element, state: _Bar, bar: _Bar, time: Fraction, wanted: bool) -> None:
        """Divisions and transposition that attributes change; FormatError where divisions change inside a replaced bar."""
        divisions = divisions_of(child.findtext("divisions"))
        if divisions and divisions != state.divisions:
            if time and wanted:
                raise FormatError("The divisions change inside a bar", expected="a change at its beginning", received=f"{time}")
            state.divisions = divisions
        transpose = child.find("transpose")
        if transpose is not None:
            state.chromatic, state.fifths = transposition_of(transpose)
        if not time:
            bar.divisions, bar.chromatic, bar.fifths = state.divisions, state.chromatic, state.fifths

    # ------------------------------------------------------------ what is written

    def _written(self, rows: list[int], bars: Mapping[int, _Bar]) -> dict[int, list[Element]]:
        """New notes, backups and forwards of each bar; durations are in quarters (as fractions, in their text)."""
        out: dict[int, list[Element]] = {}
        for shift in sorted({(bars[r].chromatic, bars[r].fifths) for r in rows}):
            mine = [r for r in rows if (bars[r].chromatic, bars[r].fifths) == shift]
            page = page_of(_as_written(self.score, self.part, mine, *shift))
            for row, text in zip(mine, PartWriter(page, self.part, mine).measures(mine)):
                children = [c for c in fromstring(text) if c.tag in _SOUNDING]  # our own writer's text
                for child in children:
                    duration = child.find("duration")
                    if duration is not None:
                        duration.text = str(Fraction(int(duration.text or 0), page.divisions))
                self._name_voices(children)
                out[row] = children
        return out

    def _name_voices(self, children: list[Element]) -> None:
        """Voices called as the file calls those of their staff, where the writer made up a number."""
        used: dict[str, str] = {}
        for child in (c for c in children if c.tag != "backup"):
            voice, staff = child.find("voice"), (child.findtext("staff") or "1").strip()
            if voice is None:
                continue
            number = voice.text or "1"
            known = self.voices.get(staff, Counter())
            if number not in used and number not in known:
                free = [name for name, _ in known.most_common() if name not in used.values()]
                used[number] = free[0] if free else number
            voice.text = used.setdefault(number, number)

    def _tie_spanners(self, rows: list[int], bars: Mapping[int, _Bar], fresh: Mapping[int, list[Element]]) -> None:
        """Slurs that only begin or only end in the replaced bars go to the nearest new notes."""
        began: dict[tuple[str, str], tuple[Fraction, Element]] = {}
        loose: list[tuple[Fraction, Element]] = []
        for index, row in enumerate(rows):
            time = Fraction(0)
            for child in self.elements[row]:
                for sign in child.iterfind("notations/*") if child.tag == "note" else ():
                    if sign.tag not in _SPANNERS:
                        continue
                    key, here = (sign.tag, sign.get("number", "1")), (index * 1000 + time, sign)
                    if sign.get("type") == "start":
                        began[key] = here
                    elif sign.get("type") == "stop" and began.pop(key, None) is None:
                        loose.append(here)
                time = max(time + _advance(child, bars[row].divisions), Fraction(0))
        loose += began.values()
        notes = [(i * 1000 + t, n) for i, row in enumerate(rows) for t, n in _timed(fresh[row]) if _can_carry(n)]
        for time, sign in loose if notes else ():
            stop = sign.get("type") == "stop"
            before = [n for n in notes if n[0] <= time] if stop else [n for n in notes if n[0] >= time]
            _, note = (before[-1] if stop else before[0]) if before else (notes[0] if stop else notes[-1])
            _notations(note).append(Element(sign.tag, dict(sign.attrib)))

    def _composed(self, row: int, bar: _Bar, children: list[Element]) -> bytes:
        """The inside of one bar."""
        node = self.nodes[row]
        first = node.children[0].start if node.children else node.close
        space = self.xml[node.inner : first] if not self.xml[node.inner : first].strip() else b"\n"
        tail = self.xml[node.children[-1].end : node.close] if node.children else b"\n"
        needed = math.lcm(bar.divisions, *(Fraction(d.text or "0").denominator for c in children for d in c.iterfind("duration")))
        pieces = _Measure(bar, needed).pieces(children)
        return b"".join(space + p for p in pieces) + (tail if not tail.strip() else b"\n")


class _Measure:
    """Puts new notes and what stays of a bar into one order, in divisions that hold both."""

    def __init__(self, bar: _Bar, divisions: int) -> None:
        self.bar, self.divisions = bar, divisions
        self.scale = divisions // bar.divisions
        self.pending: deque[_Kept] = deque(sorted(bar.kept, key=lambda k: k.time))
        self.cursor = Fraction(0)
        self.out: list[bytes] = []

    def pieces(self, children: list[Element]) -> list[bytes]:
        """The elements of the bar in order."""
        while self.scale > 1 and any(k.element.find("divisions") is not None for k in self.pending):
            self.out.append(self.pending.popleft().text)  # up to the file's own divisions
        self._say_divisions(self.divisions)
        first_voice = True
        for child in children:
            if child.tag == "backup" and first_voice:
                self._stay(None)
                first_voice = False
            elif first_voice and child.find("chord") is None:
                self._stay(self.cursor)
            self._add(child)
        self._stay(None)
        self._say_divisions(self.bar.divisions)
        return [*self.out, *(k.text for k in self.bar.closing)]

    def _say_divisions(self, divisions: int) -> None:
        if self.scale > 1:
            self.out.append(f"<attributes><divisions>{divisions}</divisions></attributes>".encode())

    def _add(self, child: Element) -> None:
        duration = child.find("duration")
        if duration is not None:
            length = Fraction(duration.text or "0")
            if child.find("chord") is None:
                self.cursor += -length if child.tag == "backup" else length
            duration.text = str(int(length * self.divisions))
        child.tail = None
        self.out.append(tostring(child, encoding="us-ascii"))

    def _stay(self, until: Fraction | None) -> None:
        """What stays, up to a time (None = all that is left), at its own time."""
        while self.pending and (until is None or self.pending[0].time <= until):
            kept = self.pending.popleft()
            away = kept.time - self.cursor
            there, back = ("forward", "backup") if away > 0 else ("backup", "forward")
            if away:
                self.out.append(self._jump(there, abs(away)))
            self.out.append(_scaled(kept.text, self.scale))
            if away:
                self.out.append(self._jump(back, abs(away)))

    def _jump(self, tag: str, length: Fraction) -> bytes:
        if (length * self.divisions).denominator != 1:
            raise FormatError("A direction stands between the divisions", expected="a time on them", received=str(length))
        return f"<{tag}><duration>{int(length * self.divisions)}</duration></{tag}>".encode()


def _advance(child: Element, divisions: int) -> Fraction:
    """Quarters that a child of a measure moves the time on."""
    if child.tag not in _SOUNDING or child.find("chord") is not None or child.find("grace") is not None:
        return Fraction(0)
    try:
        length = Fraction((child.findtext("duration") or "0").strip()) / divisions
    except ValueError:
        length = Fraction(0)
    return -length if child.tag == "backup" else length


def _timed(children: list[Element]) -> list[tuple[Fraction, Element]]:
    """New notes with their times (durations in quarters), in order of time."""
    time, last, out = Fraction(0), Fraction(0), []
    for child in children:
        if child.tag == "note":
            out.append((last if child.find("chord") is not None else time, child))
        last = time if child.find("chord") is None else last
        time += _advance(child, 1)
    return sorted(out, key=lambda n: n[0])


def _can_carry(note: Element) -> bool:
    return note.find("rest") is None and note.find("chord") is None and note.find("grace") is None


def _notations(note: Element) -> Element:
    """The ``notations`` of a note, made where it has none (before its lyrics)."""
    found = note.find("notations")
    if found is None:
        found = Element("notations")
        lyrics = [i for i, c in enumerate(note) if c.tag in ("lyric", "play", "listen")]
        note.insert(lyrics[0] if lyrics else len(note), found)
    return found


def _scaled(text: bytes, scale: int) -> bytes:
    """Offsets and durations of an element that stays, in finer divisions."""
    if scale == 1:
        return text
    pattern = rb"(<(?:offset|duration)\b[^>]*>\s*)(-?\d+(?:\.\d+)?)"
    return re.sub(pattern, lambda m: m[1] + f"{float(m[2]) * scale:g}".encode(), text)


def _as_written(score: Score, part: int, rows: list[int], chromatic: int, fifths: int) -> Score:
    """The notes of one part and the marks on them in some bars, at written pitch, with the part's own key signature."""
    notes = score.notes[score.notes["part"] == part].copy()
    bars = score.bars.copy()
    if chromatic or fifths:
        notes["pitch"] -= chromatic
        named = notes["spelling"] != UNSPELLED
        notes["spelling"][named] -= fifths
        known = bars["key"] != UNKNOWN_KEY
        moved = bars["key"][known].astype(int) - fifths
        bars["key"][known] = np.where(moved > 7, moved - 12, np.where(moved < -7, moved + 12, moved))
    inside = np.zeros(len(bars), dtype=bool)
    inside[rows] = True
    marks = tuple(
        m for m in score.marks
        if m.part == part and m.kind in _ON_NOTES and inside[score.bar_of(m.onset)] and _within(score, m.onset, m.end, inside)
    )  # fmt: skip
    return score.replace(notes=notes, bars=bars, marks=marks)


def _within(score: Score, onset: int, end: int, inside: np.ndarray) -> bool:
    """Whether a mark lies in one stretch of bars."""
    return end < 0 or bool(inside[int(score.bar_of(onset)) : int(score.bar_of(end)) + 1].all())


def _repacked(data: bytes, path: str, xml: bytes) -> bytes:
    """The archive with one file of it replaced."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for info in old.infolist():
            new.writestr(info, xml if info.filename == path else old.read(info))
    return buffer.getvalue()
