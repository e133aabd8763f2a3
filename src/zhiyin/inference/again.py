"""Again: what a file's record tells, done once more with something changed and all else locked.

With bars or parts, those of the piece itself are written anew and the rest stays note for note. Without, the record's own
verb runs again with its own seed and take, and other controls (or another seed).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from zhiyin.errors import ControlError, RecordError
from zhiyin.formats.catalog import load
from zhiyin.formats.recorded import find_record
from zhiyin.inference import arranging
from zhiyin.inference.arranging import Arrangement, Wish, arranged
from zhiyin.inference.compose import Composition, Options, compose
from zhiyin.inference.continue_ import Continuation, continue_, with_title
from zhiyin.inference.controls import over
from zhiyin.inference.edit import Edition, EditOptions, edit, read_music
from zhiyin.inference.edit_verbs import EDITING
from zhiyin.inference.infill import infill_job
from zhiyin.inference.narrowing import Asked
from zhiyin.inference.sampler import Sampler
from zhiyin.inference.words import parse_words
from zhiyin.provenance.package import Package, load_package

_NOT_CHANGED = ("take", "input", "input_sha256")  # settings that are no controls


def again(
    file: str | Path,
    *,
    span: str | None = None,
    parts: Sequence[str | int] = (),
    lock: Sequence[str] = (),
    source: str | Path | None = None,
    model: str | Path | Package | None = None,
    seed: int | None = None,
    options: EditOptions | None = None,
    sampler: Sampler | None = None,
    **changes: Any,
) -> Composition | Continuation | Arrangement | Edition:
    """Runs the record of a file again. span, parts, lock: only these bars and parts, of the piece as it is in the file.

    changes: controls of the record's verb (key="G minor", bars=16, keep="contour", for_="piano" …); they win over what the
    record's words and controls said. seed: another one; where nothing else
    is said, one is drawn. source: the file that was edited, where the verb had one. model: the record's own by default.
    Raises RecordError where there is no record, or one that cannot be run again, and ControlError for unknown controls.
    """
    file = Path(file)
    record = find_record(file).record
    package = model if isinstance(model, Package) else load_package(model or str(record.get("model") or "default"))
    changes = {_spelled(name): value for name, value in changes.items() if value is not None}
    if span or parts or lock:
        return _in_place(file, record, {"span": span, "parts": list(parts), "lock": list(lock)}, changes, package, seed, options, sampler)
    if not changes and seed is None:
        seed = secrets.randbelow(2**31)
    settings = dict(record["settings"])
    if record["verb"] == "compose":
        settings = _without_what_is_said_anew(settings, changes, package)
    settings |= changes | ({} if seed is None else {"seed": seed})
    return _run(record["verb"], settings, source, package, sampler)


def _spelled(name: str) -> str:
    """The name of a control as Python says it."""
    name = name.replace("-", "_")
    return {"for": "for_", "tempo": "tempo_qpm"}.get(name, name)


def _without_what_is_said_anew(settings: dict[str, Any], changes: Mapping[str, Any], package: Package) -> dict[str, Any]:
    """Settings of ``compose`` without what the changes say otherwise; words that say it become the controls that are left."""
    words = str(settings.get("words", ""))
    spoken = parse_words(words, package.manifest.get("styles", ()), package.manifest.get("composers", ())).controls.said()
    gone = {name for change in changes for name in over(change)}
    if gone & spoken.keys():
        settings = {**spoken, **settings, "words": ""}
    return {name: value for name, value in settings.items() if name not in gone}


def _in_place(
    file: Path, record: Mapping[str, Any], where: Mapping[str, Any], changes: dict[str, Any], package: Package,
    seed: int | None, options: EditOptions | None, sampler: Sampler | None,
) -> Edition:  # fmt: skip
    """Bars of the piece in the file written anew under the controls of its record."""
    known = {f.name for f in fields(Asked)} | {"style"}
    unknown = sorted(set(changes) - known)
    if unknown:
        raise ControlError(
            "This cannot be changed for some bars alone", expected=", ".join(sorted(known)), received=", ".join(unknown),
            hint="leave the bars out to change it for the whole piece",
        )  # fmt: skip
    before = {k: v for k, v in record["settings"].items() if k in ("scale", "ranges", "style") and v}
    style = changes.pop("style", None) or before.pop("style", None)
    asked = Asked.of({**before, **changes})
    job = infill_job(read_music(file), {**where, **asked.said()}, style)
    return edit(replace(job, told={**job.told, "again": record["verb"]}), model=package, seed=seed, options=options, sampler=sampler)


def _run(
    verb: str, settings: Mapping[str, Any], source: str | Path | None, package: Package, sampler: Sampler | None
) -> Composition | Continuation | Arrangement | Edition:
    """One take of a verb under settings."""
    given = {k: v for k, v in settings.items() if k not in _NOT_CHANGED}
    if verb == "compose":
        given |= {"takes": 1, "candidates": 1}
        return compose(str(given.pop("words", "")), model=package, sampler=sampler, take=settings["take"], **given)
    if source is None:
        raise RecordError(
            f"What {verb} made goes on from another file, which is needed to make it again",
            expected="that file", received="nothing", hint="name it with --input",
        )  # fmt: skip
    if verb == "continue":
        chosen = Options(**{f.name: given.pop(f.name) for f in fields(Options) if f.name in given})
        further = continue_(load(source), model=package, options=replace(chosen, takes=1), sampler=sampler, **given)
        titled = tuple(replace(p, score=with_title(p.score, Path(source).name)) for p in further.pieces)
        return Continuation(titled, further.report)
    if verb in arranging.VERBS:
        return _arranged(verb, given, source, package, sampler)
    if verb not in EDITING or given.get("method") == "latent":
        raise RecordError(
            f"What {verb!r} made cannot be run again yet", expected=", ".join(("compose", "continue", *arranging.VERBS, *EDITING)),
            received=repr(verb), hint=f"run zhiyin {verb} itself",
        )  # fmt: skip
    options = EditOptions(**{f.name: given[f.name] for f in fields(EditOptions) if f.name in given})
    own = {k: v for k, v in given.items() if k not in EditOptions.__dataclass_fields__}
    known = {"span", "parts", "lock", "style", "seed", *(f.name for f in fields(Asked)), *(("keep", "amount") if verb == "vary" else ())}
    _refuse_unknown(own, known)
    job = EDITING[verb](read_music(source), own, given.get("style"))
    return edit(job, model=package, seed=settings["seed"], options=replace(options, takes=1), sampler=sampler)


def _arranged(verb: str, given: dict[str, Any], source: str | Path, package: Package, sampler: Sampler | None) -> Arrangement:
    """What harmonise, accompany or arrange makes of a file under the settings of a record."""
    seed = given.pop("seed")
    given.pop("verb", None)
    _refuse_unknown(given, {*arranging.WISHES, *Options.__dataclass_fields__})
    if not given.get("chords"):
        given.pop("chords", None)  # no chart: the options of ``compose`` say False
    wishes = {name: given.pop(name) for name in arranging.WISHES if name in given}
    options = replace(Options(**given), takes=1)
    made = arranged(load(source), Wish(verb, **wishes), model=package, seed=seed, options=options, sampler=sampler)
    titled = tuple(replace(p, score=arranging.with_title(p.score, Path(source).name, verb)) for p in made.pieces)
    return Arrangement(titled, made.report)


def _refuse_unknown(given: Mapping[str, Any], known: set[str]) -> None:
    """ControlError for a control that a verb does not have."""
    unknown = sorted(given.keys() - known)
    if unknown:
        raise ControlError("Unknown control", expected=", ".join(sorted(known)), received=", ".join(unknown))
