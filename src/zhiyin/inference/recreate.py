"""A piece made again from its record: the one candidate that was kept, written alone.

The same record, model package, onnxruntime and CPU type give the same notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NoReturn

from zhiyin.errors import RecordError
from zhiyin.formats.catalog import load
from zhiyin.formats.recorded import music_of
from zhiyin.formats.splice import Splice
from zhiyin.inference import arranging
from zhiyin.inference.arranging import VERBS as ARRANGING
from zhiyin.inference.bars import bars_take
from zhiyin.inference.chords import chords
from zhiyin.inference.compose import Options, Studio, read_controls, split_options
from zhiyin.inference.continue_ import Further, Wish, with_title
from zhiyin.inference.controls import Controls
from zhiyin.inference.edit import EditOptions, Editor, Music, read_music
from zhiyin.inference.edit_verbs import EDITING
from zhiyin.inference.guard import Guard
from zhiyin.inference.latent import Neighbourhood, Way, blend_title, varied_title
from zhiyin.inference.original import open_reference
from zhiyin.inference.sampler import Sampler
from zhiyin.provenance.package import Package, file_hash
from zhiyin.score import Score

_ELSEWHERE = ("words", "seed", "take", "input", "input_sha256")  # settings that are neither controls nor options
Given = Path | Score


@dataclass(frozen=True)
class Remade:
    """A piece made again. splice: how it goes into the file that was edited; None where its file is written whole."""

    score: Score
    splice: Splice | None = None


@dataclass(frozen=True)
class _Asked:
    """A record that is to be carried out: its settings, its package (None: it needs none), and what it was made from."""

    record: Mapping[str, Any]
    package: Package
    given: Sequence[Given]

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that determines the piece."""
        settings: Mapping[str, Any] = self.record["settings"]
        return settings

    @property
    def options(self) -> Options:
        """The options of ``compose`` among the settings."""
        return Options(**{f.name: self.settings[f.name] for f in fields(Options) if f.name in self.settings})

    def number(self, name: str) -> int:
        """A setting that is a whole number. Raises RecordError."""
        value = self.settings.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            _cut_off(f"settings.{name}, a whole number", repr(value))
        return value  # type: ignore[no-any-return]

    def need(self, *names: str) -> None:
        """RecordError unless the settings have these."""
        missing = [n for n in names if n not in self.settings]
        if missing:
            _cut_off(", ".join(f"settings.{n}" for n in names), f"none of {', '.join(missing)}")

    def input(self, number: int = 0) -> tuple[Score, str]:
        """The score and the file name of an input, after comparing it with what the record says."""
        told = self._told(number)
        name = str(told.get("name") or self.settings.get("input") or "the input")
        digest = told.get("sha256") or self.settings.get("input_sha256")
        if len(self.given) <= number:
            raise RecordError(
                f"The piece goes on from {name}, which is needed to make it again",
                expected=f"a file with sha256 {str(digest)[:16]}…",
                received="nothing",
                hint="name it with --input",
            )
        source = self.given[number]
        if isinstance(source, Score):
            return source, name
        score = load(source)
        if digest and file_hash(source) != digest and music_of(score).heard["heard"] != told.get("heard"):
            raise RecordError(
                f"{source.name} is not the file that the piece goes on from",
                expected=f"sha256 {digest[:16]}… ({name})",
                received=f"{file_hash(source)[:16]}…",
            )
        return score, name

    def same_file(self, number: int = 0) -> bool:
        """Whether an input is, byte for byte, the file that the record names."""
        source = self.given[number]
        return isinstance(source, Path) and file_hash(source) == self._told(number).get("sha256")

    def _told(self, number: int) -> Mapping[str, Any]:
        inputs = self.record.get("inputs") or ()
        return inputs[number] if number < len(inputs) else {}


def _cut_off(expected: str, received: str) -> NoReturn:
    raise RecordError(
        "The record does not say how to make the piece again", expected=expected, received=received,
        hint="it was altered, or its settings were cut off",
    )  # fmt: skip


def recreate(record: Mapping[str, Any], package: Package | None, source: Given | Sequence[Given] | None = None) -> Score:
    """The score that a record leads to: see ``remake``."""
    return remake(record, package, source).score


