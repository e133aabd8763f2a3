"""A prompt in words, English or Chinese, read into controls by a small grammar: no model, no guessing.

Every character of the prompt ends in one of three lists: *understood* (what it says), *assumed* (what a word implies),
or *ignored* (not understood, stop words aside). Words that contradict each other are an error that names both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zhiyin.errors import ControlError, near_hint
from zhiyin.inference import word_tables as tables
from zhiyin.inference.controls import Controls, entry_names, find_form, find_key, find_meter
from zhiyin.inference.drum_words import drums_only, names_drums, not_taken, only_drums, says_drums
from zhiyin.inference.instruments import ENSEMBLES, find_parts, instrument_names
from zhiyin.inference.near_styles import near_in_meaning

_ZH_NUMBER = r"[0-9]+(?:\.[0-9]+)?|[零〇一二两三四五六七八九十百千]+"
_EN_NUMBER = r"[0-9]+(?:\.[0-9]+)?|(?:{0})(?:[\s-]+(?:and\s+)?(?:{0}))*".format(
    "|".join(sorted(tables.NUMBERS, key=len, reverse=True))
)
_MODE = r"major|minor|maj|min|大调|小调|dorian|phrygian|lydian|mixolydian|aeolian|ionian|locrian"
_CHURCH = {"ionian": 0, "dorian": 2, "phrygian": 4, "lydian": 5, "mixolydian": 7, "aeolian": 9, "locrian": 11}


@dataclass
class Words:
    """What a prompt says: ``controls``, and in plain words what was understood, assumed and ignored (not understood)."""

    controls: Controls
    understood: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def parse_words(
    text: str, styles: Sequence[Mapping[str, Any]] = (), composers: Sequence[Mapping[str, Any]] = ()
) -> Words:
    """Reads a prompt. ``styles`` and ``composers``: the catalogs of a model package (name, name_zh, synonyms)."""
    reader = _Reader(unicodedata.normalize("NFKC", text).replace("’", "'").replace("♭", "b").replace("♯", "#"))
    _read_title(reader)
    _read_negations(reader)
    _read_keys(reader)
    _read_meters(reader)
    _read_lengths(reader)
    _read_tempo_numbers(reader)
    _read_forms(reader)
    _read_names(reader, styles, composers)
    _read_parts(reader)
    _read_tempo_and_mood(reader)
    _leave_drum_genres(reader, styles)
    _refuse_genres(reader, styles)
    reader.ignore_rest()
    return Words(Controls(**reader.values), reader.understood, reader.assumed, reader.ignored)


class _Reader:
    """The prompt with the characters already read blanked out, and what they said."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.values: dict[str, Any] = {}
        self.source: dict[str, str] = {}
        self.understood: list[str] = []
        self.assumed: list[str] = []
        self.ignored: list[str] = []

    def matches(self, pattern: str, flags: int = re.IGNORECASE) -> Iterable[re.Match[str]]:
        """Matches of a pattern in what is left, each blanked out as it is taken."""
        while match := re.search(pattern, self.text, flags):
            self.text = self.text[: match.start()] + "\x00" * (match.end() - match.start()) + self.text[match.end() :]
            yield match

    def spoken(self, names: Iterable[str]) -> list[str]:
        """Names all of whose words stand in the prompt, longest first (a cheap look before patterns are compiled)."""
        text = self.text.casefold()
        return sorted(
            (n for n in names if all(w in text for w in re.split(r"[\s-]+", n.casefold()))), key=lambda n: -len(n)
        )

    def say(self, name: str, value: Any, source: str, shown: str = "") -> None:
        """Sets a control; a second, different value is a contradiction."""
        source = source.strip()
        if name in self.values and self.values[name] != value:
            _contradiction(name, self.source[name], source)
        if name not in self.values:
            self.understood.append(shown or f"{name.replace('_', ' ')} {value}")
        self.values[name], self.source[name] = value, source

    def ignore_rest(self) -> None:
        """Lists every word left that is no stop word."""
        rest = self.text
        for phrase in tables.STOP_PHRASES:
            rest = rest.replace(phrase, "\x00")
        for token in re.findall(r"[A-Za-z0-9#'/.&-]+|[\u3400-\u9fff]+|[^\W\d_]+", rest):
            if re.match(r"[\u3400-\u9fff]", token):
                runs = re.split(f"[{''.join(tables.STOP_CHARACTERS)}]+", token)
                self.ignored += [r for r in runs if r]
            elif token.strip("'-./&").casefold() not in tables.STOP_WORDS | {""}:
                self.ignored.append(token.strip("'-./&"))


