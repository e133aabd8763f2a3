"""The built wheel: everything a user needs is in it, and it works in a clean environment."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(out), str(ROOT)],
        check=True,
        capture_output=True,
    )
    return next(out.glob("zhiyin-*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_what_a_user_needs(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "zhiyin/packages/default/manifest.json", "zhiyin/packages/default/step.onnx", "zhiyin/packages/default/weights.bin",
        "zhiyin/data/zhiyin.sf2", "zhiyin/recipes/classic.toml", "zhiyin/corpus/holdout.npz", "zhiyin/data/page/page.js", "zhiyin/data/page/listen.js",
        "zhiyin/data/style_reference.npz", "zhiyin/data/chord_walk.npz",
        "zhiyin/data/descriptor_scale.npz", "zhiyin/library/migrations/versions/m0001_first.py",
    ):  # fmt: skip
        assert needed in names, needed
    assert any(n.endswith("licenses/LICENSE") for n in names) and any(n.endswith("licenses/NOTICE") for n in names)
    assert not [n for n in names if n.startswith("tests/") or n.endswith(".pyc")]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_wheel_composes_in_a_clean_environment(wheel, tmp_path):
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([str(python), "-m", "pip", "install", "-q", str(wheel)], check=True, capture_output=True)
    program = python.with_name("zhiyin")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"HOME": str(tmp_path)}
    done = subprocess.run(
        [str(program), "compose", "a short jig", "--bars", "8", "--seed", "1", "-o", str(tmp_path / "out")],
        capture_output=True, text=True, check=False, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {p.suffix for p in (tmp_path / "out").iterdir()} >= {".mid", ".musicxml", ".wav", ".svg", ".html"}
    size = sum(p.stat().st_size for p in (tmp_path / "env").rglob("*") if p.is_file()) / 2**20
    assert size <= 320, f"the light install is {size:.0f} MB"
    assert not list((tmp_path / "env").glob("lib/python*/site-packages/torch"))
