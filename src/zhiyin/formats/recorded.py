"""Records in files: reading one out of any format that zhiyin writes, stamping pictures, and the notes a record names.

Metadata of other programs is passed over; a record of ours that is damaged is an error. Where a file has lost its record,
the side file beside it is asked, then the log, by the file's hash and by its notes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import FormatError, InputError, RecordError, ZhiyinError
from zhiyin.files import atomic_write
from zhiyin.formats.catalog import content_of, load
from zhiyin.formats.files import read_bytes
from zhiyin.formats.limits import LIMITS
from zhiyin.formats.midi_bytes import record_in
from zhiyin.formats.midi_write import sounding_notes
from zhiyin.formats.raster import png_text, with_png_text
from zhiyin.formats.svg import RECORD_ID, parse_svg, plain, tag
from zhiyin.provenance.log import read_log
from zhiyin.provenance.package import file_hash
from zhiyin.provenance.record import (
    MARK,
    SIDE_ONLY,
    Music,
    heard_hashes,
    notes_hash,
    parse_record,
    read_side_file,
    record_text,
    side_path,
)
from zhiyin.score import Score
from zhiyin.score.repeats import expand_repeats

HAS_NOTES = ("midi", "musicxml", "abc", "kern")  # formats that notes can be read out of


@dataclass(frozen=True)
class Found:
    """A record and where it was: ``inside`` the file, ``beside`` it, or in the ``log``.

    written: when, where the side file or the log says so. remarks: what is odd, in words. entry: the log's line.
    """

    record: dict[str, Any]
    origin: str
    written: str = ""
    remarks: tuple[str, ...] = ()
    entry: Mapping[str, Any] = field(default_factory=dict)


def heard(score: Score) -> np.ndarray:
    """The NOTE array of a score as it sounds: repeats played out, graces before the beat, no overlap of one pitch."""
    return sounding_notes(expand_repeats(score))


def music_of(score: Score) -> Music:
    """The hashes by which a record names the notes of a score."""
    return Music(
        notes_hash(score.notes, score.ticks_per_quarter), heard_hashes(heard(score), score.ticks_per_quarter)
    )


def record_inside(path: str | Path) -> dict[str, Any] | None:
    """The record that a file carries, None where it carries none. Raises RecordError where ours is damaged."""
    path = Path(path)
    text = _text_inside(path)
    return parse_record(text, path.name) if text else None


def find_record(path: str | Path) -> Found:
    """The record of a file: from inside, from its side file, or from the log. Raises RecordError where none knows it."""
    path = Path(path)
    remarks: list[str] = []
    inside = beside = None
    try:
        inside = record_inside(path)
    except RecordError as problem:
        remarks.append(str(problem))
    try:
        beside = read_side_file(path)
    except RecordError as problem:
        remarks.append(str(problem))
    written = str((beside or {}).get("written", ""))
    kept = {k: v for k, v in (beside or {}).items() if k not in SIDE_ONLY}
    if inside and beside and record_text(inside) != record_text(kept):
        names = sorted(k for k in {*inside, *kept} if inside.get(k) != kept.get(k))
        remarks.append(f"the record inside and {side_path(path).name} differ in {', '.join(names)}: one was altered")
    if inside:
        return Found(inside, "inside", written, tuple(remarks))
    if beside:
        return Found(kept, "beside", written, tuple(remarks))
    return _from_log(path, remarks)


def origin_of(path: str | Path) -> dict[str, Any] | None:
    """The record of a file from inside or beside it, None where there is none that can be read."""
    for look in (record_inside, read_side_file):
        try:
            found = look(Path(path))
        except ZhiyinError:
            continue
        if found:
            return {k: v for k, v in found.items() if k not in SIDE_ONLY}
    return None


def converted(record: Mapping[str, Any], source: Path, done: Mapping[str, Any]) -> dict[str, Any]:
    """A record that goes on into another format: which file was converted, and what was done to its notes."""
    step = {"from": source.name, "sha256": file_hash(source), **{k: v for k, v in done.items() if v}}
    return {**record, "converted": [*record.get("converted", ()), step]}


def kind_of(path: Path) -> str:
    """The name of a file's format by its first bytes, "" for none that we know."""
    with path.open("rb") as handle:
        return content_of(handle.read(512))


def stamp(path: Path, record: Mapping[str, Any]) -> None:
    """Puts a record into an SVG or PNG that has none; other files stay as they are."""
    data = path.read_bytes()
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        atomic_write(path, with_png_text(data, MARK.rstrip(":"), record_text(record)))
    elif path.suffix.lower() == ".svg":
        told = f'<metadata id="{RECORD_ID}">{plain(record_text(record))}</metadata>'
        atomic_write(path, re.sub(r"<svg\b[^>]*>", lambda m: m[0] + told, data.decode("utf-8"), count=1))