def _contradiction(name: str, first: str, second: str) -> None:
    raise ControlError(
        f"The words contradict each other about {name.replace('_', ' ')}",
        expected="one of the two",
        received=f"{first!r} and {second!r}",
        hint="leave one out",
    )


def number(text: str) -> float:
    """The number that digits, English number words or Chinese numerals say."""
    text = text.strip().casefold()
    if re.fullmatch(r"[0-9.]+", text):
        return float(text)
    if re.fullmatch(r"[零〇一二两三四五六七八九十百千]+", text):
        return float(_number_zh(text))
    total = current = 0
    for word in re.split(r"[\s-]+", text):
        if word == "and":
            continue
        value = tables.NUMBERS[word]
        if value >= 100 or word == "dozen":
            current = max(current, 1) * value
        else:
            current += value
        if word == "thousand":
            total, current = total + current, 0
    return float(total + current)


def _number_zh(text: str) -> int:
    total = digit = 0
    for c in text:
        if c in tables.UNITS_ZH:
            total += (digit or 1) * tables.UNITS_ZH[c]
            digit = 0
        else:
            digit = digit * 10 * (not total and digit > 0) + tables.DIGITS_ZH[c]
    return total + digit


def _read_title(reader: _Reader) -> None:
    pattern = r"(?:called|titled|named|entitled|题为|标题为|标题是|名为|叫做|叫)\s*[\"“'《「]([^\"”》」]+?)[\"”'》」]"
    for match in reader.matches(pattern + r"|《([^》]+)》"):
        title = (match.group(1) or match.group(2)).strip()
        reader.say("title", title, match.group(0), f"title {title!r}")


def _read_negations(reader: _Reader) -> None:
    """ "not fast", "without drums", "不要太快": nothing is concluded from them, and they are listed."""
    stops = r"(?:too\s+|very\s+|so\s+|any\s+|a\s+)?"
    for match in reader.matches(
        rf"\b(?:not|no|without|never|don't)\s+{stops}[\w'-]+|(?:不要|不能|不太|不是|没有|不)[太很是]?[\u3400-\u9fff]{{1,2}}"
    ):
        reader.ignored.append(match.group(0).strip())


def _read_keys(reader: _Reader) -> None:
    sharp_flat = r"[\s-]?(sharp|flat)|(#|b)(?![a-z])"
    patterns = (
        rf"(?:\b(?:in\s+)?(?:the\s+key\s+of\s+)?)?(?<![A-Za-z])([A-Ga-g])(?:{sharp_flat})?[\s-]*({_MODE})(?![a-z])",
        r"([降升])\s*([A-Ga-g])\s*(大调|小调)",
        r"(?<![A-Za-z])([A-G])(#|b)?m(?![A-Za-z])",
        r"\b(?:in|key\s+of)\s+(?:the\s+key\s+of\s+)?([A-G])(?:[\s-]?(sharp|flat)|(#|b))?(?![A-Za-z'#])(?!\s+[a-z]+\s+(?:key|mood|style|hurry))",
    )
    for match in reader.matches(r"\b(?:in\s+)?a\s+(major|minor)\s+key\b"):
        reader.say("mode", match.group(1).lower(), match.group(0))
    for match in reader.matches(patterns[1]):
        _say_key(reader, match.group(2), "b" if match.group(1) == "降" else "#", match.group(3), match.group(0))
    for match in reader.matches(patterns[0]):
        _say_key(reader, match.group(1), match.group(2) or match.group(3) or "", match.group(4), match.group(0))
    for match in reader.matches(patterns[2], 0):
        _say_key(reader, match.group(1), match.group(2) or "", "minor", match.group(0))
    for match in reader.matches(patterns[3], 0):
        reader.assumed.append(f"{match.group(0).strip()}: major")
        _say_key(reader, match.group(1), match.group(2) or match.group(3) or "", "major", match.group(0))
    for name in reader.spoken(tables.MODES):
        for match in reader.matches(_word(name)):
            if "key" in reader.values and not reader.values["key"].endswith(tables.MODES[name]):
                _contradiction("mode", reader.source["key"], match.group(0))
            reader.say("mode", tables.MODES[name], match.group(0))


def _say_key(reader: _Reader, letter: str, sign: str, mode: str, source: str) -> None:
    sign = {"sharp": "#", "flat": "b"}.get(sign.lower(), sign)
    mode = {"maj": "major", "min": "minor", "大调": "major", "小调": "minor"}.get(mode.lower(), mode.lower())
    if mode in _CHURCH:
        kept = "minor" if mode in ("dorian", "phrygian", "aeolian", "locrian") else "major"
        reader.assumed.append(f"{letter.upper()}{sign} {mode}: composed as {kept} (only major and minor are known)")
        mode = kept
    key = find_key(f"{letter}{sign} {mode}")
    reader.say("key", key.name, source)


