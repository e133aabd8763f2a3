"""Records: in every format, read back after side files and metadata were stripped, and never confused by other programs'."""

import json
import re
import shutil
import subprocess
import sys

import mido
import pytest
import soundfile

from music import tune
from zhiyin.app.cli.main import main
from zhiyin.errors import RecordError
from zhiyin.formats.catalog import load, save
from zhiyin.formats.recorded import find_record, music_of, record_inside
from zhiyin.formats.sound_tags import wav_info
from zhiyin.provenance.disclosure import bars_of, composed_in, disclosed, in_chinese
from zhiyin.provenance.log import read_log
from zhiyin.provenance.record import DISCLOSURE, make_record, parse_record, read_side_file, record_text

EMBEDDING = (".mid", ".musicxml", ".mxl", ".wav", ".flac", ".ogg", ".mp3", ".svg", ".png", ".abc")
MODEL = {
    "name": "m",
    "corpus": {"licence": "CC-BY-4.0"},
    "collections": [{"name": "a", "licence": "CC-BY-4.0", "pieces": 3, "attribution": "A " * 2000}],
}


def made(score, **more):
    return {**make_record("compose", "0.1.0", {"seed": 7, "take": 0, "words": "一首圆舞曲"}, model=MODEL, model_hash="h" * 64, notes=music_of(score)), **more}  # fmt: skip


@pytest.fixture(scope="module")
def composed(tmp_path_factory):
    """A real piece as compose writes it, its folder."""
    folder = tmp_path_factory.mktemp("composed")
    words = ["a calm waltz in G major", "--bars", "8", "--candidates", "2", "--takes", "1", "--seed", "5", "-q"]
    assert main(["compose", *words, "-o", str(folder)]) == 0
    return folder


def copied(composed, suffix, folder):
    source = next(p for p in composed.iterdir() if p.suffix == suffix)
    return shutil.copy(source, folder / f"copy{suffix}")


@pytest.mark.parametrize("suffix", EMBEDDING)
def test_every_format_gives_back_the_whole_record(tmp_path, suffix):
    """Also one of 9 kB, over what libsndfile reads from a WAV."""
    score = tune(2)
    record = made(score)
    assert len(record_text(record)) > 4000
    path = save(score, tmp_path / f"a{suffix}", record=record)
    assert record_inside(path) == json.loads(record_text(record))
    again = save(score, tmp_path / f"b{suffix}", record=record)
    assert path.read_bytes() == again.read_bytes()
    assert record_inside(save(score, tmp_path / f"none{suffix}")) is None


def test_each_file_says_in_plain_words_that_a_machine_made_it(tmp_path):
    score, record = tune(2), made(tune(2))
    texts = [m.text for t in mido.MidiFile(save(score, tmp_path / "a.mid", record=record)).tracks for m in t if m.type == "text"]
    assert any("Machine-composed with zhiyin" in t for t in texts)
    xml = save(score, tmp_path / "a.musicxml", record=record).read_text()
    assert f"<encoding-description>{DISCLOSURE}</encoding-description>" in xml
    assert f"% {DISCLOSURE}" in save(score, tmp_path / "a.abc", record=record).read_text()
    wav = save(score, tmp_path / "a.wav", record=record)
    assert soundfile.SoundFile(wav).copy_metadata()["comment"] == f"{DISCLOSURE}; soundfont: zhiyin"
    assert wav_info(wav, b"IZHI").startswith("{") and len(soundfile.read(wav)[0]) > 1000
    assert not load(tmp_path / "a.musicxml").metadata.get("zhiyin")


def test_every_produced_file_has_its_record_inside_and_beside(composed):
    files = [p for p in composed.iterdir() if p.suffix in (".mid", ".musicxml", ".wav", ".svg")]
    assert len(files) == 4
    for path in files:
        inside, beside = record_inside(path), read_side_file(path)
        assert inside and beside and "written" in beside and "written" not in inside
        assert inside == {k: v for k, v in beside.items() if k in inside}
        assert {"model", "model_hash", "verb", "settings", "inputs", "corpus", "attribution", "originality", "made_with", "runtime"} <= set(inside)
        assert inside["settings"]["seed"] == 5 and inside["settings"]["words"] == "a calm waltz in G major"
        assert {c["name"] for c in inside["corpus"]} >= {"groove", "cre-irish"} and any("CC BY" in a for a in inside["attribution"])
    logged = read_log(keep=lambda e: any(str(composed) in f["path"] for f in e["files"])).entries
    assert len(logged) == 1 and len(logged[0]["files"]) == 4 and logged[0]["written"]


