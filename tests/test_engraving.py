from __future__ import annotations

import json
import sys
import time
from html import escape
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring

from pictures import decode_png, tune
from zhiyin.errors import FormatError, InputError
from zhiyin.formats import engraving
from zhiyin.formats.engraving import (
    EngravingWarning,
    PageSetup,
    engrave,
    engrave_musicxml,
    notation_svg,
    write_png,
    write_svg,
)
from zhiyin.formats.svg import stack
from zhiyin.score import Mark

NS = "{http://www.w3.org/2000/svg}"
SIMPLE = """<?xml version="1.0" encoding="UTF-8"?>
<score-partwise version="4.0"><work><work-title>{title}</work-title></work>
<identification><creator type="composer">Emilie Mayer</creator></identification>
<part-list><score-part id="P1"><part-name>Viola</part-name></score-part></part-list>
<part id="P1">{bars}</part></score-partwise>"""
BOMB = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><score-partwise>&c;</score-partwise>'
BAR = """<measure number="{number}">{head}{notes}</measure>"""
HEAD = (
    "<attributes><divisions>1</divisions><key><fifths>-1</fifths></key><time><beats>4</beats><beat-type>4</beat-type></time>"
    "<clef><sign>C</sign><line>3</line></clef></attributes><direction placement='above'><direction-type><metronome>"
    "<beat-unit>quarter</beat-unit><per-minute>72</per-minute></metronome></direction-type></direction>"
)
NOTE = "<note><pitch><step>{step}</step><octave>4</octave></pitch><duration>1</duration><type>quarter</type></note>"


def musicxml(bars: int = 4, title: str = "Air", step: str = "D") -> str:
    notes = "".join(NOTE.format(step=s) for s in (step, "E", "F", "A"))
    text = "".join(BAR.format(number=i + 1, head=HEAD if i == 0 else "", notes=notes) for i in range(bars))
    return SIMPLE.format(bars=text, title=escape(title))


def count(svg: str, kind: str) -> int:
    return sum(kind in e.get("class", "").split() for e in fromstring(svg).iter(f"{NS}g"))


def words(svg: str) -> list[str]:
    return ["".join(e.itertext()).strip() for e in fromstring(svg).iter(f"{NS}text")]


def test_every_note_and_bar_is_engraved_with_title_and_composer() -> None:
    pages = engrave_musicxml(musicxml(5, "Night & <day>"))
    assert len(pages) == 1
    assert count(pages[0], "note") == 20
    assert count(pages[0], "measure") == 5
    assert {"Night & <day>", "Emilie Mayer", "Viola"} <= set(words(pages[0]))


def test_title_stands_on_the_first_page_alone() -> None:
    pages = engrave_musicxml(musicxml(200), setup=PageSetup(height=1200))
    assert len(pages) > 2
    assert sum(count(page, "measure") for page in pages) == 200
    assert ["Air" in words(page) for page in pages] == [True] + [False] * (len(pages) - 1)


def test_metronome_signs_carry_their_font() -> None:
    page = engrave_musicxml(musicxml())[0]
    assert "font-family:'Zhiyin Music';src:url(data:font/ttf;base64," in page
    assert "Leipzig" in page  # the fallback name, in font-family lists alone
    assert 'font-size="0px"' not in "".join(t for t in page.split("<text")[1:] if "tspan font-size" in t[:400])


def test_stacked_pages_are_one_valid_svg_with_unique_ids() -> None:
    pages = engrave_musicxml(musicxml(120), setup=PageSetup(height=1200))
    record = {"seed": 7, "model": "a <b> & 知音"}
    root = fromstring(stack(pages, record=record))
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids)) > 0
    targets = {e.get("href")[1:] for e in root.iter(f"{NS}use")}
    assert targets <= set(ids)
    assert json.loads(root.findtext(f"{NS}metadata")) == record
    assert sum(float(e.get("height")) for e in root if e.tag == f"{NS}svg") < float(root.get("height"))
    assert sum("measure" in e.get("class", "").split() for e in root.iter(f"{NS}g")) == 120


def test_same_score_same_bytes() -> None:
    assert stack(engrave_musicxml(musicxml(9))) == stack(engrave_musicxml(musicxml(9)))


