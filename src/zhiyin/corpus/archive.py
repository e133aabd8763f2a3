"""Safe extraction of .tar.zst, .tar.gz and plain .tar archives: no path leaves the folder, the size is bounded."""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from zhiyin.errors import CorpusError

MAX_BYTES = 8 * 2**30
MAX_FILES = 200_000
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def extract(archive: Path, dest: Path, *, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> int:
    """Unpacks ``archive`` into the new folder ``dest`` (whole or not at all); returns the number of files.

    Only plain files and folders are taken: links and devices are refused, as are absolute paths and "..".
    """
    dest.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{dest.name}.", dir=dest.parent))
    try:
        with _opened(archive) as stream:
            count = _extract_all(stream, staging, archive.name, max_bytes, max_files)
        if dest.exists():
            shutil.rmtree(dest)
        os.replace(staging, dest)
    except (tarfile.TarError, EOFError) as error:
        raise CorpusError(
            f"{archive.name} cannot be unpacked",
            expected="a whole tar archive (.tar.zst, .tar.gz, .tar)",
            received=str(error) or type(error).__name__,
            hint="fetch it again",
        ) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return count


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    with archive.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic == _ZSTD_MAGIC:
            with _zstd_reader(raw, archive.name) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
                yield tar
        else:
            with tarfile.open(fileobj=raw, mode="r|*") as tar:
                yield tar


@contextlib.contextmanager
def _zstd_reader(raw: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    try:
        import zstandard
    except ImportError:
        raise CorpusError(
            f"{name} needs a zstd reader",
            expected="the package zstandard",
            received="it is not installed",
            hint="pip install 'zhiyin[train]'",
        ) from None
    try:
        with zstandard.ZstdDecompressor().stream_reader(raw) as stream:
            yield stream
    except zstandard.ZstdError as error:
        raise CorpusError(
            f"{name} is damaged", expected="a whole .tar.zst archive", received=str(error), hint="fetch it again"
        ) from None


def _extract_all(tar: tarfile.TarFile, staging: Path, name: str, max_bytes: int, max_files: int) -> int:
    count = size = 0
    for member in tar:
        count, size = count + 1, size + max(0, member.size)
        if count > max_files or size > max_bytes:
            raise CorpusError(
                f"{name} unpacks to too much",
                expected=f"at most {max_files:,} entries and {max_bytes:,} bytes",
                received=f"{count:,} entries and {size:,} bytes so far",
            )
        target = _safe_target(member, staging, name)
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        source = tar.extractfile(member)
        if source is None:
            raise CorpusError(f"{name} holds an entry without contents", expected="a file", received=member.name)
        with source, target.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
    return sum(1 for path in staging.rglob("*") if path.is_file())


def _safe_target(member: tarfile.TarInfo, staging: Path, name: str) -> Path:
    pure = PurePosixPath(member.name)
    unsafe = pure.is_absolute() or ".." in pure.parts or "\\" in member.name or ":" in pure.parts[:1]
    if unsafe or not (member.isreg() or member.isdir()):
        raise CorpusError(
            f"{name} holds an entry that is not safe to unpack",
            expected="plain files and folders inside the archive's own folder",
            received=repr(member.name),
        )
    return staging / pure
