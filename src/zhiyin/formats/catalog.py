"""All formats in one literal table: suffix, reader, writer, and what the writer cannot hold. ``load`` and ``save``.

Importing this costs nothing: a format's module is imported when a file of it is read or written.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import FormatError, InputError, near_only
from zhiyin.score import NOTE, Part, Score, meter_ticks, regular_bars
from zhiyin.score.repeats import expand_repeats as unfolded

_ROOM = "zhiyin.formats"


@dataclass(frozen=True, slots=True)
class Format:
    """A file format. ``read`` and ``write`` name functions as "module:function", "" where there is none.

    losses: what reading back a written file does not give; ``score`` = nothing comes back. The words are

    * columns of NOTE and BAR (velocity, voice, staff, spelling, grace, number), ``timing``, and kinds of Mark;
    * ``repeats`` (played out), ``unisons`` (one pitch twice at once in one part), ``even velocity`` (one velocity all
      through), ``silent parts``, ``unknown mode`` (becomes major), ``irregular meter`` (the nominal meter of irregular
      bars), ``fine times`` (under 1/24 quarter), ``tempo words``.
    """

    name: str
    read: str = ""
    write: str = ""
    losses: tuple[str, ...] = ()

    def reader(self) -> Callable[..., Score]:
        """The reading function; raises a FormatError where the format is for writing only."""
        if not self.read:
            raise FormatError(
                f"{self.name} can be written but not read",
                expected="one of " + _readable(),
                received=f"a {self.name} file",
            )
        return _function(self.read)

    def writer(self) -> Callable[..., Path]:
        """The writing function; raises a FormatError where the format is for reading only."""
        if not self.write:
            raise FormatError(
                f"{self.name} can be read but not written",
                expected="one of " + _writable(),
                received=f"a {self.name} file",
            )
        return _function(self.write)


MIDI = Format(
    "midi", "midi:read_midi", "midi_write:write_midi",
    ("spelling", "voice", "staff", "grace", "number", "repeats", "unisons", "even velocity", "silent parts",
     "unknown mode", "irregular meter", "timing", "dynamic", "hairpin", "slur", "articulation", "ornament", "fermata",
     "chord", "barline", "tempo words"),
)  # fmt: skip
MUSICXML = Format(
    "musicxml", "musicxml:read_musicxml", "musicxml:write_musicxml",
    ("fine times", "timing", "velocity"),
)  # fmt: skip
KERN = Format("kern", "kern:read_kern")
ABC = Format(
    "abc", "abc:read_abc", "abc:write_abc",
    ("velocity", "voice", "staff", "number", "silent parts", "unknown mode", "fine times", "timing", "pedal"),
)  # fmt: skip
SOUND = Format("sound", "", "sound:write_sound", ("score",))
NOTATION = Format("notation", "", "engraving:write_svg", ("score",))
PICTURE = Format("picture", "", "engraving:write_png", ("score",))

FORMATS: dict[str, Format] = {
    ".mid": MIDI, ".midi": MIDI,
    ".musicxml": MUSICXML, ".xml": MUSICXML, ".mxl": MUSICXML,
    ".krn": KERN,
    ".abc": ABC,
    ".wav": SOUND, ".flac": SOUND, ".ogg": SOUND, ".mp3": SOUND,
    ".svg": NOTATION, ".png": PICTURE,
}  # fmt: skip


def format_of(path: str | Path) -> Format:
    """The format that a path's suffix names; raises a FormatError that lists the known ones."""
    suffix = Path(path).suffix.lower()
    if suffix in FORMATS:
        return FORMATS[suffix]
    raise FormatError(
        f"{path} has an unknown suffix",
        expected="one of " + " ".join(FORMATS),
        received=repr(suffix) if suffix else "none",
        hint=near_only(suffix, FORMATS, "ones", count=3) if suffix else "the suffix chooses the format",
    )


def load(source: Any, *, expand_repeats: bool = False, strict: bool = False) -> Score:
    """A score from a file (path), a symusic score, a music21 stream or a NOTE array (480 ticks a quarter, 4/4).

    Repeats stay as signs unless ``expand_repeats``. A Score comes back as it is. What a reader mends in a damaged file is
    said in ``metadata["mended"]``; with ``strict`` such a file is a FormatError instead.
    """
    score = _from_path(source, strict) if isinstance(source, str | Path) else _from_object(source)
    return unfolded(score) if expand_repeats else score


