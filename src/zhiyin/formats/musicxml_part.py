"""One part of a MusicXML document, bar by bar: attributes, notes of all voices, directions and bar lines.

Knows the page (times on the grid, bars, marks) and its part; the document around it is ``musicxml_write``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from zhiyin.formats import musicxml_marks as words
from zhiyin.formats.musicxml_marks import element
from zhiyin.formats.musicxml_page import Page, barlines
from zhiyin.formats.notation import RESOLUTION, Event, Meter, Piece, pieces_of_bar
from zhiyin.formats.notation_voices import MAX_LINES, Line, lines_of_part
from zhiyin.score.score import UNKNOWN_KEY, UNSPELLED, Mark
from zhiyin.score.staves import split_staves

_KEYBOARDS = frozenset([*range(9), *range(16, 21), 46])
_STEPS = "FCGDAEB"
_ACCIDENTALS = {-3: "flat-flat-flat", -2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp",
                3: "triple-sharp"}  # fmt: skip
_BASS_CLEF_PROGRAMS = frozenset((*range(32, 40), 42, 43, 57, 58, 70))  # basses, cello, trombone, tuba, bassoon
_CLEFS = {"treble": ("G", 2, 0), "bass": ("F", 4, 0), "alto": ("C", 3, 0), "tenor": ("C", 4, 0),
          "treble_8": ("G", 2, -1), "percussion": ("percussion", 2, 0)}  # fmt: skip
_DRUM_PLACES = {35: "F4", 36: "F4", 37: "C5", 38: "C5", 39: "C5", 40: "C5", 41: "G4", 42: "G5", 43: "A4", 44: "D4",
                45: "B4", 46: "G5", 47: "D5", 48: "D5", 49: "A5", 50: "E5", 51: "F5", 52: "A5", 53: "F5", 54: "B5",
                55: "A5", 56: "E5", 57: "A5", 59: "F5"}  # fmt: skip
_CROSSED = frozenset([37, 42, 44, 46, 49, 51, 52, 53, 54, 55, 56, 57, 59])


@dataclass
class _Bar:
    """What one bar of one part holds before it is written; times from the bar's start."""

    number: int
    length: int
    meter: Meter
    voices: list[tuple[Line, list[Piece]]] = field(default_factory=list)
    directions: list[tuple[int, int, str]] = field(default_factory=list)


