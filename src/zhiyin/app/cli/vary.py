"""zhiyin vary --method latent: neighbours of a piece in a latent space."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from zhiyin.app.cli.blend import Part, Temperature, taken_of
from zhiyin.app.cli.common import Json, Model, Out, Quiet, Seed, Sign, new_app, print_json, say
from zhiyin.app.cli.writing import How, check_folder, check_language, check_signing, tell_next, write_and_log
from zhiyin.errors import ControlError
from zhiyin.formats.catalog import load
from zhiyin.inference.latent import vary_latent

app = new_app()


@app.command("vary")
def vary_verb(
    file: Annotated[Path, typer.Argument(help="The piece to vary.")],
    out: Out = Path("out"),
    method: Annotated[str, typer.Option("--method", help="latent: neighbours in a latent space.")] = "latent",
    amount: Annotated[float, typer.Option("--amount", help="How far off, 0..1.")] = 0.3,
    takes: Annotated[int, typer.Option("--takes", help="How many.")] = 1,
    more: Annotated[list[str] | None, typer.Option("--more", help="density, range, syncopation or mode (major).")] = None,
    less: Annotated[list[str] | None, typer.Option("--less", help="The same names; less mode is minor.")] = None,
    part: Part = None,
    temperature: Temperature = 0.0,
    model: Model = "melody",
    seed: Seed = None,
    language: Annotated[str, typer.Option("--language", help="The page's language: en or zh.")] = "en",
    sign: Sign = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write neighbours of a melody in a latent space, or move it along one attribute.

    Example: zhiyin vary tune.mid --method latent --amount 0.3 --takes 4
    """
    began = time.monotonic()
    if method != "latent":
        raise ControlError("Unknown method", expected="latent", received=repr(method))
    check_language(language)
    check_signing(sign)
    check_folder(out.parent if out.suffix else out)
    made = vary_latent(
        load(file), amount=amount, takes=1 if out.suffix else takes, more=more or (), less=less or (), part=part, model=model,
        temperature=temperature, seed=seed,
    )  # fmt: skip
    how = How(soundfont=None, seed=int(made.report["seed"]), language=language, sign=sign, quiet=quiet or json)
    taken = [taken_of(p, f"{file.stem} varied", (file,)) for p in made.pieces]
    files = write_and_log(taken, out, how)
    if json:
        print_json({"files": [str(f) for f in files], "seconds": round(time.monotonic() - began, 3), **made.report})
        return
    say(f"{len(taken)} of {file.name}; seed {made.report['seed']}", quiet=quiet)
    say("only one part, on a grid of sixteenths, is read and written", quiet=quiet)
    for path in files:
        say(f"  {path}", quiet=quiet)
    tell_next((f"zhiyin show {files[0]} --roll roll.png",), quiet=quiet)
