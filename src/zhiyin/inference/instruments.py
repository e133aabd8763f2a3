"""Instruments, voices and ensembles: their names in English and Chinese, General MIDI programs, comfortable ranges.

Ranges are what a good amateur plays without strain, in sounding MIDI pitches, from orchestration handbooks'
"practical" ranges, rounded inwards. Nothing here knows models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from zhiyin.encoding.fields import DRUM_PROGRAM, MAX_PARTS
from zhiyin.errors import ControlError, near_hint
from zhiyin.formats.roll_names import pitch_name
from zhiyin.score import Part


@dataclass(frozen=True)
class Instrument:
    """One instrument or voice. ``program``: 0..127 or 128 for drums. low, high: MIDI pitches. ``single``: one note at a time."""

    name: str
    program: int
    low: int
    high: int
    single: bool
    names: tuple[str, ...] = ()  # further names, Chinese ones among them

    @property
    def span(self) -> str:
        """The range in words: "C4..A5"."""
        return f"{pitch_name(self.low)}..{pitch_name(self.high)}"


INSTRUMENTS: tuple[Instrument, ...] = (
    Instrument(
        "Piano", 0, 28, 96, False, ("钢琴", "keyboard", "pianoforte", "grand piano", "piano solo", "solo piano")
    ),
    Instrument("Harpsichord", 6, 29, 89, False, ("羽管键琴", "大键琴", "cembalo")),
    Instrument("Celesta", 8, 60, 108, False, ("钢片琴",)),
    Instrument("Music Box", 10, 60, 96, False, ("八音盒", "musicbox")),
    Instrument("Vibraphone", 11, 53, 89, False, ("颤音琴",)),
    Instrument("Marimba", 12, 45, 96, False, ("马林巴",)),
    Instrument("Xylophone", 13, 65, 105, False, ("木琴",)),
    Instrument("Organ", 19, 36, 93, False, ("管风琴", "pipe organ", "church organ")),
    Instrument("Accordion", 21, 41, 93, False, ("手风琴",)),
    Instrument("Harmonica", 22, 60, 96, True, ("口琴",)),
    Instrument("Guitar", 24, 40, 81, False, ("吉他", "classical guitar", "acoustic guitar")),
    Instrument("Electric Guitar", 27, 40, 84, False, ("电吉他",)),
    Instrument("Lute", 24, 36, 79, False, ("鲁特琴",)),
    Instrument("Double Bass", 43, 28, 60, True, ("低音提琴", "contrabass", "string bass", "upright bass")),
    Instrument("Electric Bass", 33, 28, 60, True, ("贝斯", "电贝斯", "bass guitar")),
    Instrument("Violin", 40, 55, 93, True, ("小提琴", "fiddle")),
    Instrument("Viola", 41, 48, 84, True, ("中提琴",)),
    Instrument("Cello", 42, 36, 76, True, ("大提琴", "violoncello")),
    Instrument("Strings", 48, 36, 93, False, ("弦乐", "string orchestra", "string ensemble", "弦乐队")),
    Instrument("Harp", 46, 28, 98, False, ("竖琴",)),
    Instrument("Choir", 52, 41, 79, False, ("合唱团",)),
    Instrument("Soprano", 52, 60, 79, True, ("女高音", "treble voice")),
    Instrument("Mezzo-soprano", 52, 57, 76, True, ("女中音", "mezzo")),
    Instrument("Alto", 52, 55, 74, True, ("女低音", "contralto")),
    Instrument("Tenor", 52, 48, 69, True, ("男高音",)),
    Instrument("Baritone", 52, 45, 65, True, ("男中音",)),
    Instrument("Bass", 52, 41, 62, True, ("男低音",)),
    Instrument("Voice", 52, 57, 77, True, ("人声", "vocals", "vocal", "singer", "singing voice", "歌声", "solo voice")),
    Instrument("Trumpet", 56, 55, 82, True, ("小号", "cornet")),
    Instrument("Trombone", 57, 40, 70, True, ("长号",)),
    Instrument("Tuba", 58, 28, 58, True, ("大号",)),
    Instrument("Horn", 60, 41, 77, True, ("圆号", "french horn")),
    Instrument("Saxophone", 65, 49, 80, True, ("萨克斯", "sax", "alto saxophone", "alto sax")),
    Instrument("Tenor Saxophone", 66, 44, 75, True, ("tenor sax", "次中音萨克斯")),
    Instrument("Oboe", 68, 58, 88, True, ("双簧管",)),
    Instrument("English Horn", 69, 52, 81, True, ("英国管", "cor anglais")),
    Instrument("Bassoon", 70, 34, 72, True, ("大管", "巴松")),
    Instrument("Clarinet", 71, 50, 89, True, ("单簧管", "黑管")),
    Instrument("Piccolo", 72, 74, 102, True, ("短笛",)),
    Instrument("Flute", 73, 60, 93, True, ("长笛", "笛子")),
    Instrument("Recorder", 74, 65, 91, True, ("竖笛", "直笛")),
    Instrument("Ocarina", 79, 69, 89, True, ("陶笛",)),
    Instrument("Sitar", 104, 48, 81, False, ("西塔琴",)),
    Instrument("Banjo", 105, 48, 86, False, ("班卓琴",)),
    Instrument("Mandolin", 105, 55, 88, False, ("曼陀林",)),
    Instrument("Guzheng", 107, 38, 86, False, ("古筝", "koto")),
    Instrument("Bagpipes", 109, 67, 81, True, ("风笛", "pipes", "bagpipe")),
    Instrument("Erhu", 110, 62, 91, True, ("二胡",)),
    Instrument("Drums", DRUM_PROGRAM, 35, 81, False, ("鼓", "drum", "drum kit", "drumset", "percussion", "架子鼓", "鼓点", "打击乐")),
)

ENSEMBLES: dict[str, tuple[str, ...]] = {
    "string quartet": ("Violin", "Violin", "Viola", "Cello"),
    "string trio": ("Violin", "Viola", "Cello"),
    "string quintet": ("Violin", "Violin", "Viola", "Cello", "Double Bass"),
    "piano trio": ("Violin", "Cello", "Piano"),
    "piano quartet": ("Violin", "Viola", "Cello", "Piano"),
    "wind quintet": ("Flute", "Oboe", "Clarinet", "Horn", "Bassoon"),
    "woodwind quintet": ("Flute", "Oboe", "Clarinet", "Horn", "Bassoon"),
    "brass quintet": ("Trumpet", "Trumpet", "Horn", "Trombone", "Tuba"),
    "brass quartet": ("Trumpet", "Trumpet", "Horn", "Trombone"),
    "saxophone quartet": ("Saxophone", "Saxophone", "Tenor Saxophone", "Tenor Saxophone"),
    "mixed choir": ("Soprano", "Alto", "Tenor", "Bass"),
    "four voices": ("Soprano", "Alto", "Tenor", "Bass"),
    "four-part choir": ("Soprano", "Alto", "Tenor", "Bass"),
    "satb": ("Soprano", "Alto", "Tenor", "Bass"),
    "jazz trio": ("Piano", "Double Bass", "Drums"),
    "弦乐四重奏": ("Violin", "Violin", "Viola", "Cello"),
    "弦乐三重奏": ("Violin", "Viola", "Cello"),
    "钢琴三重奏": ("Violin", "Cello", "Piano"),
    "木管五重奏": ("Flute", "Oboe", "Clarinet", "Horn", "Bassoon"),
    "铜管五重奏": ("Trumpet", "Trumpet", "Horn", "Trombone", "Tuba"),
    "四部合唱": ("Soprano", "Alto", "Tenor", "Bass"),
    "混声合唱": ("Soprano", "Alto", "Tenor", "Bass"),
}

_BY_NAME = {n.casefold(): i for i in INSTRUMENTS for n in (i.name, *i.names)}
_BY_PROGRAM: dict[int, Instrument] = {}
for _instrument in INSTRUMENTS:
    _BY_PROGRAM.setdefault(_instrument.program, _instrument)
VOICE = 52  # program of voices
_VOICE_PROGRAMS = (52, 53, 54, 91)


def instrument_names() -> dict[str, Instrument]:
    """All names (case-folded), English and Chinese, to instruments."""
    return dict(_BY_NAME)


def find_parts(names: Sequence[str]) -> tuple[Instrument, ...]:
    """Instruments of part names (an ensemble's name stands for all of its parts). Raises ControlError with near names."""
    out: list[Instrument] = []
    for name in names:
        wanted = name.strip().casefold()
        if wanted in ENSEMBLES:
            out += [_BY_NAME[n.casefold()] for n in ENSEMBLES[wanted]]
        elif wanted in _BY_NAME:
            out.append(_BY_NAME[wanted])
        elif wanted.isdigit() and int(wanted) <= DRUM_PROGRAM:
            out.append(part_instrument("", int(wanted)))
        else:
            known = [i.name.lower() for i in INSTRUMENTS] + [e for e in ENSEMBLES if e.isascii()]
            raise ControlError(
                f"Unknown instrument {name!r}",
                expected="an instrument, voice or ensemble, or a General MIDI program 0..127",
                received=repr(name),
                hint=near_hint(wanted, known),
            )
    if len(out) > MAX_PARTS:
        raise ControlError("Too many parts", expected=f"≤ {MAX_PARTS}", received=str(len(out)))
    return tuple(out)


def part_words(parts: Sequence[Part]) -> tuple[str, ...]:
    """The words by which ``find_parts`` finds the instruments of a score's parts: a known name, else the program's number."""
    out = []
    for part in parts:
        program = DRUM_PROGRAM if part.drums else part.program
        known = next((k for w in (part.name, *part.name.split()) if (k := _BY_NAME.get(w.casefold()))), None)
        usual = None if program in _VOICE_PROGRAMS else _BY_PROGRAM.get(program)  # a voice may be any
        found = known if known and known.program == program else usual
        out.append(found.name if found else str(program))
    return tuple(out)


def part_instrument(name: str, program: int) -> Instrument:
    """The instrument of a part: by its name where that is known and fits, else by its program (range of the program's family)."""
    words = name.casefold().replace(".", " ").split()
    for word in (name.casefold(), *words):
        known = _BY_NAME.get(word)
        if known and (known.program == program or (program in _VOICE_PROGRAMS and known.program == 52)):
            return Instrument(name or known.name, program, known.low, known.high, known.single)
    if program in _VOICE_PROGRAMS:
        return Instrument(name or "Voice", program, 41, 81, True)
    if program in _BY_PROGRAM:
        known = _BY_PROGRAM[program]
        return Instrument(name or known.name, program, known.low, known.high, known.single)
    low, high, single = _family(program)
    return Instrument(name or f"Program {program}", program, low, high, single)


def _family(program: int) -> tuple[int, int, bool]:
    """Range and "one note at a time" of a General MIDI family of eight programs, for programs without a row above."""
    families = {
        0: (28, 96, False), 1: (53, 96, False), 2: (36, 93, False), 3: (40, 84, False), 4: (28, 60, True),
        5: (36, 93, True), 6: (36, 93, False), 7: (40, 82, True), 8: (44, 82, True), 9: (60, 93, True),
        10: (40, 96, True), 11: (36, 93, False),
    }  # fmt: skip
    return families.get(program // 8, (36, 93, False))


def voice_name(pitch: float) -> str:
    """What a voice whose notes lie around a MIDI pitch is called in a choir."""
    for low, name in ((65.5, "Soprano"), (60.5, "Alto"), (55, "Tenor")):
        if pitch >= low:
            return name
    return "Bass"


def within(instrument: Instrument, low: int, high: int, room: int = 4) -> Instrument:
    """The instrument kept to a usual range (with some room on either side), never beyond its own, at least an octave wide."""
    bottom, top = max(instrument.low, low - room), min(instrument.high, high + room)
    if top - bottom < 12:
        return instrument
    return replace(instrument, low=bottom, high=top)


def numbered(instruments: Sequence[Instrument]) -> tuple[str, ...]:
    """Part names; instruments that come more than once are numbered ("Violin 1", "Violin 2")."""
    names = [i.name for i in instruments]
    seen: dict[str, int] = {}
    out: list[str] = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(f"{name} {seen[name]}" if names.count(name) > 1 else name)
    return tuple(out)
