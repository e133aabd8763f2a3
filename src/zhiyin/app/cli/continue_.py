"""zhiyin continue: the given music untouched, new bars behind it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from zhiyin import __version__
from zhiyin.app.cli.common import Json, Model, Out, Quiet, Seed, new_app, print_json, say
from zhiyin.app.cli.writing import Taken, check_folder, check_language, name_takes, write_all, write_one
from zhiyin.provenance.package import file_hash, load_package
from zhiyin.provenance.record import make_record, notes_hash

app = new_app()


@app.command("continue")
def continue_verb(
    file: Annotated[Path, typer.Argument(help="The score to go on from: .mid .musicxml .mxl .abc .krn …")],
    out: Out = Path("out"),
    bars: Annotated[int, typer.Option("--bars", help="How many bars to add (1..1000).")] = 8,
    model: Model = "default",
    seed: Seed = None,
    takes: Annotated[int, typer.Option("--takes", help="How many different continuations to keep.")] = 1,
    candidates: Annotated[int, typer.Option("--candidates", help="How many to write and choose from.")] = 4,
    style: Annotated[str | None, typer.Option("--style", help="Tell the model the style.")] = None,
    cadence: Annotated[str | None, typer.Option("--cadence", help="How it ends: authentic or half.")] = None,
    soundfont: Annotated[
        str | None, typer.Option("--soundfont", help="A .sf2 file or the name of an installed one.")
    ] = None,
    language: Annotated[str, typer.Option("--language", help="The page's language: en or zh.")] = "en",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Go on where a piece stops; its own notes keep their exact times.

    Example: zhiyin continue tune.mid --bars 8 --seed 7
    """
    from zhiyin.formats.catalog import load
    from zhiyin.inference.compose import Options
    from zhiyin.inference.continue_ import continue_

    began = time.monotonic()
    quiet = quiet or json
    single = bool(out.suffix)
    check_language(language)
    folder = check_folder(out.parent if single else out)
    package = load_package(model)
    score = load(file)
    options = Options(takes=1 if single else takes, candidates=max(candidates, takes))
    made = continue_(score, bars=bars, model=package, seed=seed, style=style, cadence=cadence, options=options)
    used = int(made.report["seed"])
    settings: dict[str, Any] = {
        "input": file.name,
        "input_sha256": file_hash(file),
        "bars": bars,
        "style": style,
        "cadence": cadence,
        "candidates": options.candidates,
        "seed": used,
    }
    taken = []
    for number, piece in enumerate(made.pieces):
        hashed = notes_hash(piece.score.notes, piece.score.ticks_per_quarter)
        record = make_record(
            "continue",
            __version__,
            {**settings, "take": number},
            model=package.manifest,
            model_hash=package.hash,
            notes=hashed,
        )
        record["originality"] = piece.report["originality"]
        facts = [
            (name, str(piece.report[name]))
            for name in ("key", "meter", "bars", "notes", "model", "seed")
            if name in piece.report
        ]
        facts.append(("originality", piece.report["originality"]["line"]))
        titled = (
            piece.score
            if piece.score.metadata.get("title")
            else piece.score.replace(metadata={**piece.score.metadata, "title": f"{file.stem} continued"})
        )
        taken.append(Taken(titled, record, facts))
    if single:
        files = write_one(taken[0], out, soundfont=soundfont, seed=used)
    else:
        name_takes(taken, folder)
        files = write_all(taken, folder, soundfont=soundfont, seed=used, language=language)
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
    say(f"what next:\n  zhiyin continue {files[0]} --bars 8\n  zhiyin show {files[0]} --roll roll.png", quiet=quiet)