def _read_meters(reader: _Reader) -> None:
    digit = "一二两三四五六七八九十"
    for match in reader.matches(rf"([{digit}]+)分之([{digit}]+)拍?子?"):
        reader.say("meter", _meter(number(match.group(2)), number(match.group(1))), match.group(0))
    for match in reader.matches(r"(?<![\d/])(\d{1,2})\s*/\s*(\d{1,2})(?![\d/])(?:\s*(?:time|meter|拍子|拍))?"):
        reader.say("meter", _meter(float(match.group(1)), float(match.group(2))), match.group(0))
    small = "two|three|four|five|six|seven|nine|twelve"
    for match in reader.matches(
        rf"\b({small})[\s-](two|four|eight|sixteen|quarter|half)(?:[\s-]time|[\s-]meter)\b|\b(six|nine|twelve|three)-(eight|four)\b"
    ):
        top, bottom = match.group(1) or match.group(3), match.group(2) or match.group(4)
        below = {"quarter": 4, "half": 2}.get(bottom.lower()) or number(bottom)
        reader.say("meter", _meter(number(top), below), match.group(0))
    for name in reader.spoken(tables.NAMED_METERS):
        for match in reader.matches(_word(name)):
            reader.say("meter", tables.NAMED_METERS[name], match.group(0))


def _meter(numerator: float, denominator: float) -> str:
    return "{}/{}".format(*find_meter(f"{int(numerator)}/{int(denominator)}"))


def _read_lengths(reader: _Reader) -> None:
    for match in reader.matches(rf"(?<![\w.])({_EN_NUMBER})[\s-]*(?:bars?|measures?)\b|({_ZH_NUMBER})\s*个?小节"):
        bars = number(match.group(1) or match.group(2))
        if bars != int(bars):
            raise ControlError("bars must be a whole number", expected="1..1000", received=match.group(0).strip())
        reader.say("bars", int(bars), match.group(0), f"{int(bars)} bars")
    for seconds, source in _durations(reader):
        reader.say("seconds", seconds, source, f"{seconds:g} seconds")


def _durations(reader: _Reader) -> Iterable[tuple[float, str]]:
    about = r"(?:\b(?:about|around|roughly|approximately|some)\s+|~\s*|大约|约)?"
    second, minute = r"(?:seconds?|secs?|(?<=\d)s)\b", r"(?:minutes?|mins?|min)\b"
    for m in reader.matches(rf"{about}\b(\d{{1,2}}):(\d\d)\b(?:\s*(?:long|minutes?|min))?"):
        yield 60.0 * int(m.group(1)) + int(m.group(2)), m.group(0)
    for m in reader.matches(rf"{about}({_ZH_NUMBER})分钟?半钟?|{about}半分钟"):
        yield (60 * number(m.group(1)) + 30 if m.group(1) else 30.0), m.group(0)
    for m in reader.matches(rf"{about}({_ZH_NUMBER})分(?:钟)?(?:({_ZH_NUMBER})秒)?钟?(?![之拍])"):
        yield 60 * number(m.group(1)) + (number(m.group(2)) if m.group(2) else 0), m.group(0)
    for m in reader.matches(rf"{about}({_ZH_NUMBER})秒钟?"):
        yield number(m.group(1)), m.group(0)
    for m in reader.matches(rf"{about}\bhalf\s+a\s+minute\b|{about}\bhalf-minute\b"):
        yield 30.0, m.group(0)
    for m in reader.matches(
        rf"{about}(?<![\w.])({_EN_NUMBER})(?:\s+and\s+a\s+half)?[\s-]*{minute}(?:\s+and\s+a\s+half)?(?:\s*(?:and\s+)?({_EN_NUMBER})[\s-]*{second})?"
    ):
        half = 30.0 if re.search(r"and\s+a\s+half", m.group(0)) else 0.0
        yield 60 * number(m.group(1)) + half + (number(m.group(2)) if m.group(2) else 0), m.group(0)
    for m in reader.matches(rf"{about}(?<![\w.])({_EN_NUMBER})[\s-]*{second}"):
        yield number(m.group(1)), m.group(0)