def test_a_score_goes_all_the_way(tmp_path: Path) -> None:
    score = tune(8, upbeat=True)
    root = fromstring(notation_svg(score))
    assert count(write_svg(score, tmp_path / "a.svg", record={"seed": 1}).read_text(encoding="utf-8"), "note") == len(
        score.notes
    )
    assert {"A Tune", "Nobody"} <= set(words(notation_svg(score)))
    assert sum("measure" in e.get("class", "").split() for e in root.iter(f"{NS}g")) == len(score.bars)
    pixels = decode_png(write_png(score, tmp_path / "a.png", width=700).read_bytes())
    assert pixels.shape[1] == 700
    dark = pixels[..., :3].max(axis=-1) < 100
    assert 0.005 < dark.mean() < 0.2
    assert dark[: len(dark) // 6].any()  # the heading


def test_chorales_of_the_corpus_engrave_whole() -> None:
    corpus = pytest.importorskip("music21.corpus")
    from music21.musicxml.m21ToXml import GeneralObjectExporter

    for name, notes in (("bach/bwv66.6", 165), ("bach/bwv269", None)):
        stream = corpus.parse(name)
        text = GeneralObjectExporter(stream).parse().decode("utf-8")
        expected = notes or text.count("<pitch>")
        assert sum(count(page, "note") for page in engrave_musicxml(text, strict=False)) == expected


def test_a_loss_is_an_error_or_a_warning_and_is_named() -> None:
    text = musicxml(step="Q")
    with pytest.raises(FormatError) as caught:
        engrave_musicxml(text)
    assert "Expected no warning from verovio" in str(caught.value)
    assert "Unsupported step value 'Q' (4 times)" in str(caught.value)
    assert "strict=False" in str(caught.value)
    with pytest.warns(EngravingWarning, match=r"The engraving lacks something: .*'Q' \(4 times\)"):
        pages = engrave_musicxml(text, strict=False)
    assert count(pages[0], "measure") == 4


def test_remarks_on_layout_are_no_losses() -> None:
    remarks = ("Justification is highly compressed (ratio smaller than 0.8: 0.7)", "\tSystem full width: 18800")
    log = "".join(
        f"[Warning] {r}\n" for r in (*remarks, "\tNon-justifiable width: 9", "\tDrawing justifiable width: 20032")
    )
    assert engraving._losses(log) == ""
    slurs = "[Warning] slur 'd1a1rsjo' is ignored, since start 'c1yfzihk' comes late\n"
    assert (
        engraving._losses(log + slurs + slurs.replace("d1a1", "w1i6"))
        == "slur is ignored, since start comes late (2 times)"
    )


@pytest.mark.parametrize("text", ["", "not XML", "<html/>", "\x00\x01", musicxml()[:700], BOMB])
def test_what_verovio_cannot_read_is_named(text: str) -> None:
    with pytest.raises(FormatError) as caught:
        engrave_musicxml(text)
    assert "The score cannot be engraved. Expected" in str(caught.value)
    assert "hint: " in str(caught.value)


def test_time_limit_stops_the_process() -> None:
    began = time.monotonic()
    with pytest.raises(
        FormatError, match=r"took too long\. Expected an answer within 0\.3 s\. Received none: stopped\."
    ):
        engraving._run([sys.executable, "-c", "import time; time.sleep(60)"], "x", 0.3)
    assert time.monotonic() - began < 20
    with pytest.raises(FormatError, match="took too long"):
        engrave_musicxml(musicxml(), timeout=0.001)


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("import os; os.abort()", "signal 6" if sys.platform != "win32" else "exit status"),
        ("import os; os._exit(3)", "exit status 3"),
        ("raise MemoryError('no room')", "MemoryError: no room"),
    ],
)
def test_a_crash_is_named(program: str, text: str) -> None:
    with pytest.raises(FormatError) as caught:
        engraving._run([sys.executable, "-c", program], "<x/>", 20)
    assert "verovio stopped while engraving" in str(caught.value)
    assert text in str(caught.value)


def test_a_process_that_cannot_start_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="engraving process cannot be started"):
        engraving._run([str(tmp_path / "no-python")], "<x/>", 5)


def test_too_many_pages_or_bars_are_refused() -> None:
    with pytest.raises(FormatError, match=r"too many pages\. Expected at most 1 pages\. Received \d+ pages"):
        engrave_musicxml(musicxml(200), setup=PageSetup(height=1200, max_pages=1))
    with pytest.raises(FormatError, match=r"too many bars\. Expected at most 3,000 bars\. Received 3,001 bars"):
        engrave(tune(3001, parts=1))


def test_an_unwritable_place_leaves_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        write_svg(tune(1), blocked / "a.svg")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_worker_does_not_import_zhiyin() -> None:
    source = engraving._WORKER.read_text(encoding="utf-8")
    assert "import zhiyin" not in source
    assert "from zhiyin" not in source


def test_accidentals_of_chord_symbols_are_signs_that_the_font_has():
    score = tune(2).replace(marks=(Mark(0, "chord", "Bbm7/F#", 0), Mark(1920, "chord", "C#", 0)))
    drawn = "".join(engrave(score))
    assert not any(chr(c) in drawn for c in range(0xEA63, 0xEA68))
    assert drawn.count("\ue260") == 1 and drawn.count("\ue262") == 2