def test_python_saves_the_record_too(tmp_path):
    import zhiyin as zy

    piece = zy.compose("a jig", bars=4, seed=1, takes=1, candidates=1)
    record = record_inside(zy.save(piece, tmp_path / "a.mid"))
    assert record["settings"]["seed"] == 1 and record["settings"]["bars"] == 4
    assert record_inside(zy.save(piece.score, tmp_path / "b.mid")) is None


def test_the_hash_by_ear_survives_other_resolutions_and_formats(composed, tmp_path):
    middle = load(copied(composed, ".mid", tmp_path))
    heard = music_of(middle).heard["heard"]
    assert heard == record_inside(tmp_path / "copy.mid")["heard"]
    assert heard == music_of(middle.with_resolution(middle.ticks_per_quarter * 2)).heard["heard"]
    assert heard == music_of(load(copied(composed, ".musicxml", tmp_path))).heard["heard"]
    assert heard != music_of(middle.transpose(1)).heard["heard"]


@pytest.mark.parametrize("target", ["c.musicxml", "c.mxl", "c.abc", "c.mid", "c.png"])
def test_convert_takes_the_record_along(composed, tmp_path, target):
    path = copied(composed, ".mid", tmp_path)
    assert main(["convert", str(path), "-o", str(tmp_path / target), "-q"]) == 0
    before, after = record_inside(path), record_inside(tmp_path / target)
    assert after.pop("converted")[0]["from"] == "copy.mid" and after == before
    assert read_side_file(tmp_path / target)["file"] == target


def test_convert_of_somebody_elses_music_claims_nothing(tmp_path):
    source = save(tune(4), tmp_path / "t.mid")
    assert main(["convert", str(source), "-o", str(tmp_path / "t.musicxml"), "-q"]) == 0
    assert "achine-composed" not in (tmp_path / "t.musicxml").read_text()
    assert not list(tmp_path.glob("*.zhiyin.json"))


def test_pictures_of_a_piece_carry_its_record(composed, tmp_path):
    path = copied(composed, ".mid", tmp_path)
    assert main(["show", str(path), "--roll", str(tmp_path / "r.svg"), "--notation", str(tmp_path / "n.png"), "-q"]) == 0
    assert record_inside(tmp_path / "r.svg") == record_inside(tmp_path / "n.png") == record_inside(path)


def test_show_finds_it_inside_beside_and_in_the_log(composed, tmp_path, capsys):
    path = copied(composed, ".mid", tmp_path)
    assert find_record(path).origin == "inside"
    stripped = mido.MidiFile(path)
    for track in stripped.tracks:
        track[:] = [m for m in track if m.type != "text"]
    stripped.save(tmp_path / "daw.mid")
    assert record_inside(tmp_path / "daw.mid") is None
    found = find_record(tmp_path / "daw.mid")
    assert found.origin == "log" and found.record == record_inside(path) and found.written
    shutil.copy(next(composed.glob("*.mid.zhiyin.json")), tmp_path / "daw.mid.zhiyin.json")
    assert find_record(tmp_path / "daw.mid").origin == "beside"
    assert main(["log", "show", str(tmp_path / "daw.mid")]) == 0
    out = capsys.readouterr().out
    assert DISCLOSURE in out and "record from: the side file" in out and "seed 5" in out


def test_an_older_record_can_still_be_read(tmp_path):
    old = {"format": "record/1", "made_with": "zhiyin 0.1.0", "disclosure": DISCLOSURE, "verb": "compose", "model": "m", "model_hash": "h", "settings": {"seed": 1}, "notes": "n"}  # fmt: skip
    assert record_inside(save(tune(2), tmp_path / "a.mid", record=old)) == old
    text = save(tune(2), tmp_path / "a.musicxml").read_text()
    extra = f"<miscellaneous><miscellaneous-field name='zhiyin'>{json.dumps(old)}</miscellaneous-field></miscellaneous>"
    (tmp_path / "a.musicxml").write_text(text.replace("</identification>", extra + "</identification>"))
    assert record_inside(tmp_path / "a.musicxml") == old
    assert "zhiyin" not in load(tmp_path / "a.musicxml").metadata