def _read_tempo_numbers(reader: _Reader) -> None:
    patterns = (
        r"(?:♩|quarter(?:\s+note)?)\s*=\s*(\d{2,3})",
        r"(?:tempo\s*(?:of\s*|=\s*|:\s*)?|at\s+)?(?<!\d)(\d{2,3})\s*(?:bpm|qpm|beats\s+(?:per|a)\s+minute)\b",
        r"每分钟\s*(\d{2,3})\s*拍",
        r"(?:tempo|速度)\s*(?:of|is|=|:|为)?\s*(\d{2,3})(?!\d)",
    )
    for pattern in patterns:
        for match in reader.matches(pattern):
            reader.say("tempo_qpm", float(match.group(1)), match.group(0), f"tempo {match.group(1)} quarters a minute")


def _read_forms(reader: _Reader) -> None:
    for match in reader.matches(r"(?<![A-Za-z])(A[A-H]{1,15}'?)(?![A-Za-z])(?:[\s-]form|\s*曲式)?", 0):
        reader.say("form", find_form(match.group(1)), match.group(0))
    for table, name in ((tables.NAMED_FORMS, "form"), (tables.NAMED_CADENCES, "cadence")):
        for phrase in reader.spoken(table):
            for match in reader.matches(_word(phrase)):
                reader.say(name, table[phrase], match.group(0))


def _read_names(reader: _Reader, styles: Sequence[Mapping[str, Any]], composers: Sequence[Mapping[str, Any]]) -> None:
    """Styles by name first; a synonym counts only where no name does, an instrument's name only where nothing else does.
    A style of drums alone is taken only where drums are said, and no other instrument."""
    instruments = instrument_names()
    grooves = {str(entry["name"]) for entry in styles if drums_only(entry)}
    drums = says_drums(reader.text) and not any(re.search(_word(n), reader.text, re.IGNORECASE) for n in reader.spoken(instruments) if not says_drums(n))
    for rank in range(2):
        names: dict[str, str] = {}
        for entry in styles:
            own = [n for n in entry_names(entry) if drums or not drums_only(entry) or names_drums(n)]
            count = 1 + bool(entry.get("name_zh")) + bool(entry.get("title"))
            for i, name in enumerate(own):
                first = i < count or any(n in name for n in own[:count])  # "irish jig" names the jig
                if first == (rank == 0) and name.casefold() not in instruments:
                    names.setdefault(name, str(entry["name"]))
        before = "style" in reader.values
        for name in sorted(reader.spoken(names), key=only_drums):  # "Motown groove" is Motown
            for match in reader.matches(_word(name)):
                if only_drums(name) and reader.values.get("style") in grooves:
                    continue
                if before and names[name] != reader.values["style"]:
                    reader.ignored.append(match.group(0).strip())
                    continue
                reader.say("style", names[name], match.group(0))
                _style_parts(reader, name, names[name], match.group(0))
    _read_composers(reader, composers)


def _style_parts(reader: _Reader, spoken: str, style: str, source: str) -> None:
    """A style that is an ensemble's name ("string quartet") says its parts too."""
    parts = ENSEMBLES.get(spoken.casefold()) or ENSEMBLES.get(style.casefold().replace("-", " "))
    if parts:
        reader.values.setdefault("parts", parts)
        reader.source.setdefault("parts", source)


def _read_composers(reader: _Reader, composers: Sequence[Mapping[str, Any]]) -> None:
    people = {
        n: str(e["name"])
        for e in composers
        for full in entry_names(e)
        for n in {full, full.split(",")[0], full.split()[-1]}
    }
    for zh, name in tables.COMPOSERS_ZH.items():
        for full in (v for k, v in people.items() if k == name):
            people = {**people, zh: full}
    for name in reader.spoken(people):
        for match in reader.matches(
            rf"(?:\b(?:like|by|after|in\s+the\s+(?:style|manner)\s+of|à\s+la)\s+)?{_word(name)}(?:'s)?(?:风格|式)?"
        ):
            reader.say("composer", people[name], match.group(0))


def _read_parts(reader: _Reader) -> None:
    known = instrument_names()
    found: list[tuple[int, int, tuple[str, ...], str]] = []
    plural = {f"{n}{s}": n for n in known if n.isascii() for s in ("s", "es", "i")}
    for name in reader.spoken([*ENSEMBLES, *known, *plural]):
        many = (
            rf"(?:\b({'|'.join(('two', 'three', 'four', 'five', '[2-8]'))})\s+)?"
            if name.isascii()
            else r"([两二三四五])?(?:[把支个])?"
        )
        for match in reader.matches(many + _word(name)):
            parts = ENSEMBLES.get(name.casefold()) or (known[plural.get(name, name)].name,)
            count = int(number(match.group(1))) if match.group(1) else 1
            found.append((match.start(), count, parts, match.group(0).strip()))
    found.sort()
    named = [p for _, count, parts, _ in found for p in parts * count]
    if not named:
        return
    find_parts(named)
    if reader.values.get("parts") and any(f[2] in ENSEMBLES.values() for f in found):
        if tuple(named) != reader.values["parts"]:
            _contradiction("parts", reader.source["parts"], found[0][3])
        return
    reader.values.pop("parts", None)
    reader.say("parts", tuple(named), " ".join(f[3] for f in found), "for " + ", ".join(named))


