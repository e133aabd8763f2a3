"""The record of how a piece was made, put into the bytes of a MusicXML file that is not ours."""

from __future__ import annotations

from collections.abc import Mapping
from html import unescape
from xml.sax.saxutils import escape

from zhiyin.formats.musicxml_outline import Node
from zhiyin.provenance.disclosure import SIGN
from zhiyin.provenance.record import MARK, record_text

_AFTER_ENCODING = ("source", "relation", "miscellaneous")


def record_edits(xml: bytes, top: Node, record: Mapping[str, object]) -> list[tuple[int, int, bytes]]:
    """The record as descriptions of the encoding, in the place of an older one of ours."""
    told = [str(record["disclosure"])] if record.get("disclosure") else []
    told.append(MARK + record_text(record))
    new = "".join(f"<encoding-description>{escape(t)}</encoding-description>" for t in told).encode("ascii", "xmlcharrefreplace")
    identification = top.find("identification")
    if identification is None:
        place = next(c.start for c in top.children if c.tag in ("defaults", "credit", "part-list", "part", "measure"))
        return [(place, place, b"<identification><encoding>" + new + b"</encoding></identification>\n  ")]
    encoding = identification.find("encoding")
    if encoding is None:
        later = [c.start for c in identification.children if c.tag in _AFTER_ENCODING]
        return _insert(xml, identification, b"<encoding>" + new + b"</encoding>", later[0] if later else None)
    older = [c for c in encoding.all("encoding-description") if _is_ours(xml[c.inner : c.close])]
    return [(c.start, c.end, b"") for c in older] + _insert(xml, encoding, new)


def _is_ours(text: bytes) -> bool:
    return text.strip().startswith(MARK.encode()) or SIGN in unescape(text.decode("utf-8", "replace"))


def _insert(xml: bytes, node: Node, new: bytes, place: int | None = None) -> list[tuple[int, int, bytes]]:
    """New children of an element, at its end or at a place in it; an empty element gets an end tag."""
    if node.close == node.end:
        return [(node.start, node.end, xml[node.start : node.end - 2] + b">" + new + f"</{node.tag}>".encode())]
    place = node.close if place is None else place
    return [(place, place, new)]
