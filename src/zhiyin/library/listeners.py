"""Listeners: making, finding, exporting what is known of one, erasing one."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, delete, func, select

from zhiyin.errors import InputError, near_hint
from zhiyin.library.schema import EVENT, LISTENER, PIECE
from zhiyin.library.store import Library, insert

MAX_NAME = 200


def make_listener(connection: Connection, name: str) -> int:
    """The listener's number; made where the name is new."""
    name = check_name(name)
    connection.execute(insert(connection, LISTENER).values(name=name, created=int(time.time())).on_conflict_do_nothing())
    return int(connection.execute(select(LISTENER.c.id).where(LISTENER.c.name == name)).scalar_one())


def check_name(name: str) -> str:
    """A listener's name without spaces around it; InputError where it is empty or too long."""
    name = name.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise InputError("This is no listener's name", expected=f"1..{MAX_NAME} letters", received=repr(name[:40]))
    return name


def find_listener(library: Library, name: str) -> int:
    """The number of a listener; InputError that lists near names."""
    with library.read() as connection:
        found = connection.execute(select(LISTENER.c.id).where(LISTENER.c.name == name.strip())).scalar()
        names = connection.execute(select(LISTENER.c.name).order_by(LISTENER.c.name)).scalars().all()
    if found is None:
        raise InputError(
            f"No listener {name!r}",
            expected="a listener of the library",
            received=repr(name),
            hint=near_hint(name, names, "names") if names else "no listener is known yet: zhiyin library rate PIECE --listener NAME --like",
        )
    return int(found)


def list_listeners(library: Library) -> list[dict[str, Any]]:
    """Every listener: name, events, pieces."""
    counts = (func.count(EVENT.c.id), func.count(func.distinct(EVENT.c.piece_id)))
    query = select(LISTENER.c.name, *counts).outerjoin(EVENT).group_by(LISTENER.c.name).order_by(LISTENER.c.name)
    with library.read() as connection:
        return [{"name": n, "events": e, "pieces": p} for n, e, p in connection.execute(query)]


def export_listener(library: Library, name: str) -> dict[str, Any]:
    """All that is known of a listener: name, since when, and every event with the piece's title and content hash."""
    number = find_listener(library, name)
    columns = (EVENT.c.kind, EVENT.c.value, EVENT.c.at, PIECE.c.title, PIECE.c.content)
    query = select(*columns).join(PIECE).where(EVENT.c.listener_id == number).order_by(EVENT.c.at, EVENT.c.id)
    with library.read() as connection:
        created = connection.execute(select(LISTENER.c.created).where(LISTENER.c.id == number)).scalar_one()
        events = [dict(r) for r in connection.execute(query).mappings()]
    return {"listener": name.strip(), "created": created, "events": events}


def erase_listener(library: Library, name: str) -> int:
    """Erases a listener with all events; how many events went."""
    number = find_listener(library, name)
    with library.write() as connection:
        events = connection.execute(select(func.count()).where(EVENT.c.listener_id == number)).scalar_one()
        connection.execute(delete(LISTENER).where(LISTENER.c.id == number))
    return int(events)
