"""The public face: exact names, lazy imports, import time, types."""

import subprocess
import sys

import pytest

import zhiyin

VERBS = {  # as on the command line
    "accompany",
    "again",
    "arrange",
    "blend",
    "chords",
    "classify",
    "compose",
    "compress",
    "continue_",
    "harmonise",
    "infill",
    "judge",
    "original",
    "recommend",
    "repair",
    "restore",
    "train",
    "vary",
}
OTHERS = {
    "Mark",
    "Part",
    "Score",
    "ZhiyinError",
    "__version__",
    "build_corpus",
    "compose_for",
    "decode",
    "describe",
    "encode",
    "find_key",
    "list_packages",
    "load",
    "load_package",
    "perform",
    "quantize",
    "save",
}
NAMES = VERBS | OTHERS


def test_the_public_names_are_these():
    from zhiyin.app.cli.main import VERBS as TABLE

    assert set(zhiyin.__all__) == NAMES
    assert len(OTHERS) <= 20
    assert {v.rstrip("_") for v in VERBS} <= set(TABLE)
    for name in NAMES - {"train"}:
        thing = getattr(zhiyin, name)
        assert name == "__version__" or thing.__doc__, name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = zhiyin.nothing


def test_importing_costs_nothing():
    script = "import sys; import zhiyin; heavy = {'numpy', 'torch', 'onnxruntime', 'symusic', 'typer'} & set(sys.modules); assert not heavy, heavy"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_composing_needs_no_torch():
    script = (
        "import sys; sys.modules['torch'] = None; sys.modules['sklearn'] = None; sys.modules['music21'] = None\n"
        "import zhiyin as zy; piece = zy.compose(bars=4, takes=1, candidates=1, seed=1)\n"
        "assert piece.score.bar_count == 4 and len(piece.score.notes)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_error_is_a_zhiyin_error_and_crosses_processes():
    import copy

    from zhiyin import errors

    kinds = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, errors.ZhiyinError)]
    assert len(kinds) >= 8
    for kind in kinds:
        error = kind("It broke", expected="a", received="b", hint="c")
        assert str(error) == "It broke. Expected a. Received b. hint: c"
        rebuild, arguments = error.__reduce__()
        assert str(rebuild(*arguments)) == str(error) and type(copy.copy(error)) is kind


def test_a_composition_is_saved_by_name(tmp_path):
    piece = zhiyin.compose("a calm waltz", bars=4, takes=1, candidates=1, seed=2)
    path = zhiyin.save(piece, tmp_path / "p.mid")
    assert len(zhiyin.load(path).notes) == len(piece.score.notes)
