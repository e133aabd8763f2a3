"""The text of one ABC tune to a Tune: the grammar of ABC 2.1.

What is read but has no meaning here (layout, macros, parts, symbol lines) is left out and listed in ``Tune.ignored``.
"""

from __future__ import annotations

import re
from fractions import Fraction

from zhiyin.errors import FormatError
from zhiyin.formats.abc_tune import ACCIDENTALS, FIFTHS, NATURAL, Bar, Event, Pitch, Tune, Voice, parse_key, set_lyrics

_LENGTH = r"\d*(?:/+\d*)?"
_NOTE = rf"(?:\^\^|\^|__|_|=)?[A-Ga-g][,']*{_LENGTH}"
_TOKEN = re.compile(
    rf"""
    (?P<quoted>"[^"]*")
  | (?P<decoration>![^!\s|]*!|\+[^+\s|]*\+)
  | (?P<field>\[[A-Za-z]:[^\]]*\])
  | (?P<bar>:*(?:\[\||\|+)\]?(?::+(?!\|))?|::+)(?P<number>\d[\d,.\-]*)?
  | (?P<ending>\[\s*(?:\d[\d,.\-]*|"[^"]*"))
  | (?P<grace>\{{[^}}]*\}})
  | (?P<tuplet>\(\d(?::\d?){{0,2}})
  | (?P<slur>[()])
  | (?P<chord>\[(?:{_NOTE}-?|"[^"]*"|![^!\s|]*!|[.~HLMOPSTuv()\s])+\]{_LENGTH})
  | (?P<note>{_NOTE})
  | (?P<rest>[zxZX]{_LENGTH})
  | (?P<broken>>+|<+)
  | (?P<tie>-)
  | (?P<overlay>&+)
  | (?P<short>[.~HLMOPSTuv])
  | (?P<skip>[\s`\\$*;]+|y\d*)
  | (?P<colon>:)
  | (?P<unknown>.)
    """,
    re.VERBOSE,
)
_PITCH = re.compile(rf"((?:\^\^|\^|__|_|=)?)([A-Ga-g])([,']*)({_LENGTH})(-?)")
_SHORT = {
    ".": "staccato", "~": "roll", "H": "fermata", "L": "accent", "M": "lowermordent", "O": "coda",
    "P": "uppermordent", "S": "segno", "T": "trill", "u": "upbow", "v": "downbow",
}  # fmt: skip
_LEAVING = frozenset(
    ["fine", "D.C.", "D.S.", "dacapo", "dacoda", "D.C.alfine", "D.S.alfine", "D.C.alcoda", "D.S.alcoda"]
)
_TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}


def parse_tune(text: str, max_bars: int) -> Tune:
    """Parses one tune; raises a FormatError that names line and column where the music cannot be read."""
    return _Parser(max_bars).parse(text)


class _State:
    """What holds for one voice at the place that is being read."""

    def __init__(self, voice: Voice, parser: _Parser) -> None:
        self.voice = voice
        self.meter, self.key, self.unit = parser.meter, parser.key, parser.unit
        self.signature = dict(parser.signature)
        self.octave = 0
        self.bar = Bar(self.meter, self.key)
        self.qpm: Fraction | None = None
        self.line: list[Event] = []
        self.fresh_accidentals()
        self.tied: dict[tuple[str, int], Pitch] = {}
        self.tuplet: tuple[int, Fraction] = (0, Fraction(1))
        self.broken = 0
        self.pending = Event(Fraction(0))

    def fresh_accidentals(self) -> None:
        self.accidentals: dict[str, int] = {}

    @property
    def layer(self) -> list[Event]:
        return self.bar.layers[-1]


