"""From controls to a brief: every gap filled from the style's own habits, and every filling said.

The catalog comes from the model package's manifest: ``styles`` with their defaults, ``composers``. Nothing here
knows notes or graphs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zhiyin.encoding.fields import DENSITY_EDGES, DRUM_PROGRAM, REGISTER_EDGES, level
from zhiyin.errors import ControlError
from zhiyin.formats.notation import Meter
from zhiyin.inference.controls import MAX_BARS, Controls, Key, check_controls, find_key, find_meter, find_named
from zhiyin.inference.drum_words import drums_only
from zhiyin.inference.form import Section, default_form, plan_sections, style_form
from zhiyin.inference.instruments import VOICE, Instrument, find_parts, numbered, part_instrument, voice_name, within
from zhiyin.inference.titles import make_title
from zhiyin.inference.word_tables import TEMPO_WORDS

DEFAULT_BARS = 32
_MAJOR_KEYS = ("C major", "G major", "D major", "F major", "Bb major", "A major", "Eb major")
_MINOR_KEYS = ("A minor", "D minor", "E minor", "G minor", "C minor", "B minor")
_STRINGS = frozenset([24, 25, 40, 41, 42, 105, 106])
_FEW = 20  # a combination seen in fewer pieces than this is named as rare


@dataclass(frozen=True)
class Brief:
    """A piece fully described, before any note: what the plan is written from.

    style_id, composer_id: classes of the package's controls (0 = not said). density, register: classes of
    ``encoding.fields`` (0 = not said). tempo_qpm: quarters per minute. seconds: sounding length that follows.
    """

    style: str
    style_id: int
    composer: str
    composer_id: int
    key: Key
    meter: tuple[int, int]
    tempo_qpm: float
    tempo_word: str
    bars: int
    sections: tuple[Section, ...]
    parts: tuple[Instrument, ...]
    names: tuple[str, ...]
    density: int
    register: int
    dynamic: str
    title: str
    seed: int
    assumed: tuple[str, ...] = field(default=())

    @property
    def quarters_per_bar(self) -> float:
        """Length of a bar in quarters."""
        return 4 * self.meter[0] / self.meter[1]

    @property
    def seconds(self) -> float:
        """Length of the piece in seconds."""
        return self.bars * self.quarters_per_bar * 60 / self.tempo_qpm

    @property
    def form(self) -> str:
        """Letters of the sections."""
        return "".join(s.letter for s in self.sections)


def make_brief(controls: Controls, manifest: Mapping[str, Any], seed: int) -> Brief:
    """Checks the controls and fills every gap from the catalog in a package's manifest."""
    styles, composers = manifest.get("styles", ()), manifest.get("composers", ())
    controls = check_controls(controls, styles, composers)
    rng = np.random.Generator(np.random.PCG64([seed, 0x6272_6965]))
    assumed: list[str] = []
    style = _style(controls, manifest, assumed)
    habits: Mapping[str, Any] = style.get("defaults", {})
    meter = _meter(controls, habits, assumed)
    parts = _parts(controls, habits, assumed)
    key = _key(controls, habits, parts, rng, assumed)
    tempo, word, bars = _time(controls, habits, meter, assumed)
    form = controls.form or style_form(bars, habits.get("return_share"), _form_draws(seed))
    sections = plan_sections(bars, form, controls.cadence)
    if not controls.form and len(sections) > 1:
        assumed.append(f"form {'rondo' if len(sections) > 8 and form == default_form(bars) else form}")
    _say_rare(style, meter, parts, assumed)
    nobody: Mapping[str, Any] = {"id": 0, "name": ""}
    composer = find_named("composer", controls.composer, composers) if controls.composer else nobody
    minor = key.mode == 1
    return Brief(
        style=str(style.get("name", "")), style_id=int(style.get("id", 0)),
        composer=str(composer["name"]), composer_id=int(composer["id"]),
        key=key, meter=meter, tempo_qpm=tempo, tempo_word=word, bars=bars, sections=sections,
        parts=parts, names=_names(parts),
        density=_level(controls.density, habits.get("density"), DENSITY_EDGES, ("sparse", "dense")),
        register=_level(controls.register, habits.get("register"), REGISTER_EDGES, ("low", "high")),
        dynamic=controls.dynamic or "mf",
        title=controls.title or make_title(str(style.get("name", "")), minor, rng),
        seed=seed, assumed=tuple(assumed),
    )  # fmt: skip


def _form_draws(seed: int) -> np.random.Generator:
    """Its own stream, so that what else a seed decides does not depend on the form."""
    return np.random.Generator(np.random.PCG64([seed, 0x666F_726D]))


