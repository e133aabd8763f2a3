"""zhiyin recommend: what to hear next, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zhiyin.app.cli.common import PARTIAL, Json, Quiet, new_app, print_json, progress_bar, say, tell
from zhiyin.app.cli.library import Url

app = new_app()


@app.command()
def recommend(
    listener: Annotated[str | None, typer.Option("--listener", help="For this listener of the library.")] = None,
    like: Annotated[list[Path] | None, typer.Option("--like", help="Pieces like this file (may be given again).")] = None,
    among: Annotated[list[Path] | None, typer.Option("--in", help="Choose from this folder or file instead of the library (may be given again).")] = None,
    count: Annotated[int, typer.Option("--count", "-n", help="How many.")] = 10,
    new: Annotated[bool, typer.Option("--new", help="Only pieces nobody has heard.")] = False,
    diverse: Annotated[float, typer.Option("--diverse", help="0 = the best ones, 1 = all kinds.")] = 0.0,
    library: Url = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Recommend pieces to a listener, or pieces like some files, each with its reason.

    Example: zhiyin recommend --listener Mei --diverse 0.3
    Without a library: zhiyin recommend --like tune.mid --in my-midi-files
    """
    from zhiyin.inference.recommend import Wish
    from zhiyin.inference.recommend import recommend as choose
    from zhiyin.library import library_if_there, open_library

    wish = Wish(count, new, diverse)
    opened = open_library(library, make=False) if listener else library_if_there(library)
    with progress_bar("read", quiet=quiet or json) as progress:
        found = choose(listener, like=like or (), among=among or (), wish=wish, library=opened, progress=progress)
    if json:
        print_json(found.as_dict())
    else:
        for note in found.notes:
            say(note, quiet=quiet)
        for failed, reason in found.failures:
            say(f"failed: {failed}: {reason}", quiet=quiet)
        for number, item in enumerate(found.items, 1):
            by = f", {item.composer}" if item.composer else ""
            tell(f"{number:>3}. {item.title}{by}\n     {item.reason}\n     {item.files[0] if item.files else 'its file is gone'}", quiet=quiet)
        if not found.items:
            say("nothing to recommend", quiet=quiet)
    if found.failures:
        raise typer.Exit(PARTIAL)
