"""zhiyin evaluate: measures of a model package."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from zhiyin.app.cli.common import Json, Quiet, new_app, print_json, progress_bar, tell

app = new_app()


@app.callback()
def evaluate() -> None:
    """Measure a model package.

    Example: zhiyin evaluate nats default --data corpus
    """


@app.command()
def nats(
    model: Annotated[str, typer.Argument(help="A package's name or folder.")],
    data: Annotated[
        Path, typer.Option("--data", help="A built corpus (its test split) or a folder of scores (all of them).")
    ],
    split: Annotated[str, typer.Option("--split", help="Which split of a corpus.")] = "test",
    limit: Annotated[int, typer.Option("--limit", help="At most about so many notes (0 = all).")] = 0,
    json: Json = False,
) -> None:
    """Nats per note with an interval: per field, per style, beside unigram and bigram baselines of the same notes.

    Example: zhiyin evaluate nats default --data corpus --split test
    """
    from zhiyin.evaluation.nats import evaluate_nats

    began = time.monotonic()
    result = evaluate_nats(model, data, split=split, limit=limit)
    if json:
        print_json({"files": [], "seconds": round(time.monotonic() - began, 2), **result})
        return
    tell(
        f"{result['model']}: {result['nats']:.3f} nats per note [{result['low']:.3f}, {result['high']:.3f}], n = {result['n']:,} notes of {result['pieces']} pieces"
    )
    tell("per field: " + ", ".join(f"{k} {v:.3f}" for k, v in result["fields"].items()))
    for name, value in result.get("baselines", {}).items():
        tell(f"{name:>24}: {value:.3f}")
    for name, s in sorted(result["styles"].items(), key=lambda kv: kv[1]["nats"]):
        tell(
            f"{name or 'no style':>24}: {s['nats']:.3f} [{s['low']:.3f}, {s['high']:.3f}]  {s['pieces']} pieces, {s['n']:,} notes"
        )


@app.command()
def style(
    model: Annotated[str, typer.Argument(help="A package that classifies; left out, a recipe is measured by folds.")] = "",
    data: Annotated[
        Path, typer.Option("--data", help="A built corpus, a folder with a sub-folder per label, or a table file,label (.csv).")
    ] = Path("."),
    split: Annotated[str, typer.Option("--split", help="Which split of a corpus (left out: all of it).")] = "",
    recipe: Annotated[str, typer.Option("--recipe", help="The recipe that folds are fitted by.")] = "own-labels",
    repeats: Annotated[int, typer.Option("--repeats", help="How often the folds are drawn anew.")] = 3,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for pictures of confusion and calibration.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Accuracy, macro-F1, per label, confusion and calibration of a classifier, with 95 % intervals.

    Example: zhiyin evaluate style --data my-labelled-files --out figures
    """
    from zhiyin.evaluation.style import evaluate_style, lines

    began = time.monotonic()
    with progress_bar("hearing", quiet=quiet or json) as update:
        result = evaluate_style(
            data, model=model, recipe=recipe, split=split, repeats=repeats, progress=update
        )
    files: list[str] = []
    if out:
        from zhiyin.evaluation.style_picture import draw_calibration, draw_confusion

        for name, figures in result["sets"].items():
            files += [str(draw_confusion(figures, out / f"{name}-confusion.png", title=name)), str(draw_calibration(figures, out / f"{name}-calibration.png", title=name))]
    if json:
        print_json({"files": files, "seconds": round(time.monotonic() - began, 2), **result})
        return
    for line in lines(result):
        tell(line, quiet=quiet)
    for file in files:
        tell(f"drawn: {file}", quiet=quiet)