def _style(controls: Controls, manifest: Mapping[str, Any], assumed: list[str]) -> Mapping[str, Any]:
    """The style asked for, else the one that fits parts and meter best (the package's default first): drums alone a style of drums,
    and nothing else one."""
    styles: Sequence[Mapping[str, Any]] = manifest.get("styles", ())
    if controls.style:
        found = find_named("style", controls.style, styles)
        if str(found["name"]).lower() != controls.style.lower():
            assumed.append(f"style {found['name']} for {controls.style}")
        return found
    if not styles:
        return {}
    asked = find_parts(controls.parts) if controls.parts else ()
    count, drums = len(asked), bool(asked) and all(p.program == DRUM_PROGRAM for p in asked)
    preferred = str(manifest.get("default_style", ""))

    def fit(style: Mapping[str, Any]) -> tuple[float, ...]:
        habits = style.get("defaults", {})
        same_parts = not count or len(habits.get("parts", ())) == count
        same_meter = not controls.meter or controls.meter in habits.get("meters", {})
        return (drums_only(style) == drums, same_parts, same_meter, style["name"] == preferred, style.get("n", 0))

    best = max(styles, key=fit)
    assumed.append(f"style {best['name']}")
    return best


def _meter(controls: Controls, habits: Mapping[str, Any], assumed: list[str]) -> tuple[int, int]:
    if controls.meter:
        return find_meter(controls.meter)
    meter = tuple(int(n) for n in habits.get("meter", (4, 4)))
    assumed.append(f"meter {meter[0]}/{meter[1]}")
    return meter[0], meter[1]


def _parts(controls: Controls, habits: Mapping[str, Any], assumed: list[str]) -> tuple[Instrument, ...]:
    """Parts asked for, else the style's usual ones in the ranges that its pieces keep."""
    if controls.parts:
        return find_parts(controls.parts)
    listed = habits.get("parts") or (("Piano", 0),)
    ranges = habits.get("ranges") or [()] * len(listed)
    voices = sum(int(program) == VOICE for _, program in listed)
    parts: list[Instrument] = []
    for (name, program), usual in zip(listed, ranges):
        if not name and int(program) == VOICE and usual and voices > 1:
            name = voice_name((usual[0] + usual[1]) / 2)
        part = part_instrument(str(name), int(program))
        parts.append(within(part, *usual) if usual else part)
    assumed.append("for " + ", ".join(_names(tuple(parts))))
    return tuple(parts)


def _names(parts: tuple[Instrument, ...]) -> tuple[str, ...]:
    """Names of the parts, none twice."""
    names = [p.name for p in parts]
    return tuple(names) if len(set(names)) == len(names) else numbered(parts)


def _usual_keys(parts: Sequence[Instrument], minor: bool) -> tuple[str, ...]:
    """Keys that lie well: with open strings for fiddles and guitars, few signs for all others."""
    if all(p.program in _STRINGS for p in parts):
        return ("E minor", "A minor", "B minor", "D minor") if minor else ("D major", "G major", "A major", "C major")
    return _MINOR_KEYS if minor else _MAJOR_KEYS


def _key(
    controls: Controls,
    habits: Mapping[str, Any],
    parts: Sequence[Instrument],
    rng: np.random.Generator,
    assumed: list[str],
) -> Key:
    if controls.key:
        return find_key(controls.key)
    share = float(habits.get("minor_share", habits.get("mode") == "minor"))
    draw = rng.random()
    minor = controls.mode == "minor" if controls.mode else draw < share
    keys = _usual_keys(parts, minor)
    key = find_key(str(keys[int(rng.integers(len(keys)))]))
    if not all(p.program == DRUM_PROGRAM for p in parts):  # drums have none
        assumed.append(f"key {key.name}")
    return key


def _time(
    controls: Controls, habits: Mapping[str, Any], meter: tuple[int, int], assumed: list[str]
) -> tuple[float, str, int]:
    """Tempo in quarters per minute, its word, and the number of bars; two of tempo, bars and seconds give the third."""
    quarters = 4 * meter[0] / meter[1]
    beat = beat_quarters(meter)
    if controls.bars and controls.seconds and controls.tempo_qpm is None:
        tempo = controls.bars * quarters * 60 / controls.seconds
        low, high = controls.tempo_range or (24.0, 300.0)
        if not 0.8 * low * min(beat, 1) <= tempo <= 1.25 * high * max(beat, 1):
            raise ControlError(
                "Bars, seconds and tempo contradict each other",
                expected=f"{controls.bars} bars of {meter[0]}/{meter[1]} at {low:g} to {high:g} beats a minute",
                received=f"{controls.seconds:g} seconds, which would need {tempo / beat:.0f} beats a minute",
                hint="leave one of bars and seconds out",
            )
        assumed.append(f"tempo {tempo_said(tempo, meter)}")
        return tempo, _tempo_word(controls, tempo / beat), int(controls.bars)
    tempo = _tempo(controls, habits, beat)
    if not (controls.bars or controls.seconds or controls.tempo_qpm or controls.tempo_range):
        tempo = _about_a_minute(tempo, habits, quarters, beat)
    if controls.tempo_qpm is None:
        assumed.append(f"tempo {tempo_said(tempo, meter)}")
    bars = int(controls.bars or 0)
    if controls.bars and controls.seconds:
        length = controls.bars * quarters * 60 / tempo
        if abs(length / controls.seconds - 1) > 0.15:
            raise ControlError(
                "Bars, seconds and tempo contradict each other",
                expected=f"about {length:.0f} seconds for {bars} bars at {tempo_said(tempo, meter)}",
                received=f"{controls.seconds:g} seconds",
                hint="leave one of the three out",
            )
    elif controls.seconds:
        bars, tempo = _bars_for(controls.seconds, tempo, quarters, fixed=controls.tempo_qpm is not None)
        assumed.append(f"{bars} bars")
    elif not bars:
        bars = 8 * len(controls.form.replace("'", "")) if controls.form else DEFAULT_BARS
        assumed.append(f"{bars} bars")
    return tempo, _tempo_word(controls, tempo / beat), bars


