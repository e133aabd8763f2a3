"""zhiyin restore: a .zyz file back to a score in any format."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from zhiyin.app.cli.common import Json, Quiet, new_app, print_json, say

app = new_app()


@app.command("restore")
def restore_verb(
    file: Annotated[Path, typer.Argument(help="A .zyz file.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to; the suffix chooses the format (left out: .mid beside it).")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Bring a .zyz file back as a score.

    Example: zhiyin restore tune.zyz -o tune.mid
    """
    from zhiyin.formats.catalog import format_of, save
    from zhiyin.inference.zyz import restore

    began = time.monotonic()
    out = out or file.with_suffix(".mid")
    format_of(out)
    score = restore(file)
    save(score, out)
    if json:
        print_json({"files": [str(out)], "seconds": round(time.monotonic() - began, 3), "notes": len(score.notes), "bars": score.bar_count})
        return
    say(f"{out}: {len(score.notes)} notes, {score.bar_count} bars", quiet=quiet)
