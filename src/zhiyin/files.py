"""Atomic writing and the user's data folder: what every room that writes files shares. Knows nothing about music.

A written file is either whole or absent: it is written beside its place under a temporary name and moved there at the
end, also when Ctrl-C comes in between.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from zhiyin.errors import InputError

_ONE_AT_A_TIME = threading.Lock()
# All that zipfile raises for an archive (.mxl, .npz) that is cut off, altered, locked, or packed in a way that it does not know.
DAMAGED_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, KeyError, OSError)


def data_folder() -> Path:
    """The user's data folder: packages, runs, the log, keys, opt-outs. ``ZHIYIN_HOME`` overrides the system's place."""
    home = os.environ.get("ZHIYIN_HOME")
    if home:
        return Path(home)
    import platformdirs  # only asked for when no override is given

    return Path(platformdirs.user_data_dir("zhiyin"))


def atomic_write(path: str | Path, data: bytes | str) -> Path:
    """Writes ``data`` (text as UTF-8) to ``path``, whole or not at all; missing folders above it are made."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)
    return Path(path)


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path in the same folder with the same suffix, for libraries that write to a path themselves.

    On leaving, what was written there is moved to ``path``; on any exception it is removed. InputError where nothing
    can be written.
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
            received=reason_of(error),
            hint="choose another place with --out",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def reason_of(error: Exception) -> str:
    """Why the system refused, in its own words."""
    return getattr(error, "strerror", None) or str(error)


def _umask() -> int:
    """The process' mask. It can only be read by setting it, so one thread does so at a time."""
    with _ONE_AT_A_TIME:
        mask = os.umask(0)
        os.umask(mask)
    return mask