def _from_log(path: Path, remarks: list[str]) -> Found:
    digest, music = file_hash(path), None
    try:
        if kind_of(path) in HAS_NOTES:
            music = music_of(load(path))
    except ZhiyinError as problem:
        remarks.append(f"its notes cannot be read: {problem}")

    def is_it(entry: Mapping[str, Any]) -> bool:
        record = entry["record"]
        known = any(f.get("sha256") == digest for f in entry["files"])
        return known or (music is not None and _names(record, music))

    found = read_log(1, keep=is_it)
    if not found.entries:
        told = f" ({'; '.join(remarks)})" if remarks else ""
        raise RecordError(
            f"{path.name} has no record of zhiyin",
            expected=f"a record inside, {side_path(path).name} beside it, or a line of the log with its notes",
            received=f"none of these{told}",
            hint="it was made by somebody else, elsewhere, or its notes were changed after its record was lost",
        )
    entry = found.entries[0]
    record = parse_record(record_text(entry["record"]), "the log")
    return Found(record, "log", str(entry.get("written", "")), tuple(remarks), entry)


def _names(record: Mapping[str, Any], music: Music) -> bool:
    """Whether a record is known by these notes: not that of chords, whose notes are those of the file that was given."""
    if record.get("verb") == "chords":
        return False
    return record.get("heard") == music.heard["heard"] or record.get("notes") == music.notes


def _text_inside(path: Path) -> str:
    """The text of the record in a file, unchecked; "" where there is none."""
    data = read_bytes(path, LIMITS["midi"].bytes) if path.suffix.lower() not in _SOUNDS else b""
    kind = content_of(data[:512]) if data else "sound"
    if kind == "midi":
        return record_in(data)
    if kind == "musicxml":
        return _in_musicxml(data, path.name)
    if kind == "notation":
        return _in_svg(data, path.name)
    if kind == "picture":
        return png_text(data, MARK.rstrip(":"))
    if kind == "sound":
        return _in_sound(path)
    if kind == "abc" or (not kind and path.suffix.lower() == ".abc"):
        lines = data.decode("utf-8", "replace").splitlines()
        return next((s.removeprefix("%" + MARK) for s in lines if s.startswith("%" + MARK)), "")
    return ""


_SOUNDS = (".wav", ".flac", ".ogg", ".mp3")  # read by their headers, however long they are


def _in_musicxml(data: bytes, name: str) -> str:
    from zhiyin.formats.musicxml_parse import score_tree

    root = score_tree(data, name, LIMITS["musicxml"].bytes)
    told = [e.text or "" for e in root.iterfind("identification/encoding/encoding-description")]
    found = next((t.strip().removeprefix(MARK) for t in told if t.strip().startswith(MARK)), "")
    extra = root.iterfind("identification/miscellaneous/miscellaneous-field")
    return found or next((e.text or "" for e in extra if e.get("name") == "zhiyin"), "")


def _in_svg(data: bytes, name: str) -> str:
    try:
        root = parse_svg(data.decode("utf-8", "replace"))
    except FormatError as problem:
        raise InputError(f"{name} cannot be read", expected="an SVG drawing", received=problem.received) from None
    for element in root.iter(tag("metadata")):
        text = (element.text or "").strip()
        if element.get("id") == RECORD_ID or (text.startswith("{") and '"format": "record/' in text):
            return text
    return ""


def _in_sound(path: Path) -> str:
    """From the comment tag, whose first words say that it is ours; in WAV from a text of its own (or, once, the comment)."""
    import soundfile

    from zhiyin.formats.sound import COMMENT_HEAD, RECORD_WORD, WAV_RECORD
    from zhiyin.formats.sound_tags import wav_info
    from zhiyin.provenance.disclosure import SIGN

    if not path.is_file():
        read_bytes(path, 1)
    try:
        with soundfile.SoundFile(path) as sound:
            comment = sound.copy_metadata().get("comment", "")
    except (soundfile.SoundFileError, OSError) as problem:
        raise FormatError(
            f"{path.name} cannot be read", expected="a WAV, FLAC, Ogg or MP3 file", received=str(problem)[:120].rstrip(".")
        ) from None
    if path.suffix.lower() == ".wav":
        found = wav_info(path, WAV_RECORD)
        if found:
            return found
        comment = wav_info(path, b"ICMT")
    head, _, text = comment.partition(RECORD_WORD)
    return text if head.startswith(COMMENT_HEAD) or SIGN in head else ""
