"""zhiyin corpus: collections of scores, fetched, checked and built into what training reads."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from zhiyin.app.cli.common import PARTIAL, Json, Quiet, new_app, print_json, progress_bar, say, tell

app = new_app()


@app.callback()
def corpus() -> None:
    """List, fetch, check and build collections of scores; leave pieces out of them.

    Example: zhiyin corpus list
    """


@app.command("list")
def list_(json: Json = False) -> None:
    """The collections zhiyin knows, their licences and where they come from.

    Example: zhiyin corpus list
    """
    from zhiyin.corpus.collections.catalog import COLLECTIONS, collection

    known = [collection(name) for name in COLLECTIONS]
    if json:
        print_json(
            {
                "files": [],
                "seconds": 0,
                "collections": [
                    {"name": c.name, "licence": c.licence, "source": c.source, "attribution": c.attribution}
                    for c in known
                ],
            }
        )
        return
    for c in known:
        tell(f"{c.name:>22}  {c.licence:<12} {c.source}")


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(help="Collections to bring here.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder they are unpacked into.")] = Path("collections"),
    from_: Annotated[
        str | None, typer.Option("--from", help="A local archive, a folder of archives, or another URL.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Download (with resume and checksum) or unpack collections.

    Example: zhiyin corpus fetch cre-irish --from cre-irish.tar.zst
    """
    from zhiyin.corpus.fetch import fetch as bring

    began, files = time.monotonic(), []
    for name in names:
        with progress_bar(name, quiet=quiet or json) as bar:
            got = bring(name, out, source=from_, progress=lambda done, total: bar(done, total, ""))
        files.append(str(got.root))
        say(f"{name}: {got.files:,} files in {got.root}", quiet=quiet or json)
    if json:
        print_json({"files": files, "seconds": round(time.monotonic() - began, 3)})


@app.command()
def check(
    what: Annotated[str, typer.Argument(help="A collection's name or a folder of scores.")],
    root: Annotated[Path | None, typer.Option("--root", help="Where the unpacked collection lies.")] = None,
    archive: Annotated[Path | None, typer.Option("--archive", help="The archive to compare with the checksum.")] = None,
    licence: Annotated[str, typer.Option("--licence", help="SPDX id of your own files' licence.")] = "LicenseRef-own",
    i_have_the_rights: Annotated[
        bool, typer.Option("--i-have-the-rights", help="Take an unknown or forbidding licence on yourself.")
    ] = False,
    json: Json = False,
) -> None:
    """Are the papers in order: licence, attribution, checksum, files?

    Example: zhiyin corpus check cre-irish --archive cre-irish.tar.zst
    """
    from zhiyin.corpus.check import check as look

    findings = look(what, root=root, archive=archive, licence=licence, i_have_the_rights=i_have_the_rights)
    errors = sum(f.level == "error" for f in findings)
    if json:
        print_json(
            {
                "files": [],
                "seconds": 0,
                "findings": [
                    vars(f) if hasattr(f, "__dict__") else {"level": f.level, "subject": f.subject, "text": f.text}
                    for f in findings
                ],
            }
        )
    else:
        for f in findings:
            say(f"{f.level:>8}  {f.subject}: {f.text}")
        say(f"{errors} errors, {len(findings) - errors} other findings")
    if errors:
        raise typer.Exit(PARTIAL)


