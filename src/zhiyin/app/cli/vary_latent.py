"""zhiyin vary --method latent: neighbours of a melody in a latent space, written and told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from zhiyin.app.cli.blend import taken_of
from zhiyin.app.cli.common import print_json, say
from zhiyin.app.cli.editing import Desk
from zhiyin.app.cli.writing import How, check_way, tell_next, write_and_log
from zhiyin.inference.edit import EditOptions
from zhiyin.inference.latent import FromLatent, varied_title
from zhiyin.inference.vary import vary


def run(
    desk: Desk, file: Path, *, amount: float, takes: int, more: Sequence[str], less: Sequence[str], parts: Sequence[str],
    temperature: float, model: str, seed: int | None,
) -> None:  # fmt: skip
    """Reads a melody, varies it in the latent space of ``model`` ("default" = the package melody), writes and tells."""
    began = time.monotonic()
    check_way(desk.out, desk.language, desk.sign, desk.soundfont)
    options = EditOptions(takes=1 if desk.out.suffix else takes, temperature=temperature)
    made = vary(
        file, method="latent", amount=amount, more=more, less=less, parts=parts, model=model, seed=seed, options=options
    )
    how = How(desk.soundfont, int(made.report["seed"]), desk.language, desk.sign, desk.quiet or desk.json)
    taken = [taken_of(cast(FromLatent, p), varied_title(file.name), (file,)) for p in made.pieces]
    files = write_and_log(taken, desk.out, how)
    if desk.json:
        print_json({"files": [str(f) for f in files], "seconds": round(time.monotonic() - began, 3), **made.report})
        return
    say(f"{len(taken)} of {file.name}; seed {made.report['seed']}", quiet=desk.quiet)
    say("only one part, on a grid of sixteenths, is read and written", quiet=desk.quiet)
    for piece in made.pieces:
        say(f"  originality: {piece.report['originality']['line']}", quiet=desk.quiet)
    for path in files:
        say(f"  {path}", quiet=desk.quiet)
    tell_next((f"zhiyin show {files[0]} --roll roll.png",), quiet=desk.quiet)