def others(folder):
    """Files with the metadata of other programs."""
    middle = mido.MidiFile(save(tune(2), folder / "a.mid"))
    middle.tracks[0].insert(0, mido.MetaMessage("text", text='{"format": "other"} zhiyin is a word', time=0))
    middle.save(folder / "a.mid")
    text = save(tune(2), folder / "a.musicxml").read_text()
    told = "<encoding><encoding-description>MuseScore {</encoding-description>"
    (folder / "a.musicxml").write_text(text.replace("<encoding>", told))
    with soundfile.SoundFile(folder / "a.wav", "w", 48000, 1, "PCM_16", format="WAV") as out:
        out.comment = "record: {broken"
        out.write([0.0] * 100)
    svg = save(tune(2), folder / "a.svg").read_text()
    rdf = '<metadata><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>{"x": 1}</metadata>'
    (folder / "a.svg").write_text(re.sub(r"<svg\b[^>]*>", lambda m: m[0] + rdf, svg, count=1))
    (folder / "a.abc").write_text("%zhiyin rules\n" + save(tune(2), folder / "a.abc").read_text())
    return [folder / f"a{s}" for s in (".mid", ".musicxml", ".wav", ".svg", ".abc")]


def test_metadata_of_other_programs_is_no_record(tmp_path):
    for path in others(tmp_path):
        assert record_inside(path) is None, path
        with pytest.raises(RecordError, match=rf"{path.name} has no record of zhiyin\. Expected a record inside, {path.name}\.zhiyin\.json beside it"):
            find_record(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"format":"record/1","verb":', "The record in a.abc is damaged. Expected one JSON object"),
        ("[1,2]", "The record in a.abc is damaged"),
        ('{"format":"record/9"}', "of another kind. Expected format record/1. Received 'record/9'. hint: a newer zhiyin"),
        ('{"format":"record/1","verb":"compose","settings":[],"notes":"n"}', r"incomplete. Expected settings (dict). Received []"),
        ("[" * 100_000, "The record in a.abc is damaged"),
    ],
)  # fmt: skip
def test_a_damaged_record_of_ours_is_said(tmp_path, text, words):
    path = save(tune(2), tmp_path / "a.abc")
    path.write_text(f"%zhiyin:{text}\n" + path.read_text())
    with pytest.raises(RecordError) as error:
        record_inside(path)
    assert words in str(error.value)
    shutil.copy(path, tmp_path / "b.abc")
    save(tune(2), tmp_path / "b.abc.zhiyin.json.abc")
    (tmp_path / "a.abc.zhiyin.json").write_text(json.dumps(made(tune(2), written="then")))
    found = find_record(path)
    assert found.origin == "beside" and "record in a.abc" in found.remarks[0]


def test_a_side_file_that_differs_is_said(tmp_path):
    path = save(tune(2), tmp_path / "a.mid", record=made(tune(2)))
    (tmp_path / "a.mid.zhiyin.json").write_text(json.dumps(made(tune(2), model="another", written="now")))
    assert find_record(path).remarks == ("the record inside and a.mid.zhiyin.json differ in model: one was altered",)
    (tmp_path / "a.mid.zhiyin.json").write_text("{")
    assert "damaged" in find_record(path).remarks[0]


