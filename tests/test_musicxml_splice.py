"""MusicXML changed in place: every byte outside the asked bars and parts, what stays inside them, and what reads back."""

import re
import zipfile

import pytest

from test_infill import fill
from zhiyin.formats.catalog import load, save
from zhiyin.formats.musicxml import read_musicxml
from zhiyin.formats.musicxml_outline import changed, outline
from zhiyin.formats.recorded import record_inside

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">
<score-partwise version="4.0"><!-- a comment -->
  <work><work-title>Étude &amp; song</work-title></work>%s
  <part-list>
    <score-part id="P1"><part-name>Clarinet in Bb</part-name><midi-instrument id="I1"><midi-program>72</midi-program></midi-instrument></score-part>
    <score-part id="P2"><part-name>Piano</part-name><midi-instrument id="I2"><midi-program>1</midi-program></midi-instrument></score-part>
  </part-list>
"""
IDENTIFICATION = "<identification><encoding><software>other</software></encoding><source>a book</source></identification>"


def note(step, octave, duration, more="", voice=1, staff=""):
    staff = f"<staff>{staff}</staff>" if staff else ""
    return (
        f"<note><pitch><step>{step}</step><octave>{octave}</octave></pitch><duration>{duration}</duration>"
        f"<voice>{voice}</voice>{staff}{more}</note>"
    )


def clarinet(number):
    """Four quarters in divisions of 1, a slur over each second bar line, words on every note, a dynamic on beat 3."""
    first = (
        "<attributes><divisions>1</divisions><key><fifths>1</fifths></key><time><beats>4</beats><beat-type>4</beat-type></time>"
        "<clef><sign>G</sign><line>2</line></clef><transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose></attributes>"
        if number == 1 else ""
    )  # fmt: skip
    slur = '<notations><slur type="%s" number="3"/></notations>'
    notes = []
    for i, step in enumerate("GABC" if number % 2 else "CBAG"):
        sign = slur % "start" if i == 3 and number % 2 == 0 else slur % "stop" if i == 0 and number % 2 and number > 1 else ""
        lyric = f"<lyric><syllabic>single</syllabic><text>w{number}{i}</text></lyric>"
        notes.append(note(step, 5 if step == "C" else 4, 1, sign + lyric))
    notes.insert(2, f'<direction placement="below"><direction-type><dynamics><mf/></dynamics></direction-type><offset>0</offset><!-- {number} --></direction>')
    double = '<barline location="right"><bar-style>light-light</bar-style></barline>' if number % 4 == 0 else ""
    print_ = '<print new-system="yes"/>' if number % 4 == 1 else ""
    return f'<measure number="{number}" width="{100 + number}">\n      {print_}{first}{"".join(notes)}{double}\n      </measure>'


def piano(number):
    """Two staves, a chord symbol on beat 3, a clef change in bar 3, a pedal that the last voice carries."""
    first = "<attributes><divisions>4</divisions><key><fifths>-1</fifths></key><time><beats>4</beats><beat-type>4</beat-type></time><staves>2</staves></attributes>" if number == 1 else ""
    clef = '<attributes><clef number="2"><sign>G</sign><line>2</line></clef></attributes>' if number == 3 else ""
    right = note("F", 5, 8, staff=1) + "<harmony><root><root-step>C</root-step></root><kind>dominant</kind></harmony>" + note("E", 5, 8, staff=1)
    left = note("F", 3, 4, voice=5, staff=2) + clef + note("A", 3, 12, voice=5, staff=2)
    pedal = '<direction><direction-type><pedal type="start"/></direction-type><staff>2</staff></direction>'
    return f'<measure number="{number}">{first}{right}<backup><duration>16</duration></backup>{pedal}{left}</measure>'


def document(identification=IDENTIFICATION, bars=8):
    parts = [(1, clarinet), (2, piano)]
    body = "".join(f'  <part id="P{i}">\n    {"".join(make(n) for n in range(1, bars + 1))}\n  </part>\n' for i, make in parts)
    return HEAD % identification + body + "</score-partwise>\n"


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.musicxml"
    path.write_text(document(), encoding="utf-8")
    return path


def measures(text):
    """Text of each measure by (part, number), and all else with our record taken out."""
    found = {}
    for part, piece in enumerate(re.split(r"(?=<part id=)", text)[1:], 1):
        for m in re.finditer(r'<measure number="(\d+)".*?</measure>', piece, re.S):
            found[part, int(m[1])] = m[0]
    rest = re.sub(r"<measure .*?</measure>", "", text, flags=re.S)
    return found, re.sub(r"<encoding-description>.*?</encoding-description>", "", rest, flags=re.S)


def times(score):
    """Onset and end in quarters, sounding pitch and part of every note."""
    per = score.ticks_per_quarter
    return sorted((a / per, (a + b) / per, c, d) for a, b, c, d in score.notes[["onset", "duration", "pitch", "part"]].tolist())


@pytest.mark.parametrize(("parts", "number"), [((), {1, 2}), (("Piano",), {2}), (("1",), {1})])
@pytest.mark.parametrize("span", ["3-4", "1-2", "7-8", "2,5-6"])
def test_every_byte_outside_the_span_stays(song, tmp_path, span, parts, number):
    made = fill(song, span, parts=parts)
    out = save(made, tmp_path / "out.musicxml")
    (before, head), (after, tail) = measures(song.read_text("utf-8")), measures(out.read_text("utf-8"))
    bars = {n for piece in span.split(",") for n in range(int(piece[0]), int(piece[-1]) + 1)}
    changed_bars = {key for key in before if before[key] != after[key]}
    assert head == tail
    assert changed_bars == {(p, n) for p in number for n in bars}
    assert times(load(out)) == times(made.score), "every note at its length"
    assert record_inside(out)["verb"] == "infill"


def test_what_is_no_note_stays_in_replaced_bars_at_its_time(song, tmp_path):
    text = save(fill(song, "3-4"), tmp_path / "out.musicxml").read_text("utf-8")
    after, _ = measures(text)
    assert "<mf/>" in after[1, 3] and "<!-- 3 -->" in after[1, 3] and 'width="103"' in after[1, 3]
    assert "light-light" in after[1, 4] and after[1, 4].rstrip().endswith("</barline>\n      </measure>")
    assert "<harmony>" in after[2, 3] and "<clef number=\"2\">" in after[2, 3] and '<pedal type="start"/>' in after[2, 4]
    before, score = load(song), read_musicxml(text.encode())
    scale = score.ticks_per_quarter // before.ticks_per_quarter
    for kind in ("dynamic", "chord", "pedal", "barline"):
        assert [(m.onset, m.value) for m in score.marks if m.kind == kind] == [
            (m.onset * scale, m.value) for m in before.marks if m.kind == kind
        ], kind
    assert "w30" not in after[1, 3], "words go with their notes"


def test_slurs_over_the_seams_find_a_note(song, tmp_path):
    out = save(fill(song, "3-4"), tmp_path / "out.musicxml")
    after, _ = measures(out.read_text("utf-8"))
    assert after[1, 3].count('<slur type="stop" number="3"') == 1
    assert after[1, 4].count('<slur type="start" number="3"') == 1
    assert len([m for m in load(out).marks if m.kind == "slur"]) >= 3


def test_divisions_are_refined_in_the_bar_and_restored(song, tmp_path):
    out = save(fill(song, "3-4", parts=["1"]), tmp_path / "out.musicxml")
    after, _ = measures(out.read_text("utf-8"))
    said = re.findall(r"<divisions>(\d+)", after[1, 3])
    assert len(said) == 2 and int(said[0]) > 1 and said[1] == "1"
    assert load(out).bars["duration"].tolist() == [4 * load(out).ticks_per_quarter] * 8


@pytest.mark.parametrize("identification", ["", "<identification/>", "<identification><creator>X</creator><source>b</source></identification>", "<identification><encoding/></identification>"])
def test_the_record_finds_a_place(tmp_path, identification):
    path = tmp_path / "song.musicxml"
    path.write_text(document(identification), encoding="utf-8")
    out = save(fill(path, "3"), tmp_path / "out.musicxml")
    assert record_inside(out)["settings"]["span"] == "3"
    again = save(fill(out, "4"), tmp_path / "again.musicxml")
    assert record_inside(again)["settings"]["span"] == "4" and again.read_text("utf-8").count("zhiyin:{") == 1


def test_packed_timewise_and_utf16_files(song, tmp_path):
    packed = tmp_path / "song.mxl"
    with zipfile.ZipFile(packed, "w") as archive:
        container = '<container><rootfiles><rootfile full-path="a/song.xml"/></rootfiles></container>'
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("a/song.xml", song.read_bytes())
        archive.writestr("picture.png", b"\x89PNG")
    out = save(fill(packed, "3-4"), tmp_path / "out.mxl")
    with zipfile.ZipFile(out) as archive:
        assert archive.read("picture.png") == b"\x89PNG"
        same = archive.read("a/song.xml")
    assert same == save(fill(song, "3-4"), tmp_path / "plain.musicxml").read_bytes().replace(
        re.search(rb"zhiyin:\{.*?</", (tmp_path / "plain.musicxml").read_bytes())[0], re.search(rb"zhiyin:\{.*?</", same)[0]
    )
    text = document()
    before, _ = measures(text)
    body = "".join(
        f'<measure number="{n}">' + "".join(re.sub(r"<measure[^>]*>(.*)</measure>", rf'<part id="P{p}">\1</part>', before[p, n], flags=re.S) for p in (1, 2)) + "</measure>"
        for n in range(1, 9)
    )
    timewise = re.sub(r"  <part id=.*</part>\n", lambda _: body, text, flags=re.S).replace("score-partwise", "score-timewise")
    path = tmp_path / "timewise.xml"
    path.write_bytes(timewise.replace('"UTF-8"', '"UTF-16"').encode("utf-16"))
    made = fill(path, "3-4", parts=["Piano"])
    found = load(save(made, tmp_path / "timewise_out.xml"))
    assert times(found) == times(load(save(made.score, tmp_path / "anew.musicxml")))


def test_a_file_that_cannot_be_changed_in_place_is_written_anew_and_that_is_said(song, tmp_path):
    text = song.read_text("utf-8")
    at = text.index("<measure", text.index('<measure number="3"') + 5)
    middle = text.rindex("<note>", 0, at)
    song.write_text(text[:middle] + "<attributes><divisions>1</divisions></attributes>" + text[middle:], encoding="utf-8")
    save(fill(song, "3"), tmp_path / "same.musicxml")  # the same divisions again change nothing
    odd = text[:middle] + "<attributes><divisions>2</divisions></attributes>" + text[middle:].replace("<duration>1<", "<duration>2<", 1)
    restored = odd.replace('<measure number="4" width="104">\n      ', '<measure number="4" width="104">\n      <attributes><divisions>1</divisions></attributes>', 1)
    song.write_text(restored, encoding="utf-8")
    with pytest.warns(UserWarning, match=r"out.musicxml is written anew, not changed in place: The divisions change inside a bar"):
        out = save(fill(song, "3"), tmp_path / "out.musicxml")
    assert len(load(out).notes) > 50


def test_outlines_say_where_elements_stand():
    data = b'<?xml version="1.0"?><a x="1>2"><b/><c>t</c><d></d><e><f/></e></a>'
    top = outline(data)
    assert [data[n.start : n.end] for n in top.children] == [b"<b/>", b"<c>t</c>", b"<d></d>", b"<e><f/></e>"]
    assert [data[n.inner : n.close] for n in top.children] == [b"", b"t", b"", b"<f/>"]
    assert changed(data, [(n.start, n.end, b"!") for n in top.children]).endswith(b'<a x="1>2">!!!!</a>')


def test_a_varied_note_takes_its_tie_along(tmp_path):
    from fake_step import FakeGraph
    from test_infill import ONE, PACKAGE
    from zhiyin.inference.sampler import Sampler
    from zhiyin.inference.session import StepSession
    from zhiyin.inference.vary import vary

    tied = '<tie type="start"/>', '<tie type="stop"/>'
    text = document().replace(note("B", 4, 1, ""), note("B", 4, 1, ""))
    for bar in (2, 3):
        start, stop = text.index(f'<measure number="{bar}"'), text.index("</measure>", text.index(f'<measure number="{bar}"'))
        inner = text[start:stop]
        place = inner.rindex("</duration>") if bar == 2 else inner.index("</duration>")
        text = text[:start] + inner[: place + 11] + tied[bar - 2] + inner[place + 11 :] + text[stop:]
    path = tmp_path / "song.musicxml"
    path.write_text(text, encoding="utf-8")
    before = load(path)
    assert (before.notes["duration"][before.notes["part"] == 0] == 2 * before.ticks_per_quarter).sum() == 1
    for span in (None, "2"):
        sampler = Sampler(session=StepSession(FakeGraph(window=256), 256))
        made = vary(path, amount=1.0, span=span, parts=["1"], model=PACKAGE, sampler=sampler, seed=1, options=ONE)
        assert len(made.splice.data()) > 1000, "in place"
        pitches = [
            n["pitch"][(n["part"] == 0) & (n["duration"] == 2 * before.ticks_per_quarter)].tolist() for n in (before.notes, made.score.notes)
        ]
        assert span is None or pitches[0] == pitches[1], "tied into a bar that stays"
