"""zhiyin evaluate: measures of a model package."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from zhiyin.app.cli.common import Json, new_app, print_json, tell

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
