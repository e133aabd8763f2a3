"""The command line as people meet it: help, JSON, exit codes, files, errors."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from music import tune
from zhiyin.app.cli.main import VERBS, main
from zhiyin.formats.catalog import load, save
from zhiyin.formats.midi import read_record
from zhiyin.provenance.record import DISCLOSURE

COMMAND = [sys.executable, "-m", "zhiyin.app.cli.main"]
SHORT = ["--bars", "8", "--candidates", "2", "--takes", "1", "--seed", "5"]
SUB_VERBS = {"corpus": ["list", "fetch", "check", "build", "remove"], "log": ["show", "verify", "key"], "models": ["list", "show", "check"], "evaluate": ["nats", "style"]}


def run(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False, **options)


def test_every_verb_has_help_with_an_example(capsys):
    assert main([]) == 2 or capsys.readouterr()
    for verb in VERBS:
        for path in [[verb], *([verb, sub] for sub in SUB_VERBS.get(verb, []))]:
            assert main([*path, "--help"]) == 0
            text = capsys.readouterr().out
            assert "Example: zhiyin " + " ".join(path[:1]) in " ".join(text.split()), path


def test_help_lists_every_verb_without_importing_any():
    done = run("--help")
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in VERBS)
    script = "import sys; import zhiyin.app.cli.main as m; m.main(['--help']); assert not [x for x in ('numpy', 'onnxruntime', 'torch') if x in sys.modules]"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == 0


def test_version():
    done = run("--version")
    assert done.returncode == 0 and done.stdout.startswith("zhiyin 0.")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["compos"], 2, "No verb 'compos'. hint: near verbs: 'compose'"),
        (["compose", "--bars", "x"], 2, "Invalid value for '--bars'"),
        (["compose", "--bars", "0"], 1, "bars"),
        (["compose", "--bars", "1001"], 1, "bars"),
        (["compose", "--style", "wals"], 1, "Unknown style 'wals'"),
        (["compose", "--key", "H major"], 1, "H major"),
        (["compose", "--meter", "3/5"], 1, "3/5"),
        (["compose", "--model", "defalt"], 1, "No model package 'defalt'"),
        (["compose", "in C major in D minor"], 1, "major"),
        (["show", "nowhere.mid"], 1, "nowhere.mid"),
        (["convert", "nowhere.mid", "-o", "x.musicxml"], 1, "nowhere.mid"),
        (["models", "show", "nothing"], 1, "No model package 'nothing'"),
        (["train", "no-such-folder"], 1, "is not a folder"),
        (["train", ".", "--from", "default", "--family", "gru"], 1, "keeps its family"),
        (["compose", "--takes", "0"], 1, "takes out of range"),
        (["compose", "--language", "fr"], 1, "Expected en or zh"),
        (["corpus", "build", ".", "-o", "/proc/nowhere"], 1, "othing"),
    ],
)
def test_mistakes_have_words_and_exit_codes(arguments, code, words, tmp_path):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_error_under_json_is_json(tmp_path):
    done = run("compose", "--style", "wals", "--json", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert told["error"] == "ControlError" and "wals" in told["what"] and done.returncode == 1


def test_wrong_usage_under_json_is_json(tmp_path):
    done = run("compose", "--bars", "x", "--json", cwd=tmp_path)
    assert done.returncode == 2 and json.loads(done.stdout)["error"] == "UsageError"


def test_facts_go_to_stdout(tmp_path):
    source = save(tune(4), tmp_path / "t.mid")
    assert "D major" in run("show", str(source)).stdout
    assert "default" in run("models", "list").stdout


def test_compose_writes_everything_and_says_so(tmp_path):
    done = run("compose", "a calm waltz in G major", *SHORT, "--json", "-o", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {"files", "seconds", "seed", "model", "bars", "notes", "understood", "assumed", "ignored"} <= set(told)
    assert told["bars"] == 8 and told["seed"] == 5
    files = [Path(f) for f in told["files"]]
    assert {"".join(f.suffixes[-1:]) for f in files} == {".mid", ".musicxml", ".wav", ".svg", ".json", ".html"}
    assert all(f.is_file() and f.stat().st_size > 0 for f in files)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {f.name for f in files}
    middle = next(f for f in files if f.suffix == ".mid")
    score = load(middle)
    assert score.bar_count == 8
    assert score.end == int(score.bars["onset"][-1] + score.bars["duration"][-1])
    assert score.notes["onset"].max() >= score.bars["onset"][-1]
    record = read_record(middle)
    assert record["disclosure"] == DISCLOSURE and record["settings"]["seed"] == 5 and "written" not in record
    side = json.loads(Path(f"{middle}.zhiyin.json").read_text())
    assert side["notes"] == record["notes"] and side["written"]
    page = next(f for f in files if f.suffix == ".html").read_text()
    assert DISCLOSURE.split(" (")[0] in page or "achine-composed" in page


def test_same_seed_same_bytes_another_seed_another_piece(tmp_path):
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        (tmp_path / name).mkdir()
        assert (
            main(
                [
                    "compose",
                    "--bars",
                    "8",
                    "--candidates",
                    "1",
                    "--seed",
                    seed,
                    "-q",
                    "-o",
                    str(tmp_path / name / "p.mid"),
                ]
            )
            == 0
        )
    first, same, other = ((tmp_path / n / "p.mid").read_bytes() for n in "abc")
    assert first == same
    assert first != other


def test_nothing_is_left_in_a_folder_that_cannot_be_written(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    done = run("compose", *SHORT, "-o", str(blocked / "out"))
    assert done.returncode == 1 and "Nothing can be written to" in done.stderr


def test_ctrl_c_leaves_no_half_file(tmp_path):
    process = subprocess.Popen(
        [*COMMAND, "compose", "--bars", "400", "-o", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test run in the background ignores it
    )
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=60)
    assert process.returncode in (130, 0, -signal.SIGINT), words
    for path in (tmp_path / "out").glob("*") if (tmp_path / "out").is_dir() else []:
        assert not path.name.startswith(".") and ".part" not in path.name
        if path.suffix == ".mid":
            assert len(load(path).notes)


def test_convert_and_show(tmp_path):
    source = save(tune(8, parts=2), tmp_path / "t.mid")
    done = run("convert", str(source), "-o", str(tmp_path / "t.musicxml"), "-o", str(tmp_path / "t.abc"), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told["files"]) == 2 and told["bars"] == 8
    assert len(load(tmp_path / "t.musicxml").notes) == len(load(source).notes)
    done = run("show", str(tmp_path / "t.musicxml"), "--roll", str(tmp_path / "roll.png"), "--json")
    told = json.loads(done.stdout)
    assert told["key"] == "D major" and told["bars"] == 8 and told["meters"] == ["4/4"]
    assert (tmp_path / "roll.png").read_bytes()[:4] == b"\x89PNG"


DAMAGED = "**kern\t**kern\n*M2/4\t*M2/4\n=1\t=1\n4G\t2a(\n4A\t4b')\n==\t==\n*-\t*-\n"


def test_convert_says_what_was_mended_and_refuses_it_when_strict(tmp_path):
    source = tmp_path / "damaged.krn"
    source.write_text(DAMAGED)
    done = run("convert", str(source), "-o", str(tmp_path / "t.mid"))
    assert done.returncode == 0, done.stderr
    assert "mended: rhythm that does not add up in bar 1 (line 5)" in done.stderr
    told = json.loads(run("convert", str(source), "-o", str(tmp_path / "t.mid"), "--json").stdout)
    assert told["mended"] == "rhythm that does not add up in bar 1 (line 5)"
    assert "bar 1 (line 5)" in run("show", str(source)).stdout
    done = run("convert", str(source), "-o", str(tmp_path / "u.mid"), "--strict")
    assert done.returncode == 1 and "does not add up at line 5" in done.stderr
    assert not (tmp_path / "u.mid").exists()


def test_convert_names_few_losses_unless_asked_for_all(tmp_path):
    source = tmp_path / "damaged.krn"
    source.write_text(DAMAGED)
    short = run("convert", str(source), "-o", str(tmp_path / "t.mid")).stderr
    assert "does not hold" in short and "1 articulation marks" in short and "timing" not in short
    everything = run("convert", str(source), "-o", str(tmp_path / "t.mid"), "-v").stderr
    assert "timing" in everything and "irregular meter" in everything


def test_perform_writes_played_midi(tmp_path):
    source = save(tune(8), tmp_path / "t.mid")
    assert main(["convert", str(source), "-o", str(tmp_path / "p.mid"), "--perform", "-q"]) == 0
    played, plain = load(tmp_path / "p.mid"), load(source)
    assert len(played.notes) == len(plain.notes)
    assert len(set(played.notes["velocity"].tolist())) > len(set(plain.notes["velocity"].tolist()))


def test_models_and_info(capsys):
    assert main(["models", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["models"]
    assert "default" in [m["name"] for m in listed]
    assert main(["models", "check", "default", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["hash"]) == 64
    assert main(["models", "show", "default"]) == 0
    told = capsys.readouterr().out
    assert "What it cannot do" in told and "They ask: give attribution." in told
    assert main(["info", "--json"]) == 0
    assert "zhiyin" in json.loads(capsys.readouterr().out)["soundfont"]


def test_corpus_of_own_files_names_the_bad_one(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for i in range(6):
        save(tune(8, seed=i), folder / f"{i}.mid")
    (folder / "bad.mid").write_bytes(b"MThd broken")
    done = run("corpus", "build", str(folder), "--out", str(tmp_path / "corpus"), "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 3  # done, but an input failed
    assert told["files_in"] == 7 and told["pieces"] + told["duplicates"] == 6
    assert [Path(f["path"]).name for f in told["failures"]] == ["bad.mid"] and told["failures"][0]["reason"]
    assert main(["corpus", "list"]) == 0
    assert main(["corpus", "check", "cre-irish"]) in (0, 3)


@pytest.mark.slow
def test_train_then_compose_on_the_command_line(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for i in range(12):
        save(tune(8, seed=i), folder / f"{i}.mid")
    env = {**os.environ, "ZHIYIN_HOME": str(tmp_path / "home")}
    done = run("train", str(folder), "--family", "lstm", "--minutes", "0.2", "--name", "mine", "--json", env=env)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["model"] == "mine" and told["nats"] > 0
    done = run("compose", "--model", "mine", *SHORT, "--json", "-o", str(tmp_path / "out"), env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == "mine"
    done = run("models", "list", "--json", env=env)
    assert {"default", "mine"} <= {m["name"] for m in json.loads(done.stdout)["models"]}


def test_a_file_without_notes_is_shown_as_such(tmp_path, capsys):
    empty = save(tune(2).replace(notes=tune(2).notes[:0]), tmp_path / "empty.mid")
    assert main(["show", str(empty)]) == 0
    told = capsys.readouterr().out
    assert "nan" not in told and "no notes: nothing sounds in this file" in told and "none (no notes)" in told
    assert main(["show", str(empty), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["register"] is None


def test_a_tempo_is_shown_in_the_beat_of_the_meter(tmp_path, capsys):
    jig = save(tune(4, meter=(6, 8)), tmp_path / "jig.mid")
    assert main(["show", str(jig)]) == 0
    assert "dotted quarters a minute)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["a slow waltz"], 2, "for a piece from words: zhiyin compose 'a slow waltz'"),
        (["写一首圆舞曲"], 2, "zhiyin compose '写一首圆舞曲'"),
        (["compose", "--style", "华尔姿"], 1, "hint: near: 华尔兹 (waltz)"),
        (["compose", "一首探戈"], 1, "near: 'drums-latin', 'polka'"),
        (["compose", "--soundfont", "nope"], 1, "The soundfont 'nope' is not there"),
        (["classify", "nofile.mid"], 1, "InputError: nofile.mid is not there"),
        (["convert", "{tune}", "-o", "x.foo"], 1, "Received '.foo'.\n"),
        (["restore", "{tune}"], 1, "Received 'MThd'"),
        (["show", "{folder}/tun.mid"], 1, "near names there: 'tune.mid'"),
        (["show", "{folder}/zzz.mid"], 1, "known names there: 'tune.mid'"),
    ],
)
def test_a_hurried_user_is_told_what_to_do(arguments, code, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    music = save(tune(2), tmp_path / "tune.mid")
    assert main([a.format(tune=music, folder=tmp_path) for a in arguments]) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").is_dir() or not any((tmp_path / "out").iterdir()), "nothing was written before the mistake was seen"


@pytest.mark.parametrize("group", ["models", "corpus", "library", "evaluate", "listen"])
def test_a_group_of_verbs_without_one_shows_them(group, capsys):
    assert main([group]) in (0, 2)
    out, err = capsys.readouterr()
    assert "Missing command" not in err and "Commands:" in out + err
