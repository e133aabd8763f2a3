"""One self-contained HTML page for finished pieces: sound, piano roll, notation, files, and how each was made.

Everything stands inside the file (data URIs, no network); all words that come from outside are escaped; a content
security policy lets only the page's own script run. Labels are in English and Chinese, switchable. It draws nothing
itself: the pictures and the sound are handed in.
"""

from __future__ import annotations

import base64
import hashlib
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from zhiyin.errors import FormatError, InputError
from zhiyin.formats.files import atomic_write, file_stem
from zhiyin.formats.playhead import timeline_of
from zhiyin.formats.svg import TEXT_FONT, font_face, isolate, parse_svg, plain, svg_text, tag
from zhiyin.provenance.disclosure import ALL, DISCLOSURE, composed_in, in_chinese
from zhiyin.score.score import Score

SOUND_SUFFIX = {
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
}
LABELS = {
    "key": "调", "form": "曲式", "tempo": "速度", "bars": "小节", "notes": "音符", "model": "模型", "seed": "种子",
    "style": "风格", "meter": "拍号", "duration": "时长", "length": "时长", "parts": "声部", "licence": "许可",
    "soundfont": "音色库", "cadence": "终止", "cadences": "终止",
}  # fmt: skip
_PLAY = '<svg class="go" viewBox="0 0 24 24" aria-hidden="true"><path d="M7 4.5v15l13-7.5z"/></svg>'
_PAUSE = (
    '<svg class="pause" viewBox="0 0 24 24" aria-hidden="true"><path d="M6 4.5h4.2v15H6zM13.8 4.5H18v15h-4.2z"/></svg>'
)


@dataclass(frozen=True)
class PieceOnPage:
    """One piece with all that the page shows of it.

    notation_svg, roll_svg: drawings as text ("" where there is none). sound: an MP3, OGG, WAV … file's bytes of type
    ``sound_mime``. facts: (label, value), shown in this order. musicxml: the text, for its download button. links:
    (label, relative file name) of files that lie beside the page. played: the score as it sounds (``perform`` with the
    seed of the sound), so that the playhead keeps time with it; None: ``score`` at its own tempo, repeats unfolded.
    """

    title: str
    score: Score
    notation_svg: str
    roll_svg: str
    sound: bytes
    sound_mime: str
    midi: bytes
    record: Mapping[str, Any] = field(default_factory=dict)
    facts: Sequence[tuple[str, str]] = ()
    musicxml: str = ""
    links: Sequence[tuple[str, str]] = ()
    played: Score | None = None


def write_page(pieces: Sequence[PieceOnPage], path: str | Path, *, language: str = "en") -> Path:
    """Writes the page. ``language``: "en" or "zh", the one it opens in. Raises InputError or FormatError."""
    return atomic_write(path, page_html(pieces, language=language))


def page_html(pieces: Sequence[PieceOnPage], *, language: str = "en") -> str:
    """The page as text."""
    if not pieces:
        raise InputError("A page needs a piece", expected="≥ 1 piece", received="0 pieces")
    if language not in ("en", "zh"):
        raise InputError("Unknown page language", expected="'en' or 'zh'", received=repr(language))
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; media-src data: blob:; font-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    fonts = "".join(font_face(TEXT_FONT, style) for style in ("Regular", "Bold", "Italic"))
    name = plain(pieces[0].title) if len(pieces) == 1 else f"{plain(pieces[0].title)} + {len(pieces) - 1}"
    return (
        f'<!doctype html>\n<html lang="{"zh-Hans" if language == "zh" else "en"}" data-language="{language}">\n<head>\n'
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="generator" content="zhiyin">\n'
        f"<title>{name} · zhiyin</title>\n<style>{fonts}{_asset('page.css')}</style>\n</head>\n<body>\n"
        f'{"".join(_header(pieces))}<main class="wrap">\n'
        f"{''.join(_take(piece, number, len(pieces)) for number, piece in enumerate(pieces, 1))}</main>\n"
        f"{_footer()}<script>{script}</script>\n</body>\n</html>\n"
    )


def _header(pieces: Sequence[PieceOnPage]) -> Iterator[str]:
    whole = all(ALL in composed_in(p.record) or not p.record for p in pieces)
    words = _both("composed by machine, read and heard by you", "机器作曲，知音在你") if whole else _both("read and heard by you", "知音在你")
    yield '<header class="wrap"><div class="top"><div class="seal" lang="zh-Hans" aria-hidden="true">知音</div>'
    yield f'<div class="brand">zhiyin<small>{words}</small></div>'
    yield '<div class="languages" role="group" aria-label="Language / 语言">'
    yield '<button type="button" value="en" lang="en">English</button>'
    yield '<button type="button" value="zh" lang="zh-Hans">中文</button></div></div>'
    if len(pieces) > 1:
        items = (f'<li><a href="#take-{i}">{i} · {plain(p.title)}</a></li>' for i, p in enumerate(pieces, 1))
        yield f'<nav {_label("Pieces on this page", "本页作品")}><ul class="contents">{"".join(items)}</ul></nav>'
    yield "</header>\n"


def _footer() -> str:
    keys = _both(
        "Space plays and pauses; click the roll or a bar to go there.", "空格键播放与暂停；点击卷帘或小节可跳转。"
    )
    words = _both("The whole page is this one file and needs no network.", "整页就是这一个文件，无需联网。")
    return f'<footer class="wrap">{keys} {words}</footer>\n'


