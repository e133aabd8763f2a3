from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pictures import decode_png
from zhiyin.errors import FormatError
from zhiyin.formats import raster
from zhiyin.formats.raster import MAX_WIDTH, covered, font_files, svg_to_png


def drawing(inside: str, width: int = 200, height: int = 100) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{inside}</svg>'


def ink(png: bytes) -> int:
    return int((decode_png(png)[..., :3].astype(int).sum(axis=-1) < 300).sum())


def test_size_and_colours() -> None:
    pixels = decode_png(svg_to_png(drawing('<rect width="100" height="100" fill="#ff0000"/>'), width=400))
    assert pixels.shape[:2] == (200, 400)
    assert pixels[100, 50, :3].tolist() == [255, 0, 0]
    assert pixels[100, 350, :3].tolist() == [255, 255, 255]


@pytest.mark.parametrize("family", ["Times, serif", "Helvetica, sans-serif", "'Zhiyin Music'", "Nowhere"])
def test_text_shows_without_system_fonts(family: str) -> None:
    letters = "\ueca5" if "Music" in family else "Hélène, Ωμέγα, Дмитрий"
    svg = drawing(f'<text x="10" y="60" font-size="16" font-family="{family}">{letters}</text>')
    assert ink(raster._draw(svg, 400, "white", system_fonts=False)) > 50
    assert ink(svg_to_png(drawing(""), width=400)) == 0


def test_bold_and_italic_differ_from_regular() -> None:
    looks = ["", 'font-weight="bold"', 'font-style="italic"']
    pictures = {
        svg_to_png(drawing(f'<text x="9" y="60" font-size="30" {look}>Adagio</text>'), width=300) for look in looks
    }
    assert len(pictures) == 3


def test_same_drawing_same_bytes() -> None:
    svg = drawing('<text x="9" y="60" font-size="30">Largo ♭</text>')
    assert svg_to_png(svg, width=300) == svg_to_png(svg, width=300)


def test_covered_knows_what_the_fonts_hold() -> None:
    from fontTools.ttLib import TTFont  # comes with matplotlib, a development dependency

    assert len(font_files()) == 6
    held = set().union(*(TTFont(path).getBestCmap() for path in font_files()))
    for letter in "AZaz09éßőĐΩλДяѓ–—“”…€№→≤♭♯\ueca5\ue520":
        assert covered(letter), letter
        assert ord(letter) in held, letter
    assert not covered("知音")


def test_fonts_are_licensed_and_small() -> None:
    folder = Path(font_files()[0]).parent
    assert "SIL OPEN FONT LICENSE Version 1.1" in (folder / "OFL.txt").read_text(encoding="utf-8")
    assert sum(Path(path).stat().st_size for path in font_files()) < 400_000


@pytest.mark.parametrize(
    ("svg", "width", "text"),
    [
        (drawing(""), MAX_WIDTH + 1, f"Expected a width of 1..{MAX_WIDTH}"),
        (drawing(""), 0, "Received width 0"),
        (drawing("", 1, 9_000_000), 500, "too large"),
        ('<svg xmlns="http://www.w3.org/2000/svg"/>', 100, "no usable size"),
        (drawing("<g>"), 100, "not valid SVG"),
        ("<html/>", 100, "Expected an <svg> root element. Received <html>"),
        ('<!DOCTYPE svg [<!ENTITY a "b">]>' + drawing("&a;"), 100, "not valid SVG"),
        (drawing("").replace('width="200"', 'width="nan"'), 100, "no usable size"),
    ],
)
def test_refusals_say_what_is_wrong(svg: str, width: int, text: str) -> None:
    with pytest.raises(FormatError) as caught:
        svg_to_png(svg, width=width)
    assert text in str(caught.value)


def test_decoder_of_the_tests_agrees_with_pillow() -> None:
    image = pytest.importorskip("PIL.Image")
    import io

    png = svg_to_png(
        drawing('<circle cx="90" cy="50" r="40" fill="#3b6fd4"/><text x="20" y="60">Trio</text>'), width=300
    )
    theirs = np.asarray(image.open(io.BytesIO(png)).convert("RGBA"))
    assert np.array_equal(decode_png(png)[..., :3], theirs[..., :3])
