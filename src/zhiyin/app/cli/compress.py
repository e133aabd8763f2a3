"""zhiyin compress: a piece in few bytes, checked before it is written."""

from __future__ import annotations

import lzma
import time
from pathlib import Path
from typing import Annotated

import typer

from zhiyin.app.cli.common import Json, Model, Quiet, new_app, print_json, say, tell
from zhiyin.errors import InputError

app = new_app()


@app.command("compress")
def compress_verb(
    file: Annotated[Path, typer.Argument(help="The score to compress.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The .zyz file (left out: beside the score).")] = None,
    lossless: Annotated[bool, typer.Option("--lossless", help="Keep every note of the encoded score.")] = False,
    bits: Annotated[int, typer.Option("--bits", help="Bits for each number of a latent, 2..8 (without --lossless).")] = 5,
    model: Model = "melody",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put a piece into few bytes: as latents of a model, or without any loss.

    Example: zhiyin compress tune.mid --lossless -o tune.zyz
    """
    from zhiyin.encoding.quantize import quantize_words
    from zhiyin.files import atomic_write
    from zhiyin.formats.catalog import load
    from zhiyin.inference.zyz import compress

    began = time.monotonic()
    out = out or file.with_suffix(".zyz")
    if out.suffix != ".zyz":
        raise InputError("compress writes .zyz files", expected="a name that ends in .zyz", received=out.name)
    score = load(file)
    made = compress(score, lossless=lossless, model=model, bits=bits)
    midi = file.stat().st_size if file.suffix in (".mid", ".midi") else _midi_size(score)
    xz = len(lzma.compress(file.read_bytes() if file.suffix in (".mid", ".midi") else _midi_bytes(score), preset=9))
    atomic_write(out, made.data)
    report = {**made.report, "times_smaller_than_midi": round(midi / len(made.data), 2), "times_smaller_than_midi_xz": round(xz / len(made.data), 2)}
    if json:
        print_json({"files": [str(out)], "seconds": round(time.monotonic() - began, 3), **report})
        return
    tell(
        f"{out}: {report['bytes']:,} bytes, {report['bits_per_note']} bits a note; {_size(report['times_smaller_than_midi'])} the MIDI file, "
        f"{_size(report['times_smaller_than_midi_xz'])} xz -9 of it", quiet=quiet,
    )  # fmt: skip
    tell(f"restored and compared: {made.report['note_accuracy']:.2%} of the notes come back (onset, part and pitch)", quiet=quiet)
    changed = quantize_words(made.report["quantized"])
    if changed:
        say("the encoding itself changed: " + ", ".join(changed), quiet=quiet)


def _size(times_smaller: float) -> str:
    """How a size compares with another: "1.6 times smaller than", "1.2 times larger than"."""
    if 0.995 <= times_smaller < 1.005:
        return "as large as"
    return f"{times_smaller:.3g} times smaller than" if times_smaller > 1 else f"{1 / max(times_smaller, 0.01):.3g} times larger than"


def _midi_bytes(score: object) -> bytes:
    """The score as a MIDI file's bytes."""
    import tempfile

    from zhiyin.formats.catalog import save

    with tempfile.TemporaryDirectory() as folder:
        return save(score, Path(folder) / "a.mid").read_bytes()


def _midi_size(score: object) -> int:
    return len(_midi_bytes(score))
