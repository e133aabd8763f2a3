"""Both READMEs agree with the program: verbs, formats, figures, two commands first; the references are fresh."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from docs_pages import ROOT, blocks, commands, name_of
from zhiyin.app.cli.main import VERBS

READMES = [ROOT / "README.md", ROOT / "README.zh.md"]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """tools/make_cli_reference.py as a module."""
    spec = importlib.util.spec_from_file_location("make_cli_reference", ROOT / "tools/make_cli_reference.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", READMES, ids=name_of)
def test_the_two_commands_come_first(page: Path) -> None:
    first = blocks(page)[0]
    assert [line.split("#")[0].strip() for line in first.text.splitlines()] == ["make compose", "make test"]
    targets = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert {"compose", "test", "help"} <= set(targets)


@pytest.mark.parametrize("page", READMES, ids=name_of)
def test_the_readme_names_the_verbs_that_exist_and_no_others(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    said = [line.split()[1] for b in blocks(page) for line in commands(b)] + re.findall(r"`zhiyin ([a-z]+)", text)
    assert len(said) >= 8
    assert set(said) <= set(VERBS)
    assert re.findall(r"^\| `([a-z]+)` \|", text, re.M) == list(VERBS)


def test_generated_pages_and_blocks_are_fresh(tool: ModuleType) -> None:
    """``make docs`` would change nothing (but for figures of a model that no page claims yet)."""
    stale = [
        p
        for p, right in tool.stale()
        if _without_model(tool, p.read_text(encoding="utf-8")) != _without_model(tool, right)
    ]
    assert [name_of(p) for p in stale] == []


def _without_model(tool: ModuleType, text: str) -> str:
    """The text without the model's blocks where they are empty or right."""
    return tool.BLOCK.sub(lambda m: "" if m["name"] == "model" else m[0], text)


@pytest.mark.parametrize("page", READMES, ids=name_of)
def test_figures_of_the_model_are_the_manifests(tool: ModuleType, page: Path) -> None:
    block = next(m for m in tool.BLOCK.finditer(page.read_text(encoding="utf-8")) if m["name"] == "model")
    assert block["body"] in ("", tool.model(block["language"] or "en")), "run: make docs"


def test_every_block_and_figure_of_the_docs_is_known(tool: ModuleType) -> None:
    found = [m["name"] for p in tool.pages() for m in tool.BLOCK.finditer(p.read_text(encoding="utf-8"))]
    assert set(found) == set(tool.TABLES)
    opened = sum(p.read_text(encoding="utf-8").count("<!-- generated:") for p in tool.pages())
    assert opened == len(found)


def test_figures_come_from_their_files(tool: ModuleType) -> None:
    figures = [(p, m) for p in tool.pages() for m in tool.FIGURE.finditer(p.read_text(encoding="utf-8"))]
    assert len(figures) >= 4
    for page, m in figures:
        assert m["body"] == tool.figure(m["file"], m["key"], m["format"]), name_of(page)


def test_stale_text_is_noticed_and_mended(tool: ModuleType) -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    broken = page.replace("| `compose` |", "| `compse` |")
    assert broken != page
    mended = tool.refreshed(broken)
    assert "| `compose` |" in mended
    assert "`compse`" not in mended
    figure = "<!-- figure: benchmarks/results/layouts.json runs.0.harmonise.nats .2f -->9.99<!-- /figure -->"
    assert ">5.84<" in tool.refreshed(figure)


def test_the_command_line_reference_has_every_verb_and_subverb(tool: ModuleType) -> None:
    text = tool.cli_reference()
    heads = re.findall(r"^#+ (zhiyin.*)$", text, re.M)
    assert heads[0] == "zhiyin"
    assert {f"zhiyin {verb}" for verb in VERBS} <= set(heads)
    assert {"zhiyin corpus build", "zhiyin models check", "zhiyin evaluate nats"} <= set(heads)
    assert text.count("Example: zhiyin") == len(heads)


def test_the_python_reference_has_every_public_name(tool: ModuleType) -> None:
    import zhiyin

    text = tool.python_reference()
    for name in zhiyin.__all__:
        assert name.startswith("__") or f"\n## {name}\n" in text, name
    assert "0x" not in text