def remake(record: Mapping[str, Any], package: Package | None, source: Given | Sequence[Given] | None = None) -> Remade:
    """What a record leads to. source: what the verb went on from, a file or a score (two for ``blend``, in order).

    Raises RecordError for a verb that cannot be made again, settings that are missing, or another input.
    """
    verb = record["verb"]
    if verb not in _ROADS:
        raise RecordError(f"What {verb!r} made cannot be made again yet", expected=" or ".join(_ROADS), received=repr(verb))
    given = () if source is None else (source,) if isinstance(source, Path | Score) else tuple(source)
    found = _ROADS[verb](_Asked(record, package, given))  # type: ignore[arg-type]  # only chords has no package
    return found if isinstance(found, Remade) else Remade(found)


def _composed(asked: _Asked) -> Score:
    settings, package, seed, take = asked.settings, asked.package, asked.number("seed"), asked.number("take")
    if "kinship" in settings:
        asked.need("bars", "meter", "tempo_qpm")
        return bars_take(package, settings, take)
    given = {k: v for k, v in settings.items() if k not in _ELSEWHERE}
    options, controls = split_options(Options(), given)
    said = read_controls(str(settings.get("words", "")), Controls(**controls), package.manifest)
    guard = Guard(open_reference(package), options.original) if options.original else None
    options = replace(options, check_style=None)  # it chose among takes and changed none
    studio = Studio(Sampler(package), package.manifest, options, said.controls, guard)
    return studio.take(seed, take).score


def _continued(asked: _Asked) -> Score:
    settings, seed = asked.settings, asked.number("seed")
    asked.number("take")
    score, name = asked.input()
    wish = Wish(int(settings.get("bars", 8)), settings.get("style"), settings.get("cadence"), str(settings.get("harmony", "plain")))
    further = Further(score, wish, asked.package, asked.options)
    found = score
    for take in _takes(settings):
        found = further.write(seed, [take])[1][0]
        if music_of(found).notes == asked.record["notes"]:
            break
    return with_title(found, name)


def _takes(settings: Mapping[str, Any]) -> Iterator[int]:
    """The take, then (in records before 2026-11-25, which counted the kept ones) the other candidates."""
    yield settings["take"]
    if "input_sha256" in settings:
        yield from (i for i in range(min(int(settings.get("candidates", 4)), 64)) if i != settings["take"])


def _arranged(asked: _Asked) -> Score:
    seed, take = asked.number("seed"), asked.number("take")
    score, name = asked.input()
    wish = arranging.Wish(asked.record["verb"], **{n: asked.settings.get(n) for n in arranging.WISHES})
    found = arranging.Arranger(score, wish, asked.package, asked.options).write(seed, [take])[1][0]
    return arranging.with_title(found, name, wish.verb)


def _edited(asked: _Asked) -> Remade:
    settings, seed, take = asked.settings, asked.number("seed"), asked.number("take")
    score, _ = asked.input()
    if settings.get("method") == "latent":
        asked.need("amount", "more", "less", "part", "temperature")
        name = str(asked.record["inputs"][0].get("name", ""))
        return Remade(Neighbourhood(score, asked.package, settings).take(take).replace(metadata={"title": varied_title(name)}))
    options = EditOptions(**{f.name: settings[f.name] for f in fields(EditOptions) if f.name in settings})
    source = asked.given[0]
    music = read_music(source) if isinstance(source, Path) and asked.same_file() else Music(score)
    editor = Editor(EDITING[asked.record["verb"]](music, settings, settings.get("style")), asked.package, options)
    found = editor.write(seed, [take])[1][0]
    return Remade(found, editor.splice(found))


def _blended(asked: _Asked) -> Score:
    settings, step = asked.settings, asked.number("step")
    asked.number("seed")
    asked.need("steps", "meter", "part", "temperature")
    (a, first), (b, second) = asked.input(0), asked.input(1)
    numerator, denominator = settings["meter"]
    way = Way(a, b, asked.package, (int(numerator), int(denominator)), settings["part"])
    return way.step(step, settings)[1].replace(metadata={"title": blend_title((first, second), step, asked.number("steps"))})


def _chorded(asked: _Asked) -> Score:
    score, _ = asked.input()
    return chords(score, melody=asked.settings.get("melody"), lead_sheet=bool(asked.settings.get("lead_sheet"))).score


_ROADS: dict[str, Callable[[_Asked], Score | Remade]] = {
    "compose": _composed,
    "continue": _continued,
    **dict.fromkeys(ARRANGING, _arranged),
    **dict.fromkeys(EDITING, _edited),
    "blend": _blended,
    "chords": _chorded,
}