def save(score: Any, path: str | Path, **options: Any) -> Path:
    """Writes a score (or what has one as ``.score``, as compositions do) in the format that the suffix names.

    ``options`` are those of the format's writer. What carries a ``record`` has it written into the file; what was edited
    (``splice``) goes into a file of the kind that it was read from with only the edited bars changed.
    """
    record, splice = getattr(score, "record", None), getattr(score, "splice", None)
    if splice is not None and not options and splice.fits(path):
        remark = splice.write(path, record=record)
        if remark:
            warnings.warn(remark, stacklevel=2)
        return Path(path)
    score = score if isinstance(score, Score) else getattr(score, "score", score)
    if not isinstance(score, Score):
        raise InputError("This cannot be saved", expected="a Score or a composition", received=type(score).__name__)
    kind = format_of(path)
    write = kind.writer()
    known = [p.name for p in inspect.signature(write).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            raise InputError(
                f"Unknown option {name!r} for {kind.name}",
                expected="one of " + ", ".join(known) if known else "none",
                received=repr(name),
            )
    if record and "record" in known:
        options.setdefault("record", record)
    write(score, path, **options)
    return Path(path)


def content_of(head: bytes) -> str:
    """Name of the format that the first bytes of a file (some hundred) speak of, "" where they do not say."""
    if head[:4] == b"MThd" or (head[:4] == b"RIFF" and head[8:12] == b"RMID"):
        return "midi"
    if head[:4] == b"PK\x03\x04":
        return "musicxml"
    if head[:4] in (b"OggS", b"fLaC") or head[:3] == b"ID3" or (head[:4] == b"RIFF" and head[8:12] == b"WAVE"):
        return "sound"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "picture"
    text = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "ignore").lstrip()
    if text.startswith("<"):
        return "notation" if "<svg" in text else "musicxml"
    if text.startswith(("!!!", "!! ", "**")) or "\n**kern" in text:
        return "kern"
    return "abc" if text.startswith("X:") or "\nX:" in text else ""


def _from_path(source: str | Path, strict: bool) -> Score:
    path = Path(source).expanduser()
    kind = format_of(path)
    read = kind.reader()
    try:
        with path.open("rb") as handle:
            found = content_of(handle.read(512))
    except OSError:
        found = ""  # the reader says what is wrong with the file
    if found and found != kind.name:
        raise FormatError(
            f"{path} does not hold what its suffix says",
            expected=f"{kind.name} for {path.suffix}",
            received=f"what looks like {found}",
            hint="rename it to its true suffix",
        )
    return read(path, strict=True) if strict and "strict" in inspect.signature(read).parameters else read(path)


def _from_object(source: Any) -> Score:
    if isinstance(source, Score):
        return source
    if isinstance(source, np.ndarray) and source.dtype == NOTE:
        return _from_notes(source)
    home = type(source).__module__.partition(".")[0]
    if home == "symusic" and hasattr(source, "dumps_midi"):
        from zhiyin.formats.midi import read_midi

        return read_midi(source.to("tick").dumps_midi())
    if home == "music21":
        from zhiyin.formats.fallback import from_music21

        return from_music21(source)
    raise InputError(
        "This cannot be read as a score",
        expected="a path, a Score, a symusic score, a music21 stream or an array of dtype score.NOTE",
        received=f"{type(source).__module__}.{type(source).__qualname__}",
    )


def _from_notes(notes: np.ndarray) -> Score:
    """A score of 4/4 bars around a NOTE array at 480 ticks a quarter."""
    end = int((notes["onset"].astype(np.int64) + notes["duration"]).max()) if len(notes) else 0
    bars = regular_bars(max(-(-end // meter_ticks(4, 4, 480)), 1), 480)
    parts = (Part(),) * (int(notes["part"].max()) + 1 if len(notes) else 1)
    return Score(notes, bars, parts, 480, metadata={"assumed": "480 ticks a quarter; meter 4/4"})


def _function(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(f"{_ROOM}.{module}"), function)


def _readable() -> str:
    return " ".join(s for s, f in FORMATS.items() if f.read)


def _writable() -> str:
    return " ".join(s for s, f in FORMATS.items() if f.write)
