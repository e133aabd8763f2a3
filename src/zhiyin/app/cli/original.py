"""zhiyin original: what a piece shares with the music that a model was trained on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zhiyin.app.cli.common import PARTIAL, Json, Model, Quiet, new_app, print_json, progress_bar, say, tell
from zhiyin.errors import InputError, ZhiyinError

if TYPE_CHECKING:
    from zhiyin.inference.originality_report import OriginalityReport

app = new_app()


@app.command()
def original(
    files: Annotated[list[Path], typer.Argument(help="Scores: .mid .musicxml .mxl .abc .krn …")],
    model: Model = "default",
    corpus: Annotated[
        Path | None,
        typer.Option("--corpus", help="Compare with a corpus that `zhiyin corpus index` has seen, not with a package."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Draw the longest passage beside its source here (.svg or .png).")
    ] = None,
    style: Annotated[
        str | None, typer.Option("--style", help="Style of the scale; else what the file's record says, else all.")
    ] = None,
    min_notes: Annotated[
        int, typer.Option("--min-notes", help="Passages of so many notes count as copied in the share.")
    ] = 16,
    exclude_itself: Annotated[
        bool,
        typer.Option("--exclude-itself", help="A piece of the index is compared with the others only."),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say what a piece copies from the training music, where it stands there, and how that compares with people's pieces.

    Example: zhiyin original out/*.mid --picture passage.png
    """
    from zhiyin.inference.original import open_reference, original_file

    began = time.monotonic()
    if picture is not None and len(files) > 1:
        raise InputError(
            "A picture shows one piece", expected="one file with --picture", received=f"{len(files)} files"
        )
    reference = open_reference(model, corpus)
    told = json or len(files) == 1  # a line for each of many files does not name the nearest piece
    options: dict[str, Any] = {"style": style, "min_notes": min_notes, "exclude_itself": exclude_itself, "nearest": told}
    found: dict[str, OriginalityReport] = {}
    failures: list[dict[str, str]] = []
    with progress_bar("comparing", quiet=quiet or json or len(files) == 1) as bar:
        for number, file in enumerate(files):
            bar(number, len(files), file.name)
            try:
                found[str(file)] = original_file(file, reference, **options)
            except ZhiyinError as error:
                if len(files) == 1:
                    raise
                failures.append({"file": str(file), "reason": str(error)})
    drawn = _draw(picture, files[0], found[str(files[0])], corpus) if picture else []
    if json:
        reports = [{"file": name, **report.as_dict()} for name, report in found.items()]
        seconds = round(time.monotonic() - began, 3)
        print_json({"files": drawn, "seconds": seconds, "reports": reports, "failures": failures})
    else:
        _tell(found, failures, drawn, quiet=quiet)
    if failures:
        raise typer.Exit(PARTIAL)


def _draw(
    picture: Path, file: Path, report: OriginalityReport, corpus: Path | None
) -> list[str]:
    from zhiyin.formats.catalog import load
    from zhiyin.inference.passage_picture import draw_passage

    if report.longest is None:
        say(f"no passage was found: {picture} is not drawn")
        return []
    return [str(draw_passage(picture, load(file), report, _source(report, corpus)))]


def _source(report: OriginalityReport, corpus: Path | None) -> Any:
    """The score of the longest passage's source, where the corpus that was named holds it."""
    folder = corpus if corpus is None or corpus.is_dir() else corpus.parent
    if folder is None or report.longest is None or not (folder / "manifest.json").is_file():
        return None
    from zhiyin.corpus.scores import score_of

    return score_of(folder, report.longest.source.id)


def _tell(
    found: dict[str, OriginalityReport], failures: list[dict[str, str]], drawn: list[str], *, quiet: bool
) -> None:
    """The report of one file, or a line for each of many."""
    if len(found) == 1 and not failures:
        tell(str(next(iter(found.values()))), quiet=quiet)
    else:
        for name, report in found.items():
            tell(f"{name}: {report.line()}", quiet=quiet)
    for path in drawn:
        say(f"drawn: {path}", quiet=quiet)
    for failure in failures:
        say(f"failed: {failure['file']}: {failure['reason']}", quiet=quiet)
