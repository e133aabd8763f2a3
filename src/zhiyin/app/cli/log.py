"""zhiyin log: what was made here, the record inside a file, and whether a file still is what its record says."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from zhiyin.app.cli.common import PARTIAL, Json, Quiet, new_app, print_json, say, tell

app = new_app()

File = Annotated[Path, typer.Argument(help="A file that zhiyin made: .mid .musicxml .mxl .abc .wav .flac .ogg .mp3 .svg .png")]


@app.callback(invoke_without_command=True)
def log(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", help="At most so many pieces, newest first.")] = 20,
    json: Json = False,
) -> None:
    """List what was made here, newest first; show FILE reads a record, verify FILE makes the piece again and compares.

    Example: zhiyin log --limit 5
    """
    if context.invoked_subcommand:
        return
    from zhiyin.errors import ControlError
    from zhiyin.provenance.log import log_path, read_log

    if limit < 1:
        raise ControlError("limit out of range", expected="≥ 1", received=str(limit))
    began = time.monotonic()
    found = read_log(limit)
    if json:
        seconds = round(time.monotonic() - began, 3)
        print_json({"files": [str(log_path())], "seconds": seconds, "pieces": found.entries, "damaged": found.damaged})
        return
    for entry in found.entries:
        tell(_line(entry))
    if not found.entries:
        say(f"nothing is in the log yet ({log_path()})")
    if found.damaged:
        say(f"{found.damaged} damaged lines in {log_path()} were passed over")


@app.command()
def show(file: File, json: Json = False) -> None:
    """The record of a file: from inside it, from its side file, or from the log where a program stripped both.

    Example: zhiyin log show out/piece.mid
    """
    from zhiyin.errors import RecordError
    from zhiyin.formats.recorded import find_record
    from zhiyin.provenance.signature import check_signature

    began = time.monotonic()
    found = find_record(file)
    remarks, signed_by = list(found.remarks), ""
    try:
        signed_by = check_signature(found.record)
    except RecordError as problem:
        remarks.append(str(problem))
    if json:
        print_json(
            {
                "files": [str(file)], "seconds": round(time.monotonic() - began, 3), "record_from": found.origin,
                "written": found.written, "signed_by": signed_by, "remarks": remarks, "record": found.record,
            }
        )  # fmt: skip
        return
    record = found.record
    tell(str(record.get("disclosure", "")))
    places = {"inside": "inside the file", "beside": "the side file", "log": "the log, by the file's hash or its notes"}
    tell(f"record from: {places[found.origin]}" + (f", written {found.written}" if found.written else ""))
    for name, value in record.items():
        if name not in ("disclosure", "signature"):
            tell(f"{name}: {_plain(value)}")
    if signed_by:
        tell(f"signed by: {signed_by} (the record is as it was signed; verify compares the notes)")
    for remark in remarks:
        say(f"note: {remark}")


@app.command()
def verify(
    file: File,
    input_: Annotated[
        list[Path] | None, typer.Option("--input", help="The file that it was made from (blend: twice, in order).")
    ] = None,
    model: Annotated[str, typer.Option("--model", help="A package, where the one that made it lies elsewhere.")] = "",
    key: Annotated[str, typer.Option("--key", help="The public key that must have signed it.")] = "",
    soundfont: Annotated[str | None, typer.Option("--soundfont", help="The one a sound was made with.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make the piece again from its record and say identical, or what differs, or why it cannot be remade (then the exit code is 3).

    Example: zhiyin log verify out/piece.mid
    """
    from zhiyin.inference.verify import as_dict
    from zhiyin.inference.verify import verify as look

    began = time.monotonic()
    told = look(file, source=input_, model=model, key=key, soundfont=soundfont)
    if json:
        print_json({"files": [str(file)], "seconds": round(time.monotonic() - began, 3), **as_dict(told)})
    else:
        record = told.found.record
        if told.identical:
            how = "byte for byte" if told.same_bytes else "note for note"
            tell(f"identical, {how}: {_by(record)}", quiet=quiet)
        if told.not_remade:
            tell(f"cannot be remade, because: {told.not_remade}", quiet=quiet)
        for difference in told.differences:
            tell(f"differs: {difference}", quiet=quiet)
        if told.signed_by:
            tell(f"signed by: {told.signed_by}", quiet=quiet)
        for remark in told.remarks:
            say(f"note: {remark}", quiet=quiet)
    if not told.identical:
        raise typer.Exit(PARTIAL)


@app.command()
def key(
    new: Annotated[bool, typer.Option("--new", help="Make one if there is none yet.")] = False, json: Json = False
) -> None:
    """Print your public key, by which others can check what you signed with --sign.

    Example: zhiyin log key --new
    """
    from zhiyin.provenance.signature import key_path, public_key

    text = public_key(make=new)
    if json:
        print_json({"files": [str(key_path())], "seconds": 0, "public_key": text})
    else:
        tell(text)


def _line(entry: Mapping[str, Any]) -> str:
    record, files = entry["record"], entry["files"]
    settings = record.get("settings") or {}
    wish = settings.get("words") or next((i.get("name", "") for i in record.get("inputs") or ()), "")
    first = files[0].get("path", "") if files else ""
    more = f" (+{len(files) - 1})" if len(files) > 1 else ""
    wish = f"  “{wish}”" if wish else ""
    return f"{entry.get('written', '')}  {entry.get('verb')}  {record.get('model')}  seed {settings.get('seed')}{wish}  {first}{more}"


def _by(record: Mapping[str, Any]) -> str:
    """Which verb made it, with which model and seed, where it had them."""
    model, seed = record.get("model"), (record.get("settings") or {}).get("seed")
    return f"{record['verb']}" + (f" with {model}" if model else "") + (f", seed {seed}" if seed is not None else "")


def _plain(value: Any) -> str:
    """A value of a record on one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(_plain(v) for v in value) or "none"
    return "not looked at" if value is None else str(value)
