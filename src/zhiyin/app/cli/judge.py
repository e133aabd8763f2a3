"""zhiyin judge: a scorecard of pieces against human pieces of a style."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zhiyin.app.cli.common import PARTIAL, Json, Quiet, new_app, print_json, progress_bar, say, tell
from zhiyin.errors import InputError, ZhiyinError

if TYPE_CHECKING:
    from zhiyin.evaluation.scorecard import Scorecard

app = new_app()


@app.command()
def judge(
    files: Annotated[list[Path] | None, typer.Argument(help="Scores: .mid .musicxml .mxl .abc .krn …")] = None,
    reference: Annotated[
        str, typer.Option("--reference", help="A style, or all; else what the file's record says, else all.")
    ] = "",
    styles: Annotated[bool, typer.Option("--styles", help="List the styles that there is a reference for.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say how a piece compares with human pieces of a style: published statistics, playability, voice leading, form.

    Example: zhiyin judge tune.mid --reference jig
    """
    from zhiyin.evaluation.scorecard import judge as judge_piece
    from zhiyin.evaluation.style_reference import open_style, style_names

    began = time.monotonic()
    if styles:
        pieces = {name: open_style(name).pieces for name in style_names()}
        if json:
            print_json({"files": [], "seconds": round(time.monotonic() - began, 3), "styles": pieces})
        else:
            tell("\n".join(f"{count:>6} {name}" for name, count in pieces.items()), quiet=quiet)
        return
    if not files:
        raise InputError("Nothing to judge", expected="a score file", received="none", hint="zhiyin judge tune.mid")
    found: dict[str, Scorecard] = {}
    failures: list[dict[str, str]] = []
    with progress_bar("judging", quiet=quiet or json or len(files) == 1) as bar:
        for number, file in enumerate(files):
            bar(number, len(files), file.name)
            try:
                found[str(file)] = judge_piece(file, reference=reference)
            except ZhiyinError as error:
                if len(files) == 1:
                    raise
                failures.append({"file": str(file), "reason": str(error)})
    if json:
        cards = [{"file": name, **card.as_dict()} for name, card in found.items()]
        print_json({"files": [], "seconds": round(time.monotonic() - began, 3), "scorecards": cards, "failures": failures})
    else:
        for name, card in found.items():
            tell(f"{name}: {card if len(files) == 1 else card.line()}", quiet=quiet)
        for failure in failures:
            say(f"failed: {failure['file']}: {failure['reason']}", quiet=quiet)
    if failures:
        raise typer.Exit(PARTIAL)
