"""zhiyin credit: which collections of the training music a piece owes to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zhiyin.app.cli.common import Json, Quiet, new_app, print_json, say, tell

if TYPE_CHECKING:
    from zhiyin.inference.credit import Credit

app = new_app()

FEW_NOTES = 32  # below this a share says little
LEAST_SHARE = 0.0005  # smaller ones are printed as nothing


@app.command()
def credit(
    file: Annotated[Path, typer.Argument(help="A score: .mid .musicxml .mxl .abc .krn …")],
    table: Annotated[Path | None, typer.Option("--table", help="A folder that tools/make_credit.py made.")] = None,
    picture: Annotated[Path | None, typer.Option("--picture", help="Draw nats owed per bar here (.svg or .png).")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say which collections a piece owes to: what its likelihood loses when a model never saw them.

    Example: zhiyin credit tune.mid --picture owed.png
    """
    from zhiyin.formats.catalog import load
    from zhiyin.inference import credit as c

    began = time.monotonic()
    counted = c.load_table(table)
    found = c.credit(load(file), table=counted)
    levels: Mapping[str, Any] = counted.about.get("levels", {})
    if picture:
        _draw(found, picture, file.name)
    if json:
        print_json({"files": [str(picture)] if picture else [], "seconds": round(time.monotonic() - began, 3), **facts(found, levels)})
        return
    _print(found, levels, quiet)
    if picture:
        tell(f"drawn: {picture}", quiet=quiet)


def facts(found: Credit, levels: Mapping[str, Any]) -> dict[str, Any]:
    """What --json holds: shares with intervals, nats per note, what each bar owes most to, and how that compares."""
    bars = [
        {"bar": int(n), "notes": int(k), "most": most, "lost": {c: round(float(v), 3) for c, v in zip(found.collections, lost)}}
        for n, k, most, lost in zip(found.numbers, found.notes, found.of_bars(), found.lost)
    ]
    return {
        "notes": int(found.notes.sum()), "most": found.top, "strength": strength(found, levels), "credit": found.as_dict(),
        "nats_per_note": {c: round(float(v), 4) for c, v in zip(found.collections, found.per_note)}, "bars": bars,
    }  # fmt: skip


def strength(found: Credit, levels: Mapping[str, Any]) -> str:
    """How the leading collection's nats per note compare with unseen human pieces: its own, and those of the others."""
    if not found.top:
        return "none"
    level, owed = levels.get(found.top), float(found.per_note.max())
    if not level:
        return "unknown"
    return "clear" if owed >= level["own"][0] else "some" if owed > level["others"][1] else "weak"


_WORDS = {
    "clear": "clear: it owes {top} as much as unseen pieces of that collection usually do (their lower quartile or more)",
    "some": "some: it owes {top} more than 95 % of the pieces from elsewhere do, and less than most of that collection's own",
    "weak": "weak: pieces from elsewhere often owe {top} as much",
}


def _print(found: Credit, levels: Mapping[str, Any], quiet: bool) -> None:
    if not found.top:
        tell("This piece owes nothing to any one collection: no model predicts it worse for lacking one.", quiet=quiet)
        return
    owed = [int(i) for i in found.shares.argsort()[::-1] if found.shares[i] >= LEAST_SHARE]
    for i in owed:
        name = found.collections[i]
        usual = f"; unseen pieces of it {levels[name]['own'][1]:.2f}" if name in levels else ""
        tell(
            f"{name:>22} {100 * found.shares[i]:5.1f} %  [{100 * found.low[i]:.0f}, {100 * found.high[i]:.0f}]"
            f"  {found.per_note[i]:.3f} nats a note lost without it{usual}",
            quiet=quiet,
        )
    nothing = [c for i, c in enumerate(found.collections) if i not in owed]
    if nothing:
        tell(f"{'nothing to':>22} {', '.join(nothing)}", quiet=quiet)
    told = strength(found, levels)
    if told in _WORDS:
        tell(_WORDS[told].format(top=found.top), quiet=quiet)
    tell(f"most to, bar by bar (each with its neighbours): {_spans(found)}", quiet=quiet)
    if found.notes.sum() < FEW_NOTES:
        say(f"Only {int(found.notes.sum())} notes: the shares say little.", quiet=quiet)


def _spans(found: Credit, most: int = 24) -> str:
    """Runs of bars that owe most to the same collection: "1-8 cre-irish, 9 mutopia-open …"."""
    runs = []
    for name, group in groupby(zip(found.numbers, found.of_bars()), key=lambda pair: pair[1]):
        numbers = [int(n) for n, _ in group]
        runs.append(f"{numbers[0]}{f'-{numbers[-1]}' if len(numbers) > 1 else ''} {name or 'none'}")
    return ", ".join(runs[:most]) + (f", and {len(runs) - most} more" if len(runs) > most else "")


def _draw(found: Credit, path: Path, name: str) -> None:
    from zhiyin.formats.columns import write_columns

    owed, numbers = found.lost.clip(min=0), [int(n) for n in found.numbers]
    write_columns(path, owed, found.collections, numbers, title=f"{name}: what each bar owes", unit="nats")