@app.command()
def build(
    sources: Annotated[list[str], typer.Argument(help="Collections by name, and folders of your own files.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the corpus.")] = Path("corpus"),
    roots: Annotated[Path, typer.Option("--collections", help="Folder that `corpus fetch` filled.")] = Path(
        "collections"
    ),
    workers: Annotated[int, typer.Option("--workers", help="Processes that read files.")] = 1,
    licence: Annotated[str, typer.Option("--licence", help="SPDX id of your own files' licence.")] = "LicenseRef-own",
    i_have_the_rights: Annotated[
        bool, typer.Option("--i-have-the-rights", help="Use what has no known licence or forbids it; recorded.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read, check, deduplicate, split and encode scores into a corpus; started again, it goes on where it was.

    Example: zhiyin corpus build cre-irish my-midi-files --out corpus
    """
    from zhiyin.corpus.build import BuildOptions
    from zhiyin.corpus.build import build as make
    from zhiyin.corpus.collections.catalog import COLLECTIONS

    named = {s: roots / s for s in sources if s in COLLECTIONS}
    given = [s if s in COLLECTIONS else Path(s) for s in sources]
    options = BuildOptions(workers=workers, licence=licence, i_have_the_rights=i_have_the_rights)
    with progress_bar("reading scores", quiet=quiet or json) as bar:
        report = make(given, out, roots=named, options=options, progress=lambda done, total: bar(done, total, ""))
    if json:
        print_json(
            {
                "files": [str(out)],
                "seconds": report.seconds,
                "files_in": report.files,
                "pieces": report.pieces,
                "notes": report.notes,
                "duplicates": report.duplicates,
                "held_out": report.held_out,
                "opted_out": report.opted_out,
                "failures": list(report.failures),
                "mended": list(report.mended),
                "splits": report.splits,
                "styles": report.styles,
            }
        )
    else:
        say(str(report), quiet=quiet)
        for failure in report.failures[:10]:
            say(f"  failed: {failure['path']}: {failure['reason']}", quiet=quiet)
        if len(report.failures) > 10:
            say(f"  … {len(report.failures) - 10} more in {out / 'failures.jsonl'}", quiet=quiet)
        for file in report.mended[:10]:
            say(f"  mended: {file['path']}: {file['mended']}", quiet=quiet)
        if len(report.mended) > 10:
            say(f"  … {len(report.mended) - 10} more in {out / 'mended.jsonl'}", quiet=quiet)
        say(f"what next:\n  zhiyin train {out} --family transformer --minutes 30", quiet=quiet)
    if report.failures:
        raise typer.Exit(PARTIAL)


@app.command()
def remove(
    piece: Annotated[str, typer.Argument(help="Its id or path in the corpus, or a score file.")],
    corpus: Annotated[Path | None, typer.Option("--corpus", help="The built corpus that it leaves now.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the list.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Take it off the list: the next build has it again.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Opt a piece out: it and its near duplicates leave the corpus and every later build; then train again.

    Example: zhiyin corpus remove my-midi-files/song --corpus corpus --reason "its composer asked"
    """
    from zhiyin.corpus.optout import user_list
    from zhiyin.corpus.remove import readmit
    from zhiyin.corpus.remove import remove as opt_out

    began = time.monotonic()
    done = readmit(piece, corpus) if undo else opt_out(piece, corpus, reason=reason)
    if json:
        print_json(
            {
                "files": [str(user_list())], "seconds": round(time.monotonic() - began, 3), "undone": undo,
                "listed": [{"id": o.id, "content": o.content} for o in done.listed],
                "removed": [{"id": i, "reason": why} for i, why in done.removed],
            }
        )  # fmt: skip
        return
    for out in done.listed:
        say(f"{'off' if undo else 'on'} the list: {out.id}", quiet=quiet)
    if undo:
        say("build the corpus again: the piece comes back then", quiet=quiet)
        return
    if not done.listed:
        say("it was on the list already", quiet=quiet)
    for name, why in done.removed:
        say(f"removed from {corpus}: {name} ({why})", quiet=quiet)
    say(f"the list: {user_list()}; every build leaves it out from now on", quiet=quiet)
    say("a model that learnt from it does not forget it: train again" + (f"\n  zhiyin train {corpus}" if corpus else ""), quiet=quiet)


@app.command()
def index(
    corpus: Annotated[Path, typer.Argument(help="A built corpus.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File of the index (CORPUS/originality.bin when left out).")
    ] = None,
    dense: Annotated[
        bool, typer.Option("--dense/--winnowed", help="Every note of every line, or the small form that packages carry.")
    ] = True,
    split: Annotated[str, typer.Option("--split", help="train, valid, test, or all.")] = "train",
    calibrate: Annotated[
        int, typer.Option("--calibrate", help="Training pieces to calibrate on beside the held-out ones; -1: no scale.")
    ] = 2000,
    nearest: Annotated[
        bool, typer.Option("--nearest", help="Embed the pieces too (some 40 a second), so that `zhiyin original` names the one most alike as a whole.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Index the music of a corpus, so that copied passages are found in it, and calibrate the scale on its human pieces.

    Example: zhiyin corpus index corpus -o originality.bin
    """
    from zhiyin.corpus.calibrate import calibrated
    from zhiyin.corpus.index import index_corpus
    from zhiyin.corpus.store import open_corpus
    from zhiyin.provenance.originality import write_index

    began, silent = time.monotonic(), quiet or json
    opened = open_corpus(corpus)
    with progress_bar("reading lines", quiet=silent) as bar:
        made = index_corpus(
            opened, split="" if split == "all" else split, dense=dense, progress=lambda done, total: bar(done, total, "")
        )
    scale = None
    if calibrate >= 0:
        with progress_bar("human pieces", quiet=silent) as bar:
            scale = calibrated(opened, made, calibrate, progress=lambda done, total: bar(done, total, ""))
    path = write_index(out or corpus / "originality.bin", made, scale)
    files = [str(path)]
    if nearest:
        from zhiyin.training.nearest import nearest_beside

        with progress_bar("embedding", quiet=silent) as bar:
            files.append(str(nearest_beside(path, opened, progress=lambda done, total: bar(done, total, ""))))
    seconds, facts = round(time.monotonic() - began, 3), made.manifest
    if json:
        about = scale.about if scale else None
        print_json({"files": files, "seconds": seconds, "bytes": path.stat().st_size, **facts, "scale": about})
        return
    say(
        f"{path}: {path.stat().st_size / 1e6:.2f} MB, {facts['notes']:,} of {facts['line_notes']:,} line notes of "
        f"{facts['pieces']:,} pieces, {'every note' if dense else 'every passage of 16 notes'}; {seconds:,.0f} s",
        quiet=quiet,
    )
    if scale:
        say(f"calibrated on {scale.about['human_pieces']:,} human pieces", quiet=quiet)
