"""What all verbs share: the shared flags, where words go (stderr) and where JSON goes (stdout), how errors look."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from zhiyin.errors import ZhiyinError

Out = Annotated[Path, typer.Option("--out", "-o", help="A file (its suffix chooses the format) or a folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no words.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Same seed, same notes. Left out, one is drawn and printed.")]
Model = Annotated[str, typer.Option("--model", help="A model package: a name or a folder.")]

Pick = Annotated[str, typer.Option("--pick", help="Which takes: best, or diverse (as different as can be).")]
Soundfont = Annotated[str | None, typer.Option("--soundfont", help="A .sf2 file or the name of an installed one.")]
Language = Annotated[str, typer.Option("--language", help="The page's language: en or zh.")]
Style = Annotated[str | None, typer.Option("--style", help="Tell the model the style.")]
Candidates = Annotated[int, typer.Option("--candidates", help="How many to write and choose from.")]
Sign = Annotated[bool, typer.Option("--sign", help="Sign the record with your key (zhiyin log key).")]

PARTIAL = 3  # exit code: done, but some inputs failed


def new_app() -> typer.Typer:
    """A typer app for one verb."""
    return typer.Typer(
        add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}
    )


def say(text: str = "", *, quiet: bool = False) -> None:
    """One line for people, on stderr."""
    if not quiet:
        print(text, file=sys.stderr, flush=True)


def tell(text: str = "", *, quiet: bool = False) -> None:
    """One line of what was asked for (a fact, a table row), on stdout."""
    if not quiet:
        print(text, flush=True)


def print_json(value: Mapping[str, Any]) -> None:
    """The one object of --json, on stdout."""
    print(json.dumps(value, ensure_ascii=False, indent=1, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"not JSON: {type(value).__name__}")


def report_error(error: ZhiyinError) -> int:
    """Prints a deliberate error the way all of them look; returns exit code 1. Under --json it is the JSON object."""
    if "--json" in sys.argv:
        parts = {"what": error.what, "expected": error.expected, "received": error.received, "hint": error.hint}
        print_json({"error": type(error).__name__, **parts})
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    return 1


@contextmanager
def progress_bar(label: str, *, quiet: bool = False) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar on stderr with time left: call it with (done, total, words). Silent when quiet or not a terminal."""
    if quiet or not sys.stderr.isatty():
        yield _nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(label),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[words]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(label, total=None, words="")

        def update(done: int, total: int, words: str) -> None:
            bars.update(task, completed=done, total=total, words=words)

        yield update


def _nothing(done: int, total: int, words: str) -> None:
    """The progress bar of a quiet run."""
