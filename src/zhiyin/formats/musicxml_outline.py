"""Where the elements of an XML document stand in its bytes, down to the children of measures.

Knows nothing of music: a document can be changed at these places with every other byte left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from zhiyin.errors import FormatError

DEPTH = 4  # root, part, measure, note


@dataclass
class Node:
    """An element: ``start``..``end`` in the bytes, ``inner``..``close`` between its tags (equal where it is empty)."""

    tag: str
    start: int
    inner: int = 0
    close: int = 0
    end: int = 0
    children: list[Node] = field(default_factory=list)

    def find(self, tag: str) -> Node | None:
        """The first child of a tag."""
        return next((c for c in self.children if c.tag == tag), None)

    def all(self, tag: str) -> Iterator[Node]:
        """The children of a tag."""
        return (c for c in self.children if c.tag == tag)


def outline(data: bytes) -> Node:
    """The elements of a document (UTF-8 or another encoding that contains ASCII) down to ``DEPTH``."""
    parser = expat.ParserCreate()
    stack: list[Node] = []
    tops: list[Node] = []
    depth = 0

    def begin(tag: str, _: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH:
            return
        node = Node(tag, parser.CurrentByteIndex)
        (stack[-1].children if stack else tops).append(node)
        stack.append(node)

    def finish(tag: str) -> None:
        nonlocal depth
        depth -= 1
        if depth >= DEPTH:
            return
        _close(data, stack.pop(), parser.CurrentByteIndex, tag)

    parser.StartElementHandler, parser.EndElementHandler = begin, finish
    try:
        parser.Parse(data, True)
    except expat.ExpatError as problem:
        raise FormatError("The file is not well-formed XML", expected="MusicXML", received=str(problem)) from None
    return tops[0]


def _close(data: bytes, node: Node, at: int, tag: str) -> None:
    """Where an element ends, from what the parser says: the place of its end tag, or the one behind an empty element."""
    node.inner = _tag_end(data, node.start)
    if data[node.inner - 2 : node.inner] == b"/>":
        node.close = node.end = node.inner
    else:
        node.close, node.end = at, data.index(b">", at) + 1


def _tag_end(data: bytes, start: int) -> int:
    """The place behind a start tag."""
    quote = 0
    for at in range(start, len(data)):
        byte = data[at]
        if quote:
            quote = 0 if byte == quote else quote
        elif byte in b"\"'":
            quote = byte
        elif byte == 0x3E:
            return at + 1
    raise FormatError("The file is not well-formed XML", expected="a whole tag", received=repr(data[start : start + 40]))


def changed(data: bytes, edits: Iterable[tuple[int, int, bytes]]) -> bytes:
    """The bytes with stretches (start, end) replaced; stretches must not overlap."""
    out, at = [], 0
    for start, end, new in sorted(edits, key=lambda e: e[:2]):
        if start < at:
            raise FormatError("Two changes to one place of the file", expected="one", received=f"byte {start}")
        out += [data[at:start], new]
        at = end
    return b"".join([*out, data[at:]])