def _tempo(controls: Controls, habits: Mapping[str, Any], beat: float) -> float:
    if controls.tempo_qpm is not None:
        return float(controls.tempo_qpm)
    usual = float(habits.get("tempo_qpm") or 100 * beat)
    usual = min(max(usual, 44 * beat), 200 * beat)  # sources that give a tempo by habit give some that nobody plays
    if controls.tempo_range is None:
        return beat * round(usual / beat)
    low, high = (x * beat for x in controls.tempo_range)
    inset = (high - low) / 4
    return beat * round(min(max(usual, low + inset), high - inset) / beat)


def _about_a_minute(tempo: float, habits: Mapping[str, Any], quarters: float, beat: float) -> float:
    """The tempo, within the middle half of the style's, at which the default number of bars lasts nearest to a minute."""
    low, high = habits.get("tempo_quartiles") or (tempo, tempo)
    return beat * round(min(max(DEFAULT_BARS * quarters, float(low)), float(high)) / beat)


def _bars_for(seconds: float, tempo: float, quarters: float, *, fixed: bool) -> tuple[int, float]:
    """Bars nearest to a length; whole phrases of four where that costs ≤ 8 %, the tempo giving way unless it is fixed."""
    exact = seconds * tempo / 60 / quarters
    bars = max(1, round(exact))
    phrases = max(4, 4 * round(exact / 4))
    if abs(phrases / exact - 1) <= 0.08:
        bars = phrases
    if bars > MAX_BARS:
        raise ControlError("Too long", expected=f"≤ {MAX_BARS} bars", received=f"{bars} bars for {seconds:g} seconds")
    return bars, tempo if fixed else round(bars * quarters * 60 / seconds, 1)


def beat_quarters(meter: tuple[int, int]) -> float:
    """Quarters of the beat that a tempo word counts: dotted quarter in 6/8, half in 3/2, quarter in 3/4."""
    numerator, denominator = meter
    if denominator >= 8 and numerator % 3 == 0 and numerator > 3:
        return 12 / denominator
    return {1: 4.0, 2: 2.0}.get(denominator, 1.0)


def tempo_said(tempo_qpm: float, meter: tuple[int, int]) -> str:
    """A tempo as the score's mark counts it: "109 dotted quarters a minute" in 6/8."""
    value, dots, quarters = Meter(*meter).beat
    return f"{tempo_qpm / quarters:.0f} {'dotted ' * dots}{'halves' if value == 'half' else value + 's'} a minute"


def _tempo_word(controls: Controls, beats: float) -> str:
    """The word asked for, else the common one whose range has ``beats`` a minute nearest its middle."""
    if controls.tempo_word:
        return controls.tempo_word
    common = ("largo", "adagio", "andante", "moderato", "allegretto", "allegro", "vivace", "presto")
    middle = {TEMPO_WORDS[w].word: (TEMPO_WORDS[w].low + TEMPO_WORDS[w].high) / 2 for w in common}
    return min(middle, key=lambda w: abs(np.log(beats / middle[w])))


def _level(asked: float | str | None, usual: Any, edges: np.ndarray, names: tuple[str, str]) -> int:
    """Class of a density or register; a word moves the style's usual class by two."""
    classes = len(edges) + 1
    if isinstance(asked, str):
        return int(np.clip(int(usual or (classes + 1) // 2) + (-2 if asked == names[0] else 2), 1, classes))
    if asked is not None:
        return level(float(asked), edges)
    return int(usual or 0)


def _say_rare(
    style: Mapping[str, Any], meter: tuple[int, int], parts: tuple[Instrument, ...], assumed: list[str]
) -> None:
    """Names combinations that the style was hardly ever seen in, with their n."""
    habits = style.get("defaults", {})
    ensembles = habits.get("ensembles") or {}
    programs = ",".join(str(p.program) for p in parts)
    counts = [(habits.get("meters"), f"{meter[0]}/{meter[1]}", f"in {meter[0]}/{meter[1]}")]
    if programs in ensembles:
        counts.append((ensembles, programs, "for " + ", ".join(_names(parts))))
    else:
        counts.append((habits.get("part_counts"), str(len(parts)), f"for {len(parts)} part{'s' * (len(parts) != 1)}"))
    for table, key, what in counts:
        if table is not None and (n := int(table.get(key, 0))) < _FEW:
            assumed.append(f"rare: {style['name']} {what} stood in {n} of {style.get('n', '?')} training pieces")
    if ensembles and programs not in ensembles:
        what = f"{style['name']} for {', '.join(_names(parts))}"
        assumed.append(f"rare: {what} is none of the {len(ensembles)} commonest ensembles of its training pieces")