class PartWriter:
    """Writes one part of a page. ``text()`` gives its measures.

    bars: the only ones that will be asked for; the notes that sound in them get as many lines as they need, and none is cut.
    """

    def __init__(self, page: Page, part: int, bars: Sequence[int] | None = None) -> None:
        self.page, self.part = page, part
        score = page.score
        self.drums = score.parts[part].drums
        self.rows = np.flatnonzero(score.notes["part"] == part)
        self.notes = score.notes[self.rows]
        self.onset, self.end = page.onset[self.rows], page.end[self.rows]
        self.staff = self._staves()
        self.staff_count = int(self.staff.max()) if len(self.staff) else 1
        self.lines = self._lines(bars)
        self.graces = self._graces()
        self.marks = [m for m in score.marks if m.part == part or (m.part == -1 and part == 0)]
        self.attached: dict[int, list[tuple[str, str]]] = defaultdict(list)
        self.lyrics: dict[int, list[str]] = defaultdict(list)
        self.over_rests: dict[int, list[tuple[str, str]]] = {}
        self._attach()
        self.directions = self._directions()
        self.left, self.right = barlines(page)

    # ------------------------------------------------------------ lines and staves

    def _staves(self) -> np.ndarray:
        staff = self.notes["staff"].astype(int)
        if self.drums or not len(staff):
            return np.ones(len(staff), dtype=int)
        if staff.all():
            return staff
        program = self.page.score.parts[self.part].program
        if staff.max() < 2 and not (program in _KEYBOARDS and self._needs_two_hands()):
            return np.maximum(staff, 1)
        return np.where(staff > 0, staff, split_staves(self.page.score, self.part))

    def _needs_two_hands(self) -> bool:
        sounding = ~self.notes["grace"]
        onset, end, pitch = self.onset[sounding], self.end[sounding], self.notes["pitch"][sounding]
        if len(onset) < 2 or pitch.max() - pitch.min() < 17:
            return False
        together = (onset[1:] < np.maximum.accumulate(end)[:-1]).mean()
        hands = split_staves(self.page.score, self.part)
        return bool(together > 0.2 and min((hands == 1).mean(), (hands == 2).mean()) > 0.02)

    def _lines(self, bars: Sequence[int] | None) -> list[Line]:
        sounding = np.flatnonzero(~self.notes["grace"] & self._sounds_in(bars))
        columns = (self.onset, self.end, self.notes["pitch"], self.notes["voice"], self.staff)
        most = MAX_LINES if bars is None else max(len(sounding), 1)
        lines = lines_of_part(*(c[sounding] for c in columns), most=most)
        for line in lines:
            for chord in line.chords:
                chord.notes = [int(sounding[i]) for i in chord.notes]
        for staff in range(1, self.staff_count + 1):
            if not any(line.staff == staff for line in lines):
                taken = {line.number for line in lines}
                number = next(n for n in range(4 * staff - 3, 4 * staff + 200) if n not in taken)
                lines.append(Line(number, staff, False))
        return sorted(lines, key=lambda line: (line.staff, line.number))

    def _sounds_in(self, bars: Sequence[int] | None) -> np.ndarray:
        """Which notes sound in some bars of the page (all where none are named), bool (notes,)."""
        if bars is None:
            return np.ones(len(self.notes), dtype=bool)
        wanted = np.r_[0, np.cumsum(np.isin(np.arange(len(self.page.bars) - 1), bars))]
        edges = self.page.bars[1:-1]
        first = np.searchsorted(edges, self.onset, side="right")
        last = np.searchsorted(edges, np.maximum(self.end - 1, self.onset), side="right")
        found: np.ndarray = wanted[last + 1] > wanted[first]
        return found

    def _graces(self) -> dict[int, list[int]]:
        """Grace notes by the (first) note that they ornament; those before a rest go by -1 - onset."""
        at: dict[int, list[tuple[Line, list[int]]]] = defaultdict(list)
        for line in self.lines:
            for chord in line.chords:
                at[chord.start].append((line, chord.notes))
        found: dict[int, list[int]] = defaultdict(list)
        for i in np.flatnonzero(self.notes["grace"]):
            host = self._host(at.get(int(self.onset[i]), []), int(self.notes["voice"][i]), int(self.staff[i]))
            found[host[0] if host else -1 - int(self.onset[i])].append(int(i))
        return found

    @staticmethod
    def _host(here: list[tuple[Line, list[int]]], voice: int, staff: int) -> list[int] | None:
        if not here:
            return None

        def strange(place: tuple[Line, list[int]]) -> tuple[bool, bool]:
            line = place[0]
            return bool(voice) and line.number != voice, bool(staff) and line.staff != staff

        return min(here, key=strange)[1]

    # ------------------------------------------------------------ marks

    def _attach(self) -> None:
        at: dict[int, list[tuple[Line, list[int]]]] = defaultdict(list)
        for line in self.lines:
            for chord in line.chords:
                at[chord.start].append((line, chord.notes))
        slurs = _Numbers(16)
        inside: dict[tuple[int, int], bool] = {}
        for mark in self.marks:
            here = at.get(self.page.ticks(mark.onset), [])
            host = self._host(here, mark.voice, mark.staff)
            if host is None:
                if mark.kind == "fermata":
                    self.over_rests[self.page.ticks(mark.onset)] = [("", '<fermata type="upright"/>')]
                continue
            row = next((i for i in host if int(self.notes["pitch"][i]) == mark.pitch), host[0])
            if mark.kind in ("articulation", "ornament", "fermata"):
                found = words.notation(mark.kind, mark.value)
                if found:
                    self.attached[row].append(found)
            elif mark.kind == "slur" and mark.end >= 0:
                last = self._host(at.get(self.page.ticks(mark.end), []), mark.voice, mark.staff)
                if last is not None and last[0] == row and host[0] in self.graces:
                    row = self.graces[host[0]][0]
                if last is not None and last[0] != row:
                    bars = (self._bar_of(mark.onset), self._bar_of(mark.end))
                    number = slurs.take((mark.onset, mark.end), bars, self._line_of(here, host))
                    self.attached[row].append(("", element("slur", number=number, type="start")))
                    self.attached[last[0]].append(("", element("slur", number=number, type="stop")))
            elif mark.kind == "lyric" and mark.value:
                number = len(self.lyrics[row]) + 1
                key = (mark.voice, number)
                text, inside[key] = words.lyric(mark.value, inside.get(key, False), number)
                self.lyrics[row].append(text)

    def _directions(self) -> dict[int, list[tuple[int, int, str, str]]]:
        """By bar: (time in the bar, rank, template kind, payload) of marks that stand over or under the staff."""
        out: dict[int, list[tuple[int, int, str, str]]] = defaultdict(list)
        pairs = {"hairpin": _Numbers(6), "pedal": _Numbers(6)}
        for mark in self.marks:
            for time, rank, text, closing in self._snippets(mark, pairs):
                bar = self._bar_at(time, closing)
                staff = str(mark.staff if self.staff_count > 1 else 0)
                out[bar].append((time - int(self.page.bars[bar]), rank, text, staff))
        if self.part == 0:
            self._add_tempi(out)
        for listed in out.values():
            listed.sort(key=lambda d: (d[0], d[1]))
        return out

    def _snippets(self, mark: Mark, pairs: dict[str, _Numbers]) -> list[tuple[int, int, str, bool]]:
        start, end = self.page.ticks(mark.onset), self.page.ticks(max(mark.end, 0))
        if mark.kind == "dynamic" and mark.value:
            return [(start, 3, words.dynamic(mark.value), False)]
        if mark.kind == "text" and mark.value:
            return [(start, 2, "^" + element("words", mark.value), False)]
        if mark.kind == "chord" and mark.value:
            return [(start, 1, "chord:" + mark.value, False)]
        if mark.kind == "jump" and mark.value:
            return [(start, 0, "^" + "|".join(words.jump(mark.value)), self._ends_bar(mark.value))]
        if mark.kind == "hairpin" and mark.end > mark.onset:
            kind = "crescendo" if mark.value.startswith("cresc") else "diminuendo"
            number = pairs["hairpin"].take((mark.onset, mark.end))
            return [(start, 4, element("wedge", type=kind, number=number), False),
                    (end, 2, element("wedge", type="stop", number=number), True)]  # fmt: skip
        if mark.kind == "pedal" and mark.end > mark.onset:
            return [(start, 5, element("pedal", type="start", line="yes", sign="yes"), False),
                    (end, 4, element("pedal", type="stop", line="yes", sign="yes"), True)]  # fmt: skip
        return []

    @staticmethod
    def _ends_bar(value: str) -> bool:
        return not value.strip().lower().startswith(("segno", "coda"))

    def _add_tempi(self, out: dict[int, list[tuple[int, int, str, str]]]) -> None:
        bars = self.page.score.bars
        changes: dict[int, float] = {}
        last = 0.0
        for bar in bars[bars["tempo_qpm"] > 0]:
            if abs(float(bar["tempo_qpm"]) - last) > 1e-3:
                changes[int(bar["onset"])] = last = float(bar["tempo_qpm"])
        said: dict[int, list[str]] = {onset: [] for onset in changes}
        for mark in self.page.score.marks:
            if mark.kind == "tempo":
                word, _, number = mark.value.rpartition("=") if "=" in mark.value else (mark.value, "", "")
                here = said.setdefault(mark.onset, [])
                here += [word.strip()] if word.strip() and word.strip() not in here else []
                if number:
                    changes[mark.onset] = float(number)
        for onset, listed in sorted(said.items()):
            time = self.page.ticks(onset)
            bar = self._bar_at(time, False)
            beat = self._meter(bar).beat
            shown = len(said) <= len(bars) // 4 + 8
            speeds = [changes.get(onset, 0.0), *[0.0] * len(listed)]
            for word, speed in zip(listed or [""], speeds):
                text = "|".join(words.tempo(word, speed, beat, shown=shown))
                if text != "|":
                    out[bar].append((time - int(self.page.bars[bar]), -1, "^" + text, "0"))

    def _bar_of(self, onset: int) -> int:
        return self._bar_at(self.page.ticks(onset), False)

    @staticmethod
    def _line_of(here: list[tuple[Line, list[int]]], host: list[int]) -> int:
        return next(line.number for line, notes in here if notes is host)

    def _bar_at(self, time: int, closing: bool) -> int:
        edges = self.page.bars
        found = int(np.searchsorted(edges, time, side="left" if closing else "right")) - 1
        return min(max(found, 0), len(edges) - 2)

    # ------------------------------------------------------------ bars

    def _meter(self, bar: int) -> Meter:
        bars, edges = self.page.score.bars, self.page.bars
        meter = Meter(int(bars["meter_numerator"][bar]), int(bars["meter_denominator"][bar]))
        length = int(edges[bar + 1] - edges[bar])
        if length >= meter.nominal:
            return meter
        completes = bar > 0 and length + int(edges[bar] - edges[bar - 1]) == meter.nominal
        return replace(meter, offset=meter.nominal - length) if bar == 0 or completes else meter

    def text(self) -> str:
        """All measures of the part."""
        return "".join(self.measures(range(len(self.page.bars) - 1)))

    def measures(self, rows: Iterable[int]) -> list[str]:
        """The measures of some bars of the page, in order."""
        cut = [_by_bar(line, self.page.bars) for line in self.lines]
        return [self._measure(i, [c.get(i, []) for c in cut]) for i in rows]

    def _measure(self, number: int, cut: list[list[Event]]) -> str:
        score, edges = self.page.score, self.page.bars
        length = int(edges[number + 1] - edges[number])
        bar = _Bar(number, length, self._meter(number))
        for staff in range(1, self.staff_count + 1):
            mine = [(line, events) for line, events in zip(self.lines, cut) if line.staff == staff]
            sounding = [(line, events) for line, events in mine if events] or mine[:1]
            for rank, (line, events) in enumerate(sounding):
                full = _filled(events, length, rank > 0)
                bar.voices.append((line, pieces_of_bar(full, length, bar.meter)))
        shown = int(score.bars["number"][number])
        implicit = shown == 0 or (number > 0 and shown == int(score.bars["number"][number - 1]))
        head = f'<measure number="{shown}"' + (' implicit="yes">' if implicit else ">")
        body = [self._attributes(number), self.left.get(number, ""), self._music(bar), self.right.get(number, "")]
        return head + "\n" + "".join(body) + "</measure>\n"

    def _attributes(self, number: int) -> str:
        bars = self.page.score.bars
        now, before = bars[number], bars[number - 1] if number else None
        out = []
        if before is None:
            out.append(element("divisions", self.page.divisions))
        key = ("key", "mode")
        if not self.drums and now["key"] != UNKNOWN_KEY and (before is None or any(now[k] != before[k] for k in key)):
            mode = {0: "<mode>major</mode>", 1: "<mode>minor</mode>"}.get(int(now["mode"]), "")
            out.append(f"<key>{element('fifths', int(now['key']))}{mode}</key>")
        meter = ("meter_numerator", "meter_denominator")
        if before is None or any(now[k] != before[k] for k in meter):
            beats, kind = int(now["meter_numerator"]), int(now["meter_denominator"])
            out.append(f"<time>{element('beats', beats)}{element('beat-type', kind)}</time>")
        if before is None:
            out += self._clefs()
        return f"<attributes>{''.join(out)}</attributes>\n" if out else ""

    def _clefs(self) -> list[str]:
        out = [element("staves", self.staff_count)] if self.staff_count > 1 else []
        for staff in range(1, self.staff_count + 1):
            sign, line, octave = _CLEFS[self._clef(staff)]
            change = element("clef-octave-change", octave) if octave else ""
            number = {"number": staff} if self.staff_count > 1 else {}
            head = element("clef", "#", **number).replace("#</clef>", "")
            out.append(f"{head}{element('sign', sign)}{element('line', line)}{change}</clef>")
        return out

    def _clef(self, staff: int) -> str:
        if self.drums:
            return "percussion"
        part = self.page.score.parts[self.part]
        pitch = self.notes["pitch"][self.staff == staff]
        if not len(pitch):
            return "bass" if staff == self.staff_count > 1 else "treble"
        middle = float(np.median(pitch))
        if self.staff_count > 1:
            return ("bass" if middle < 52 else "treble") if staff == 1 else ("treble" if middle > 64 else "bass")
        if part.program == 41:
            return "treble" if middle > 76 else "alto"
        if part.name.strip().lower().startswith("tenor") and middle < 65 and np.percentile(pitch, 10) > 47:
            return "treble_8"
        # an instrument that reads the bass clef leaves it only where it plays high throughout
        return "bass" if middle < (64 if part.program in _BASS_CLEF_PROGRAMS else 58) else "treble"

    # ------------------------------------------------------------ notes of one bar

    def _music(self, bar: _Bar) -> str:
        accidentals = self._accidentals(bar)
        pending = list(self.directions.get(bar.number, []))
        out: list[str] = []
        for rank, (line, pieces) in enumerate(bar.voices):
            if rank:
                out.append(f"<backup>{self._duration(bar.length)}</backup>\n")
            for piece in pieces:
                while rank == 0 and pending and pending[0][0] < piece.start + piece.duration:
                    out.append(self._direction(pending.pop(0), piece.start))
                out.append(self._piece(piece, line, accidentals, int(self.page.bars[bar.number])))
            while rank == 0 and pending:
                out.append(self._direction(pending.pop(0), bar.length))
            out += self._stray_graces(bar, line, rank)
        return "".join(out)

    def _duration(self, ticks: int) -> str:
        return element("duration", ticks * self.page.divisions // RESOLUTION)

    def _direction(self, item: tuple[int, int, str, str], cursor: int) -> str:
        time, _, text, staff = item
        offset = (time - cursor) * self.page.divisions // RESOLUTION
        if text.startswith("chord:"):
            return words.harmony(text[6:], offset, int(staff)) + "\n"
        above = text.startswith("^")
        kind, _, sound = text.removeprefix("^").partition("|")
        return words.direction(kind, offset=offset, staff=int(staff), sound=sound, above=above) + "\n"

    def _piece(self, piece: Piece, line: Line, accidentals: dict[tuple[int, int], str], origin: int) -> str:
        if piece.rest:
            return self._rest(piece, line, origin)
        rows = sorted(piece.event.notes, key=lambda i: int(self.notes["pitch"][i]))
        first_time = not piece.tie_in
        out = []
        if first_time:
            hosts = [i for i in rows if i in self.graces]
            out += [self._grace_notes(self.graces[i], line) for i in hosts]
            before_rest = -1 - (origin + piece.start)
            out += [self._grace_notes(self.graces.pop(before_rest), line)] if before_rest in self.graces else []
        for rank, row in enumerate(rows):
            out.append(self._note(piece, line, row, rank, accidentals))
        return "".join(out)

    def _rest(self, piece: Piece, line: Line, origin: int) -> str:
        staff = element("staff", line.staff) if self.staff_count > 1 else ""
        voice = element("voice", line.number)
        if piece.event.hidden and piece.ratio == (1, 1):
            return f"<forward>{self._duration(piece.duration)}{voice}{staff}</forward>\n"
        whole = element("rest") if piece.type else element("rest", measure="yes")
        kind = element("type", piece.type) + "<dot/>" * piece.dots if piece.type else ""
        notations = self._notations(piece, self.over_rests.pop(origin + piece.start, []))
        return f"<note>{whole}{self._duration(piece.duration)}{voice}{kind}{_ratio(piece)}{staff}{notations}</note>\n"

    def _note(self, piece: Piece, line: Line, row: int, rank: int, accidentals: dict[tuple[int, int], str]) -> str:
        first_time = not piece.tie_in
        parts = ["<note>", "<chord/>" if rank else "", self._pitch(row), self._duration(piece.duration)]
        parts.append(element("tie", type="stop") if piece.tie_in else "")
        parts.append(element("tie", type="start") if piece.tie_out else "")
        if self.drums:
            parts.append(element("instrument", id=f"P{self.part + 1}-I{int(self.notes['pitch'][row]) + 1}"))
        parts.append(element("voice", line.number))
        parts.append(element("type", piece.type) + "<dot/>" * piece.dots)
        sign = accidentals.get((id(piece), row), "")
        parts.append(element("accidental", sign) if sign else "")
        parts.append(_ratio(piece))
        if self.drums and int(self.notes["pitch"][row]) in _CROSSED:
            parts.append(element("notehead", "x"))
        parts.append(element("staff", int(self.staff[row])) if self.staff_count > 1 else "")
        if rank == 0:
            parts += [element("beam", word, number=i + 1) for i, word in enumerate(piece.beams)]
        parts.append(self._notations(piece, self.attached.get(row, []) if first_time else [], rank))
        parts += self.lyrics.get(row, []) if first_time else []
        return "".join(parts) + "</note>\n"

    def _pitch(self, row: int) -> str:
        pitch = int(self.notes["pitch"][row])
        if self.drums:
            place = _DRUM_PLACES.get(pitch, "B4")
            return f"<unpitched>{element('display-step', place[0])}{element('display-octave', place[1:])}</unpitched>"
        step, alter, octave = self._spelled(row)
        change = element("alter", alter) if alter else ""
        return f"<pitch>{element('step', step)}{change}{element('octave', octave)}</pitch>"

    def _spelled(self, row: int) -> tuple[str, int, int]:
        """(step, alter, octave) of a note."""
        pitch, fifth = int(self.notes["pitch"][row]), int(self.notes["spelling"][row])
        if fifth == UNSPELLED or fifth * 7 % 12 != pitch % 12:
            fifth = (pitch * 7 + 4) % 12 - 4
        alter = (fifth + 1) // 7
        return _STEPS[(fifth + 1) % 7], alter, (pitch - alter) // 12 - 1

    def _notations(self, piece: Piece, attached: list[tuple[str, str]], rank: int = 0) -> str:
        out = []
        if not piece.rest:
            out.append(element("tied", type="stop") if piece.tie_in else "")
            out.append(element("tied", type="start") if piece.tie_out else "")
        if rank == 0 and piece.tuplet_stop and not piece.tuplet_start:
            out.append(element("tuplet", number=1, type="stop"))
        if rank == 0 and piece.tuplet_start and not piece.tuplet_stop:
            out.append(element("tuplet", number=1, type="start", bracket="no" if piece.beams else "yes"))
        out += [text for group, text in attached if not group]
        for name in ("ornaments", "technical", "articulations"):
            inner = "".join(text for group, text in attached if group == name)
            out.append(f"<{name}>{inner}</{name}>" if inner else "")
        inner = "".join(out)
        return f"<notations>{inner}</notations>" if inner else ""

    def _grace_notes(self, rows: list[int], line: Line) -> str:
        out = []
        for rank, row in enumerate(rows):
            kind = "16th" if len(rows) > 1 else "eighth"
            word = "begin" if rank == 0 else ("end" if rank == len(rows) - 1 else "continue")
            beams = "".join(element("beam", word, number=n) for n in (1, 2)) if len(rows) > 1 else ""
            staff = element("staff", int(self.staff[row])) if self.staff_count > 1 else ""
            grace = element("grace", slash="yes") if len(rows) == 1 else "<grace/>"
            voice, kind = element("voice", line.number), element("type", kind)
            marks = "".join(text for _, text in self.attached.get(row, []))
            marks = f"<notations>{marks}</notations>" if marks else ""
            out.append(f"<note>{grace}{self._pitch(row)}{voice}{kind}{staff}{beams}{marks}</note>\n")
        return "".join(out)

    def _stray_graces(self, bar: _Bar, line: Line, rank: int) -> list[str]:
        """Grace notes that no note follows, at the end of the bar they stand in."""
        if rank:
            return []
        start, end = int(self.page.bars[bar.number]), int(self.page.bars[bar.number + 1])
        final = bar.number == len(self.page.bars) - 2
        keys = [k for k in self.graces if k < 0 and start <= -1 - k and (-1 - k < end or final)]
        return [self._grace_notes(self.graces.pop(k), line) for k in keys]

    def _accidentals(self, bar: _Bar) -> dict[tuple[int, int], str]:
        """Signs to print, by (id of the piece, row): what key and bar do not say already."""
        key = int(self.page.score.bars["key"][bar.number])
        key = 0 if key == UNKNOWN_KEY else key
        found: dict[tuple[int, int], str] = {}
        if self.drums:
            return found
        state: dict[tuple[int, str, int], int] = {}
        sounding = (piece for _, pieces in bar.voices for piece in pieces if not piece.rest)
        for piece in sorted(sounding, key=lambda p: p.start):
            for row in piece.event.notes:
                step, alter, octave = self._spelled(row)
                place = (int(self.staff[row]), step, octave)
                current = state.get(place, _key_alter(step, key))
                if piece.tie_in:
                    continue
                if alter != current:
                    found[(id(piece), row)] = _ACCIDENTALS.get(alter, "natural")
                    state[place] = alter
        return found


class _Numbers:
    """Hands out the lowest number not in use, for slurs and wedges that overlap in time or in the file.

    The lines of a bar stand one after the other in the file, so a number that another line uses is free a bar later.
    """

    def __init__(self, most: int) -> None:
        self.used: list[tuple[int, int, int]] = [(-1, -1, 0)] * most

    def take(self, span: tuple[int, int], bars: tuple[int, int] = (0, 0), line: int = 0) -> int:
        """A number from 1 for something from ``span[0]`` to ``span[1]`` that lies in ``bars`` and starts on ``line``."""

        def free(used: tuple[int, int, int]) -> bool:
            end, bar, last = used
            return end <= span[0] if last == line else bar < bars[0]

        found = next((i for i, used in enumerate(self.used) if free(used)), len(self.used) - 1)
        self.used[found] = (span[1], bars[1], line)
        return found + 1


def _key_alter(step: str, key: int) -> int:
    place = _STEPS.index(step)
    return (1 if place < key else 0) if key > 0 else (-1 if 6 - place < -key else 0)


def _ratio(piece: Piece) -> str:
    if piece.ratio == (1, 1):
        return ""
    normal = element("normal-type", piece.normal_type) if piece.normal_type and piece.normal_type != piece.type else ""
    actual, usual = element("actual-notes", piece.ratio[0]), element("normal-notes", piece.ratio[1])
    return f"<time-modification>{actual}{usual}{normal}</time-modification>"


def _by_bar(line: Line, edges: np.ndarray) -> dict[int, list[Event]]:
    """The chords of a line by bar, cut at bar lines with ties; times from each bar's start."""
    out: dict[int, list[Event]] = defaultdict(list)
    for chord in line.chords:
        bar = int(np.searchsorted(edges, chord.start, side="right")) - 1
        start = chord.start
        while start < chord.end and bar < len(edges) - 1:
            origin, close = int(edges[bar]), int(edges[bar + 1])
            stop = min(chord.end, close)
            over = (start > chord.start, stop < chord.end and bar < len(edges) - 2)
            out[bar].append(Event(start - origin, stop - origin, chord.notes, *over))
            start, bar = stop, bar + 1
    return out


def _filled(events: list[Event], length: int, second: bool) -> list[Event]:
    """Events with rests between them; in a second voice the rests before and after its notes are not shown."""
    out: list[Event] = []
    at = 0
    for event in events:
        if event.start > at:
            out.append(Event(at, event.start, hidden=second and at == 0))
        out.append(event)
        at = event.end
    if at < length:
        out.append(Event(at, length, hidden=second))
    return out
