"""Bytes of a .musicxml, .xml or .mxl file -> its XML tree, defended against bombs, entities and outside references."""

from __future__ import annotations

import io
import zipfile
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from zhiyin.errors import FormatError
from zhiyin.files import DAMAGED_ARCHIVE

MAX_ENTRIES = 1_000
MAX_RATIO = 400
_HINT = "export the score again from the notation program"


def score_tree(data: bytes, name: str, limit_bytes: int) -> Element:
    """The root element (score-partwise or score-timewise), tags without namespace."""
    if data[:2] == b"PK":
        data = unpacked(data, name, limit_bytes)[1]
    if len(data) > limit_bytes:
        raise _too_large(name, limit_bytes, f"{len(data):,} bytes")
    root = _tree(data, name)
    if root.tag.startswith("{"):
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
    if root.tag not in ("score-partwise", "score-timewise"):
        raise FormatError(
            f"{name} is not a MusicXML score",
            expected="<score-partwise> or <score-timewise>",
            received=f"<{root.tag[:40]}>",
        )
    return root


def _tree(data: bytes, name: str) -> Element:
    """A DOCTYPE is accepted and never fetched; entity declarations are refused, also those of an inner DTD."""
    try:
        return fromstring(data, forbid_dtd=False, forbid_entities=True, forbid_external=True)
    except DefusedXmlException as problem:
        raise FormatError(
            f"{name} declares XML entities, which MusicXML does not need", expected="a plain MusicXML file",
            received=type(problem).__name__, hint="do not trust this file",
        ) from None  # fmt: skip
    except (ParseError, ValueError, LookupError) as problem:
        raise FormatError(
            f"{name} is not well-formed XML", expected="a whole MusicXML file", received=str(problem)[:120], hint=_HINT
        ) from None


def _too_large(name: str, limit_bytes: int, received: str) -> FormatError:
    return FormatError(
        f"{name} is too large when unpacked", expected=f"at most {limit_bytes:,} bytes", received=received,
        hint="split the score, or raise the limit with limits=",
    )  # fmt: skip


def unpacked(data: bytes, name: str, limit_bytes: int) -> tuple[str, bytes]:
    """The score in an .mxl archive: its path there and its bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if len(archive.infolist()) > MAX_ENTRIES:
                raise FormatError(
                    f"{name} holds too many files", expected=f"≤ {MAX_ENTRIES}", received=str(len(archive.infolist()))
                )
            path = _root_file(archive, name)
            return path, _entry(archive, path, name, limit_bytes)
    except DAMAGED_ARCHIVE as problem:
        reason = str(problem)[:120] or type(problem).__name__
        raise FormatError(
            f"{name} is a damaged archive", expected="a whole .mxl file", received=reason, hint=_HINT
        ) from None


def _root_file(archive: zipfile.ZipFile, name: str) -> str:
    """The score's path in the archive: as META-INF/container.xml says, else the only .musicxml or .xml file."""
    names = archive.namelist()
    if "META-INF/container.xml" in names:
        container = _tree(_entry(archive, "META-INF/container.xml", name, 1 << 20), name)
        listed = [e.get("full-path", "") for e in container.iter() if e.tag.rpartition("}")[2] == "rootfile"]
        found = [path for path in listed if path in names]
        if found:
            return found[0]
    plain = [n for n in names if n.lower().endswith((".musicxml", ".xml")) and not n.startswith("META-INF")]
    if not plain:
        raise FormatError(f"{name} holds no score", expected="a .musicxml file inside", received=", ".join(names[:5]))
    return plain[0]


def _entry(archive: zipfile.ZipFile, path: str, name: str, limit_bytes: int) -> bytes:
    """One file of the archive; neither what its header says nor what comes out may pass the limits."""
    info = archive.getinfo(path)
    if info.file_size > limit_bytes:
        raise _too_large(name, limit_bytes, f"{info.file_size:,} bytes")
    if info.file_size > MAX_RATIO * max(info.compress_size, 1) and info.file_size > 1 << 20:
        raise _too_large(
            name, limit_bytes, f"{info.file_size // max(info.compress_size, 1)} bytes from each packed one"
        )
    with archive.open(info) as stream:
        data = stream.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise _too_large(name, limit_bytes, f"more than {limit_bytes:,} bytes")
    return data
