"""Taking pieces out of a built corpus, and off every later build: an opt-out, carried out and recorded.

The piece goes on the user's list first; then the corpus is written without it and its near duplicates, its books say how many
were opted out, and removed.jsonl which. Stopped half-way, the corpus counts as unfinished and is built again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.corpus.chunks import one_piece
from zhiyin.corpus.optout import OptOut, OptOuts, add, opt_out_of, opt_outs, undo, user_list
from zhiyin.corpus.reading import read_scores
from zhiyin.corpus.store import Corpus, Piece, open_corpus, read_lines, write_array, write_json, write_lines
from zhiyin.errors import CorpusError, near_hint
from zhiyin.files import reason_of
from zhiyin.provenance.package import file_hash
from zhiyin.provenance.record import now


@dataclass(frozen=True)
class Removal:
    """listed: pieces that went on the list (or off it). removed: (id, reason) of the pieces that left the corpus."""

    listed: tuple[OptOut, ...]
    removed: tuple[tuple[str, str], ...] = ()


def remove(piece: str, corpus: Path | None = None, *, reason: str = "") -> Removal:
    """Opts a piece out. piece: its id, its path in the collection or a score file; the corpus is needed for the first two.

    Raises CorpusError where no piece is found, or where nothing would be left.
    """
    opened = open_corpus(corpus) if corpus else None
    listed = [opt_out_of(info, prints, reason, now()) for info, prints in _found(piece, opened)]
    if opened is None:
        return Removal(tuple(add(listed)))
    gone = _opted_out(opened, OptOuts((*opt_outs().listed, *listed)))
    if len(gone) == len(opened.table):
        raise CorpusError("Nothing would be left of the corpus", expected="at least one piece", received="0 pieces")
    fresh = add(listed)
    if gone:
        _write_without(opened, gone)
    return Removal(tuple(fresh), tuple((opened.table[i].id, why) for i, why in gone.items()))


def readmit(piece: str, corpus: Path | None = None) -> Removal:
    """Takes a piece off the user's list: the next build has it again. piece: an id on the list, a path or a file."""
    listed = [o for o in opt_outs([user_list()]).listed if o.id == piece]
    contents = {o.content for o in listed}
    if not contents:
        contents = {info["content"] for info, _ in _found(piece, open_corpus(corpus) if corpus else None)}
    gone = undo(contents)
    if not gone:
        raise CorpusError(
            f"{piece} is not on your list of opt-outs", expected=f"an id in {user_list()}", received=repr(piece),
            hint="the house's own list is part of zhiyin and stays",
        )  # fmt: skip
    return Removal(tuple(gone))


def _found(piece: str, corpus: Corpus | None) -> list[tuple[Mapping[str, Any], np.ndarray]]:
    """Info and fingerprints of the pieces that a name means: all movements of a file, or the one with this id."""
    table = corpus.table if corpus else ()
    named = [p for p in table if piece in (p.id, p.path, f"{p.collection}/{p.path}")]
    named = named or [p for p in table if p.id.split("#")[0] == piece]
    if corpus and named:
        return [(asdict(p), np.asarray(corpus.arrays(p)["prints"])) for p in named]
    path = Path(piece)
    if path.is_file():
        made = [one_piece(score, {"title": path.stem}) for score in read_scores(path)]
        return [({**info, "id": path.name + (f"#{n}" if n > 1 else "")}, arrays["prints"])
                for n, (info, arrays) in enumerate(made, start=1)]  # fmt: skip
    raise CorpusError(
        f"No piece {piece!r}",
        expected="an id or path of the corpus, or a score file",
        received="no such piece" if corpus else "no such file, and no corpus to look in (--corpus)",
        hint=near_hint(piece, [p.id for p in table], "ones", count=3) if table else "name the corpus with --corpus",
    )


def _opted_out(corpus: Corpus, outs: OptOuts) -> dict[int, str]:
    """Index -> reason of the pieces of a corpus that the lists name."""
    reasons = ((p.index, outs.reason(p.content, np.asarray(corpus.arrays(p)["prints"]))) for p in corpus.table)
    return {index: why for index, why in reasons if why}


def _write_without(corpus: Corpus, gone: Mapping[int, str]) -> None:
    """Writes arrays, table, books and manifest anew; the manifest is last, as in a build."""
    out = corpus.path
    kept = [p for p in corpus.table if p.index not in gone]
    rows = [row for i, row in enumerate(read_lines(out / "pieces.jsonl")) if i not in gone]
    old = list(read_lines(out / "removed.jsonl")) if (out / "removed.jsonl").is_file() else []
    new = [{"id": corpus.table[i].id, "kind": "opted out", "reason": why} for i, why in gone.items()]
    try:
        (out / "manifest.json").unlink()
    except OSError as error:
        raise CorpusError(
            f"The corpus {out} cannot be changed", expected="a folder that may be written to", received=reason_of(error)
        ) from None
    for name in corpus.names:
        _write_column(corpus, name, kept)
    write_lines(out / "pieces.jsonl", rows)
    write_lines(out / "removed.jsonl", [*old, *new])
    manifest = _counted(dict(corpus.manifest), kept, len(gone))
    manifest["files"] = {name: file_hash(out / name) for name in corpus.manifest["files"]}
    write_json(out / "manifest.json", manifest)


def _write_column(corpus: Corpus, name: str, kept: Sequence[Piece]) -> None:
    column, offsets = corpus.columns[name], corpus.offsets[name]
    lengths = [int(offsets[p.index + 1] - offsets[p.index]) for p in kept]
    parts = (column[offsets[p.index] : offsets[p.index + 1]] for p in kept)
    write_array(corpus.path / f"{name}.npy", (sum(lengths), *column.shape[1:]), column.dtype, parts)
    places = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    write_array(corpus.path / f"{name}.offsets.npy", places.shape, places.dtype, [places])


def _counted(manifest: dict[str, Any], kept: Sequence[Piece], gone: int) -> dict[str, Any]:
    """The manifest with its counts over the pieces that are left; classes of styles and composers stay."""
    books = dict(manifest["books"])
    books["opted_out"] = books.get("opted_out", 0) + gone
    pieces, notes = Counter(p.collection for p in kept), Counter[str]()
    for p in kept:
        notes[p.collection] += p.notes
    return {
        **manifest,
        "pieces": len(kept),
        "notes": sum(p.notes for p in kept),
        "books": books,
        "splits": dict(Counter(p.split for p in kept)),
        "collections": [{**c, "pieces": pieces[c["name"]], "notes": notes[c["name"]]} for c in manifest["collections"]],
        "styles": {n: _count(s, [p for p in kept if p.style == n]) for n, s in manifest["styles"].items()},
        "composers": {n: _count(c, [p for p in kept if p.composer_group == n]) for n, c in manifest["composers"].items()},
    }


def _count(entry: Mapping[str, Any], members: Sequence[Piece]) -> dict[str, Any]:
    sides = Counter(p.split for p in members)
    now_ = {
        "n": len(members), "works": round(sum(p.weight for p in members), 1), "notes": sum(p.notes for p in members),
        **{side: sides[side] for side in ("train", "valid", "test")},
    }  # fmt: skip
    return {**entry, **{k: v for k, v in now_.items() if k in entry}}
