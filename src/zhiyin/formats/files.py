"""Bytes in and bytes out: bounded reading, and atomic writing as in ``zhiyin.files``. Knows nothing about music."""

from __future__ import annotations

import re
from pathlib import Path

from zhiyin.errors import FormatError, InputError, near_hint, nearest
from zhiyin.files import atomic_path, atomic_write, reason_of

__all__ = ["atomic_path", "atomic_write", "read_bytes"]


def read_bytes(path: str | Path, limit_bytes: int) -> bytes:
    """The bytes of a file that is there, is a file, is not empty and is not larger than ``limit_bytes``."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder", expected="a file", received="a folder", hint="name one file in it")
    try:
        with path.open("rb") as handle:
            data = handle.read(limit_bytes + 1)
    except FileNotFoundError:
        raise InputError(
            f"{path} is not there", expected="a file", received="nothing", hint=_neighbours(path)
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read", expected="a readable file", received=reason_of(error)) from None
    if not data:
        raise FormatError(f"{path} is empty", expected="a score file", received="0 bytes")
    if len(data) > limit_bytes:
        raise FormatError(
            f"{path} is too large",
            expected=f"at most {limit_bytes:,} bytes",
            received=f"{max(path.stat().st_size, len(data)):,} bytes",
            hint="split the file, or raise the limit with limits=",
        )
    return data


def _neighbours(path: Path) -> str:
    """Names near the missing one (a common suffix makes none near), so that a typing error is seen at once."""
    try:
        names = sorted(p.name for p in path.parent.iterdir() if not p.name.startswith("."))[:2000]
    except OSError:
        return f"the folder {path.parent} is not there either"
    stems = nearest(path.stem, sorted({Path(n).stem for n in names}), 3)
    near = sorted((n for n in names if Path(n).stem in stems), key=lambda n: (stems.index(Path(n).stem), Path(n).suffix != path.suffix))[:3]
    if near:
        return "near names there: " + ", ".join(map(repr, near))
    return near_hint("", names, "names there") if names else "its folder is empty"


def file_stem(title: str) -> str:
    """A title as a file name without its suffix: letters, digits and single dashes, at most 60."""
    return re.sub(r"[\W_]+", "-", title).strip("-")[:60] or "piece"
