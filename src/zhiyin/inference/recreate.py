"""A piece made again from its record: the one candidate that was kept, written alone.

The same record, model package, onnxruntime and CPU type give the same notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from zhiyin.errors import RecordError
from zhiyin.formats.recorded import music_of
from zhiyin.inference import arranging
from zhiyin.inference.arranging import VERBS as ARRANGING
from zhiyin.inference.compose import Options, Studio, read_controls, split_options
from zhiyin.inference.continue_ import Further, Wish, with_title
from zhiyin.inference.controls import Controls
from zhiyin.inference.edit import EditOptions, Editor, Music
from zhiyin.inference.edit_verbs import EDITING
from zhiyin.inference.guard import Guard
from zhiyin.inference.original import open_reference
from zhiyin.inference.sampler import Sampler
from zhiyin.provenance.package import Package, file_hash
from zhiyin.score import Score

VERBS = ("compose", "continue", *ARRANGING, *EDITING)
_ELSEWHERE = ("words", "seed", "take", "input", "input_sha256")  # settings that are neither controls nor options


def recreate(record: Mapping[str, Any], package: Package, source: Path | Score | None = None) -> Score:
    """The score that a record leads to. source: what ``continue`` and the editing verbs went on from, a file or a score.

    Raises RecordError for a verb that cannot be made again, settings that are missing, or another input.
    """
    verb, settings = record["verb"], record["settings"]
    if verb not in VERBS:
        raise RecordError(f"What {verb!r} made cannot be made again yet", expected=" or ".join(VERBS), received=repr(verb))
    for name in ("seed", "take"):
        if not isinstance(settings.get(name), int) or isinstance(settings.get(name), bool):
            raise RecordError(
                "The record does not say how to make the piece again", expected=f"settings.{name}, a whole number",
                received=repr(settings.get(name)), hint="it was altered, or its settings were cut off",
            )  # fmt: skip
    if verb == "compose":
        return _composed(record, package)
    if verb in EDITING:
        return _edited(record, package, source)
    return (_arranged if verb in ARRANGING else _continued)(record, package, source)


def _composed(record: Mapping[str, Any], package: Package) -> Score:
    settings = record["settings"]
    given = {k: v for k, v in settings.items() if k not in _ELSEWHERE}
    options, controls = split_options(Options(), given)
    said = read_controls(str(settings.get("words", "")), Controls(**controls), package.manifest)
    guard = Guard(open_reference(package), options.original) if options.original else None
    options = replace(options, check_style=None)  # it chose among takes and changed none
    studio = Studio(Sampler(package), package.manifest, options, said.controls, guard)
    return studio.take(settings["seed"], settings["take"]).score


def _continued(record: Mapping[str, Any], package: Package, source: Path | Score | None) -> Score:
    settings = record["settings"]
    score, name = _input_of(record, source)
    wish = Wish(int(settings.get("bars", 8)), settings.get("style"), settings.get("cadence"), str(settings.get("harmony", "plain")))
    options = Options(**{f.name: settings[f.name] for f in fields(Options) if f.name in settings})
    further = Further(score, wish, package, options)
    found = score
    for take in _takes(settings):
        found = further.write(settings["seed"], [take])[1][0]
        if music_of(found).notes == record["notes"]:
            break
    return with_title(found, name)


def _arranged(record: Mapping[str, Any], package: Package, source: Path | Score | None) -> Score:
    settings = record["settings"]
    score, name = _input_of(record, source)
    wish = arranging.Wish(**{f.name: settings.get(f.name) for f in fields(arranging.Wish)})
    options = Options(**{f.name: settings[f.name] for f in fields(Options) if f.name in settings})
    found = arranging.Arranger(score, wish, package, options).write(settings["seed"], [settings["take"]])[1][0]
    return arranging.with_title(found, name, wish.verb)


def _edited(record: Mapping[str, Any], package: Package, source: Path | Score | None) -> Score:
    settings = record["settings"]
    score, _ = _input_of(record, source)
    options = EditOptions(**{f.name: settings[f.name] for f in fields(EditOptions) if f.name in settings})
    job = EDITING[record["verb"]](Music(score), settings, settings.get("style"))
    return Editor(job, package, options).write(settings["seed"], [settings["take"]])[1][0]


def _takes(settings: Mapping[str, Any]) -> Iterator[int]:
    """The take, then (in records before 2026-11-25, which counted the kept ones) the other candidates."""
    yield settings["take"]
    if "input_sha256" in settings:
        yield from (i for i in range(min(int(settings.get("candidates", 4)), 64)) if i != settings["take"])


def _input_of(record: Mapping[str, Any], source: Path | Score | None) -> tuple[Score, str]:
    """The input's score and file name, after comparing it with what the record says."""
    settings = record["settings"]
    told: Mapping[str, Any] = next(iter(record.get("inputs") or ()), {})
    name = str(told.get("name") or settings.get("input") or "the input")
    digest = told.get("sha256") or settings.get("input_sha256")
    if source is None:
        raise RecordError(
            f"The piece goes on from {name}, which is needed to make it again",
            expected=f"a file with sha256 {str(digest)[:16]}…",
            received="nothing",
            hint="name it with --input",
        )
    if isinstance(source, Score):
        return source, name
    from zhiyin.formats.catalog import load

    score = load(source)
    if digest and file_hash(source) != digest and music_of(score).heard["heard"] != told.get("heard"):
        raise RecordError(
            f"{source.name} is not the file that the piece goes on from",
            expected=f"sha256 {digest[:16]}… ({name})",
            received=f"{file_hash(source)[:16]}…",
        )
    return score, name
