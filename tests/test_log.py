"""The log of what was made, pieces made again and compared, and signatures."""

import json
import multiprocessing
import os
import shutil
import stat

import mido
import numpy as np
import pytest

from music import tune
from zhiyin.app.cli.main import main
from zhiyin.errors import RecordError
from zhiyin.formats.catalog import load, save
from zhiyin.formats.recorded import find_record, record_inside
from zhiyin.inference.verify import note_changes, verify
from zhiyin.provenance import log, signature
from zhiyin.provenance.record import record_text, side_path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A data folder of its own: what is signed, logged and keyed in this module stays here."""
    before, folder = os.environ["ZHIYIN_HOME"], tmp_path_factory.mktemp("own")
    os.environ["ZHIYIN_HOME"] = str(folder)
    yield folder
    os.environ["ZHIYIN_HOME"] = before


@pytest.fixture(scope="module")
def made(home, tmp_path_factory):
    """A signed composed piece and its continuation."""
    folder = tmp_path_factory.mktemp("made")
    piece = ["a lively jig", "--bars", "8", "--candidates", "2", "--seed", "5", "--takes", "1", "--sign", "-q"]
    assert main(["compose", *piece, "-o", str(folder / "jig.mid")]) == 0
    further = ["--bars", "4", "--candidates", "3", "--seed", "3", "-q", "-o", str(folder / "further.mid")]
    assert main(["continue", str(folder / "jig.mid"), *further]) == 0
    return folder


def entry(number, **more):
    return {"format": "log/1", "written": "2026-11-25", "verb": "compose", "files": [], "record": {"number": number, "pad": "x" * 500}, **more}  # fmt: skip


def test_lines_come_back_newest_first_and_bounded(tmp_path):
    path = tmp_path / "deep" / "log.jsonl"
    log.append((entry(i) for i in range(300)), path)
    found = log.read_log(5, path=path)
    assert [e["record"]["number"] for e in found.entries] == [299, 298, 297, 296, 295] and found.damaged == 0
    assert len(log.read_log(path=path).entries) == 300
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_log_is_an_empty_one(tmp_path):
    assert log.read_log(path=tmp_path / "none").entries == []


def test_damaged_lines_are_counted_and_cost_only_themselves(tmp_path):
    path = tmp_path / "log.jsonl"
    log.append([entry(0)], path)
    with path.open("ab") as out:
        out.write(b'{"format": "log/1", "rec')  # a crash in the middle of a line
    log.append([entry(1)], path)
    with path.open("ab") as out:
        out.write(b"\xff\xfe\n[1]\n{}\n" + b"y" * (3 << 20) + b"\n" + b"[" * 100_000 + b"\n\n")
    log.append([entry(2)], path)
    found = log.read_log(path=path)
    assert [e["record"]["number"] for e in found.entries] == [2, 1, 0]
    assert found.damaged == 6


def write_many(path, first):
    for i in range(first, first + 100):
        log.append([entry(i)], path)


def test_processes_beside_each_other_lose_nothing(tmp_path):
    path = tmp_path / "log.jsonl"
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=write_many, args=(path, 100 * k)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = log.read_log(path=path)
    assert sorted(e["record"]["number"] for e in found.entries) == list(range(400)) and found.damaged == 0


def test_a_log_that_cannot_be_written_costs_no_piece(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZHIYIN_HOME", str(tmp_path / "file"))
    assert main(["compose", "--bars", "4", "--candidates", "1", "--takes", "1", "-q", "-o", str(tmp_path / "a.mid")]) == 0
    assert (tmp_path / "a.mid").is_file()
    assert "not in the log: The log" in capsys.readouterr().err
    with pytest.raises(RecordError, match=r"A line of the log is too long"):
        log.append([entry(0, pad="x" * (2 << 20))], tmp_path / "log")


def test_log_lists_what_was_made(made, capsys):
    assert main(["log"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "continue  default  seed 3  “jig.mid”" in lines[0] and "compose  default  seed 5  “a lively jig”" in lines[1]
    assert main(["log", "--limit", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["pieces"]) == 1 and told["damaged"] == 0 and told["pieces"][0]["record"]["inputs"][0]["name"] == "jig.mid"
    assert main(["log", "--limit", "0"]) == 1 and "limit out of range" in capsys.readouterr().err


def test_a_piece_made_again_is_identical(made, tmp_path, capsys):
    told = verify(made / "jig.mid")
    assert told.identical and told.same_bytes and told.signed_by == signature.public_key()
    assert main(["log", "verify", str(made / "jig.mid")]) == 0
    assert "identical, byte for byte: compose with default, seed 5" in capsys.readouterr().out
    for name in ("jig.musicxml", "jig.abc"):
        assert main(["convert", str(made / "jig.mid"), "-o", str(tmp_path / name), "-q"]) == 0
        told = verify(tmp_path / name)
        assert told.identical, told.differences


def test_a_continuation_needs_its_input(made, tmp_path, capsys):
    told = verify(made / "further.mid", source=made / "jig.mid")
    assert told.identical and told.same_bytes
    assert told.found.record["inputs"][0]["record"]["notes"] == record_inside(made / "jig.mid")["notes"]
    assert main(["log", "verify", str(made / "further.mid")]) == 3
    out = capsys.readouterr().out
    assert "cannot be remade, because: The piece goes on from jig.mid, which is needed to make it again. Expected a file with sha256" in out
    assert "differs" not in out
    other = save(tune(8), tmp_path / "other.mid")
    assert "other.mid is not the file that the piece goes on from" in verify(made / "further.mid", source=other).not_remade
    moved = shutil.copy(made / "jig.mid", tmp_path / "renamed.mid")
    assert verify(made / "further.mid", source=type(other)(moved)).identical


@pytest.mark.parametrize("name", ["jig.mid", "jig.musicxml", "jig.mxl"])
def test_a_file_edited_in_place_is_made_again_byte_for_byte(made, tmp_path, name):
    source = made / name
    if not source.is_file():
        assert main(["convert", str(made / "jig.mid"), "-o", str(tmp_path / name), "-q"]) == 0
        source = tmp_path / name
    out = tmp_path / f"edited-{name}"
    assert main(["infill", str(source), "--span", "5-6", "--seed", "1", "--candidates", "1", "-q", "-o", str(out)]) == 0
    told = verify(out, source=source)
    assert told.identical and told.same_bytes and not told.remarks, (told.differences, told.remarks)


def test_what_again_sets_wins_over_the_words(made, tmp_path):
    prompt = ["a sad jig in D minor, slow, 8 bars", "--candidates", "1", "--seed", "5", "--takes", "1", "-q", "-o", str(tmp_path / "a.mid")]
    assert main(["compose", *prompt]) == 0
    for change, key in (("key=G major", "G major"), ("tempo=150", "D minor"), ("bars=4", "D minor"), ("mode=major", None)):
        out = tmp_path / "b.mid"
        assert main(["again", str(tmp_path / "a.mid"), "--set", change, "-q", "-o", str(out)]) == 0, change
        settings = record_inside(out)["settings"]
        assert settings["style"] == "jig" and settings.get("key") == key and settings["seed"] == 5 and settings["words"] == ""
        assert settings["bars"] == (4 if change == "bars=4" else 8) and ("tempo_range" in settings) == (change != "tempo=150")
        assert verify(out).identical
    assert main(["again", str(tmp_path / "a.mid"), "--set", "variation=0.5", "-q", "-o", str(out)]) == 0
    assert record_inside(out)["settings"]["words"] == "a sad jig in D minor, slow, 8 bars", "nothing in the words was changed"


def test_velocities_that_the_reader_takes_for_none_are_no_difference(tmp_path):
    score = tune(8)
    notes = score.notes.copy()
    notes["velocity"] = np.array([105, 80, 95, 80], dtype=np.uint8)[np.arange(len(notes)) % 4]
    low = notes.copy()
    low["part"], low["velocity"], low["pitch"] = 1, 60, low["pitch"] - 24
    source = save(score.replace(notes=np.concatenate([notes, low]), parts=score.parts * 2), tmp_path / "a.mid")
    assert main(["harmonise", str(source), "--candidates", "1", "--seed", "1", "-q", "-o", str(tmp_path / "b.mid")]) == 0
    told = verify(tmp_path / "b.mid", source=source)
    assert told.identical and told.same_bytes, told.differences


def test_chords_carry_a_record_that_leads_to_them(made, tmp_path):
    out = tmp_path / "chords.musicxml"
    assert main(["chords", str(made / "jig.mid"), "-q", "-o", str(out)]) == 0
    record = record_inside(out)
    assert record["verb"] == "chords" and record["inputs"][0]["name"] == "jig.mid" and record["model"] is None
    assert "no note was composed" in record["originality"]["line"] and side_path(out).is_file()
    assert record["inputs"][0]["record"]["verb"] == "compose" and record["attribution"]
    told = verify(out, source=made / "jig.mid")
    assert told.identical and told.same_bytes and main(["log", "verify", str(out), "--input", str(made / "jig.mid")]) == 0
    assert "chords: cannot" not in verify(out).not_remade and "which is needed to make it again" in verify(out).not_remade


def test_a_file_that_chords_were_found_in_is_not_taken_for_ours(home, tmp_path):
    source = save(tune(8, seed=77), tmp_path / "human.mid")
    assert main(["chords", str(source), "-q", "-o", str(tmp_path / "chords.mid")]) == 0
    with pytest.raises(RecordError, match="human.mid has no record of zhiyin"):
        find_record(source)
    assert find_record(tmp_path / "chords.mid").record["verb"] == "chords"


def test_what_came_from_latents_is_made_again(tmp_path):
    sources = [save(tune(8, seed=s), tmp_path / f"{s}.mid") for s in (1, 2)]
    assert main(["blend", *map(str, sources), "--steps", "2", "--seed", "3", "-q", "-o", str(tmp_path / "out")]) == 0
    for name in ("1-to-2-1-of-2.mid", "1-to-2-2-of-2.musicxml"):
        told = verify(tmp_path / "out" / name, source=sources)
        assert told.identical and told.same_bytes, (told.differences, told.not_remade)
        assert told.found.record["originality"]["level"] != "unknown" and told.found.record["originality"]["index"]["pieces"] > 10_000
    assert "1.mid is not the file that the piece goes on from" not in verify(tmp_path / "out" / name, source=sources[:1]).not_remade
    assert "goes on from 2.mid, which is needed" in verify(tmp_path / "out" / name, source=sources[:1]).not_remade
    for more in ([], ["--more", "density"]):
        assert main(["vary", str(sources[0]), "--method", "latent", *more, "--seed", "3", "-q", "-o", str(tmp_path / "v.mid")]) == 0
        told = verify(tmp_path / "v.mid", source=sources[0])
        assert told.identical and told.same_bytes and told.found.record["originality"]["line"]


def changed(path, out, kind):
    """The file with one byte of one note changed by mido."""
    middle = mido.MidiFile(path)
    notes = [m for t in middle.tracks for m in t if m.type in ("note_on", "note_off")]
    if kind == "pitch":
        pitch = notes[0].note
        for m in [m for m in notes if m.note == pitch][:2]:
            m.note = pitch + 1
    elif kind == "velocity":
        notes[0].velocity += 1
    else:
        first = next(m for m in notes if m.type == "note_off" or m.velocity == 0)
        first.time += 1
    middle.save(out)
    return out


@pytest.mark.parametrize("kind", ["pitch", "velocity", "time"])
def test_any_changed_note_is_found(made, tmp_path, kind, capsys):
    path = changed(made / "jig.mid", tmp_path / "jig.mid", kind)
    told = verify(path)
    words = " ".join(told.differences)
    assert not told.identical
    assert ("velocities in the file" if kind == "velocity" else "notes in the file are not those that the record names") in words
    if kind == "pitch":
        assert "1 notes changed since it was made: bar 1, quarter" in words
        assert main(["log", "verify", str(path)]) == 3
        assert "differs: " in capsys.readouterr().out


def test_metadata_that_changed_is_only_remarked(made, tmp_path):
    middle = mido.MidiFile(made / "jig.mid")
    middle.tracks[0].append(mido.MetaMessage("marker", text="here", time=0))
    middle.save(tmp_path / "jig.mid")
    told = verify(tmp_path / "jig.mid")
    assert told.identical and told.same_bytes is False and "the notes are the same" in told.remarks[0]


def with_record(made, tmp_path, **more):
    record = record_inside(made / "jig.mid")
    settings = {**record["settings"], **more.pop("settings", {})}
    return save(load(made / "jig.mid"), tmp_path / "x.mid", record={**record, "settings": settings, **more})


def test_an_altered_record_is_found(made, tmp_path):
    words = " ".join(verify(with_record(made, tmp_path, settings={"seed": 6})).differences)
    assert "The signature does not fit the record" in words
    assert "made again, the piece has other notes than the record names (the record was altered)" in words
    words = verify(with_record(made, tmp_path, settings={"take": "first"})).not_remade
    assert "settings.take, a whole number. Received 'first'" in words
    words = verify(with_record(made, tmp_path, settings={"colour": 6})).not_remade
    assert "Unknown control" in words
    words = verify(with_record(made, tmp_path, verb="dance")).not_remade
    assert "What 'dance' made cannot be made again yet" in words


def test_another_model_is_said(made, tmp_path):
    told = verify(with_record(made, tmp_path, model_hash="0" * 64))
    assert "another model: the record names default with the hash 0000000000000000…" in told.not_remade and not told.identical
    told = verify(with_record(made, tmp_path, model="gone", model_hash="0" * 64))
    assert "No model package 'gone'" in told.not_remade
    told = verify(with_record(made, tmp_path, model="renamed", signature=None))
    assert told.identical, told.differences


def test_another_runtime_is_said(made, tmp_path):
    record = record_inside(made / "jig.mid")
    runtime = {**record["runtime"], "onnxruntime": "0.1"}
    told = verify(with_record(made, tmp_path, runtime=runtime, signature=None))
    assert told.identical and any("onnxruntime" in r and "0.1 then" in r for r in told.remarks)
    told = verify(with_record(made, tmp_path, runtime=runtime, notes="0" * 64, signature=None))
    assert "identity is promised for equal ones only: onnxruntime" in " ".join(told.differences)


def test_an_altered_package_is_said(made, tmp_path):
    from zhiyin.provenance.package import load_package

    folder = shutil.copytree(load_package("default").folder, tmp_path / "default")
    (folder / "card.md").write_text("other")
    told = verify(made / "jig.mid", model=str(folder))
    assert "card.md was altered" in told.not_remade


def test_changes_in_words():
    score = tune(4)
    assert note_changes(score, score.with_resolution(960)) == []
    notes = score.notes.copy()
    notes["pitch"][0] += 2
    notes["duration"][1] //= 2
    (first, second) = note_changes(score, score.replace(notes=notes[:-1]))[:2]
    assert first == "bar 1, quarter 1: E5 is F♯5 now" and "lasts" in second
    assert "is gone" in note_changes(score, score.replace(notes=notes[:-1]))[-1]


def test_signatures_hold_for_this_record_and_this_key(home, tmp_path, monkeypatch):
    signed = signature.sign({"notes": "n", "settings": {"seed": 1}})
    key = signature.public_key()
    assert len(key) == 64 and signature.check_signature(signed) == key == signature.check_signature(signed, key)
    assert signature.check_signature({**signed, "converted": [{"from": "a"}], "written": "now"}) == key
    assert stat.S_IMODE(signature.key_path().stat().st_mode) == 0o600
    for altered in ({"notes": "m"}, {"settings": {"seed": 2}}, {"new": 1}):
        with pytest.raises(RecordError, match="The signature does not fit the record"):
            signature.check_signature({**signed, **altered})
    with pytest.raises(RecordError, match="is signed by somebody else"):
        signature.check_signature(signed, "0" * 64)
    with pytest.raises(RecordError, match="The record is not signed"):
        signature.check_signature({"notes": "n"}, key)


@pytest.mark.parametrize(
    "broken", [7, {}, {"method": "ed25519", "public_key": "zz", "signature": "00"}, {"method": "rsa", "public_key": "0" * 64, "signature": "00"}, [1]]
)
def test_a_signature_that_cannot_be_read_is_said(broken):
    with pytest.raises(RecordError, match="The signature cannot be read"):
        signature.check_signature({"signature": broken})


def test_keys_that_cannot_be_used_are_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ZHIYIN_HOME", str(tmp_path))
    assert main(["log", "key"]) == 1 and "There is no signing key yet" in capsys.readouterr().err
    assert main(["log", "key", "--new"]) == 0
    public = capsys.readouterr().out.strip()
    assert main(["log", "key", "--new", "--json"]) == 0 and json.loads(capsys.readouterr().out)["public_key"] == public
    signature.key_path().chmod(0o644)
    with pytest.raises(RecordError, match=r"can be read by others\. Expected mode 600\. Received mode 644\. hint: chmod 600"):
        signature.sign({})
    signature.key_path().chmod(0o600)
    signature.key_path().write_text("nonsense")
    with pytest.raises(RecordError, match=r"The signing key .* cannot be read\. Expected 64 hexadecimal digits"):
        signature.sign({})


def test_without_the_extra_signing_is_refused_politely(monkeypatch, tmp_path):
    import sys

    monkeypatch.setenv("ZHIYIN_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    with pytest.raises(RecordError, match=r"Signing needs the sign extra.*pip install 'zhiyin\[sign\]'"):
        signature.sign({})
    assert signature.check_signature({"notes": "n"}) == ""


def test_the_record_is_plain_ascii_and_sorted():
    assert record_text({"b": "知", "a": 1}) == '{"a":1,"b":"\\u77e5"}'