def _take(piece: PieceOnPage, number: int, count: int) -> str:
    which = _both(f"Take {number} of {count}", f"第 {number} 首，共 {count} 首")
    return "".join(
        [
            f'<article class="take" id="take-{number}" aria-labelledby="title-{number}">',
            f'<p class="number">{which}</p>' if count > 1 else "",
            f'<h2 id="title-{number}">{plain(piece.title)}</h2>',
            _facts(piece.facts),
            _player(piece),
            _roll(piece.roll_svg, number),
            _downloads(piece),
            _notation(piece.notation_svg, number),
            _record(piece.record),
            f'<p class="disclosure">{_both(str(piece.record.get("disclosure") or DISCLOSURE), in_chinese(piece.record))}</p>',
            f'<script type="application/json" class="data">{_data(piece)}</script></article>\n',
        ]
    )


def _roll(svg: str, number: int) -> str:
    if not svg:
        return ""
    label = _label("Piano roll", "钢琴卷帘")
    return f'<div class="roll" tabindex="0" role="region" {label}>{_drawing(svg, f"roll{number}")}</div>'


def _notation(svg: str, number: int) -> str:
    if not svg:
        return ""
    sheet = f'<div class="sheet" tabindex="0" role="region" {_label("Notation", "乐谱")}>'
    drawing = _drawing(svg, f"notation{number}")
    return f"<details open><summary>{_both('Score', '乐谱')}</summary>{sheet}{drawing}</div></details>"


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    if not facts:
        return ""
    items = []
    for label, value in facts:
        name = _both(str(label), LABELS.get(str(label).lower(), str(label)))
        items.append(f"<div><dt>{name}</dt><dd>{plain(str(value))}</dd></div>")
    return f'<dl class="facts">{"".join(items)}</dl>'


def _player(piece: PieceOnPage) -> str:
    play, seek = _label("Play or pause", "播放或暂停"), _label("Position in the piece", "播放位置")
    return (
        f'<div class="player"><button type="button" class="play" {play}>{_PLAY}{_PAUSE}</button>'
        f'<input class="seek" type="range" min="0" max="1" step="0.01" value="0" {seek}>'
        '<span class="clock" aria-live="off">0:00</span>'
        f'<audio controls preload="metadata" src="{_sound_uri(piece)}"></audio></div>'
    )


def _downloads(piece: PieceOnPage) -> str:
    stem = file_stem(piece.title)
    items = [_button(_uri("audio/midi", piece.midi), f"{stem}.mid", "MIDI")]
    if piece.musicxml:
        uri = _uri("application/vnd.recordare.musicxml+xml", piece.musicxml.encode("utf-8"))
        items.append(_button(uri, f"{stem}.musicxml", "MusicXML"))
    suffix = SOUND_SUFFIX[piece.sound_mime]
    items.append(_button("#", f"{stem}.{suffix}", suffix.upper(), "sound"))
    items.extend(_button(_relative(target), Path(target).name, label) for label, target in piece.links)
    return f'<ul class="downloads" {_label("Files", "文件")}>{"".join(items)}</ul>'


def _button(href: str, name: str, label: str, kind: str = "file") -> str:
    return f'<li><a class="{kind}" href="{escape(href)}" download="{plain(name)}">↓ {plain(label)}</a></li>'


def _relative(target: str) -> str:
    if ":" in target or target.startswith(("/", "\\")):
        raise InputError("A link must stay beside the page", expected="a relative file name", received=target)
    return quote(target.replace("\\", "/"))


def _record(record: Mapping[str, Any]) -> str:
    if not record:
        return ""
    rows = (f'<tr><th scope="row">{plain(name)}</th><td>{plain(value)}</td></tr>' for name, value in _flat(record))
    summary = f"<summary>{_both('How it was made', '如何作成')}</summary>"
    return f'<details class="record">{summary}<table>{"".join(rows)}</table></details>'


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """A nested record as rows: names joined by dots; lists of plain values stay on one row."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, (list, tuple)) and any(isinstance(item, (Mapping, list, tuple)) for item in value):
        for index, item in enumerate(value, 1):
            yield from _flat(item, f"{name} {index}")
    elif isinstance(value, (list, tuple)):
        yield name, ", ".join(str(item) for item in value) or "–"
    else:
        yield name, "–" if value is None or value == {} else str(value)


def _data(piece: PieceOnPage) -> str:
    timeline = [list(stretch) for stretch in timeline_of(piece.score, piece.played)]
    data = {"timeline": timeline, "bars": piece.score.bars["onset"].tolist(), "seconds": timeline[-1][1]}
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _drawing(svg: str, prefix: str) -> str:
    root = isolate(parse_svg(svg), prefix)
    for parent in list(root.iter()):
        for child in [c for c in parent if c.tag == tag("metadata")]:
            parent.remove(child)
    if root.get("viewBox") is None:
        _add_box(root)
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    return svg_text(root)


def _add_box(root: ET.Element) -> None:
    width, height = (root.get(side, "").removesuffix("px") for side in ("width", "height"))
    root.set("viewBox", f"0 0 {width} {height}")


def _sound_uri(piece: PieceOnPage) -> str:
    if piece.sound_mime not in SOUND_SUFFIX:
        raise FormatError("Unknown sound type", expected=", ".join(SOUND_SUFFIX), received=repr(piece.sound_mime))
    return _uri(piece.sound_mime, piece.sound)


def _uri(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


def _both(english: str, chinese: str) -> str:
    if english == chinese:
        return plain(english)
    return f'<span class="en" lang="en">{plain(english)}</span><span class="zh" lang="zh-Hans">{plain(chinese)}</span>'


def _label(english: str, chinese: str) -> str:
    return f'aria-label="{plain(english)}" data-label-en="{plain(english)}" data-label-zh="{plain(chinese)}"'


@cache
def _asset(name: str) -> str:
    return (files("zhiyin") / "data" / "page" / name).read_text(encoding="utf-8")