class _Parser:
    def __init__(self, max_bars: int) -> None:
        self.tune = Tune()
        self.max_bars, self.bars = max_bars, 0
        self.meter, self.key, self.unit = (4, 4), (0, 0), Fraction(0)
        self.signature: dict[str, int] = {}
        self.qpm: Fraction | None = None
        self.states: dict[str, _State] = {}
        self.current: _State | None = None
        self.in_header = True
        self.program = (0, False)
        self.understood, self.strange = 0, 0  # tokens

    def parse(self, text: str) -> Tune:
        for number, line in enumerate(text.split("\n"), 1):
            line = line.rstrip()
            if line.startswith("%%"):
                self._directive(line[2:])
            elif re.match(r"[A-Za-z+]:", line) and not re.match(r"[A-Ga-gzx]:\|", line):
                self._field(line[0], line[2:].split("%")[0].strip(), number)
            elif line and not line.startswith("%") and not self.in_header:
                self._music(re.split(r"(?<!\\)%", line)[0], number)
        for state in self.states.values():
            self._close_bar(state, [])
        if self.in_header:
            raise FormatError("The ABC tune has no key", expected="a K: line before the music", received="none")
        return self.tune

    def _directive(self, words: str) -> None:
        parts = words.split()
        if [w.lower() for w in parts[:2]] == ["midi", "program"] and parts[-1].isdecimal():
            self.program = (int(parts[-1]) & 127, False)
        elif [w.lower() for w in parts[:2]] == ["midi", "channel"]:
            self.program = (self.program[0], parts[-1] == "10")
        else:
            return
        if self.current is not None:
            self.current.voice.program, self.current.voice.drums = self.program

    def _field(self, name: str, value: str, number: int) -> None:
        if name == "K":
            self._key(value)
            self.in_header = False
        elif name == "M":
            self._set_meter(value, number)
        elif name == "L":
            self._set_unit(value, number)
        elif name == "Q":
            self._set_tempo(value)
        elif name == "V":
            self._set_voice(value)
        elif name == "w" and self.current is not None:
            set_lyrics(self.current.line, value)
        elif name in "TCZSOR" and self.in_header:
            self.tune.info.setdefault(name, value)
        elif name not in "XNHBDFAGIWrTCZSOR+s":
            self.tune.ignored.add(f"{name}: lines")

    def _set_meter(self, value: str, number: int) -> None:
        text = value.replace("(", "").replace(")", "").replace(" ", "")
        named = {"C": (4, 4), "C|": (2, 2), "c": (4, 4), "c|": (2, 2), "none": (4, 4), "": (4, 4)}
        meter = named.get(text)
        if meter is None:
            match = re.search(r"(\d{1,3}(?:\+\d{1,3})*)/(\d{1,3})", text)
            if match is None or int(match[2]) not in (1, 2, 4, 8, 16, 32, 64):
                raise FormatError(
                    f"Unknown meter in line {number}", expected="such as 4/4 or 6/8", received=repr(value)
                )
            meter = min(sum(int(n) for n in match[1].split("+")), 255) or 1, int(match[2])
        self.tune.meter_given |= text not in ("none", "")
        if self.in_header:
            self.meter = self.tune.meter = meter
        elif self.current is not None:
            self.current.meter = meter
            if not self.current.bar.length:
                self.current.bar.meter = meter

    def _set_unit(self, value: str, number: int) -> None:
        match = re.fullmatch(r"(\d+)(?:/(\d+))?", value.replace(" ", ""))
        if match is None or not int(match[1]) or not int(match[2] or 1):
            raise FormatError(f"Unknown unit length in line {number}", expected="such as 1/8", received=repr(value))
        unit = Fraction(int(match[1]), int(match[2] or 1))
        if self.in_header:
            self.unit = unit
        elif self.current is not None:
            self.current.unit = unit

    def _set_tempo(self, value: str) -> None:
        words = "".join(re.findall(r'"([^"]*)"', value))
        if words:
            self.tune.info.setdefault("tempo", words)
        match = re.search(r"((?:\d+/\d+\s*)+)?=?\s*(\d+(?:\.\d+)?)\s*$", re.sub(r'"[^"]*"', "", value))
        if match is None or not float(match[2]):
            return
        beat = sum((Fraction(f) for f in (match[1] or "").split() if not f.endswith("/0")), Fraction(0)) or Fraction(
            1, 4
        )
        qpm = min(max(beat * 4 * Fraction(match[2]), Fraction(4)), Fraction(2000))
        if self.in_header:
            self.qpm = qpm
        elif self.current is not None:
            self.current.bar.qpm = qpm

    def _set_voice(self, value: str) -> None:
        name, _, rest = value.partition(" ")
        label = re.search(r'\b(?:name|nm)\s*=\s*(?:"([^"]*)"|(\S+))', rest)
        state = self._state(name or "1")
        if label:
            state.voice.name = label[1] or label[2] or ""
        octave = re.search(r"\boctave\s*=\s*(-?\d)", rest)
        if octave:
            state.octave = int(octave[1])

    def _state(self, name: str) -> _State:
        """The state of a voice, made where the voice is new; it is the one that the next music belongs to."""
        if name not in self.states:
            voice = self.tune.voices[name] = Voice("", *self.program)
            self.states[name] = _State(voice, self)
            self.states[name].bar.qpm = self.qpm if len(self.states) == 1 else None
        self.current = self.states[name]
        return self.current

    def _key(self, value: str) -> None:
        found = parse_key(value)
        if found is not None:
            key, signature = found
            if self.in_header:
                self.key, self.signature = key, signature
                self.unit = self.unit or Fraction(1, 16 if Fraction(*self.meter) < Fraction(3, 4) else 8)
                for state in self.states.values():  # V: lines may stand above K:
                    state.meter, state.unit = self.meter, self.unit
                    state.bar.meter = self.meter
                    if state is next(iter(self.states.values())):
                        state.bar.qpm = self.qpm
            for state in self.states.values() if self.in_header else filter(None, [self.current]):
                state.key, state.signature = key, dict(signature)
                if not state.bar.length:
                    state.bar.key = key
        elif self.in_header:
            self.unit = self.unit or Fraction(1, 8)

    def _music(self, line: str, number: int) -> None:
        state = self.current or self._state("1")
        state.line = []
        at = 0
        while at < len(line):
            match = _TOKEN.match(line, at)
            assert match is not None  # the last alternative takes any character
            state = self.current or state
            if match["unknown"]:
                self._unknown(line, at, number)
            else:
                self.understood += 1
                self._token(state, match, number)
            at = match.end()

    def _unknown(self, line: str, at: int, number: int) -> None:
        """Passes over a character without a meaning; gives up where a text is mostly made of them."""
        self.tune.ignored.add(repr(line[at]))
        self.strange += 1
        if self.strange > 10 + self.understood // 2:
            raise FormatError(
                f"The ABC music cannot be read at line {number}, column {at + 1}",
                expected="notes, rests, bar lines or fields",
                received=repr(line[at : at + 12]),
            )

    def _token(self, state: _State, match: re.Match[str], number: int) -> None:
        kind, text = match.lastgroup, match.group(0)
        if match["bar"] is not None:
            self._bar_line(state, match["bar"], match["number"] or "")
        elif kind == "note":
            self._event(state, [text], "")
        elif kind == "chord":
            inside, _, length = text.rpartition("]")
            self._event(state, [m.group(0) for m in _PITCH.finditer(_bare(inside))], length)
        elif kind == "rest":
            self._rest(state, text)
        elif kind == "field":
            self._field(text[1], text[3:-1].strip(), number)
        elif kind == "ending":
            self._open_ending(state, text[1:].strip().strip('"'))
        elif kind == "colon" and not state.bar.length:
            state.bar.opens.append("start")
        elif kind == "tie":
            self._tie(state)
        elif kind == "broken":
            self._break(state, text)
        elif kind == "overlay":
            state.bar.layers.append([])
        elif kind == "tuplet":
            self._tuplet(state, text)
        elif kind == "grace":
            notes = [m.group(0) for m in _PITCH.finditer(text)]
            state.pending.graces += [p for n in notes if (p := self._pitch(state, n)[0])]
        elif kind == "quoted":
            state.pending.quoted.append(text.strip('"').strip())
        elif kind in ("decoration", "short"):
            state.pending.decorations.append(_SHORT[text] if kind == "short" else text.strip("!+"))
        elif kind == "slur":
            self._slur(state, text)

    def _slur(self, state: _State, text: str) -> None:
        if text == "(":
            state.pending.slurs.append("(")
        elif state.line:
            state.line[-1].slurs.append(")")

    def _event(self, state: _State, notes: list[str], length: str) -> None:
        """Adds a note or chord; a chord's length is its first note's times the one behind the bracket."""
        read = [self._pitch(state, n) for n in notes]
        factor = _factor(length) * (read[0][1] if read else 1)
        event = state.pending
        state.pending = Event(Fraction(0))
        event.pitches = [p for p, _ in read]
        self._append(state, event, state.unit * factor)
        state.tied = {p.place: p for p in event.pitches if p.tied}
        state.line.append(event)

    def _append(self, state: _State, event: Event, length: Fraction) -> None:
        count, factor = state.tuplet
        if count:
            length *= factor
            state.tuplet = (count - 1, factor)
        if state.broken:
            length *= _dotted(-state.broken)
            state.broken = 0
        event.length = length
        state.layer.append(event)

    def _rest(self, state: _State, text: str) -> None:
        if text[0] in "ZX":
            count = min(int(text[1:]) if text[1:].isdecimal() else 1, self.max_bars)
            for i in range(max(count, 1)):
                state.layer.append(Event(Fraction(*state.meter)))
                if i < count - 1:
                    self._close_bar(state, [])
            return
        event = state.pending
        state.pending = Event(Fraction(0))
        self._append(state, event, state.unit * _factor(text[1:]))
        state.tied = {}

    def _pitch(self, state: _State, text: str) -> tuple[Pitch, Fraction]:
        match = _PITCH.match(text)
        assert match is not None
        sign, letter, marks, length, tie = match.groups()
        octave = (5 if letter.islower() else 4) + marks.count("'") - marks.count(",") + state.octave
        letter = letter.upper()
        place = (letter, octave)
        alter = ACCIDENTALS[sign]
        if alter is not None:
            state.accidentals[letter] = alter
        elif place in state.tied:
            alter = (state.tied[place].spelling - FIFTHS[letter]) // 7
        else:
            alter = state.accidentals.get(letter, state.signature.get(letter, 0))
        pitch = min(max(12 * (octave + 1) + NATURAL[letter] + alter, 0), 127)
        return Pitch(pitch, FIFTHS[letter] + 7 * alter, bool(tie), place), _factor(length)

    def _tie(self, state: _State) -> None:
        if state.layer:
            for pitch in state.layer[-1].pitches:
                pitch.tied = True
                state.tied[pitch.place] = pitch

    def _break(self, state: _State, text: str) -> None:
        sign = len(text) if text[0] == ">" else -len(text)
        sign = max(min(sign, 3), -3)
        if state.layer:
            state.layer[-1].length *= _dotted(sign)
            state.broken = sign

    def _tuplet(self, state: _State, text: str) -> None:
        p, q, r = ([int(n) if n else 0 for n in text[1:].split(":")] + [0, 0])[:3]
        if p < 2:
            return
        compound = state.meter[0] % 3 == 0 and state.meter[0] > 3
        q = q or _TUPLETS.get(p, 3 if compound else 2)
        state.tuplet = (r or p, Fraction(q, p))

    def _bar_line(self, state: _State, sign: str, number: str) -> None:
        closes = []
        left = len(sign) - len(sign.lstrip(":"))
        right = len(sign) - len(sign.rstrip(":"))
        if set(sign) == {":"}:
            left, right = 1, 1
        if left:
            closes.append("end" if left == 1 else f"end:{left + 1}")
        if "|]" in sign:
            closes.append("final")
        elif "||" in sign or "[|" in sign:
            closes.append("double")
        self._close_bar(state, closes)
        if right:
            state.bar.opens.append("start")
        if number:
            self._open_ending(state, number)

    def _open_ending(self, state: _State, number: str) -> None:
        state.bar.opens.append("ending:" + ",".join(_numbers(number)))

    def _close_bar(self, state: _State, closes: list[str]) -> None:
        """Ends the bar that is being read, if it has begun; signs at an empty one belong to the bar before."""
        bar = state.bar
        state.fresh_accidentals()
        if state.layer:  # words such as !D.C.! may stand behind the last note of a bar
            words = [w for w in state.pending.decorations if w in _LEAVING]
            state.layer[-1].decorations += words
            state.pending.decorations = [w for w in state.pending.decorations if w not in words]
        if not bar.length:
            if state.voice.bars:
                state.voice.bars[-1].closes += closes
            return
        self.bars += 1
        if self.bars > self.max_bars:
            raise FormatError("The ABC tune has too many bars", expected=f"at most {self.max_bars}", received="more")
        bar.closes += closes
        state.voice.bars.append(bar)
        state.bar = Bar(state.meter, state.key)


def _factor(text: str) -> Fraction:
    """A length such as "3", "3/2", "/", "//" as a factor; 0 counts as 1."""
    top, slashes, bottom = re.fullmatch(r"(\d*)(/*)(\d*)", text).groups()  # type: ignore[union-attr]
    numerator = min(int(top[:6] or 1), 4096) or 1
    denominator = int(bottom[:6]) if bottom else 2 ** min(len(slashes), 8)
    return Fraction(numerator, min(denominator, 4096) or 1)


def _dotted(sign: int) -> Fraction:
    """The factor of the note before ``>`` (sign > 0) or of the one after it (sign < 0)."""
    short = Fraction(1, 2 ** abs(sign))
    return 2 - short if sign > 0 else short


def _bare(chord: str) -> str:
    return re.sub(r'"[^"]*"|![^!]*!', "", chord)


def _numbers(text: str) -> list[str]:
    """Ending numbers of "1", "1,2", "1-3"."""
    out: list[str] = []
    for piece in re.findall(r"\d+(?:-\d+)?", text):
        first, _, last = piece.partition("-")
        low, high = int(first[:3]), int((last or first)[:3])
        out += [str(n) for n in range(low, min(high, low + 15) + 1)]
    return out or ["1"]
