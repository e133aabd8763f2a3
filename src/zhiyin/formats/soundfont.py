"""Which soundfont plays: ours unless another is named. Looks at files and folders; renders nothing.

The order is: what the caller names (``--soundfont``), else the environment variable ZHIYIN_SOUNDFONT, else the font
that comes with zhiyin. Fonts in the system's folders are used only when they are named (``--soundfont FluidR3_GM``),
never because they happen to be there: so that the same score and seed give the same bytes on every machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zhiyin.errors import FormatError, InputError, near_names

VARIABLE = "ZHIYIN_SOUNDFONT"
OWN = Path(__file__).parent.parent / "data" / "zhiyin.sf2"
SUFFIXES = (".sf2", ".sf3")
MAX_BYTES = 2 * 2**30
Origin = Literal["argument", "environment", "system", "own"]


@dataclass(frozen=True, slots=True)
class Soundfont:
    """A soundfont file: where it lies, its name without suffix, and how it was found."""

    path: Path
    name: str
    origin: Origin


def find_soundfont(choice: str | Path | None = None) -> Soundfont:
    """The font that plays: ``choice`` (a path or the name of an installed font), else $ZHIYIN_SOUNDFONT, else ours.

    Raises InputError where the named font is not there, FormatError where it is no usable SF2 file.
    """
    origin: Origin = "argument"
    if choice is None and os.environ.get(VARIABLE, "").strip():
        choice, origin = os.environ[VARIABLE].strip(), "environment"
    if choice is None:
        return _checked(Soundfont(OWN, OWN.stem, "own"))
    named = str(choice)
    if named == OWN.stem:
        return _checked(Soundfont(OWN, OWN.stem, "own"))
    path = Path(named).expanduser()
    if path.is_file():
        return _checked(Soundfont(path, path.stem, origin))
    if not _looks_like_path(named):
        for font in list_soundfonts():
            if named.lower() in (font.name.lower(), font.path.name.lower()):
                return _checked(font)
    raise _not_there(named, origin)


def list_soundfonts() -> list[Soundfont]:
    """Ours first, then every .sf2 and .sf3 file in the system's folders, by folder and name."""
    found = [Soundfont(OWN, OWN.stem, "own")] if OWN.is_file() else []
    return found + [Soundfont(p, p.stem, "system") for p in _system_files()]


def system_folders() -> list[Path]:
    """Where soundfonts usually lie on this system, whether or not the folders exist."""
    home = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME", "") or home / ".local" / "share")
    folders = [Path("/usr/share/sounds/sf2"), Path("/usr/share/sounds/sf3"), Path("/usr/share/soundfonts")]
    folders += [Path("/usr/local/share/soundfonts"), data / "soundfonts", data / "sounds" / "sf2"]
    if sys.platform == "darwin":
        folders += [home / "Library/Audio/Sounds/Banks", Path("/Library/Audio/Sounds/Banks")]
    if sys.platform == "win32":
        folders += [Path("C:/soundfonts")]
    return folders


def _system_files() -> Iterator[Path]:
    for folder in system_folders():
        try:
            files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
        except OSError:
            continue
        yield from files


def _looks_like_path(named: str) -> bool:
    return "/" in named or os.sep in named


def _not_there(named: str, origin: Origin) -> InputError:
    known = [f.name for f in list_soundfonts()]
    where = f" (from {VARIABLE})" if origin == "environment" else ""
    return InputError(
        f"The soundfont {named!r}{where} is not there",
        expected="the path of an .sf2 file, or the name of an installed one",
        received="no such file",
        hint=f"known here: {near_names(named, known)}; leave it out to use our own",
    )


def _checked(font: Soundfont) -> Soundfont:
    """The font again, after a look at its first bytes and its length."""
    try:
        size = font.path.stat().st_size
        with font.path.open("rb") as handle:
            head = handle.read(12)
    except OSError as error:
        raise InputError(
            f"The soundfont {font.path} cannot be read",
            expected="a readable file",
            received=error.strerror or str(error),
        ) from None
    hint = "choose another soundfont, or leave it out to use our own"
    if font.path.suffix.lower() == ".sf3":
        received = "an .sf3 file, whose samples are compressed"
        raise FormatError(f"The soundfont {font.path.name} cannot be played", expected="an SF2 file", received=received,
                          hint="convert it to .sf2, or leave it out to use our own")  # fmt: skip
    if head[:4] != b"RIFF" or head[8:12] != b"sfbk":
        received = f"{size:,} bytes that begin with {head[:4]!r}" if size else "an empty file"
        raise FormatError(
            f"{font.path.name} is no soundfont", expected="an SF2 file (RIFF, sfbk)", received=received, hint=hint
        )
    promised = int.from_bytes(head[4:8], "little") + 8
    if size < promised:
        raise FormatError(f"The soundfont {font.path.name} is cut short", expected=f"{promised:,} bytes",
                          received=f"{size:,} bytes", hint=hint)  # fmt: skip
    if size > MAX_BYTES:
        raise FormatError(f"The soundfont {font.path.name} is too large", expected=f"at most {MAX_BYTES:,} bytes",
                          received=f"{size:,} bytes", hint=hint)  # fmt: skip
    return font
