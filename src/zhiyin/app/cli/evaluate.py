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
def generation(
    model: Annotated[str, typer.Argument(help="A package's name or folder.")],
    data: Annotated[Path, typer.Option("--data", help="The built corpus that it was trained on: its valid and test splits are compared with.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the pieces, finished sections and the report; a run goes on there.")],
    pieces: Annotated[int, typer.Option("--pieces", help="Human pieces at most (0 = all).")] = 450,
    sections: Annotated[str, typer.Option("--sections", help="Only these, by commas.")] = "",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compose to the controls of held-out human pieces and measure how the two differ: two-sample test, statistics, faults, form.

    Example: zhiyin evaluate generation default --data corpus --out out/quality
    """
    from zhiyin.evaluation.generation import Setting, evaluate_generation, headline

    began = time.monotonic()
    setting = Setting(pieces=pieces, sections=tuple(s.strip() for s in sections.split(",") if s.strip()))
    with progress_bar("evaluating", quiet=quiet or json) as progress:
        result = evaluate_generation(model, data, out, setting=setting, progress=progress)
    files = [str(out / name) for name in ("report.html", "quality.json")]
    if json:
        print_json({"files": files, "seconds": round(time.monotonic() - began, 2), **result})
        return
    for line in headline(result):
        tell(line, quiet=quiet)
    tell("written: " + ", ".join(files), quiet=quiet)
