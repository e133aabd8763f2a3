"""MusicXML 4.0 (partwise; ``.musicxml`` plain, ``.mxl`` packed) from a Score, engraved as a copyist would.

Times are put on the page's grid first: 1/24 quarter, or 128ths, quintuplets and septuplets where (nearly) all notes
lie on them already; other times are rounded to 1/24. Rhythm is solved in ``notation``, voices in ``notation_voices``,
words in ``musicxml_marks``. The same score gives the same bytes. Lost: velocities that are not marks, sub-grid timing,
the order of graces that share an onset, and notes past four voices a staff (cut short).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from zhiyin.formats.files import atomic_write
from zhiyin.formats.musicxml_marks import element
from zhiyin.formats.musicxml_page import Page, page_of
from zhiyin.formats.musicxml_part import PartWriter
from zhiyin.provenance.record import MARK, record_text
from zhiyin.score.dynamics import velocity_to_marks
from zhiyin.score.score import UNSPELLED, Score
from zhiyin.score.spelling import spell

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_CONTAINER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<container><rootfiles>'
    '<rootfile full-path="score.musicxml" media-type="application/vnd.recordare.musicxml+xml"/>'
    "</rootfiles></container>\n"
)
_CREDITS = ("title", "subtitle", "composer", "arranger", "lyricist", "poet", "copyright", "date")


def write_musicxml(score: Score, path: str | Path, *, record: Mapping[str, object] | None = None) -> None:
    """Writes ``score`` to ``path``: packed when the suffix is .mxl, else plain. ``record`` is embedded as JSON in identification/encoding."""
    text = musicxml_text(score, record=record)
    atomic_write(path, packed(text) if Path(path).suffix.lower() == ".mxl" else text.encode("utf-8"))


def musicxml_text(score: Score, *, record: Mapping[str, object] | None = None) -> str:
    """The MusicXML document of ``score`` as text."""
    page = page_of(_completed(score))
    score = page.score
    parts = [f'<part id="P{i + 1}">\n{PartWriter(page, i).text()}</part>' for i in range(len(score.parts))]
    head = _work(score) + _identification(score, record) + _credits(score) + _part_list(page)
    return f'{_HEAD}<score-partwise version="4.0">\n{head}' + "\n".join(parts) + "\n</score-partwise>\n"


def packed(text: str) -> bytes:
    """An .mxl archive around one document, with fixed dates so that the bytes repeat."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in (("META-INF/container.xml", _CONTAINER), ("score.musicxml", text)):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content.encode("utf-8"))
    return buffer.getvalue()


def _completed(score: Score) -> Score:
    """Spellings, and dynamic marks from velocities, where the score has none."""
    drums = score.drums
    notes = score.notes
    if len(notes) and (notes["spelling"][~drums[notes["part"]]] == UNSPELLED).any():
        score = spell(score)
    if (notes["velocity"] > 0).any() and not any(m.kind == "dynamic" for m in score.marks):
        score = velocity_to_marks(score)
    return score


def _work(score: Score) -> str:
    title = score.metadata.get("title", "")
    return f"<work>{element('work-title', title)}</work>\n" if title else ""


def _identification(score: Score, record: Mapping[str, object] | None) -> str:
    meta = score.metadata
    creators = "".join(
        element("creator", meta[k], type=k) for k in ("composer", "arranger", "lyricist", "poet") if meta.get(k)
    )
    rights = element("rights", meta["copyright"]) if meta.get("copyright") else ""
    date = element("encoding-date", meta["date"]) if _is_date(meta.get("date", "")) else ""
    encoding = f"<encoding><software>zhiyin</software>{date}{_told(record)}{_supports()}</encoding>"
    source = element("source", meta["source"]) if meta.get("source") else ""
    fields = [
        element("miscellaneous-field", v, name=k)
        for k, v in sorted(meta.items())
        if k not in _CREDITS and k != "source" and v
    ]
    misc = f"<miscellaneous>{''.join(fields)}</miscellaneous>" if fields else ""
    return f"<identification>{creators}{rights}{encoding}{source}{misc}</identification>\n"


def _told(record: Mapping[str, object] | None) -> str:
    """The line for people and the record, as two descriptions of the encoding."""
    if record is None:
        return ""
    told = element("encoding-description", str(record["disclosure"])) if record.get("disclosure") else ""
    return told + element("encoding-description", MARK + record_text(record))


def _is_date(text: str) -> bool:
    return len(text) == 10 and text[4] == text[7] == "-" and text.replace("-", "").isdigit()


def _supports() -> str:
    return '<supports element="accidental" type="yes"/><supports element="beam" type="yes"/>'


def _credits(score: Score) -> str:
    places = (
        ("title", 'default-x="600" default-y="1600" font-size="22" justify="center" valign="top"'),
        ("subtitle", 'default-x="600" default-y="1550" font-size="14" justify="center" valign="top"'),
        ("composer", 'default-x="1120" default-y="1510" font-size="11" justify="right" valign="bottom"'),
    )
    out = ["<defaults><scaling><millimeters>7</millimeters><tenths>40</tenths></scaling></defaults>\n"]
    for name, place in places:
        text = score.metadata.get(name, "")
        if text:
            words = f"<credit-words {place}>{escape(text)}</credit-words>"
            out.append(f'<credit page="1">{element("credit-type", name)}{words}</credit>\n')
    return "".join(out)


def _part_list(page: Page) -> str:
    rows = []
    channels = [c for c in range(1, 17) if c != 10]
    pitched = 0
    for i, part in enumerate(page.score.parts):
        name = part.name or f"Part {i + 1}"
        head = element("part-name", name) if part.name else element("part-name", name, print_object="no")
        if part.drums:
            keys = page.drum_keys(i)
            players = "".join(f'<score-instrument id="P{i + 1}-I{k + 1}">{element("instrument-name", f"Drum {k}")}'
                              f"</score-instrument>" for k in keys)  # fmt: skip
            sounds = "".join(
                f'<midi-instrument id="P{i + 1}-I{k + 1}"><midi-channel>10</midi-channel>'
                f"{element('midi-program', part.program + 1)}{element('midi-unpitched', k + 1)}</midi-instrument>"
                for k in keys
            )
        else:
            players = f'<score-instrument id="P{i + 1}-I1">{element("instrument-name", name)}</score-instrument>'
            sounds = (f'<midi-instrument id="P{i + 1}-I1">{element("midi-channel", channels[pitched % 15])}'
                      f"{element('midi-program', part.program + 1)}</midi-instrument>")  # fmt: skip
            pitched += 1
        rows.append(f'<score-part id="P{i + 1}">{head}{players}{sounds}</score-part>\n')
    return f"<part-list>\n{''.join(rows)}</part-list>\n"
