"""zhiyin listen: a blind listening test: make its page, analyse its answers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from zhiyin.app.cli.common import Json, Quiet, new_app, print_json, progress_bar, tell
from zhiyin.errors import InputError

app = new_app()


@app.callback()
def listen() -> None:
    """Ask people, blind: make one offline page of pairs of clips, then analyse the answers that come back.

    Example: zhiyin listen page --data corpus --model default -o listen.html
    """


@app.command()
def page(
    data: Annotated[Path, typer.Option("--data", help="The built corpus that the models were trained on: its test split is the human side.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page (.html); its key is written beside it (.key.json).")] = Path("listen.html"),
    model: Annotated[list[str] | None, typer.Option("--model", help="A package; several times for several.")] = None,
    peer: Annotated[list[str] | None, typer.Option("--peer", help="NAME=FOLDER with a file for each item, in order of name.")] = None,
    items: Annotated[int, typer.Option("--items", help="Human pieces.")] = 8,
    bars: Annotated[int, typer.Option("--bars", help="Of a clip.")] = 12,
    checks: Annotated[int, typer.Option("--checks", help="Attention checks: human against shuffled bars.")] = 3,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same page.")] = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make the page and its key. Keep the key; send the page; the design cannot be changed without its hash changing.

    Example: zhiyin listen page --data corpus --model default --model lstm --items 8 -o listen.html
    """
    from zhiyin.corpus.store import open_corpus
    from zhiyin.evaluation.listening import design_hash, design_text, make_design
    from zhiyin.evaluation.listening_clips import Listening, make_clips
    from zhiyin.evaluation.listening_page import listening_html
    from zhiyin.files import atomic_write
    from zhiyin.provenance.package import load_package

    began = time.monotonic()
    if out.suffix.lower() != ".html":
        raise InputError("The page is HTML", expected="a name that ends in .html", received=str(out))
    packages = [load_package(m) for m in model or ["default"]]
    setting = Listening(items, bars, seed, checks, _peers(peer or []))
    with progress_bar("listen", quiet=quiet or json) as progress:
        clips = make_clips(open_corpus(data), packages, setting, progress)
    about: dict[str, Any] = {"bars": bars, "models": {p.name: p.hash for p in packages}, "peers": sorted(setting.peers or {})}
    design = make_design(clips, seed=seed, checks=checks, about=about)
    text = design_text(design)
    key = atomic_write(out.with_suffix(".key.json"), text)
    written = [str(atomic_write(out, listening_html(design, design_hash(text), clips))), str(key)]
    if json:
        seconds = round(time.monotonic() - began, 2)
        print_json({"files": written, "seconds": seconds, "seed": seed, "design": design_hash(text), "trials": len(design["trials"])})
        return
    tell(f"{out}: {len(design['trials'])} trials, {out.stat().st_size / 1e6:.1f} MB; key: {key}", quiet=quiet)
    tell(f"design: sha256 {design_hash(text)}", quiet=quiet)


def _peers(given: list[str]) -> dict[str, Path]:
    out = {}
    for text in given:
        name, sign, folder = text.partition("=")
        if not (name and sign and Path(folder).is_dir()):
            raise InputError("A peer cannot be found", expected="NAME=FOLDER, a folder that is there", received=text)
        out[name] = Path(folder)
    return out


@app.command()
def analyse(
    answers: Annotated[list[Path], typer.Argument(help="Answers as the page saved them, one file a listener.")],
    key: Annotated[Path, typer.Option("--key", help="The key that was written with the page.")],
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Strengths of the sources (Bradley-Terry) with intervals, who was taken for a person, who did not pay attention.

    Example: zhiyin listen analyse answers-*.json --key listen.key.json
    """
    from zhiyin.evaluation.listening import analyse as analyse_answers

    began = time.monotonic()
    result = analyse_answers(_text(key), [_text(a) for a in answers])
    if json:
        print_json({"files": [], "seconds": round(time.monotonic() - began, 2), **result})
        return
    tell(f"{result['attentive']} of {result['listeners']} listeners attentive, {result['answers']} answers; intervals by {result['interval_by']}", quiet=quiet)
    for name, s in sorted(result["strengths"].items(), key=lambda kv: -kv[1]["strength"]):
        over, low, high = (100 * v for v in s["over_human"])
        tell(f"{name:>16}: {s['strength']:+.2f} [{s['low']:+.2f}, {s['high']:+.2f}], preferred to human {over:.0f} % [{low:.0f}, {high:.0f}], n = {s['n']}", quiet=quiet)
    for name, taken in result["taken_for_a_person"].items():
        tell(f"{name:>16}: taken for the person's {100 * taken['share']:.0f} % of {taken['n']}", quiet=quiet)


def _text(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"{path} is not there", expected="a file", received="none")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read", expected="a text file", received=str(error)) from error
