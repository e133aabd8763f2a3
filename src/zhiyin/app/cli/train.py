"""zhiyin train: from a folder of scores to a model package, with progress and time left."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from zhiyin.app.cli.common import PARTIAL, Json, Quiet, new_app, print_json, say
from zhiyin.errors import InputError

app = new_app()


@app.command()
def train(
    folder: Annotated[
        Path,
        typer.Argument(help="Your scores (sub-folders become styles), a table file,label (.csv), or a corpus built with `zhiyin corpus build`."),
    ],
    family: Annotated[
        str, typer.Option("--family", help="rnn, lstm, gru, transformer; vae (a latent space), gan (bars from noise); embedding or style (do not compose).")
    ] = "",
    recipe: Annotated[
        str, typer.Option("--recipe", help="A recipe's name (classic, lstm, transformer …) or a .toml file.")
    ] = "",
    from_: Annotated[
        str, typer.Option("--from", help="Start from this model package instead of from nothing (fine-tune); with --recipe: a further stage.")
    ] = "",
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", help="Time budget (left out: the recipe's own, or 10 when fine-tuning)."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Name of the package.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the package (default: your packages folder).")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    workers: Annotated[int, typer.Option("--workers", help="Processes that read files.")] = 1,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of the run.")] = None,
    licence: Annotated[
        str, typer.Option("--licence", help="SPDX id of your files' licence, for the card.")
    ] = "LicenseRef-own",
    i_have_the_rights: Annotated[
        bool, typer.Option("--i-have-the-rights", help="Use files whose licence is unknown or forbids it; recorded.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Learn from a folder of scores and write a model package; started again, it goes on where it was.

    Example: zhiyin train my-midi-files --family lstm --minutes 10
    """
    need_torch()
    from zhiyin.training.train import TrainOptions, fine_tune
    from zhiyin.training.train import train as learn

    began = time.monotonic()
    options = TrainOptions(
        name=name, out=out, device=device, workers=workers, licence=licence, i_have_the_rights=i_have_the_rights
    )
    show = ShowTraining(quiet=quiet or json)
    if from_ and family:
        raise InputError(
            "A package that is trained further keeps its family",
            expected="--from without --family",
            received=f"--from {from_} with --family {family}",
            hint="leave --family out",
        )
    if from_:
        result = fine_tune(folder, from_, recipe=recipe, minutes=minutes, seed=seed, options=options, report=show)
    else:
        result = learn(folder, recipe=recipe, family=family, minutes=minutes, seed=seed, options=options, report=show)
    package = result.package
    if json:
        extra = (
            {"before": result.before, "old_before": result.old_before, "old_after": result.old_after} if from_ else {}
        )
        print_json(
            {
                "files": [str(package.folder)],
                "seconds": round(time.monotonic() - began, 2),
                "model": package.name,
                "nats": result.nats,
                "n": result.notes,
                "steps": result.steps,
                "failures": show.failures,
                **extra,
            }
        )
        _exit_if(show.failures)
        return
    if package.manifest["family"] == "style":
        _tell_style(package, result.run_folder, out, quiet=quiet)
        _exit_if(show.failures)
        return
    kind = package.manifest["family"]
    measured = _MEASURED.get(kind, "nats per note on {:,} held-out notes")
    say(f"\n{package.name}: {result.nats:.3f} {measured.format(result.notes)}, after {result.steps:,} steps", quiet=quiet)
    if from_:
        say(
            f"before: {result.before:.3f} on the same notes. On the old model's own music: {result.old_before:.3f} before, {result.old_after:.3f} after",
            quiet=quiet,
        )
    say(f"package: {package.folder}\nlog, picture, checkpoint: {result.run_folder}", quiet=quiet)
    told = package.name if out is None else package.folder
    use = _USE.get(kind, "zhiyin compose --model {}").format(told)
    say(f"what next:\n  {use}\n  zhiyin models show {told}", quiet=quiet)
    _exit_if(show.failures)


def _tell_style(package: Any, run_folder: Path, out: Path | None, *, quiet: bool) -> None:
    """How well the labels were told apart, and what to do with the package."""
    for h in package.manifest["metrics"]["held_out"]:
        say(
            f"{h['set']}: {h['labels']} labels told apart on {h['n']:,} pieces not fitted on: accuracy {h['accuracy']:.3f}, "
            f"macro-F1 {h['macro_f1']:.3f} (always the commonest: {h['majority']:.3f})", quiet=quiet,
        )  # fmt: skip
    told = package.name if out is None else package.folder
    say(f"package: {package.folder}\ninputs are kept in: {run_folder}", quiet=quiet)
    say(f"what next:\n  zhiyin classify FILE --model {told}\n  zhiyin models show {told}", quiet=quiet)
