"""zhiyin classify: which style pieces are in, how sure that is and why; many files to a table."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zhiyin.app.cli.common import PARTIAL, Json, Quiet, new_app, print_json, progress_bar, say, tell

if TYPE_CHECKING:
    from zhiyin.inference.classify import Answer, Failure, Verdict

app = new_app()


@app.command()
def classify(
    files: Annotated[list[Path], typer.Argument(help="Scores (.mid .musicxml .mxl .abc .krn …), or folders of them.")],
    model: Annotated[str, typer.Option("--model", help="A package that classifies: a name or a folder.")] = "style",
    top: Annotated[int, typer.Option("--top", help="How many answers per label set.")] = 3,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A table of all files: .csv or .parquet.")] = None,
    workers: Annotated[int, typer.Option("--workers", help="Processes (0: one per core for many files).")] = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say which style a piece is in, how sure that is, and why; or that it is none of the styles known.

    Example: zhiyin classify tune.mid --top 5
    """
    from zhiyin.inference import classify as c

    began = time.monotonic()
    listed = c.score_files(files)
    if out:
        c.check_table(out)
    found: dict[str, Verdict] = {}
    failed: list[Failure] = []
    if len(listed) == 1 and not files[0].is_dir():
        found[str(listed[0])] = c.classify(listed[0], model=model, top=top)
    else:
        with progress_bar("classifying", quiet=quiet or json) as update:
            found, failed = c.classify_files(listed, model=model, top=top, workers=workers, progress=update)
    if out:
        c.write_table(out, found, failed)
    if json:
        print_json(
            {
                "files": [str(out)] if out else [], "seconds": round(time.monotonic() - began, 3), "model": model,
                "verdicts": {path: v.as_dict() for path, v in found.items()}, "failures": [vars(f) for f in failed],
            }
        )  # fmt: skip
    else:
        _print(found, quiet=quiet)
        for failure in failed:
            say(f"failed: {failure.path}: {failure.reason}", quiet=quiet)
        if len(listed) > 1:
            say(f"{len(found)} classified, {len(failed)} failed, {time.monotonic() - began:.1f} s" + (f"; table: {out}" if out else ""), quiet=quiet)
    if failed:
        raise typer.Exit(PARTIAL)


def _print(found: dict[str, Verdict], *, quiet: bool) -> None:
    """One line per file, or all that is known of a single one."""
    if len(found) == 1:
        path, verdict = next(iter(found.items()))
        _explain(path, verdict, quiet=quiet)
        return
    width = min(48, max((len(p) for p in found), default=0))
    for path, verdict in found.items():
        shown = path if len(path) <= width else "…" + path[-(width - 1) :]
        tell(f"{shown:<{width}}  {_line(verdict)}", quiet=quiet)
    _tell_stars(found.values(), quiet=quiet)


def _line(verdict: Verdict) -> str:
    if verdict.none:
        return f"none of these (nearest: {verdict.first[0].marked})"
    return "   ".join(f"{name}: {_answers(answers)}" for name, answers in verdict.answers.items())


def _answers(answers: Sequence[Answer]) -> str:
    """Labels with their probabilities; a star marks what is known from one collection alone."""
    return ", ".join(f"{a.marked} {100 * a.probability:.0f} %" for a in answers)


def _tell_stars(verdicts: Iterable[Verdict], *, quiet: bool) -> None:
    """What a star means, where one was printed."""
    if any(a.one_collection for verdict in verdicts for answers in verdict.answers.values() for a in answers):
        say("  * known from one collection alone: its habits may be what was recognised", quiet=quiet)


def _explain(path: str, verdict: Verdict, *, quiet: bool) -> None:
    tell(path, quiet=quiet)
    if verdict.none:
        tell(f"  none of these: {verdict.distance:.2f} times as far from the training music as its like may be. If it had to be one:", quiet=quiet)
    for name, answers in verdict.answers.items():
        tell(f"  {name:>9}  {_answers(answers)}", quiet=quiet)
    for side, words in ((verdict.reasons_for, "for"), (verdict.reasons_against, "against")):
        for reason in side:
            tell(f"  {words:>9}  {reason.said()}", quiet=quiet)
    if verdict.bars:
        tell(f"  {'bars':>9}  " + ", ".join(b["bars"] for b in verdict.bars) + f" speak most for {verdict.first[0].label}", quiet=quiet)
    _tell_stars([verdict], quiet=quiet)
