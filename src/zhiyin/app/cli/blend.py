"""zhiyin blend: from one piece to another in even steps through a latent space."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from zhiyin.app.cli.common import Json, Language, Model, Out, Quiet, Seed, Sign, new_app, print_json, say
from zhiyin.app.cli.writing import (
    How,
    Taken,
    check_way,
    tell_next,
    with_file,
    write_and_log,
)
from zhiyin.errors import ControlError
from zhiyin.formats.catalog import load
from zhiyin.inference.latent import FromLatent, blend, blend_title

app = new_app()

Part = Annotated[int | None, typer.Option("--part", help="Number of the part to read (left out: the first pitched one).")]
Temperature = Annotated[float, typer.Option("--temperature", help="0 writes the likeliest notes; 1 samples.")]


@app.command("blend")
def blend_verb(
    a: Annotated[Path, typer.Argument(help="The piece to begin with.")],
    b: Annotated[Path, typer.Argument(help="The piece to arrive at.")],
    out: Out = Path("out"),
    steps: Annotated[int, typer.Option("--steps", help="How many pieces, both ends among them (2..64).")] = 5,
    meter: Annotated[str | None, typer.Option("--meter", help="Metre of every step, as 3/4 (left out: that of both).")] = None,
    part: Part = None,
    temperature: Temperature = 0.0,
    model: Model = "melody",
    seed: Seed = None,
    language: Language = "en",
    sign: Sign = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the way from one melody to another, in even steps through a latent space.

    Example: zhiyin blend a.mid b.mid --steps 5
    """
    began = time.monotonic()
    if out.suffix:
        raise ControlError("blend writes several pieces", expected="a folder for --out", received=str(out))
    check_way(out, language, sign)
    made = blend(
        load(a), load(b), steps=steps, meter=parse_meter(meter), part=part, model=model, temperature=temperature, seed=seed
    )
    names = [blend_title((a.name, b.name), i, steps) for i in range(steps)]
    how = How(soundfont=None, seed=int(made.report["seed"]), language=language, sign=sign, quiet=quiet or json)
    files = write_and_log([taken_of(p, n, (a, b)) for p, n in zip(made.pieces, names)], out, how)
    if json:
        print_json({"files": [str(f) for f in files], "seconds": round(time.monotonic() - began, 3), **made.report})
        return
    for piece, name in zip(made.pieces, names):
        say(f"{name}: {piece.report['notes']} notes, {piece.report['bars']} bars", quiet=quiet)
        say(f"  originality: {piece.report['originality']['line']}", quiet=quiet)
    say("only one part, on a grid of sixteenths, is read and written", quiet=quiet)
    written = [f for f in files if f.suffix == ".mid"]
    tell_next((f"zhiyin show {written[steps // 2]} --roll roll.png",), quiet=quiet)


def parse_meter(text: str | None) -> tuple[int, int] | None:
    """``3/4`` as two numbers; ControlError for anything else."""
    if text is None:
        return None
    numerator, _, denominator = text.partition("/")
    if not (numerator.isdigit() and denominator.isdigit() and int(denominator) in (1, 2, 4, 8, 16, 32)):
        raise ControlError("Unknown metre", expected="two numbers as 3/4", received=repr(text))
    return int(numerator), int(denominator)


def taken_of(piece: FromLatent, title: str, sources: Sequence[Path]) -> Taken:
    """A piece as it is written; its record names the files it was made from."""
    facts = [("bars", str(piece.report["bars"])), ("notes", str(piece.report["notes"])), ("model", str(piece.record["model"]))]
    facts.append(("originality", piece.report["originality"]["line"]))
    return Taken(piece.score.replace(metadata={"title": title}), with_file(piece.record, *sources), facts)
