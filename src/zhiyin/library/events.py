"""Events: what listeners did, and what that says of how much they like a piece."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, func, select

from zhiyin.errors import InputError, near_names
from zhiyin.library.listeners import make_listener
from zhiyin.library.schema import EVENT, KINDS
from zhiyin.library.store import Library, insert

STARS = (1.0, 5.0)
MAX_PLAYS = 1e9
_ONCE = ("listener_id", "piece_id", "kind", "at")


@dataclass(frozen=True)
class Event:
    """One event. kind: play, skip, like, dislike, rating. value: stars of a rating, count of plays. at: seconds since 1970, 0 = not known."""

    listener: str
    piece: int
    kind: str
    value: float = 1.0
    at: int = 0


def check_event(kind: str, value: float) -> None:
    """InputError where a kind is not known or its value is out of range."""
    if kind not in KINDS:
        raise InputError(f"Unknown kind of event {kind!r}", expected=", ".join(KINDS), received=repr(kind), hint=near_names(kind, KINDS))
    low, high = STARS if kind == "rating" else (0.0, MAX_PLAYS)
    if not (math.isfinite(value) and low <= value <= high) or (kind == "play" and value == 0):
        raise InputError(
            "rating out of range" if kind == "rating" else f"value of a {kind} out of range",
            expected=f"{low:g}..{high:g}", received=f"{value:g}",
        )  # fmt: skip


def store_events(library: Library, events: Iterable[Event]) -> tuple[int, int]:
    """Stores events in one transaction: how many are new, and how many were there already (the later value stays)."""
    with library.write() as connection:
        return store_in(connection, events)


def store_in(connection: Connection, events: Iterable[Event]) -> tuple[int, int]:
    """``store_events`` inside a transaction that is open."""
    numbers: dict[str, int] = {}
    rows = []
    for e in events:
        check_event(e.kind, e.value)
        if e.listener not in numbers:
            numbers[e.listener] = make_listener(connection, e.listener)
        rows.append({"listener_id": numbers[e.listener], "piece_id": e.piece, "kind": e.kind, "value": e.value, "at": e.at})
    if not rows:
        return 0, 0
    count = select(func.count()).select_from(EVENT)
    before = connection.execute(count).scalar_one()
    upsert = insert(connection, EVENT)
    upsert = upsert.on_conflict_do_update(index_elements=_ONCE, set_={"value": upsert.excluded.value})
    connection.execute(upsert, rows)
    new = connection.execute(count).scalar_one() - before
    return new, len(rows) - new


@dataclass(frozen=True)
class Heard:
    """How much each listener likes each piece, one row per pair: listener and piece numbers int64 (E,), liking float32 (E,) in -1..1, last: seconds."""

    listener: np.ndarray
    piece: np.ndarray
    liking: np.ndarray
    last: np.ndarray


def read_heard(library: Library) -> Heard:
    """All events as one liking per (listener, piece): see ``liking``."""
    columns = (EVENT.c.listener_id, EVENT.c.piece_id, EVENT.c.kind, EVENT.c.value, EVENT.c.at)
    pairs: dict[tuple[int, int], list[tuple[str, float, int]]] = {}
    with library.read() as connection:
        for listener, piece, kind, value, at in connection.execute(select(*columns).order_by(EVENT.c.at, EVENT.c.id)):
            pairs.setdefault((listener, piece), []).append((kind, value, at))
    keys = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    found = [pairs[(int(a), int(b))] for a, b in keys]
    return Heard(
        keys[:, 0],
        keys[:, 1],
        np.array([liking([(k, v) for k, v, _ in f]) for f in found], dtype=np.float32),
        np.array([f[-1][2] for f in found], dtype=np.int64),
    )


def liking(events: list[tuple[str, float]]) -> float:
    """One number in -1..1 for a pair's events in order of time.

    What was said last counts alone: a rating is (stars - 3) / 2, a like 1, a dislike -1. Where nothing was said, what was
    done counts: p plays against s skips give (log2(1 + p) - s) / (log2(1 + p) + s + 1).
    """
    said = [e for e in events if e[0] in ("rating", "like", "dislike")]
    if said:
        kind, value = said[-1]
        return {"like": 1.0, "dislike": -1.0}.get(kind, (value - 3.0) / 2.0)
    plays = math.log2(1.0 + sum(v for k, v in events if k == "play"))
    skips = float(sum(1 for k, _ in events if k == "skip"))
    return (plays - skips) / (plays + skips + 1.0)
