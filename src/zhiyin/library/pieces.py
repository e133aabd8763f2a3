"""Pieces and what was derived from them: storing, finding, listing, removing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Column, ColumnElement, Connection, RowMapping, Select, delete, func, or_, select

from zhiyin.errors import InputError, near_hint
from zhiyin.library.schema import EVENT, FILE, PIECE, VECTOR
from zhiyin.library.store import Library, insert

_AT_ONCE = 500  # values in one IN (...)


@dataclass(frozen=True)
class NewPiece:
    """What is stored of a file. content: sha256 of its bytes. metadata, record: JSON. vectors: kind -> float32 (D,)."""

    path: str
    content: str
    title: str
    composer: str
    style: str
    notes: int
    bars: int
    seconds: float
    metadata: str = "{}"
    record: str = ""
    vectors: Mapping[str, np.ndarray] = field(default_factory=dict)


_FACTS = ("content", "title", "composer", "style", "notes", "bars", "seconds", "metadata", "record")


def store_pieces(library: Library, pieces: Iterable[NewPiece]) -> int:
    """Stores pieces in one transaction; what is there already is left, its missing vectors are added. How many are new."""
    new = 0
    with library.write() as connection:
        for piece in pieces:
            facts = {name: getattr(piece, name) for name in _FACTS} | {"added": int(time.time())}
            fresh = insert(connection, PIECE).values(**facts).on_conflict_do_nothing().returning(PIECE.c.id)
            new += len(connection.execute(fresh).all())  # rowcount is not told by all drivers
            owner = connection.execute(select(PIECE.c.id).where(PIECE.c.content == piece.content)).scalar_one()
            _place(connection, piece.path, owner)
            for kind, values in piece.vectors.items():
                row = {"piece_id": owner, "kind": kind, "data": np.asarray(values, "<f4").tobytes()}
                upsert = insert(connection, VECTOR).values(**row)
                connection.execute(
                    upsert.on_conflict_do_update(index_elements=["piece_id", "kind"], set_={"data": upsert.excluded.data})
                )
    return new


def place_files(library: Library, contents: Mapping[str, str]) -> None:
    """Says where known contents stand: path -> content."""
    with library.write() as connection:
        for path, content in contents.items():
            _place(connection, path, connection.execute(select(PIECE.c.id).where(PIECE.c.content == content)).scalar_one())


def _place(connection: Connection, path: str, owner: int) -> None:
    """One path holds one piece. A piece that loses its last file so stays only where somebody heard it."""
    before = connection.execute(select(FILE.c.piece_id).where(FILE.c.path == path)).scalar()
    if before == owner:
        return
    upsert = insert(connection, FILE).values(path=path, piece_id=owner)
    connection.execute(upsert.on_conflict_do_update(index_elements=["path"], set_={"piece_id": owner}))
    if before is not None:
        heard = select(EVENT.c.id).where(EVENT.c.piece_id == before).exists()
        placed = select(FILE.c.id).where(FILE.c.piece_id == before).exists()
        connection.execute(delete(PIECE).where(PIECE.c.id == before, ~heard, ~placed))


def known_contents(library: Library, kinds: Sequence[str]) -> set[str]:
    """Contents whose pieces have all these vectors."""
    with library.read() as connection:
        query = (
            select(PIECE.c.content)
            .join(VECTOR)
            .where(VECTOR.c.kind.in_(kinds))
            .group_by(PIECE.c.content)
            .having(func.count() == len(kinds))
        )
        return set(connection.execute(query).scalars())


def list_pieces(library: Library, words: str = "", ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """Pieces by title: id, title, composer, style, notes, bars, seconds, content, files. words: part of title, composer or path."""
    query = select(*(PIECE.c[n] for n in ("id", "title", "composer", "style", "notes", "bars", "seconds", "content")))
    if words:
        here = select(FILE.c.piece_id).where(_holds(FILE.c.path, words))
        query = query.where(or_(_holds(PIECE.c.title, words), _holds(PIECE.c.composer, words), PIECE.c.id.in_(here)))
    wanted = None if ids is None else set(ids)
    with library.read() as connection:
        rows = [dict(r) for r in connection.execute(query.order_by(PIECE.c.title, PIECE.c.id)).mappings()]
        rows = [r for r in rows if wanted is None or r["id"] in wanted]
        places: dict[int, list[str]] = {}
        for owner, path in connection.execute(select(FILE.c.piece_id, FILE.c.path).order_by(FILE.c.path)):
            places.setdefault(owner, []).append(path)
    return [r | {"files": places.get(r["id"], [])} for r in rows]


def _holds(column: Column[str], words: str) -> ColumnElement[bool]:
    """Whether a text holds words, in capitals or not; % and _ stand for themselves."""
    return func.lower(column).contains(words.lower(), autoescape=True)


def find_piece(library: Library, text: str) -> int:
    """The piece that a number, a file, the begin of a content hash (8 letters or more) or a title names; InputError with near titles."""
    with library.read() as connection:
        for query in _ways(text):
            found: Sequence[Any] = connection.execute(query).scalars().all()
            if len(found) == 1:
                return int(found[0])
            if found:
                raise InputError(
                    f"{text!r} names {len(found)} pieces",
                    expected="one piece",
                    received=", ".join(f"number {i}" for i in sorted(found)[:8]),
                    hint="give the number (zhiyin library list)",
                )
        titles = [t for t in connection.execute(select(PIECE.c.title)).scalars() if t]
    raise InputError(
        f"No piece {text!r} in the library",
        expected="a number, a file, a content hash or a title of a piece",
        received=repr(text),
        hint=near_hint(text, titles, "titles") if titles else "the library is empty: zhiyin library add FOLDER",
    )


def _ways(text: str) -> list[Select[Any]]:
    ways = [select(FILE.c.piece_id).where(FILE.c.path == path_text(text))]
    if text.isdecimal() and len(text) < 10:
        ways.insert(0, select(PIECE.c.id).where(PIECE.c.id == int(text)))
    if len(text) >= 8 and set(text.lower()) <= set("0123456789abcdef"):
        ways.append(select(PIECE.c.id).where(PIECE.c.content.startswith(text.lower(), autoescape=True)))
    return [*ways, select(PIECE.c.id).where(func.lower(PIECE.c.title) == text.lower())]


def path_text(path: str | Path) -> str:
    """A path as the library writes it: absolute, without links."""
    return Path(path).expanduser().resolve().as_posix()


def piece_facts(library: Library, piece: int) -> RowMapping:
    """All columns of one piece."""
    with library.read() as connection:
        return connection.execute(select(PIECE).where(PIECE.c.id == piece)).mappings().one()


def read_vectors(library: Library, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Piece numbers int64 (N,) in rising order and their vectors float32 (N, D) of one kind."""
    with library.read() as connection:
        query = select(VECTOR.c.piece_id, VECTOR.c.data).where(VECTOR.c.kind == kind).order_by(VECTOR.c.piece_id)
        rows = connection.execute(query).all()
    ids = np.array([r[0] for r in rows], dtype=np.int64)
    table = np.frombuffer(b"".join(r[1] for r in rows), dtype="<f4").reshape(len(rows), -1) if rows else np.zeros((0, 0), "<f4")
    return ids, table


def remove_pieces(library: Library, pieces: Sequence[int]) -> int:
    """Forgets pieces with all that was derived from them: files, vectors, events. How many went."""
    gone = 0
    with library.write() as connection:
        for begin in range(0, len(pieces), _AT_ONCE):
            gone += connection.execute(delete(PIECE).where(PIECE.c.id.in_(pieces[begin : begin + _AT_ONCE]))).rowcount
    return gone


def pieces_below(library: Library, folder: str | Path) -> list[int]:
    """Pieces all of whose files lie below a folder."""
    root = path_text(folder).rstrip("/") + "/"
    with library.read() as connection:
        inside: dict[int, bool] = {}
        for owner, path in connection.execute(select(FILE.c.piece_id, FILE.c.path)):
            inside[owner] = inside.get(owner, True) and path.startswith(root)
    return sorted(owner for owner, all_inside in inside.items() if all_inside)