def _read_tempo_and_mood(reader: _Reader) -> None:
    ranges: list[tuple[float, float, str]] = []
    for name in reader.spoken([*tables.TEMPO_WORDS, *tables.MOODS]):
        for match in reader.matches(_word(name)):
            word = match.group(0).strip()
            if name in tables.MOODS:
                _mood(reader, word, tables.MOODS[name], ranges)
                continue
            tempo = tables.TEMPO_WORDS[name]
            ranges.append((tempo.low, tempo.high, word))
            reader.understood.append(f"{word}: {tempo.low:g} to {tempo.high:g} beats a minute")
            reader.values.setdefault("tempo_word", tempo.word)
    if ranges:
        _tempo_range(reader, ranges)


def _mood(reader: _Reader, word: str, mood: tables.Mood, ranges: list[tuple[float, float, str]]) -> None:
    reader.understood.append(f"mood {word}")
    reader.values["mood"] = (*reader.values.get("mood", ()), word)
    said = []
    for name in ("mode", "density", "register", "dynamic"):
        value = getattr(mood, name)
        if value is None or (name == "mode" and "key" in reader.values):
            continue
        source = reader.source.get(name)
        if source is not None and reader.values[name] != value:
            if name in ("mode", "density", "register"):
                _contradiction(name, source, word)
            continue
        reader.values[name], reader.source[name] = value, source or word
        said.append(value)
    if mood.tempo:
        ranges.append((*mood.tempo, word))
        said.append(f"{mood.tempo[0]:g} to {mood.tempo[1]:g} beats a minute")
    if said:
        reader.assumed.append(f"{word}: {', '.join(said)}")


def _tempo_range(reader: _Reader, ranges: list[tuple[float, float, str]]) -> None:
    """The tempos that all the words allow; words that allow none together contradict each other."""
    slowest = min(ranges, key=lambda r: r[1])
    fastest = max(ranges, key=lambda r: r[0])
    if fastest[0] > slowest[1]:
        _contradiction("tempo", slowest[2], fastest[2])
    tempo = reader.values.get("tempo_qpm")
    if tempo is None:
        reader.values["tempo_range"] = (fastest[0], slowest[1])
    else:
        outside = [r for r in ranges if not 0.7 * r[0] <= tempo <= 1.4 * r[1]]
        if outside:
            _contradiction("tempo", reader.source["tempo_qpm"], outside[0][2])


def _leave_drum_genres(reader: _Reader, styles: Sequence[Mapping[str, Any]]) -> None:
    """Genres that are known as drums alone, where drums were not asked for, are not understood: that is said, nothing is guessed."""
    names = {n for entry in styles if drums_only(entry) for n in entry_names(entry) if n not in tables.STOP_PHRASES}
    for name in reader.spoken(names):
        for match in reader.matches(_word(name)):
            reader.ignored.append(not_taken(match.group(0).strip()))


def _refuse_genres(reader: _Reader, styles: Sequence[Mapping[str, Any]]) -> None:
    """A kind of music that the catalog lacks is refused; another would be a silent guess."""
    if not styles:
        return
    for name in reader.spoken(tables.GENRES):
        for match in reader.matches(_word(name)):
            if "style" in reader.values:
                reader.ignored.append(match.group(0).strip())
                continue
            known = [str(e["name"]) for e in styles]
            near = near_in_meaning(name, known)
            raise ControlError(
                f"No style {match.group(0).strip()!r} in this model",
                expected="a style that it was trained on",
                received=repr(match.group(0).strip()),
                hint=f"{'near: ' + ', '.join(map(repr, near)) if near else near_hint(name, known)}; zhiyin models show lists all",
            )


def _word(name: str) -> str:
    """Pattern of a name: whole words, plural allowed in Latin letters; any spaces or hyphens between words."""
    pattern = r"[\s-]+".join(re.escape(w) for w in re.split(r"[\s-]+", name))
    return rf"(?<![A-Za-z]){pattern}(?:'?s)?(?![A-Za-z])" if name[-1:].isascii() else pattern
