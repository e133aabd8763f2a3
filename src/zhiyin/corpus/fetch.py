"""Bringing a collection to this machine: download with resume, or a local archive; checksum; safe unpacking."""

from __future__ import annotations

import contextlib
import os
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from zhiyin.corpus.archive import extract
from zhiyin.corpus.collections.catalog import collection
from zhiyin.corpus.source import Collection
from zhiyin.errors import CorpusError
from zhiyin.provenance.package import file_hash

BLOCK = 1 << 18
MAX_ARCHIVE_BYTES = 4 * 2**30
TIMEOUT_SECONDS = 30.0
RETRIES = 3
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Fetched:
    """A collection on this machine. ``root``: folder with its unpacked files. resumed: bytes kept from before."""

    name: str
    root: Path
    files: int
    bytes: int
    resumed: int = 0


def fetch(name: str, dest: Path, *, source: str | Path | None = None, progress: Progress | None = None) -> Fetched:
    """Fetches a house collection into ``dest/name``.

    source: a local archive or folder of archives, or a URL; without it the collection's own URL. An interrupted
    download goes on where it stopped. progress(bytes done, bytes in all, 0 = not known).
    """
    wanted = collection(name)
    where = str(source) if source is not None else wanted.url
    if not where:
        raise CorpusError(
            f"{name} has no address to download from",
            expected="a URL or a local archive",
            received="neither",
            hint=f"get {wanted.archive} (made from {wanted.source}) and pass --from FILE",
        )
    dest.mkdir(parents=True, exist_ok=True)
    archive, resumed = _obtain(wanted, where, dest, progress)
    check_archive(wanted, archive)
    files = extract(archive, dest / name)
    size = archive.stat().st_size
    if archive.parent == dest:
        archive.unlink()
    return Fetched(name, dest / name, files, size, resumed)


def _obtain(wanted: Collection, where: str, dest: Path, progress: Progress | None) -> tuple[Path, int]:
    if urllib.parse.urlsplit(where).scheme in {"http", "https"}:
        return download(where, dest / wanted.archive, progress=progress)
    path = Path(where)
    archive = path / wanted.archive if path.is_dir() else path
    if not archive.is_file():
        raise CorpusError(
            f"The archive of {wanted.name} is not there", expected=wanted.archive, received=f"nothing at {archive}"
        )
    if progress:
        progress(archive.stat().st_size, archive.stat().st_size)
    return archive, 0


def check_archive(wanted: Collection, archive: Path) -> None:
    """Raises CorpusError when the archive's SHA-256 is not the collection's."""
    received = file_hash(archive)
    if wanted.sha256 and received != wanted.sha256:
        raise CorpusError(
            f"{archive.name} is not the archive that {wanted.name} was made from",
            expected=f"sha256 {wanted.sha256[:16]}…",
            received=f"{received[:16]}…",
            hint="delete it and fetch it again",
        )


def download(url: str, target: Path, *, progress: Progress | None = None, retries: int = RETRIES) -> tuple[Path, int]:
    """Downloads ``url`` to ``target``, going on from ``target.part`` where one is left; (target, bytes kept)."""
    part = target.with_name(target.name + ".part")
    resumed = part.stat().st_size if part.exists() else 0
    for attempt in range(retries):
        try:
            _download_rest(url, part, progress)
            break
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                raise _download_error(url, f"HTTP {error.code} {error.reason}") from None
            if attempt == retries - 1:
                reason = getattr(error, "reason", None) or error
                raise _download_error(url, str(reason) or type(error).__name__) from None
    os.replace(part, target)
    return target, resumed


def _download_error(url: str, received: str) -> CorpusError:
    return CorpusError(
        f"{url} could not be downloaded",
        expected="the archive",
        received=received,
        hint="run the command again: what has arrived is kept",
    )


def _download_rest(url: str, part: Path, progress: Progress | None) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:
            with contextlib.suppress(OSError):
                part.unlink()
            return _download_rest(url, part, progress)
        raise
    with response:
        if response.status != 206:
            have = 0
        length = int(response.headers.get("Content-Length") or 0)
        total = have + length if length else 0
        if total > MAX_ARCHIVE_BYTES:
            raise _download_error(url, f"{total:,} bytes, more than the {MAX_ARCHIVE_BYTES:,} allowed")
        with part.open("ab" if have else "wb") as out:
            done = _copy(response, out, have, total, progress)
    if total and done < total:
        raise ConnectionError(f"the line was cut at {done:,} of {total:,} bytes")
    return None


def _copy(response: object, out: object, have: int, total: int, progress: Progress | None) -> int:
    done = have
    while block := response.read(BLOCK):  # type: ignore[attr-defined]
        out.write(block)  # type: ignore[attr-defined]
        done += len(block)
        if done > MAX_ARCHIVE_BYTES:
            raise CorpusError("The download does not end", expected=f"≤ {MAX_ARCHIVE_BYTES:,} bytes", received="more")
        if progress:
            progress(done, total)
    return done


def remove(name: str, dest: Path) -> None:
    """Deletes a fetched collection and what is left of its download."""
    wanted = collection(name)
    shutil.rmtree(dest / name, ignore_errors=True)
    for left in (dest / wanted.archive, dest / (wanted.archive + ".part")):
        left.unlink(missing_ok=True)
