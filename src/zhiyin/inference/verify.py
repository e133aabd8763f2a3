"""Whether a file is what its record says: the piece is made again and compared, note for note and byte for byte.

Identity is promised where the model package, onnxruntime and the CPU type are those of the record; where they are not, that is
said beside whatever differs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import PackageError, RecordError, ZhiyinError
from zhiyin.formats.catalog import FORMATS, load
from zhiyin.formats.recorded import HAS_NOTES, Found, find_record, heard, kind_of, music_of
from zhiyin.formats.roll_names import pitch_name
from zhiyin.formats.splice import write_score
from zhiyin.inference.recreate import Remade, remake
from zhiyin.provenance.package import Package, list_packages, load_package
from zhiyin.provenance.record import runtime
from zhiyin.provenance.signature import check_signature
from zhiyin.score import Score

MOST_CHANGES = 8  # changed notes that are named; the others are counted


@dataclass
class Verification:
    """What was found. identical: the piece made again is the one in the file, and nothing speaks against it.

    same_bytes: None where the file was not written again. differences: what speaks against it. not_remade: why the piece could
    not be made again (so that nothing is known), "" where it was. remarks: what is odd but changes nothing. signed_by: public
    key, "" = not signed.
    """

    file: str
    found: Found
    identical: bool = False
    same_bytes: bool | None = None
    differences: list[str] = field(default_factory=list)
    not_remade: str = ""
    remarks: list[str] = field(default_factory=list)
    signed_by: str = ""


def verify(
    path: str | Path, *, source: Path | Sequence[Path] | None = None, model: str = "", key: str = "", soundfont: str | None = None
) -> Verification:
    """Makes the piece of a file again from its record and compares.

    source: the file that the piece was made from (for ``blend`` two, in order). model: a package instead of the one that the record names. key: the public key that
    must have signed. soundfont: the one that a sound was made with. Raises RecordError where there is no record.
    """
    path = Path(path)
    found = find_record(path)
    told = Verification(path.name, found, remarks=list(found.remarks))
    _check_signature(told, key)
    kind = kind_of(path)
    score = load(path) if kind in HAS_NOTES else None
    if score is not None:
        _compare_hashes(told, score, kind)
    made = _made_again(told, source, model)
    if made is None:
        return told
    if score is not None:
        _compare_notes(told, score, made.score)
    _compare_bytes(told, path, made, kind, soundfont)
    told.identical = not told.differences
    return told


def _check_signature(told: Verification, key: str) -> None:
    try:
        told.signed_by = check_signature(told.found.record, key)
    except RecordError as problem:
        told.differences.append(str(problem))


def _compare_hashes(told: Verification, score: Score, kind: str) -> None:
    """The file's notes with the hashes in the record; needs no model."""
    record, music = told.found.record, music_of(score)
    known = bool(score.notes["velocity"].any())  # the reader takes some sets of velocities for none (those of abc2midi)
    if record.get("heard") and music.heard["heard"] != record["heard"]:
        told.differences.append("the notes in the file are not those that the record names")
    elif kind == "midi" and known and record.get("velocities") and music.heard["velocities"] != record["velocities"]:
        told.differences.append("the velocities in the file are not those that the record names")


def _made_again(told: Verification, source: Path | Sequence[Path] | None, model: str) -> Remade | None:
    """The piece made again as the record names it, None where that cannot be done (and why is said)."""
    record = told.found.record
    package = _package_of(told, model) if record.get("model_hash") else None
    if told.not_remade:
        return None
    here, then = runtime(), record.get("runtime") or {}
    other = [f"{k} {here[k]} here, {then[k]} then" for k in here if k in then and then[k] != here[k]]
    try:
        made = remake(record, package, source)
    except ZhiyinError as problem:
        told.not_remade = str(problem)
        return None
    if music_of(made.score).notes != record["notes"]:
        why = f"identity is promised for equal ones only: {'; '.join(other)}" if other else "the record was altered"
        told.differences.append(f"made again, the piece has other notes than the record names ({why})")
        return None
    told.remarks += [f"the same notes all the same: {words}" for words in other]
    return made