def test_what_is_no_music_has_no_record(tmp_path):
    (tmp_path / "a.mid").write_bytes(b"MThd")
    with pytest.raises(RecordError, match="has no record"):
        find_record(tmp_path / "a.mid")
    done = subprocess.run([sys.executable, "-m", "zhiyin.app.cli.main", "log", "show", str(tmp_path / "no.wav")], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "no.wav is not there" in done.stderr and "Traceback" not in done.stderr
    (tmp_path / "b.wav").write_bytes(b"RIFFxxxxWAVEjunk")
    with pytest.raises(Exception, match=r"b\.wav cannot be read"):
        find_record(tmp_path / "b.wav")


def test_records_are_bounded():
    with pytest.raises(RecordError, match="damaged"):
        parse_record('{"a":"' + "x" * (1 << 20) + '"}', "here")


LINES = [
    ("compose", ["all"], "Machine-composed with zhiyin (知音).", "本曲由 zhiyin 机器作曲。"),
    ("infill", ["bars 5-8 of Voice"], "Bars 5-8 of Voice machine-composed with zhiyin (知音); the rest as given.", "以下由 zhiyin 机器作曲：Voice第 5-8 小节；其余照原样。"),
    ("infill", ["bar 9", "bars 5-8 of Voice"], "Bar 9, and before that bars 5-8 of Voice, machine-composed with zhiyin (知音); the rest as given.", "第 9 小节、Voice第 5-8 小节"),
    ("infill", ["bar 9", "all"], "Machine-composed with zhiyin (知音), bar 9 last.", "本曲由 zhiyin 机器作曲，最后改写：第 9 小节。"),
    ("harmonise", ["Alto and Bass"], "Alto and Bass machine-composed with zhiyin (知音); the rest as given.", "Alto and Bass；其余照原样"),
    ("blend", ["all"], "Machine-composed with zhiyin (知音) after two given melodies.", "本曲由 zhiyin 机器作曲。"),
    ("chords", [], "Chord symbols by zhiyin (知音); the notes as given.", "和弦记号出自 zhiyin，音符照原样。"),
    ("chords", ["all"], "Chord symbols by zhiyin (知音). Machine-composed with zhiyin (知音).", "本曲由 zhiyin 机器作曲。"),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "composed", "line", "chinese"), LINES)
def test_the_line_says_what_was_composed(verb, composed, line, chinese):
    record = disclosed({"verb": verb}, composed[0] if composed and verb != "chords" else "", composed[1:] if verb != "chords" else composed)
    assert record["composed"] == composed and record["disclosure"] == line and chinese in in_chinese(record)
    assert disclosed(record, composed[0] if composed and verb != "chords" else "", composed if verb == "chords" else composed[1:]) == record


def test_bars_in_words():
    assert bars_of([5]) == "bar 5" and bars_of([5, 6, 7, 9], ["Voice", "Piano"]) == "bars 5-7 and 9 of Voice and Piano"
    assert bars_of(range(1, 40, 2)) == "20 bars between 1 and 39"


def test_an_edited_file_of_a_person_says_which_bars_a_machine_wrote(tmp_path):
    record = {**made(tune(2)), **disclosed({"verb": "infill"}, "bars 5-8 of Voice")}
    line, score = record["disclosure"], tune(2)
    texts = [m.text for t in mido.MidiFile(save(score, tmp_path / "a.mid", record=record), charset="utf-8").tracks for m in t if m.type == "text"]
    assert line in texts
    assert f"<encoding-description>{line}</encoding-description>" in save(score, tmp_path / "a.musicxml", record=record).read_text()
    assert record_inside(save(score, tmp_path / "a.svg", record=record))["disclosure"] == line
    wav, ogg = (save(score, tmp_path / f"a{kind}", record=record) for kind in (".wav", ".ogg"))
    for sound in (wav, ogg):
        assert soundfile.SoundFile(sound).copy_metadata()["comment"].startswith(f"{line}; soundfont: ")
        assert record_inside(sound) == json.loads(record_text(record))


def test_records_of_before_are_read_and_written_as_they_were(tmp_path):
    old = {k: v for k, v in made(tune(2)).items() if k != "composed"}
    assert composed_in(old) == ["all"] and composed_in({"verb": "infill"}) == ["what infill wrote"] and composed_in({}) == []
    assert composed_in({"verb": "infill", "inputs": [{"record": {"verb": "compose"}}]}) == ["what infill wrote", "all"]
    sound = save(tune(2), tmp_path / "a.ogg", record=old)
    assert soundfile.SoundFile(sound).copy_metadata()["comment"].startswith("machine-composed with zhiyin; soundfont: ")
    assert record_inside(sound) == json.loads(record_text(old))
