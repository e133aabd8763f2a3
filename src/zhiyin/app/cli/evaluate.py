"""zhiyin evaluate: measures of a model package, and the papers' tables."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from zhiyin.app.cli.common import Json, Quiet, new_app, print_json, progress_bar, tell

app = new_app()


@app.callback()
def evaluate() -> None:
    """Measure a model package, or a family of networks on a published set.

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
def frames(
    data: Annotated[Path, typer.Option("--data", help="A set of frames: .mat (traindata, validdata, testdata) or .npz (flat rows and offsets).")],
    family: Annotated[str, typer.Option("--family", help="rnn, lstm, gru, tcn or transformer.")] = "lstm",
    head: Annotated[str, typer.Option("--head", help="bernoulli (keys independent) or joint (pitch after pitch).")] = "bernoulli",
    minutes: Annotated[float | None, typer.Option("--minutes", help="Time budget (left out: a fixed number of steps).")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the run.")] = 1,
    run: Annotated[Path | None, typer.Option("--run", help="Keep checkpoints in this folder; started again, it goes on from there.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train on a published set of 88-key frames and print nats per frame of its test pieces, exactly.

    Example: zhiyin evaluate frames --data JSB_Chorales.mat --family tcn --head bernoulli --minutes 2
    """
    from zhiyin.app.cli.train import ShowTraining, need_torch

    need_torch()
    from zhiyin.evaluation.frames import evaluate_frames

    began = time.monotonic()
    show = ShowTraining(quiet=quiet or json)
    show.loss, show.rows, show.unit = "nats/frame", "frames/s", "frames"
    result = evaluate_frames(data, family, head, minutes=minutes, seed=seed, run=run, report=show)
    if json:
        print_json({"files": [str(run)] if run else [], "seconds": round(time.monotonic() - began, 2), **result})
        return
    for line in _frame_lines(result):
        tell(line)


def _frame_lines(result: dict[str, Any]) -> list[str]:
    """The figures of a run on frames, as lines."""
    lines = [
        f"{result['set']}, {result['family']}, {result['head']}: {result['nats']:.3f} nats per frame of the test pieces; "
        f"{result['parameters']:,} parameters, {'transposed' if result['transposed_in_training'] else 'not transposed'} in training, seed {result['seed']}"
    ]
    for split, word in (("test", "test"), ("clean", "test, tune not in training"), ("valid", "valid")):
        for key, first in (("", "first frames scored"), ("_without_first", "first frames not scored")):
            found = result[split]
            if "pooled" + key in found:
                lines.append(
                    f"{word:>27}, {first}: pooled {found['pooled' + key]:.3f}, mean of pieces {found['mean_of_pieces' + key]:.3f}"
                    f"  (n = {found['frames' + key]:,} frames, {found['pieces']} pieces)"
                )
    return lines


@app.command()
def generation(
    model: Annotated[str, typer.Argument(help="A package's name or folder.")],
    data: Annotated[Path, typer.Option("--data", help="The built corpus that it was trained on: its valid and test splits are compared with.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the pieces, finished sections and the report; a run goes on there.")],
    pieces: Annotated[int, typer.Option("--pieces", help="Human pieces at most (0 = all).")] = 450,
    sections: Annotated[str, typer.Option("--sections", help="Only these, by commas.")] = "",
    temperature: Annotated[float | None, typer.Option("--temperature", help="Of all fields, else the package's own.")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="Likewise.")] = None,
    min_p: Annotated[float | None, typer.Option("--min-p", help="Likewise.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compose to the controls of held-out human pieces and measure how the two differ: two-sample test, statistics, faults, form.

    Example: zhiyin evaluate generation default --data corpus --out out/quality
    """
    from zhiyin.evaluation.generation import Setting, evaluate_generation, headline

    began = time.monotonic()
    given = {"temperature": temperature, "top_p": top_p, "min_p": min_p}
    sampling = {k: v for k, v in given.items() if v is not None}
    setting = Setting(pieces=pieces, sections=tuple(s.strip() for s in sections.split(",") if s.strip()), sampling=sampling or None)
    with progress_bar("evaluating", quiet=quiet or json) as progress:
        result = evaluate_generation(model, data, out, setting=setting, progress=progress)
    files = [str(out / name) for name in ("report.html", "quality.json")]
    if json:
        print_json({"files": files, "seconds": round(time.monotonic() - began, 2), **result})
        return
    for line in headline(result):
        tell(line, quiet=quiet)
    tell("written: " + ", ".join(files), quiet=quiet)


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
