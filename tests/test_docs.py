"""README and docs are true: examples run, commands exist, links resolve, generated parts are fresh."""

from __future__ import annotations

import doctest
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docs_pages import PAGES, ROOT, Block, anchors, blocks, commands, links, name_of
from zhiyin.app.cli.main import app, get_command, main
from zhiyin.formats.catalog import save
from zhiyin.score import Part, Score, notes_array, regular_bars

# How many examples each page has: python blocks that are run, commands that are run, commands with the error they say. A page
# whose examples vanish (or are no longer found) fails here.
EXPECTED = {
    "README.md": (1, 0, 0),
    "README.zh.md": (1, 0, 0),
    "docs/concepts/embedding.md": (2, 0, 0),
    "docs/concepts/encoding.md": (7, 0, 0),
    "docs/concepts/frames.md": (1, 0, 0),
    "docs/concepts/loss.md": (1, 0, 0),
    "docs/concepts/recommenders.md": (2, 0, 0),
    "docs/concepts/sampling.md": (2, 0, 0),
    "docs/concepts/vae.md": (1, 0, 0),
    "docs/guide/arrange.md": (1, 4, 0),
    "docs/concepts/style.md": (1, 0, 0),
    "docs/guide/classify.md": (1, 3, 0),
    "docs/guide/compose.md": (2, 0, 0),
    "docs/guide/constraints.md": (1, 0, 0),
    "docs/guide/corpus.md": (1, 0, 0),
    "docs/guide/credit.md": (1, 2, 0),
    "docs/guide/edit.md": (1, 4, 0),
    "docs/guide/first-piece.md": (1, 3, 0),
    "docs/guide/formats.md": (1, 3, 0),
    "docs/guide/install.md": (0, 4, 0),
    "docs/guide/latent.md": (2, 5, 3),
    "docs/guide/judge.md": (1, 1, 0),
    "docs/guide/library.md": (0, 6, 6),
    "docs/guide/original.md": (1, 4, 3),
    "docs/guide/train-your-own.md": (1, 0, 0),
    "docs/guide/troubleshooting.md": (2, 0, 14),
    "docs/reference/descriptors.md": (1, 0, 0),
}
WITH_PYTHON = [p for p in PAGES if any(b.language == "python" and b.marker != "slow" for b in blocks(p))]
WITH_SLOW = [p for p in PAGES if any(b.language == "python" and b.marker == "slow" for b in blocks(p))]
WITH_RUN = [p for p in PAGES if any(b.marker == "run" for b in blocks(p))]
WITH_ERRORS = [p for p in PAGES if any(b.marker == "says" for b in blocks(p))]


