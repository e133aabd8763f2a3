"""Bytes in and bytes out: bounded reading and atomic writing, the only place of this room that opens files.

It knows nothing about music. A written file is either whole or absent: it is written beside its place under a
temporary name and moved there at the end, also when Ctrl-C comes in between.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from zhiyin.errors import FormatError, InputError, near_names


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
        raise InputError(f"{path} cannot be read", expected="a readable file", received=_reason(error)) from None
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


def atomic_write(path: str | Path, data: bytes | str) -> Path:
    """Writes ``data`` (text as UTF-8) to ``path``, whole or not at all; missing folders above it are made."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)
    return Path(path)


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path in the same folder with the same suffix, for libraries that write to a path themselves.

    On leaving, what was written there is moved to ``path``; on any exception it is removed.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:40]}.", suffix=path.suffix)
        temporary = Path(name)
        os.close(handle)
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise InputError(
            f"{path} cannot be written",
            expected="a folder with room that may be written to",
            received=_reason(error),
            hint="choose another place with --out",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _neighbours(path: Path) -> str:
    """Names near the missing one, so that a typing error is seen at once."""
    try:
        names = sorted(p.name for p in path.parent.iterdir())[:2000]
    except OSError:
        return f"the folder {path.parent} is not there either"
    return f"near names there: {near_names(path.name, names, count=3)}" if names else "its folder is empty"


def file_stem(title: str) -> str:
    """A title as a file name without its suffix: letters, digits and single dashes, at most 60."""
    return re.sub(r"[\W_]+", "-", title).strip("-")[:60] or "piece"