_MEASURED = {
    "embedding": "loss per hidden row on {:,} held-out hidden rows",
    "vae": "loss per sixteenth on {:,} held-out sixteenths",
    "gan": "away from real windows (mean relative error of four roll metrics); {:,} training windows",
}
_USE = {
    "embedding": "python: from zhiyin.inference.embed import embed; embed(score, model='{}')",
    "vae": "zhiyin blend a.mid b.mid --model {}",
    "gan": "zhiyin compose --model {} --bars 8",
}
_UNITS = {
    "embedding": ("loss/hidden row", "hidden rows/s", "notes"), "vae": ("loss/sixteenth", "sixteenths/s", "sixteenths"),
    "gan": ("critic's distance", "notes/s", "notes"),
}  # fmt: skip


def _exit_if(failures: list[Mapping[str, str]]) -> None:
    """Exit code 3 where some inputs failed, as `corpus build` gives."""
    if failures:
        raise typer.Exit(PARTIAL)


def need_torch() -> None:
    """InputError with the way out where torch is not installed."""
    try:
        import torch  # noqa: F401
    except ImportError:
        raise InputError(
            "Training needs the train extra",
            expected="torch installed",
            received="no torch",
            hint="pip install 'zhiyin[train]'",
        ) from None


class ShowTraining:
    """Prints what training reports: a line that rewrites itself on a terminal, plain lines elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet, self.last = quiet, 0.0
        self.failures: list[Mapping[str, str]] = []
        self.loss, self.rows, self.unit = "nats/note", "notes/s", "notes"
        self.counted: tuple[float, int] | None = None  # when pieces began to be heard, and how many were done then

    def _left(self, event: Mapping[str, Any]) -> str:
        """Time left for the pieces that are still to be heard, once some have been."""
        now, done = time.monotonic(), int(event["done"])
        if event["kind"] != "hearing":
            return ""
        self.counted = self.counted or (now, done)
        began, first = self.counted
        return f", {(now - began) / (done - first) * (event['total'] - done) / 60:.1f} min left" if done > first else ""

    def __call__(self, event: Mapping[str, Any]) -> None:
        """One event of training: corpus, built, start, train or valid."""
        kind, now = event["kind"], time.monotonic()
        if kind == "corpus" and now - self.last > 2:
            self.last = now
            say(f"reading scores: {event['done']} of {event['total']}", quiet=self.quiet)
        elif kind == "built":
            self.failures = list(event.get("failures", ()))
            say(f"read {event['files']} files: {event['pieces']} pieces, {event['failed']} failed", quiet=self.quiet)
            for failure in self.failures[:10]:
                say(f"  failed: {failure['path']}: {failure['reason']}", quiet=self.quiet)
        elif kind in ("hearing", "fitting") and (kind == "fitting" or now - self.last > 2):
            self.last = now
            what = f"fitting {event['set']}" if kind == "fitting" else "hearing pieces"
            say(f"{what}: {event['done']} of {event['total']}{self._left(event)}", quiet=self.quiet)
        elif kind == "start" and event["family"] == "style":
            say(f"style, {event['parameters']:,} inputs; {event['pieces']} pieces, {event['notes']:,} notes", quiet=self.quiet)
        elif kind == "start":
            self.loss, self.rows, self.unit = _UNITS.get(event["family"], (self.loss, self.rows, self.unit))
            say(
                f"{event['family']}, {event['parameters']:,} parameters; {event['pieces']} pieces, {event['notes']:,} {self.unit}",
                quiet=self.quiet,
            )
        elif kind == "warning":
            say(f"  warning: {event['text']}", quiet=self.quiet)
        elif kind == "finished":
            say(
                f"this run was finished before, after {event['step']:,} steps; nothing more is learnt, its package is written again.\n"
                f"to train anew choose another --name, or delete {event['folder']}",
                quiet=self.quiet,
            )
        elif kind == "train" and now - self.last > 5:
            self.last = now
            left = event["seconds_left"]
            total = event["total"] or "?"
            rest = f"{left / 60:.1f} min left" if left == left else "measuring speed"
            say(
                f"step {event['step']}/{total}  {event['nats']:.3f} {self.loss}  {event['notes_per_second']:,} {self.rows}  {rest}",
                quiet=self.quiet,
            )
        elif kind == "valid":
            say(f"  held out: {event['nats']:.3f} {self.loss} (best {event['best']:.3f})", quiet=self.quiet)
