from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pictures import tune
from zhiyin.errors import FormatError, InputError
from zhiyin.formats.files import file_stem
from zhiyin.formats.page import PieceOnPage, page_html, write_page
from zhiyin.formats.roll import roll_svg
from zhiyin.provenance.disclosure import disclosed
from zhiyin.score.score import Mark, Part

HOSTILE = "</title></script><script>alert('1')</script>\"><img src=x onerror=alert(2)> & \x00"
DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'width="100px" height="50px" id="r">'
    "<style>#r path{stroke:red}</style><defs><g id='a'><path d='M0 0h9'/></g></defs><use xlink:href='#a'/>"
    "<g class='measure' onclick='alert(3)'/><script>alert(4)</script><a href='https://example.org'><text>x</text></a>"
    "<image href='http://example.org/x.png'/></svg>"
)


class Tags(HTMLParser):
    """All start tags with their attributes, and the text of scripts and of everything else."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open = tag
        self.tags.append((tag, {k: v or "" for k, v in attrs}))

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open == "script" else self.words).append(data)

    def handle_endtag(self, tag: str) -> None:
        self.open = ""

    def all(self, name: str, **attributes: str) -> list[dict[str, str]]:
        return [a for t, a in self.tags if t == name and all(a.get(k) == v for k, v in attributes.items())]


def piece(title: str = "A Tune", **fields: object) -> PieceOnPage:
    score = tune(4)
    known: dict = {
        "score": score, "notation_svg": DRAWING, "roll_svg": roll_svg(score), "sound": b"ID3sound",
        "sound_mime": "audio/mpeg", "midi": b"MThd", "facts": [("Key", "D minor")],
        "record": {"seed": 7, "model": {"name": "default", "hashes": ["a", "b"]}},
        "musicxml": "<score-partwise/>", "links": [("WAV", "a tune.wav")],
    }  # fmt: skip
    return PieceOnPage(title, **(known | fields))


def test_every_take_is_there_with_its_parts(tmp_path: Path) -> None:
    path = write_page([piece("One"), piece("Two"), piece("三")], tmp_path / "index.html")
    page = Tags(path.read_text(encoding="utf-8"))
    assert len(page.all("article", **{"class": "take"})) == 3
    assert {"One", "Two", "三", "D minor", "调", "Key", "Machine-composed with zhiyin (知音).", "default", "a, b"} <= set(
        page.words
    )
    assert len(page.all("audio", src="data:audio/mpeg;base64," + base64.b64encode(b"ID3sound").decode())) == 3
    assert len(page.all("rect", **{"class": "note"})) == 3 * 32
    names = [a["download"] for a in page.all("a") if "download" in a]
    assert names[:4] == ["One.mid", "One.musicxml", "One.mp3", "a tune.wav"]
    assert page.all("a", download="a tune.wav")[0]["href"] == "a%20tune.wav"
    assert (
        page.all("a", download="One.mid")[0]["href"] == "data:audio/midi;base64," + base64.b64encode(b"MThd").decode()
    )


def test_nothing_comes_from_outside() -> None:
    html = page_html([piece(), piece(HOSTILE)])
    for _, attributes in Tags(html).tags:
        for name in ("src", "href", "action", "data", "srcset", "poster", "xlink:href"):
            value = attributes.get(name, "")
            assert value.startswith(("#", "data:")) or value in ("", "a%20tune.wav"), (name, value[:60])
    assert not re.search(r"url\(\s*['\"]?(?!data:|#)", html)
    assert set(re.findall(r"https?://[\w./-]+", html)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_words_from_outside_are_escaped() -> None:
    html = page_html(
        [piece(HOSTILE, facts=[(HOSTILE, HOSTILE)], record={HOSTILE: {HOSTILE: [HOSTILE]}}), piece(HOSTILE)]
    )
    page = Tags(html)
    assert page.all("img") == []
    assert [a.get("class", "") for a in page.all("script")] == ["data", "data", ""]
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert "alert(3)" not in html
    assert "alert(4)" not in html
    assert any("<script>alert('1')</script>" in word for word in page.words)
    assert "\x00" not in html


def test_hostile_part_names_stay_text_in_the_roll() -> None:
    score = tune(1, parts=1).replace(parts=(Part("<img src=x onerror=alert(1)>"),))
    assert Tags(page_html([piece(score=score, roll_svg=roll_svg(score))])).all("img") == []


def test_only_the_page_s_own_script_may_run() -> None:
    import hashlib

    html = page_html([piece()])
    policy = Tags(html).all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    script = Tags(html).scripts[-1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]


def test_drawings_keep_their_ids_apart() -> None:
    page = Tags(page_html([piece(), piece(), piece()]))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    uses = [a["href"] for a in page.all("use")]
    assert len(uses) == 3
    assert {u[1:] for u in uses} <= set(ids)


def test_texts_of_the_notation_have_their_font_everywhere() -> None:
    html = page_html([piece(), piece()])
    assert html.count("@font-face{font-family:'Zhiyin Serif';") == 3
    assert "font-src data:" in html


def test_data_drive_the_playhead() -> None:
    marks = (Mark(48, "tempo", "=60"),)
    score = tune(2).replace(marks=marks)
    page = Tags(page_html([piece(score=score)]))
    data = json.loads(page.scripts[0])
    assert data["bars"] == [0, 96]
    assert data["timeline"] == [[0.0, 1.0, 0, 48], [1.0, 7.0, 48, 192]]
    assert data["seconds"] == 7.0
    slower = score.replace(marks=(Mark(0, "tempo", "=30"),)).with_resolution(480)
    played = json.loads(Tags(page_html([piece(score=score, played=slower)])).scripts[0])
    assert played["timeline"] == [[0.0, 16.0, 0, 192]]


def test_both_languages_are_inside_and_the_first_is_chosen() -> None:
    english, chinese = page_html([piece()]), page_html([piece()], language="zh")
    for html in (english, chinese):
        assert "Machine-composed with zhiyin (知音)." in html
        assert "本曲由 zhiyin 机器作曲。" in html
    assert '<html lang="en" data-language="en">' in english
    assert '<html lang="zh-Hans" data-language="zh">' in chinese


def test_controls_have_names_for_screen_readers() -> None:
    page = Tags(page_html([piece()]))
    for name, kind in (("button", "play"), ("input", "seek"), ("div", "roll"), ("div", "sheet")):
        (found,) = page.all(name, **{"class": kind})
        assert found["aria-label"] == found["data-label-en"]
        assert found["data-label-zh"]
    assert page.all("article")[0]["aria-labelledby"] in {a.get("id") for a in page.all("h2")}


def test_a_piece_without_pictures_or_record_still_has_a_page() -> None:
    page = Tags(page_html([piece(notation_svg="", roll_svg="", record={}, facts=(), musicxml="", links=())]))
    assert page.all("div", **{"class": "roll"}) == []
    assert len(page.all("audio")) == 1


@pytest.mark.parametrize(
    ("title", "stem"),
    [
        ("A Tune", "A-Tune"),
        ("../../etc/passwd", "etc-passwd"),
        ("江上 晚歌", "江上-晚歌"),
        ("???", "piece"),
        ("a" * 90, "a" * 60),
    ],
)
def test_file_stems(title: str, stem: str) -> None:
    assert file_stem(title) == stem


@pytest.mark.parametrize("target", ["https://example.org/a.wav", "/etc/passwd", "javascript:alert(1)", "\\\\host\\a"])
def test_links_stay_beside_the_page(target: str) -> None:
    with pytest.raises(InputError, match=r"A link must stay beside the page\. Expected a relative file name"):
        page_html([piece(links=[("WAV", target)])])


def test_refusals_say_what_is_wrong() -> None:
    with pytest.raises(InputError, match=r"A page needs a piece\. Expected ≥ 1 piece\. Received 0 pieces"):
        page_html([])
    with pytest.raises(InputError, match=r"Unknown page language\. Expected 'en' or 'zh'\. Received 'fr'"):
        page_html([piece()], language="fr")
    with pytest.raises(FormatError, match=r"Unknown sound type\. Expected audio/mpeg, .*Received 'text/html'"):
        page_html([piece(sound_mime="text/html")])
    with pytest.raises(FormatError, match="not valid SVG"):
        page_html([piece(notation_svg="<svg")])


def test_a_song_of_a_person_is_not_called_composed_by_machine() -> None:
    record = disclosed({"verb": "infill"}, "bars 5-8 of Voice")
    html = page_html([piece(record=record)])
    assert record["disclosure"] in html and "composed by machine" not in html and "以下由 zhiyin 机器作曲：Voice第 5-8 小节；其余照原样。" in html
    assert "composed by machine" in page_html([piece()])