def _tune(seed: int, bars: int = 8) -> Score:
    """A small scale tune in 3/4, other for each seed."""
    steps = [0, 2, 4, 5, 7, 9, 11, 12]
    pitch = [62 + steps[(i * (seed + 1) + i // 3) % 8] for i in range(3 * bars)]
    notes = notes_array(
        onset=[480 * i for i in range(3 * bars)],
        duration=480,
        pitch=pitch,
        velocity=[60 + i % 40 for i in range(3 * bars)],
    )
    metadata = {"title": f"Tune {seed}"}
    return Score(
        notes, regular_bars(bars, 480, 3, 4, key=2, mode=0, tempo_qpm=96), (Part("Flute", 73),), 480, metadata=metadata
    )


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder as the reader of the docs has it, entered: a tune, a folder of own files, broken files; an own data folder."""
    (tmp_path / "work" / "emptyfolder").mkdir(parents=True)
    monkeypatch.setenv("ZHIYIN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ZHIYIN_SOUNDFONT", raising=False)
    monkeypatch.chdir(tmp_path / "work")
    save(_tune(0), "tune.mid")
    for style in ("tango", "milonga"):
        Path("my-midi-files", style).mkdir(parents=True)
        for number in range(3):
            save(_tune(number + (3 if style == "tango" else 7)), f"my-midi-files/{style}/{number}.mid")
    Path("tunes").mkdir()
    save(_tune(1), "tunes/one.mid")
    Path("broken.mid").write_bytes(Path("tune.mid").read_bytes()[:8])
    Path("mislabelled.xml").write_bytes(Path("tune.mid").read_bytes())
    yield Path.cwd()
    os.chdir(ROOT)


def _run(block: Block, page: Path, names: dict[str, Any]) -> None:
    """Runs one python block: a doctest where it has prompts, else plain code, in the page's namespace."""
    where = f"{name_of(page)}:{block.line}"
    if not block.text.startswith(">>>"):
        exec(compile("\n" * block.line + block.text, where, "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(block.text, names, where, where, block.line)
    said: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    result = runner.run(test, out=said.append, clear_globs=False)
    names.update(test.globs)
    assert result.attempted, where
    assert not result.failed, "".join(said)


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name_of)
def test_python_examples_run(page: Path, reader: Path) -> None:
    names: dict[str, Any] = {"__name__": "example"}
    for block in blocks(page):
        if block.language == "python" and block.marker != "slow":
            _run(block, page, names)


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_SLOW, ids=name_of)
def test_training_examples_run(page: Path, reader: Path) -> None:
    names: dict[str, Any] = {"__name__": "example"}
    for block in blocks(page):
        if block.language == "python" and block.marker == "slow":
            _run(block, page, names)
            assert names["result"].nats > 0
            assert names["result"].package.step_path.is_file()


@pytest.mark.parametrize("page", WITH_RUN, ids=name_of)
def test_commands_run(page: Path, reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for block in blocks(page):
        for line in commands(block) if block.marker == "run" else ():
            assert main(shlex.split(line)[1:]) == 0, f"{line}\n{capsys.readouterr().err}"


def _errors(page: Path) -> list[tuple[str, str]]:
    """(command, beginning of what it says) of the page's ``says`` blocks."""
    found = []
    for block in blocks(page):
        if block.marker == "says":
            lines = [line for line in block.text.splitlines() if line]
            assert len(lines) % 2 == 0, f"{name_of(page)}:{block.line}"
            found += list(zip(lines[::2], lines[1::2]))
    return found


@pytest.mark.parametrize(("command", "said"), [pair for page in WITH_ERRORS for pair in _errors(page)])
def test_errors_say_what_the_docs_say(
    command: str, said: str, reader: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(shlex.split(command)[1:]) == 1
    assert capsys.readouterr().err.startswith(said)


def test_as_many_examples_as_expected() -> None:
    found = {}
    for page in PAGES:
        listed = blocks(page)
        python = sum(b.language == "python" for b in listed)
        run = sum(len(commands(b)) for b in listed if b.marker == "run")
        says = len(_errors(page))
        if python or run or says:
            found[name_of(page)] = (python, run, says)
    assert found == EXPECTED


def test_every_command_in_the_docs_exists() -> None:
    """Verbs, flags and arguments of every ``zhiyin …`` line in a shell block parse; nothing is run."""
    lines = [(page, line) for page in PAGES for b in blocks(page) if b.language == "sh" for line in commands(b)]
    assert len(lines) >= 55
    for page, line in lines:
        words = shlex.split(line)[1:]
        if "--version" not in words:
            assert _parses(words), f"{name_of(page)}: {line}"


def _parses(words: list[str]) -> bool:
    group = get_command(app)
    context = group.context_class(group, info_name="zhiyin")
    command: Any = group.get_command(context, words[0])
    rest = words[1:]
    while command is not None and hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        name, *rest = rest
        command = command.commands.get(name)
    return command is not None and command.make_context(words[0], rest) is not None


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(target), link


def test_links_are_found() -> None:
    assert sum(len(links(page)) for page in PAGES) > 80


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}
    missing = [name_of(p) for p in PAGES if p.name not in ("README.md",) and p not in linked]
    assert not missing


def test_ends_of_the_reader_are_isolated(reader: Path) -> None:
    """The examples' packages go to a folder of the test, not to the user's."""
    from zhiyin.provenance.package import packages_folder

    assert packages_folder().is_relative_to(reader.parent)
