"""SVG to PNG, the same on every machine: our own small fonts first, the system's only for letters these lack.

Knows nothing of music and nothing of files.
"""

from __future__ import annotations

import struct
import zlib
from contextlib import ExitStack
from functools import cache
from importlib.resources import as_file, files

from zhiyin.errors import FormatError
from zhiyin.formats.svg import parse_svg, size_of, tag

MAX_WIDTH = 8_000  # pixels
MAX_PIXELS = 120_000_000  # width x height: at most 480 MB while drawing
_RANGES = (
    (0x20, 0x7E),
    (0xA0, 0x17F),
    (0x218, 0x21B),
    (0x386, 0x3CE),
    (0x400, 0x45F),
    (0x2010, 0x2027),
    (0x2030, 0x203A),
    (0x266D, 0x266F),
    (0xE000, 0xF8FF),
)
_SINGLE = frozenset("\t\n\rƒ€№™←↑→↓−≠≤≥")
_RESOURCES = ExitStack()  # keeps font files unpacked until the process ends, where the package is inside a zip


@cache
def font_files() -> tuple[str, ...]:
    """Paths of the font files that zhiyin carries (OFL 1.1)."""
    folder = files("zhiyin") / "data" / "fonts"
    fonts = sorted((f for f in folder.iterdir() if f.name.endswith(".ttf")), key=lambda f: f.name)
    if not fonts:
        raise FormatError(
            "The fonts of zhiyin are missing",
            expected="*.ttf in zhiyin/data/fonts",
            received="none",
            hint="install zhiyin again",
        )
    return tuple(str(_RESOURCES.enter_context(as_file(f))) for f in fonts)


def covered(text: str) -> bool:
    """Whether our own fonts hold every letter of ``text``."""
    return all(c in _SINGLE or any(low <= ord(c) <= high for low, high in _RANGES) for c in set(text))


def svg_to_png(svg: str, *, width: int = 1600, background: str = "white") -> bytes:
    """A PNG, ``width`` pixels wide, of an SVG drawing on a plain ``background`` (a CSS colour).

    Raises FormatError when the picture would exceed MAX_WIDTH or MAX_PIXELS, or cannot be drawn.
    """
    root = parse_svg(svg)
    across, down = size_of(root)
    pixels = width * width * down / across
    if not 1 <= width <= MAX_WIDTH or pixels > MAX_PIXELS:
        raise FormatError(
            "The picture is too large",
            expected=f"a width of 1..{MAX_WIDTH} and at most {MAX_PIXELS:,} pixels",
            received=f"width {width}, {pixels:,.0f} pixels",
            hint="ask for a smaller width, or write .svg",
        )
    letters = "".join(s for e in root.iter(tag("text")) for s in e.itertext())
    return _draw(svg, width, background, system_fonts=not covered(letters))


def _draw(svg: str, width: int, background: str, system_fonts: bool) -> bytes:
    import resvg_py

    try:
        png = resvg_py.svg_to_bytes(
            svg_string=svg,
            width=width,
            background=background,
            skip_system_fonts=not system_fonts,
            font_files=list(font_files()),
            font_family="Zhiyin Serif",
            serif_family="Zhiyin Serif",
            sans_serif_family="Zhiyin Sans",
        )
    except Exception as error:  # resvg raises plain ValueError and its own types
        raise FormatError("The drawing cannot be turned into PNG", received=str(error)) from error
    return bytes(png)


def with_png_text(png: bytes, keyword: str, text: str) -> bytes:
    """The same picture with a text chunk (tEXt, ASCII) before its end."""
    body = b"tEXt" + keyword.encode("ascii") + b"\0" + text.encode("ascii")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:-12] + chunk + png[-12:]


def png_text(png: bytes, keyword: str) -> str:
    """The text of the first tEXt chunk with this keyword, "" where there is none."""
    at, wanted = 8, keyword.encode("ascii") + b"\0"
    while at + 8 <= len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        body = png[at + 8 : at + 8 + length]
        if png[at + 4 : at + 8] == b"tEXt" and body.startswith(wanted):
            return body[len(wanted) :].decode("latin-1")
        at += length + 12
    return ""
