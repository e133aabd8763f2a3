"""Scores as engraved notation: SVG pages, one SVG file, PNG. Write only.

verovio draws, in a process of its own under a time limit, because a score that it cannot take may kill it. What it
leaves out is never passed over: an error from ``engrave``, an EngravingWarning from the functions that make a whole
file (``strict=True`` makes it an error there too). Its remarks on layout alone are not losses.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from zhiyin.errors import FormatError
from zhiyin.formats.files import atomic_write
from zhiyin.formats.limits import LIMITS, check
from zhiyin.formats.musicxml_write import musicxml_text
from zhiyin.formats.raster import svg_to_png, with_png_text
from zhiyin.formats.svg import MUSIC_FONT, TEXT_FONTS, font_face, parse_svg, size_of, stack, svg_text, tag
from zhiyin.provenance.record import MARK, record_text
from zhiyin.score.score import Score

_WORKER = Path(__file__).with_name("engraving_worker.py")
_ABOUT_LAYOUT = ("Justification", "System full width", "Non-justifiable width", "Drawing justifiable width")
_MAX_ANSWER = 256 * 2**20  # bytes of SVG taken from the worker
_ACCIDENTALS = {0xEA63: 0xE264, 0xEA64: 0xE260, 0xEA65: 0xE261, 0xEA66: 0xE262, 0xEA67: 0xE263}  # of chord symbols (figured-bass signs) -> those of notes, which our font has
_RAISED = 0.16  # of their size
_TITLE, _SMALL = 800, 405  # letter heights in verovio's units, in which a staff is 720 high


@dataclass(frozen=True, slots=True)
class PageSetup:
    """How pages are laid out: lengths in tenths of a millimetre (A4 is 2100 x 2970), ``scale`` in percent."""

    width: int = 2100
    height: int = 2970
    margin: int = 110  # left and right; half of it above and below
    scale: int = 50
    breaks: str = "auto"  # auto: lines and pages that fit; none: one endless line; encoded: as the score says
    max_pages: int = 200

    def options(self) -> dict[str, Any]:
        """The options that verovio takes."""
        return {
            "pageMarginLeft": self.margin,
            "pageMarginRight": self.margin,
            "pageMarginTop": self.margin // 2,
            "pageMarginBottom": self.margin // 2,
            "pageWidth": self.width,
            "pageHeight": self.height,
            "scale": self.scale,
            "breaks": self.breaks,
            "adjustPageHeight": True,
            "header": "none",
            "footer": "none",
            "smuflTextFont": "none",
            "xmlIdSeed": 1,
            "svgFormatRaw": True,
            "spacingStaff": 10,
            "staffLineWidth": 0.2,
            "spacingSystem": 8,
            "minLastJustification": 0.6,
            "breaksNoWidow": True,
        }


class EngravingWarning(UserWarning):
    """Something of the score is not in its engraving."""


def engrave(
    score: Score, *, setup: PageSetup | None = None, timeout: float | None = None, strict: bool = True
) -> list[str]:
    """The score as SVG pages with title and composer on the first. Raises FormatError.

    timeout: seconds; None allows 20 and another for every 200 notes. strict: whether a loss is an error or a warning.
    """
    limits = LIMITS["engraving"]
    for quantity, size in (("notes", len(score.notes)), ("parts", len(score.parts)), ("bars", len(score.bars))):
        check(quantity, size, limits, "the piece")
    seconds = 20.0 + len(score.notes) / 200 if timeout is None else timeout
    return engrave_musicxml(musicxml_text(score), setup=setup, timeout=seconds, strict=strict)


def engrave_musicxml(
    text: str, *, setup: PageSetup | None = None, timeout: float = 20.0, strict: bool = True
) -> list[str]:
    """The same for a MusicXML text."""
    setup = setup or PageSetup()
    title, composer = _heading_of(text)
    request = json.dumps({"options": setup.options(), "max_pages": setup.max_pages})
    result = _run([sys.executable, "-P", str(_WORKER), request], text, timeout)
    lost = _losses(result["log"])
    if not result["pages"]:
        raise FormatError(
            "The score cannot be engraved",
            expected="MusicXML that verovio can read",
            received=lost or "no page",
            hint="write .musicxml and look at it in a notation program",
        )
    if result["count"] > len(result["pages"]):
        raise FormatError(
            "The score has too many pages",
            expected=f"at most {setup.max_pages} pages",
            received=f"{result['count']} pages",
            hint="engrave fewer bars, or raise max_pages",
        )
    if lost:
        _report(lost, strict)
    first, *others = result["pages"]
    return [_finish(first, title, composer), *(_finish(page, "", "") for page in others)]


def notation_svg(
    score: Score, *, record: Mapping[str, Any] | None = None, timeout: float | None = None, strict: bool = False
) -> str:
    """All pages of a score in one SVG, with the record of how it was made as JSON in <metadata>."""
    return stack(engrave(score, timeout=timeout, strict=strict), record=record)


def write_svg(score: Score, path: str | Path, *, record: Mapping[str, Any] | None = None, strict: bool = False) -> Path:
    """Writes the notation of a score to one .svg file. Raises FormatError."""
    return atomic_write(path, notation_svg(score, record=record, strict=strict))


def write_png(
    score: Score,
    path: str | Path,
    *,
    record: Mapping[str, Any] | None = None,
    width: int = 1600,
    strict: bool = False,
) -> Path:
    """Writes the notation of a score to one .png file, ``width`` pixels wide, ``record`` as a text chunk."""
    png = svg_to_png(notation_svg(score, strict=strict), width=width)
    return atomic_write(path, png if record is None else with_png_text(png, MARK.rstrip(":"), record_text(record)))


def _losses(log: str) -> str:
    """What verovio says that it left out, alike lines counted: "slur ignored, … (3 times)"; "" for nothing."""
    found: Counter[str] = Counter()
    for line in log.splitlines():
        words = re.sub(r"^\[\w+\]\s*", "", line.strip()).rstrip(".")
        if words and not words.startswith(_ABOUT_LAYOUT):
            found[re.sub(r"\s*'[a-z][a-z0-9]{4,}'", "", words)] += 1
    return "; ".join(f"{words} ({n} times)" if n > 1 else words for words, n in found.most_common())


def _report(lost: str, strict: bool) -> None:
    what = "The engraving lacks something"
    if strict:
        raise FormatError(
            what, expected="no warning from verovio", received=lost[:400], hint="strict=False draws it all the same"
        )
    warnings.warn(f"{what}: {lost[:400]}", EngravingWarning, stacklevel=4)


def _run(command: Sequence[str], text: str, timeout: float) -> dict[str, Any]:
    """What the worker answers. Every way that it can fail has its own words."""
    hint = "write .musicxml or a piano roll instead"
    try:
        done = subprocess.run(
            command,
            input=text.encode("utf-8"),
            capture_output=True,
            timeout=timeout,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired:
        raise FormatError(
            "Engraving took too long",
            expected=f"an answer within {timeout:g} s",
            received="none: stopped",
            hint=f"engrave fewer bars, raise timeout, or {hint}",
        ) from None
    except OSError as error:
        raise FormatError("The engraving process cannot be started", received=str(error)) from error
    if done.returncode < 0 or not done.stdout:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no message"]
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit status {done.returncode}"
        raise FormatError(
            "verovio stopped while engraving", expected="SVG pages", received=f"{how}, {last[0][:300]}", hint=hint
        )
    if len(done.stdout) > _MAX_ANSWER:
        raise FormatError(
            "The engraving is too large",
            expected=f"at most {_MAX_ANSWER:,} bytes",
            received=f"{len(done.stdout):,} bytes",
            hint="engrave fewer bars",
        )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer | {"log": done.stderr.decode("utf-8", "replace")}


def _heading_of(text: str) -> tuple[str, str]:
    """Title and composer of a MusicXML text ("" where it names none). Raises FormatError where it is not XML:
    verovio would draw what stands before the damage and say nothing."""
    try:
        root = fromstring(text.encode("utf-8"))
    except (ET.ParseError, DefusedXmlException) as error:
        raise FormatError(
            "The score cannot be engraved",
            expected="well-formed MusicXML",
            received=str(error) or type(error).__name__,
            hint="read and write it with zhiyin convert first",
        ) from error
    title = next((t for p in ("work/work-title", "movement-title") if (t := (root.findtext(p) or "").strip())), "")
    creators = [c for c in root.iterfind("identification/creator") if c.get("type", "composer") == "composer"]
    return title, (creators[0].text or "").strip() if creators else ""


def _finish(page: str, title: str, composer: str) -> str:
    """A page of verovio's as a drawing of its own: a viewBox, ink in the current colour, texts that every renderer
    sets alike, the music font inside where it is used, and the heading on top."""
    root = parse_svg(page)
    inner = next(e for e in root if e.tag == tag("svg"))
    inner.attrib.update({"fill": "currentColor", "font-family": TEXT_FONTS})
    inner.attrib.pop("color", None)
    root.attrib.pop("overflow", None)
    _settle_texts(inner)
    width, height = size_of(root)
    heading = _heading(title, composer, size_of(inner)[0])
    if heading is not None:
        group, used = heading
        added = round((used + 200) * width / size_of(inner)[0])
        inner.attrib.update({"y": str(added), "width": f"{width:g}", "height": f"{height:g}"})
        top = ET.Element(
            tag("svg"),
            {"viewBox": f"0 0 {size_of(inner)[0]:g} {used + 200}", "width": f"{width:g}", "height": str(added)},
        )
        top.append(group)
        root.insert(list(root).index(inner), top)
        height += added
    root.attrib.update({"viewBox": f"0 0 {width:g} {height:g}", "width": f"{width:g}", "height": f"{height:g}"})
    return svg_text(root)


def _settle_texts(inner: ET.Element) -> None:
    """Text of size 0 with larger spans inside is drawn wrongly by some renderers: the size moves outwards."""
    needs_font = False
    for text in list(inner.iter(tag("text"))):
        spans = [s for s in text.iter(tag("tspan")) if s.get("font-size")]
        if spans and text.get("font-size") == "0px":
            text.set("font-size", spans[0].attrib["font-size"])
        for span in text.iter():
            if span.get("font-family") in ("Leipzig", "Bravura"):
                span.set("font-family", f"'{MUSIC_FONT}', Leipzig, Bravura")
                needs_font = True
        for line in text.iter():
            _settle_accidentals(line)
    if needs_font:
        style = ET.Element(tag("style"))
        style.text = font_face()
        inner.insert(0, style)


def _settle_accidentals(line: ET.Element) -> None:
    """Accidentals of chord symbols among the spans of a line, in signs that our font has; these stand lower, so they are raised."""
    lowered = 0
    for span in line:
        if lowered:
            span.set("dy", str(lowered))
        text = span.text or ""
        changed, size = text.translate(_ACCIDENTALS), re.match(r"\d+", span.get("font-size", ""))
        if (lowered := round(_RAISED * int(size[0])) if changed != text and size else 0):
            span.set("dy", str(-lowered))
        span.text = changed


def _heading(title: str, composer: str, width: float) -> tuple[ET.Element, int] | None:
    """Title and composer in a band over the staves: the drawing and its height in verovio's units."""
    if not title and not composer:
        return None
    group = ET.Element(tag("g"), {"class": "heading", "font-family": TEXT_FONTS, "fill": "currentColor"})
    used = 500
    if title:
        size = min(_TITLE, int(width * 0.9 / (0.5 * len(title))))
        used += size
        line = ET.SubElement(
            group,
            tag("text"),
            {
                "x": f"{width / 2:g}",
                "y": str(used),
                "font-size": str(size),
                "font-weight": "bold",
                "text-anchor": "middle",
            },
        )
        line.text = title
    if composer:
        used += 700
        line = ET.SubElement(
            group,
            tag("text"),
            {"x": f"{width * 0.94:g}", "y": str(used), "font-size": str(_SMALL), "text-anchor": "end"},
        )
        line.text = composer
    return group, used