def _package_of(told: Verification, model: str) -> Package | None:
    """The package that the record names, by name and hash, else any that has the hash."""
    record = told.found.record
    wanted, name = record.get("model_hash"), str(record.get("model"))
    reasons = []
    for candidate in dict.fromkeys([model] if model else [name, *list_packages()]):
        try:
            package = load_package(candidate)
        except PackageError as problem:
            reasons += [str(problem)] if candidate in (name, model) else []
            continue
        if package.hash == wanted:
            return package
        if candidate in (name, model):
            reasons.append(f"the package {candidate} here has the hash {package.hash[:16]}…")
    told.not_remade = f"it needs another model: the record names {name} with the hash {str(wanted)[:16]}…; {'; '.join(reasons)}"
    return None


def _compare_notes(told: Verification, score: Score, made: Score) -> None:
    changes = note_changes(made, score)
    if changes:
        more = f"; {len(changes) - MOST_CHANGES} more" if len(changes) > MOST_CHANGES else ""
        told.differences.append(
            f"{len(changes)} notes changed since it was made: {'; '.join(changes[:MOST_CHANGES])}{more}"
        )


def _compare_bytes(told: Verification, path: Path, made: Remade, kind: str, soundfont: str | None) -> None:
    """Writes the file again by the road that it was written by, and compares; a file that notes cannot be read out of is known
    by its bytes alone."""
    by_notes = kind in HAS_NOTES
    if told.found.origin != "inside" or path.suffix.lower() not in FORMATS or not FORMATS[path.suffix.lower()].write:
        if not by_notes:
            told.differences.append("the file cannot be compared: it has lost its record, and no notes can be read in it")
        return
    options: dict[str, Any] = {"record": told.found.record}
    if kind == "sound":
        options |= {"soundfont": soundfont, "seed": told.found.record["settings"].get("seed", 0)}
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / f"again{path.suffix}"
        write_score(made.score, again, splice=made.splice, **options)
        told.same_bytes = again.read_bytes() == path.read_bytes()
    if told.same_bytes or told.differences:
        return
    if by_notes:
        told.remarks.append(
            "the notes are the same, which is what the record promises; other bytes of the file are not those that are written now"
            " (its layout or metadata changed, or another zhiyin, or a program, wrote it)"
        )
    else:
        told.differences.append(
            f"the record holds, but this {path.suffix} is not the one that is made from it now: it was edited or converted,"
            " or another soundfont or library wrote it"
        )


def note_changes(before: Score, after: Score) -> list[str]:
    """What changed between two scores as they sound, in words: by bar, a note gone, new, or in another's place."""
    old, new = _table(before), _table(after)
    gone, come = sorted(old - new), sorted(new - old)
    bars = before.bars["onset"] / before.ticks_per_quarter
    words = []
    for note in gone:
        match = next((c for c in come if c[0] == note[0] and c[3] == note[3]), None)
        if match:
            come.remove(match)
        words.append((note[0], f"{_where(note, before, bars)}: {_name(note)} {_became(note, match)}"))
    words += [(note[0], f"{_where(note, before, bars)}: {_name(note)} is new") for note in come]
    return [text for _, text in sorted(words)]


def _became(old: tuple[float, float, int, int], new: tuple[float, float, int, int] | None) -> str:
    if new is None:
        return "is gone"
    return f"is {_name(new)} now" if new[2] != old[2] else f"lasts {new[1]:g} quarters now, not {old[1]:g}"


def _table(score: Score) -> set[tuple[float, float, int, int]]:
    """Onset and duration in quarters, pitch, number of the part among those that play, of every sounding note."""
    notes = heard(score)
    part = np.unique(notes["part"], return_inverse=True)[1].reshape(-1)
    times = np.round(np.stack([notes["onset"], notes["duration"]]) / score.ticks_per_quarter, 4)
    return set(zip(*times.tolist(), notes["pitch"].tolist(), part.tolist()))


def _where(note: tuple[float, float, int, int], score: Score, bars: np.ndarray) -> str:
    row = max(int(np.searchsorted(bars, note[0] + 1e-6, side="right")) - 1, 0)
    return f"bar {int(score.bars['number'][row])}, quarter {note[0] - bars[row] + 1:g}"


def _name(note: tuple[float, float, int, int]) -> str:
    return pitch_name(note[2])


def as_dict(told: Verification) -> Mapping[str, Any]:
    """A verification as JSON has it."""
    record = told.found.record
    return {
        "file": told.file, "identical": told.identical, "same_bytes": told.same_bytes, "differences": told.differences, "not_remade": told.not_remade,
        "remarks": told.remarks, "signed_by": told.signed_by, "record_from": told.found.origin, "verb": record["verb"],
        "model": record.get("model"), "seed": record["settings"].get("seed"),
    }  # fmt: skip
