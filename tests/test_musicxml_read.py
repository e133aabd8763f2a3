"""The MusicXML reader on small scores written for these tests, and on files that want to do harm."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zhiyin.errors import FormatError
from zhiyin.formats.limits import LIMITS
from zhiyin.formats.musicxml import read_musicxml
from zhiyin.score.score import UNKNOWN_KEY, Score

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE score-partwise PUBLIC "-//Recordare//MusicXML//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">\n'
)


def note(step: str, octave: int, duration: int, *, alter: int = 0, extra: str = "", before: str = "") -> str:
    """A note element; ``before`` goes in front of the pitch (chord, grace), ``extra`` after the duration."""
    alteration = f"<alter>{alter}</alter>" if alter else ""
    length = f"<duration>{duration}</duration>" if duration else ""
    return (
        f"<note>{before}<pitch><step>{step}</step>{alteration}<octave>{octave}</octave></pitch>{length}{extra}</note>"
    )


def attributes(divisions: int = 4, fifths: int = 0, mode: str = "major", meter: str = "4/4", extra: str = "") -> str:
    beats, kind = meter.split("/")
    return (
        f"<attributes><divisions>{divisions}</divisions><key><fifths>{fifths}</fifths><mode>{mode}</mode></key>"
        f"<time><beats>{beats}</beats><beat-type>{kind}</beat-type></time>{extra}</attributes>"
    )


def document(*parts: list[str], heads: str = "", numbers: list[str] | None = None) -> bytes:
    """A partwise score of parts, each a list of the contents of its measures."""
    ids = [f"P{i + 1}" for i in range(len(parts))]
    listed = heads or "".join(f'<score-part id="{i}"><part-name>Part {i}</part-name></score-part>' for i in ids)
    body = ""
    for i, measures in zip(ids, parts):
        names = numbers or [f'number="{k + 1}"' for k in range(len(measures))]
        body += f'<part id="{i}">' + "".join(f"<measure {n}>{m}</measure>" for n, m in zip(names, measures)) + "</part>"
    return f"{HEAD}<score-partwise><part-list>{listed}</part-list>{body}</score-partwise>".encode()


def rows(score: Score) -> list[tuple[float, float, int]]:
    q = score.ticks_per_quarter
    return [(n["onset"] / q, n["duration"] / q, int(n["pitch"])) for n in score.notes]


def marks(score: Score, kind: str) -> list[tuple[float, str, float]]:
    q = score.ticks_per_quarter
    return [(m.onset / q, m.value, m.end / q if m.end >= 0 else -1) for m in score.marks if m.kind == kind]


def test_chords_voices_backup_and_staves() -> None:
    bar = (
        attributes(extra="<staves>2</staves>")
        + note("C", 5, 8, extra="<voice>1</voice><staff>1</staff>")
        + note("E", 5, 8, before="<chord/>", extra="<voice>1</voice><staff>1</staff>")
        + note("D", 5, 8, extra="<voice>1</voice><staff>1</staff>")
        + "<backup><duration>16</duration></backup>"
        + "<forward><duration>4</duration></forward>"
        + note("C", 3, 12, extra="<voice>5</voice><staff>2</staff>")
    )
    score = read_musicxml(document([bar]))
    assert rows(score) == [(0, 2, 72), (0, 2, 76), (1, 3, 48), (2, 2, 74)]
    assert [(int(n["voice"]), int(n["staff"])) for n in score.notes] == [(1, 1), (1, 1), (5, 2), (1, 1)]
    assert score.timing == "notated"


def test_spelling_is_exact_and_key_mode_meter_are_kept() -> None:
    bar = attributes(fifths=-3, mode="minor", meter="3/4") + "".join(
        note(s, 4, 4, alter=a) for s, a in (("B", -1), ("A", 1), ("F", 2))
    )
    score = read_musicxml(document([bar]))
    assert [int(s) for s in score.notes["spelling"]] == [-2, 10, 13]
    first = score.bars[0]
    assert (int(first["key"]), int(first["mode"])) == (-3, 1)
    assert (int(first["meter_numerator"]), int(first["meter_denominator"])) == (3, 4)


def test_divisions_may_change_and_tuplets_stay_exact() -> None:
    first = attributes(divisions=2, meter="1/4") + note("C", 4, 1) * 2
    second = "<attributes><divisions>3</divisions></attributes>" + note("D", 4, 1) * 3
    third = "<attributes><divisions>5</divisions></attributes>" + note("E", 4, 1) * 5
    score = read_musicxml(document([first, second, third]))
    assert [d / score.ticks_per_quarter for d in score.notes["duration"]] == [0.5] * 2 + [1 / 3] * 3 + [0.2] * 5
    assert list(score.bars["duration"]) == [score.ticks_per_quarter] * 3


def test_ties_are_merged_over_bars_and_between_voices() -> None:
    start, both, stop = '<tie type="start"/>', '<tie type="stop"/><tie type="start"/>', '<tie type="stop"/>'
    bars = [
        attributes() + note("C", 4, 16, extra=start + "<voice>1</voice>"),
        note("C", 4, 16, extra=both + "<voice>1</voice>"),
        note("C", 4, 8, extra=stop + "<voice>2</voice>") + note("C", 4, 8),
    ]
    assert rows(read_musicxml(document(bars))) == [(0, 10, 60), (10, 2, 60)]


def test_tied_notation_counts_where_tie_is_missing() -> None:
    def tied(kind: str) -> str:
        return f'<notations><tied type="{kind}"/></notations>'

    bars = [attributes() + note("C", 4, 16, extra=tied("start")), note("C", 4, 16, extra=tied("stop"))]
    assert rows(read_musicxml(document(bars))) == [(0, 8, 60)]


def test_a_tie_inside_a_chord_leaves_the_other_notes_alone() -> None:
    bars = [
        attributes() + note("C", 4, 16, extra='<tie type="start"/>') + note("E", 4, 16, before="<chord/>"),
        note("C", 4, 16, extra='<tie type="stop"/>') + note("E", 4, 16, before="<chord/>"),
    ]
    assert rows(read_musicxml(document(bars))) == [(0, 8, 60), (0, 4, 64), (4, 4, 64)]


def test_grace_and_cue_notes() -> None:
    bar = attributes() + note("D", 4, 0, before="<grace/>") + note("C", 4, 8) + note("G", 4, 8, before="<cue/>")
    score = read_musicxml(document([bar]))
    assert [(int(n["onset"]), int(n["duration"]), int(n["pitch"]), bool(n["grace"])) for n in score.notes] == [
        (0, 48, 60, False),
        (0, 0, 62, True),
    ]
    assert int(score.bars["duration"][0]) == 96


def test_transposing_parts_sound() -> None:
    clarinet = attributes(fifths=2, extra="<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>")
    score = read_musicxml(document([clarinet + note("D", 5, 16)], [attributes() + note("C", 4, 16)]))
    assert rows(score) == [(0, 4, 72), (0, 4, 60)]
    assert int(score.notes["spelling"][0]) == 0
    assert int(score.bars["key"][0]) == 0


def test_pickup_irregular_and_completing_bars() -> None:
    bars = [
        attributes(meter="3/4") + note("C", 4, 4),
        note("D", 4, 12),
        note("E", 4, 8),
        note("F", 4, 4),
        note("G", 4, 20),
    ]
    numbers = ['number="0" implicit="yes"', 'number="1"', 'number="2"', 'number="X1" implicit="yes"', 'number="3"']
    table = read_musicxml(document(bars, numbers=numbers)).bars
    assert list(table["number"]) == [0, 1, 2, 2, 3]
    assert list(table["duration"] // 24) == [1, 3, 2, 1, 5]


def test_a_bar_is_as_long_as_its_longest_part() -> None:
    score = read_musicxml(
        document(
            [attributes() + note("C", 4, 8), note("C", 4, 16)], [attributes() + note("E", 4, 16), note("E", 4, 16)]
        )
    )
    assert list(score.bars["onset"]) == [0, 96]
    assert [r[0] for r in rows(score)] == [0, 0, 4, 4]


def test_directions_become_marks() -> None:
    def direction(inner: str, tail: str = "") -> str:
        return f"<direction><direction-type>{inner}</direction-type>{tail}</direction>"

    bar = (
        attributes()
        + direction("<words>Andante con moto</words>", '<sound tempo="72"/>')
        + direction("<dynamics><p/></dynamics>")
        + direction('<wedge type="crescendo" number="1"/>')
        + note("C", 4, 8)
        + direction("<words>dolce</words>")
        + direction('<wedge type="stop" number="1"/>')
        + direction("<dynamics><ff/></dynamics>")
        + direction("<metronome><beat-unit>half</beat-unit><per-minute>60</per-minute></metronome>")
        + note("D", 4, 8)
        + direction("<words>D.C. al Fine</words>", '<sound dacapo="yes"/>')
    )
    score = read_musicxml(document([bar]))
    assert marks(score, "tempo") == [(0, "Andante con moto", -1), (2, "=120", -1)]
    assert float(score.bars["tempo_qpm"][0]) == 72.0
    assert marks(score, "dynamic") == [(0, "p", -1), (2, "ff", -1)]
    assert marks(score, "hairpin") == [(0, "crescendo", 2)]
    assert marks(score, "text") == [(2, "dolce", -1)]
    assert marks(score, "jump") == [(4, "D.C. al Fine", -1)]
    assert 0 < score.notes["velocity"][0] < score.notes["velocity"][1]


def test_notations_lyrics_and_chord_symbols() -> None:
    slur = '<notations><slur type="{}" number="1"/><articulations><staccato/></articulations>{}</notations>'
    lyric = "<lyric><syllabic>{}</syllabic><text>{}</text></lyric>"
    harmony = (
        "<harmony><root><root-step>B</root-step><root-alter>-1</root-alter></root><kind>minor-seventh</kind>"
        "<bass><bass-step>D</bass-step></bass></harmony>"
    )
    bar = (
        attributes()
        + harmony
        + note(
            "C", 4, 8, extra=slur.format("start", "<ornaments><trill-mark/></ornaments>") + lyric.format("begin", "A")
        )
        + note("D", 4, 8, extra=slur.format("stop", "<fermata/>") + lyric.format("end", "men"))
    )
    score = read_musicxml(document([bar]))
    assert len(score.notes) == 2
    assert marks(score, "slur") == [(0, "", 2)]
    assert marks(score, "articulation") == [(0, "staccato", -1), (2, "staccato", -1)]
    assert marks(score, "ornament") == [(0, "trill", -1)]
    assert marks(score, "fermata") == [(2, "", -1)]
    assert marks(score, "lyric") == [(0, "A-", -1), (2, "men", -1)]
    assert marks(score, "chord") == [(0, "Bbm7/D", -1)]
    assert set(score.notes["velocity"]) == {0}


def test_repeats_endings_and_final_bar_line_stay_and_unfold() -> None:
    bars = [
        attributes(meter="1/4") + '<barline location="left"><repeat direction="forward"/></barline>' + note("C", 4, 4),
        '<barline location="left"><ending number="1" type="start"/></barline>' + note("D", 4, 4)
        + '<barline location="right"><ending number="1" type="stop"/><repeat direction="backward"/></barline>',
        '<barline location="left"><ending number="2" type="start"/></barline>' + note("E", 4, 4)
        + '<barline><bar-style>light-heavy</bar-style><ending number="2" type="discontinue"/></barline>',
    ]  # fmt: skip
    data = document(bars)
    score = read_musicxml(data)
    assert marks(score, "repeat") == [(0, "start", -1), (2, "end", -1)]
    assert marks(score, "ending") == [(1, "1", 2), (2, "2", 3)]
    assert marks(score, "barline") == [(3, "final", -1)]
    assert list(score.notes["pitch"]) == [60, 62, 64]
    assert list(read_musicxml(data, expand_repeats=True).notes["pitch"]) == [60, 62, 60, 64]


def test_pedals_and_octave_signs() -> None:
    def direction(inner: str) -> str:
        return f"<direction><direction-type>{inner}</direction-type></direction>"

    bar = (
        attributes()
        + direction('<pedal type="start"/>')
        + direction('<octave-shift type="down" size="8"/>')
        + note("C", 6, 8)
        + direction('<pedal type="change"/>')
        + note("C", 6, 8)
        + direction('<pedal type="stop"/>')
    )
    score = read_musicxml(document([bar]))
    assert marks(score, "pedal") == [(0, "", 2), (2, "", 4)]
    assert list(score.notes["pitch"]) == [84, 84]


def test_parts_programs_and_drums() -> None:
    heads = (
        '<score-part id="P1"><part-name>Flute</part-name><midi-instrument id="I1"><midi-program>74</midi-program>'
        '</midi-instrument></score-part><score-part id="P2"><part-name>Kit</part-name>'
        '<score-instrument id="X1"><instrument-name>Kick</instrument-name></score-instrument>'
        '<midi-instrument id="X1"><midi-channel>10</midi-channel><midi-unpitched>37</midi-unpitched></midi-instrument>'
        "</score-part>"
    )
    drum = '<note><unpitched/><duration>8</duration><instrument id="X1"/></note>'
    score = read_musicxml(document([attributes() + note("C", 5, 16)], [attributes() + drum * 2], heads=heads))
    assert [(p.name, p.program, p.drums) for p in score.parts] == [("Flute", 73, False), ("Kit", 0, True)]
    assert [int(n["pitch"]) for n in score.notes if n["part"] == 1] == [36, 36]


def test_meter_changes_and_composite_meters() -> None:
    second = "<attributes><time><beats>3+2</beats><beat-type>8</beat-type></time></attributes>" + note("C", 4, 10)
    score = read_musicxml(document([attributes() + note("C", 4, 16), second]))
    assert [(int(b["meter_numerator"]), int(b["meter_denominator"])) for b in score.bars] == [(4, 4), (5, 8)]


def test_timewise_scores_are_turned() -> None:
    listed = "".join(f'<score-part id="{i}"><part-name>{i}</part-name></score-part>' for i in ("A", "B"))
    measure = '<measure number="{n}"><part id="A">{a}</part><part id="B">{b}</part></measure>'
    body = measure.format(n=1, a=attributes() + note("C", 5, 16), b=attributes() + note("C", 3, 16)) + measure.format(
        n=2, a=note("D", 5, 16), b=note("D", 3, 16)
    )
    data = f"<score-timewise><part-list>{listed}</part-list>{body}</score-timewise>".encode()
    assert rows(read_musicxml(data)) == [(0, 4, 72), (0, 4, 48), (4, 4, 74), (4, 4, 50)]


def test_utf_16_and_compressed_files(tmp_path: Path) -> None:
    plain = document([attributes() + note("C", 4, 16)])
    wide = plain.decode().replace("UTF-8", "UTF-16").encode("utf-16")
    assert rows(read_musicxml(wide)) == [(0, 4, 60)]
    packed = tmp_path / "tune.mxl"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "META-INF/container.xml",
            '<container><rootfiles><rootfile full-path="inner/score.xml"/></rootfiles></container>',
        )
        archive.writestr("inner/score.xml", plain)
    assert rows(read_musicxml(packed)) == [(0, 4, 60)]


def test_key_not_given_stays_unknown() -> None:
    score = read_musicxml(document(["<attributes><divisions>1</divisions></attributes>" + note("C", 4, 4)]))
    assert int(score.bars["key"][0]) == UNKNOWN_KEY


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def entities() -> bytes:
    lines = "".join(f'<!ENTITY l{i} "{("&l" + str(i - 1) + ";") * 10}">' for i in range(1, 12))
    return f'<!DOCTYPE score-partwise [<!ENTITY l0 "ha">{lines}]><score-partwise>&l11;</score-partwise>'.encode()


HOSTILE = {
    "billion laughs": (entities(), ["entities", "do not trust"]),
    "outside file": (
        b'<!DOCTYPE score-partwise [<!ENTITY x SYSTEM "file:///etc/passwd">]><score-partwise>&x;</score-partwise>',
        ["entities"],
    ),
    "zip bomb": (zipped({"score.xml": b" " * (8 << 20)}), ["too large when unpacked", "from each packed one"]),
    "zip without a score": (zipped({"readme.txt": b"hello"}), ["holds no score", "readme.txt"]),
    "torn zip": (zipped({"score.xml": document([note("C", 4, 4)])})[:200], ["damaged archive"]),
    "torn file": (document([note("C", 4, 4)])[:-60], ["not well-formed XML"]),
    "another format": (b"<html><body/></html>", ["not a MusicXML score", "<html>"]),
    "no parts": (b"<score-partwise><part-list/></score-partwise>", ["holds no music"]),
    "wrong duration": (
        document([attributes() + note("C", 4, 4).replace("4</dur", "x</dur")]),
        ["bar 1", "Part P1", "'x'"],
    ),
    "wrong step": (document([attributes() + note("H", 4, 4)]), ["bar 1", "a step A..G"]),
    "wrong octave": (document([attributes() + note("C", 40, 4)]), ["bar 1", "0..127", "492"]),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_harmful_and_broken_files_are_refused(case: str) -> None:
    data, words = HOSTILE[case]
    with pytest.raises(FormatError) as caught:
        read_musicxml(data)
    for word in words:
        assert word in str(caught.value)


def test_a_bomb_that_lies_about_its_size_is_refused() -> None:
    data = bytearray(zipped({"score.xml": b" " * (8 << 20)}))
    true, small = (8 << 20).to_bytes(4, "little"), (500).to_bytes(4, "little")
    assert data.count(true) == 2
    with pytest.raises(FormatError, match=r"damaged archive|too large"):
        read_musicxml(bytes(data.replace(true, small)), limits=replace(LIMITS["musicxml"], bytes=1 << 20))


def test_limits_are_named() -> None:
    data = document([attributes() + note("C", 4, 1) * 16])
    with pytest.raises(FormatError, match="too many notes"):
        read_musicxml(data, limits=replace(LIMITS["musicxml"], notes=10))
    with pytest.raises(FormatError, match="too large when unpacked"):
        read_musicxml(data, limits=replace(LIMITS["musicxml"], bytes=100))


def test_damaged_files_raise_nothing_but_format_errors() -> None:
    generator = np.random.default_rng(11)
    slur = '<notations><slur type="start"/><tied type="start"/></notations><voice>1</voice><staff>1</staff>'
    source = document([attributes() + note("C", 4, 8, extra=slur) + note("D", 4, 8, extra=slur)])
    digits = [i for i in range(source.index(b"<part id"), len(source)) if chr(source[i]).isdigit()]
    outcomes = {"read": 0, "refused": 0}
    for _ in range(1_000):
        data = bytearray(source)
        for at in generator.choice(digits, 2):
            data[at] = generator.integers(32, 127)
        try:
            read_musicxml(bytes(data))
            outcomes["read"] += 1
        except FormatError:
            outcomes["refused"] += 1
    assert outcomes["read"] > 20
    assert outcomes["refused"] > 20
