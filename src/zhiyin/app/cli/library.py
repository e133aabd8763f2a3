"""zhiyin library: your pieces, who heard them, and what they thought of them."""

from __future__ import annotations

import json as jsonlib
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zhiyin.app.cli.common import PARTIAL, Json, Quiet, new_app, print_json, progress_bar, say, tell
from zhiyin.errors import InputError
from zhiyin.files import atomic_write

if TYPE_CHECKING:
    from zhiyin.library.store import Library

app = new_app()

Url = Annotated[
    str | None, typer.Option("--library", help="SQLite file or URL (postgresql://…); else ZHIYIN_LIBRARY, else the user's data folder.")
]
Listener = Annotated[str, typer.Option("--listener", help="Who listened.")]


@app.callback()
def library() -> None:
    """Keep your pieces, who heard them and what they thought of them, in a database of your own.

    Example: zhiyin library add my-midi-files
    """


def _open(url: str | None, *, make: bool = False) -> Library:
    from zhiyin.library import open_library

    return open_library(url, make=make)


@app.command()
def add(
    paths: Annotated[list[Path], typer.Argument(help="Folders (all scores below them) and files.")],
    workers: Annotated[int | None, typer.Option("--workers", help="Processes that read; default one a core, 0 = none.")] = None,
    library: Url = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read, describe, embed and store scores. What is known already is skipped, so it can be stopped and run again.

    Example: zhiyin library add my-midi-files
    """
    from zhiyin.inference.bring import add as bring

    began = time.monotonic()
    with progress_bar("add", quiet=quiet or json) as progress:
        done = bring(_open(library, make=True), paths, workers=workers, progress=progress)
    failures = [{"file": f, "reason": r} for f, r in done.failures]
    if json:
        counts = {"looked_at": done.files, "new": done.new, "known": done.known, "failures": failures}
        print_json({"files": [], "seconds": round(time.monotonic() - began, 3), **counts})
    else:
        for failure in failures:
            say(f"failed: {failure['file']}: {failure['reason']}", quiet=quiet)
        tell(f"{done.files} files: {done.new} new, {done.known} known, {len(failures)} failed", quiet=quiet)
    if failures:
        raise typer.Exit(PARTIAL)


@app.command("list")
def list_(
    words: Annotated[str, typer.Argument(help="Part of a title, a composer or a path.")] = "",
    listeners: Annotated[bool, typer.Option("--listeners", help="List the listeners instead.")] = False,
    library: Url = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the pieces, or the listeners.

    Example: zhiyin library list waltz
    """
    from zhiyin.library.listeners import list_listeners
    from zhiyin.library.pieces import list_pieces

    began, opened = time.monotonic(), _open(library)
    rows: Any = list_listeners(opened) if listeners else list_pieces(opened, words)
    if json:
        files = [] if listeners else [f for r in rows for f in r["files"]]
        print_json({"files": files, "seconds": round(time.monotonic() - began, 3), "listeners" if listeners else "pieces": rows})
        return
    for row in rows:
        if listeners:
            tell(f"{row['name']:<30} {row['events']} events on {row['pieces']} pieces", quiet=quiet)
        else:
            by = f"  {row['composer']}" if row["composer"] else ""
            tell(f"{row['id']:>6}  {row['title']}{by}  {row['bars']} bars, {row['seconds']:.0f} s  {' '.join(row['files'])}", quiet=quiet)
    if not rows:
        nothing = "no listener is known yet: zhiyin library rate PIECE --listener NAME --like" if listeners else f"no piece matches {words!r}" if words else ""
        say(nothing or "the library is empty: zhiyin library add FOLDER", quiet=quiet)


@app.command()
def rate(
    piece: Annotated[str, typer.Argument(help="A number (zhiyin library list), a file, a title, or the begin of a content hash.")],
    listener: Listener,
    stars: Annotated[float | None, typer.Option("--stars", help="1 (not at all) to 5 (very much).")] = None,
    like: Annotated[bool, typer.Option("--like", help="Liked.")] = False,
    dislike: Annotated[bool, typer.Option("--dislike", help="Not liked.")] = False,
    play: Annotated[bool, typer.Option("--play", help="Played to the end.")] = False,
    skip: Annotated[bool, typer.Option("--skip", help="Skipped.")] = False,
    library: Url = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say what a listener did with a piece or thought of it. A file that is not in the library yet is added.

    Example: zhiyin library rate tune.mid --listener Mei --stars 5
    """
    from zhiyin.inference.bring import rate as rate_piece

    said = [n for n, given in (("like", like), ("dislike", dislike), ("play", play), ("skip", skip)) if given]
    said += ["rating"] if stars is not None else []
    if len(said) != 1:
        raise InputError("What is said of the piece is not clear", expected="one of --stars, --like, --dislike, --play, --skip", received=", ".join(said) or "none")
    began, opened = time.monotonic(), _open(library, make=True)
    known = rate_piece(opened, piece, listener, said[0], stars if stars is not None else 1.0)
    if json:
        print_json({"files": [], "seconds": round(time.monotonic() - began, 3), "listener": listener, "kind": said[0], "value": stars or 1.0, **known})
    else:
        how = f"{stars:g} stars" if stars is not None else said[0]
        tell(f"{listener}: {how} for “{known['title']}” (number {known['piece']})", quiet=quiet)


@app.command("import-events")
def import_events(
    file: Annotated[Path, typer.Argument(help="A CSV with a header: listener,piece,kind,value,at.")],
    strict: Annotated[bool, typer.Option("--strict", help="All rows or none.")] = False,
    library: Url = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Import what listeners did from a table. Broken rows are listed with their line; the others are imported.

    Example: zhiyin library import-events plays.csv
    """
    from zhiyin.library.events_csv import import_csv

    began = time.monotonic()
    done = import_csv(_open(library), file, strict=strict)
    if json:
        broken = [{"line": n, "reason": r} for n, r in done.broken]
        counts = {"imported": done.imported, "duplicates": done.duplicates, "broken": broken}
        print_json({"files": [], "seconds": round(time.monotonic() - began, 3), **counts})
    else:
        for number, reason in done.broken:
            say(f"line {number}: {reason}", quiet=quiet)
        tell(f"{done.imported} imported, {done.duplicates} known already, {len(done.broken)} broken", quiet=quiet)
    if done.broken:
        raise typer.Exit(PARTIAL)


@app.command()
def export(
    listener: Listener,
    out: Annotated[Path, typer.Option("--out", "-o", help="A .json file.")] = Path("out/listener.json"),
    library: Url = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write all that is known of a listener to a file.

    Example: zhiyin library export --listener Mei -o mei.json
    """
    from zhiyin.library.listeners import export_listener

    began = time.monotonic()
    known = export_listener(_open(library), listener)
    for event in known["events"]:
        event["time"] = datetime.fromtimestamp(event["at"]).astimezone().isoformat() if event["at"] else ""
    atomic_write(out, jsonlib.dumps(known, ensure_ascii=False, indent=1) + "\n")
    if json:
        print_json({"files": [out], "seconds": round(time.monotonic() - began, 3), "events": len(known["events"])})
    else:
        tell(f"{len(known['events'])} events of {known['listener']}: {out}", quiet=quiet)


@app.command()
def remove(
    pieces: Annotated[list[str] | None, typer.Argument(help="Numbers, files, titles, or folders.")] = None,
    listener: Annotated[str | None, typer.Option("--listener", help="Erase this listener with all events.")] = None,
    library: Url = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Forget pieces with all that was derived from them (the files stay), or erase a listener.

    Example: zhiyin library remove my-midi-files/old
    """
    from zhiyin.library.listeners import erase_listener
    from zhiyin.library.pieces import find_piece, pieces_below, remove_pieces

    began = time.monotonic()
    if bool(pieces) == bool(listener):
        raise InputError("What to remove is not clear", expected="pieces, or --listener NAME", received="both" if pieces else "neither")
    opened = _open(library)
    told: dict[str, Any]
    if listener:
        told = {"listener": listener, "events": erase_listener(opened, listener)}
        words = f"{listener} erased, with {told['events']} events"
    else:
        found = [i for p in pieces or () for i in (pieces_below(opened, p) if Path(p).is_dir() else [find_piece(opened, p)])]
        told = {"removed": remove_pieces(opened, sorted(set(found)))}
        words = f"{told['removed']} pieces removed, with all that was derived from them; the files stay"
    if json:
        print_json({"files": [], "seconds": round(time.monotonic() - began, 3), **told})
    else:
        tell(words, quiet=quiet)
