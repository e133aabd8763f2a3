"""zhiyin continue: the given music untouched, new bars behind it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from zhiyin.app.cli.common import (
    Candidates,
    Json,
    Language,
    Model,
    Out,
    Pick,
    Quiet,
    Seed,
    Sign,
    Soundfont,
    Style,
    new_app,
    print_json,
    say,
)
from zhiyin.app.cli.writing import (
    How,
    check_way,
    taken_from,
    tell_next,
    write_and_log,
)
from zhiyin.formats.catalog import load
from zhiyin.inference.compose import Options
from zhiyin.inference.continue_ import continue_, with_title
from zhiyin.provenance.package import load_package

app = new_app()


@app.command("continue")
def continue_verb(
    file: Annotated[Path, typer.Argument(help="The score to go on from: .mid .musicxml .mxl .abc .krn …")],
    out: Out = Path("out"),
    bars: Annotated[int, typer.Option("--bars", help="How many bars to add (1..1000).")] = 8,
    model: Model = "default",
    seed: Seed = None,
    takes: Annotated[int, typer.Option("--takes", help="How many different continuations to keep.")] = 1,
    candidates: Candidates = 4,
    pick: Pick = "best",
    style: Style = None,
    cadence: Annotated[str | None, typer.Option("--cadence", help="How it ends: authentic or half.")] = None,
    soundfont: Soundfont = None,
    language: Language = "en",
    sign: Sign = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Go on where a piece stops; its own notes keep their exact times.

    Example: zhiyin continue tune.mid --bars 8 --seed 7
    """

    began = time.monotonic()
    quiet = quiet or json
    single = bool(out.suffix)
    check_way(out, language, sign, soundfont)
    package = load_package(model)
    score = load(file)
    options = Options(takes=1 if single else takes, candidates=max(candidates, takes), pick=pick)
    made = continue_(score, bars=bars, model=package, seed=seed, style=style, cadence=cadence, options=options)
    used = int(made.report["seed"])
    taken = [taken_from(piece, file, with_title(piece.score, file.name)) for piece in made.pieces]
    how = How(soundfont=soundfont, seed=used, language=language, sign=sign, quiet=quiet)
    files = write_and_log(taken, out, how)
    if json:
        print_json({"files": [str(f) for f in files], "seconds": round(time.monotonic() - began, 3), **made.report})
        return
    say(f"{bars} bars after {file.name}; seed {used}", quiet=quiet)
    for piece in made.pieces:
        known = piece.report["originality"]
        left_out = "".join(f"; left out: {text}" for text in known.get("excluded", ()))
        say(f"  originality: {known['line']}{left_out}", quiet=quiet)
    for path in files:
        say(f"  {path}", quiet=quiet)
    tell_next((f"zhiyin continue {files[0]} --bars 8", f"zhiyin show {files[0]} --roll roll.png"), quiet=quiet)
