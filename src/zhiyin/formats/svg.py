"""SVG text as a tree: parsing safely, keeping the ids of several drawings apart, stacking pages.

Knows nothing of music: it is handed drawings and gives back drawings.
"""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any, TypeAlias

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from zhiyin.errors import FormatError
from zhiyin.provenance.record import record_text

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
XML = "http://www.w3.org/XML/1998/namespace"
Attributes: TypeAlias = dict[str, Any]  # of one element, as shape() takes them
MUSIC_FONT = "Zhiyin Music"  # our subset of Leipzig: musical signs inside lines of text
TEXT_FONT = "Zhiyin Serif"  # our subset of Liberation Serif: as wide as Times, which verovio lays texts out by
TEXT_FONTS = f"Times, 'Times New Roman', 'Liberation Serif', Tinos, 'Nimbus Roman', '{TEXT_FONT}', serif"
_HREFS = ("href", f"{{{XLINK}}}href")
_UNSAFE = {f"{{{SVG}}}{name}" for name in ("script", "foreignObject", "iframe", "set", "animate", "a")}
_URL = re.compile(r"url\(\s*['\"]?#([^)'\"]+)['\"]?\s*\)")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_CSS_ID = re.compile(r"#([A-Za-z_][\w.-]*)")

RECORD_ID = "zhiyin-record"  # of the metadata element that holds a record
ET.register_namespace("", SVG)
ET.register_namespace("xlink", XLINK)


def tag(name: str) -> str:
    """The qualified name of an SVG element."""
    return f"{{{SVG}}}{name}"


def parse_svg(text: str) -> ET.Element:
    """The root of an SVG drawing, read without entities or external resources. Raises FormatError."""
    try:
        root = fromstring(text, forbid_dtd=True)
    except (ET.ParseError, DefusedXmlException) as error:
        raise FormatError("The drawing is not valid SVG", expected="well-formed XML", received=str(error)) from error
    if root.tag != tag("svg"):
        raise FormatError("The drawing is not SVG", expected="an <svg> root element", received=f"<{root.tag}>")
    return root


def svg_text(root: ET.Element) -> str:
    """An SVG tree as text."""
    return ET.tostring(root, encoding="unicode")


def isolate(root: ET.Element, prefix: str) -> ET.Element:
    """The same tree (changed in place) whose ids all start with ``prefix``; its styles apply to itself alone.

    Ids that nothing refers to are dropped, scripts, links, event handlers and outside references too.
    """
    _make_safe(root)
    used = _references(root)
    names: dict[str, str] = {}
    for element in root.iter():
        old = element.attrib.pop("id", None)
        if old is not None and old in used:
            names[old] = f"{prefix}-{len(names) + 1}"
            element.set("id", names[old])
    for element in root.iter():
        _rename(element, names)
    return root


def _make_safe(root: ET.Element) -> None:
    for parent in root.iter():
        for child in [c for c in parent if c.tag in _UNSAFE]:
            parent.remove(child)
        for name in list(parent.attrib):
            outside = name in _HREFS and not parent.attrib[name].startswith("#")
            if outside or name.rsplit("}", 1)[-1].lower().startswith("on"):
                del parent.attrib[name]


def _references(root: ET.Element) -> set[str]:
    found: set[str] = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            if name in _HREFS:
                found.add(value[1:])
            found.update(_URL.findall(value))
        if element.tag == tag("style"):
            found.update(_CSS_ID.findall(element.text or ""))
    return found


def _rename(element: ET.Element, names: Mapping[str, str]) -> None:
    for name, value in list(element.attrib.items()):
        if name in _HREFS:
            del element.attrib[name]
            element.set("href", "#" + names.get(value[1:], value[1:]))
        elif "url(" in value:
            element.set(name, _URL.sub(lambda m: f"url(#{names.get(m[1], m[1])})", value))
    if element.tag == tag("style") and element.text:
        element.text = _CSS_ID.sub(lambda m: "#" + names.get(m[1], m[1]), element.text)


def shape(name: str, text: str = "", **attributes: str | float) -> str:
    """One element as text: numbers to two decimals, ``class_`` for class, ``font_size`` for font-size, all escaped."""
    words = []
    for key, value in attributes.items():
        written = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
        words.append(f' {key.rstrip("_").replace("_", "-")}="{escape(written)}"')
    return f"<{name}{''.join(words)}>{plain(text)}</{name}>" if text else f"<{name}{''.join(words)}/>"


def plain(text: str) -> str:
    """Text that is safe inside XML and HTML: escaped, and without the characters that XML forbids."""
    return escape(_FORBIDDEN.sub("", text))


def size_of(root: ET.Element) -> tuple[float, float]:
    """Width and height of a drawing in its own units (viewBox first, then width and height)."""
    box = root.get("viewBox")
    try:
        if box:
            width, height = (float(v) for v in box.replace(",", " ").split()[2:4])
        else:
            width, height = (float(root.get(side, "").removesuffix("px")) for side in ("width", "height"))
    except ValueError:
        width = height = 0.0
    if not (0 < width < 1e7 and 0 < height < 1e7):
        raise FormatError(
            "The drawing has no usable size",
            expected="a viewBox, or width and height in pixels",
            received=f"viewBox {box!r}, width {root.get('width')!r}, height {root.get('height')!r}",
        )
    return width, height


def stack(pages: Sequence[str], *, gap: float = 24.0, record: Mapping[str, Any] | None = None) -> str:
    """One SVG that shows ``pages`` one below the other, ``gap`` apart, with ``record`` as JSON in <metadata>."""
    roots = [isolate(parse_svg(page), f"page{i}") for i, page in enumerate(pages, 1)]
    if not roots:
        raise FormatError("There is nothing to draw", expected="≥ 1 page", received="0 pages")
    sizes = [size_of(root) for root in roots]
    width = max(w for w, _ in sizes)
    height = sum(h for _, h in sizes) + gap * (len(sizes) - 1)
    out = ET.Element(
        tag("svg"), {"viewBox": f"0 0 {width:g} {height:g}", "width": f"{width:g}", "height": f"{height:g}"}
    )
    if record is not None:
        ET.SubElement(out, tag("metadata"), {"id": RECORD_ID}).text = record_text(record)
    y = 0.0
    for root, (w, h) in zip(roots, sizes):
        root.attrib.update({"x": f"{(width - w) / 2:g}", "y": f"{y:g}", "width": f"{w:g}", "height": f"{h:g}"})
        out.append(root)
        y += h + gap
    return svg_text(out)


@cache
def font_face(family: str = MUSIC_FONT, style: str = "Regular") -> str:
    """A CSS @font-face rule that carries one of our fonts inside itself. style: Regular, Bold or Italic."""
    data = (files("zhiyin") / "data" / "fonts" / f"{family.replace(' ', '')}-{style}.ttf").read_bytes()
    look = {"Bold": "font-weight:bold;", "Italic": "font-style:italic;"}.get(style, "")
    source = f"url(data:font/ttf;base64,{base64.b64encode(data).decode()}) format('truetype')"
    return f"@font-face{{font-family:'{family}';{look}src:{source};}}"
