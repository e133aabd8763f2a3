"""zhiyin again: a file's own record run once more with something changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from zhiyin.app.cli import editing
from zhiyin.app.cli.common import Candidates, Json, Language, Out, Pick, Quiet, Seed, Sign, Soundfont, Style, new_app
from zhiyin.inference.again import again
from zhiyin.inference.edit import EditOptions

app = new_app()


@app.command("again")
def again_verb(
    file: Annotated[Path, typer.Argument(help="A file that zhiyin made.")],
    span: Annotated[str | None, typer.Option("--span", help="Only these bars anew, all else locked: 5-8, 7, 1-2,9-12.")] = None,
    part: editing.Parts = None,
    lock: editing.Lock = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE of any control: key=\"G minor\", bars=16, keep=contour …")
    ] = None,
    scale: editing.Scale = None,
    ranges: editing.Ranges = None,
    chords: editing.Chords = None,
    style: Style = None,
    input_: Annotated[Path | None, typer.Option("--input", help="The file that was edited, where the record's verb had one.")] = None,
    out: Out = Path("out"),
    model: Annotated[str | None, typer.Option("--model", help="A model package; else the record's own.")] = None,
    seed: Seed = None,
    takes: editing.Takes = 1,
    candidates: Candidates = 4,
    pick: Pick = "best",
    soundfont: Soundfont = None,
    language: Language = "en",
    sign: Sign = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a file's record again: some bars anew and the rest locked, or the whole with another seed or control.

    Example: zhiyin again out/piece.mid --span 5-8 -o piece2.mid
    """
    changes: dict[str, Any] = dict(editing.parse_change(c) for c in change or ())
    flags = {"scale": scale, "ranges": tuple(ranges) if ranges else None, "chords": chords, "style": style}
    changes |= {name: value for name, value in flags.items() if value is not None}
    desk = editing.Desk(out, soundfont, language, sign, json, quiet)
    editing.run(
        desk, input_ or file,
        lambda: again(
            file, span=span, parts=part or (), lock=lock or (), source=input_, model=model, seed=seed,
            options=EditOptions(takes, candidates, pick), **changes,
        ),
        lambda made: f"{file.name} again" + (f", bars {span}" if span else "") + f": {made.report['notes']} notes",
    )  # fmt: skip
