"""The library on both databases: schema, pieces, listeners, events, what is forgotten.

PostgreSQL is a real server that the test run starts itself. Where it cannot be started the tests fail; they are not skipped.
"""

import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import inspect, select

from zhiyin.errors import InputError
from zhiyin.library import Library, library_if_there, open_library
from zhiyin.library.events import Event, liking, read_heard, store_events
from zhiyin.library.listeners import erase_listener, export_listener, find_listener, list_listeners
from zhiyin.library.pieces import (
    NewPiece,
    find_piece,
    known_contents,
    list_pieces,
    pieces_below,
    place_files,
    read_vectors,
    remove_pieces,
    store_pieces,
)
from zhiyin.library.schema import EVENT, FILE, METADATA, PIECE, VECTOR

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory) -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the test run."""
    server = started(tmp_path_factory.mktemp("pg"))
    yield server.get_uri()
    server.cleanup()


def started(folder: Path):
    """A server that answers. The wheel gives it ten seconds to start, which a busy machine may not have: it is looked for again."""
    import pgserver
    import psycopg

    for patience in (3, 5, 10, 0):
        try:
            server = pgserver.get_server(folder, cleanup_mode="delete")
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:  # nothing here must outlive a power cut
                connection.execute("ALTER SYSTEM SET fsync TO off")
                connection.execute("SELECT pg_reload_conf()")
            return server
        except Exception:
            if not patience:
                raise
            time.sleep(patience)


@pytest.fixture(params=DATABASES)
def url(request, tmp_path: Path) -> str:
    """Where an empty library can be made: a new file, or a new database of the server."""
    if request.param == "sqlite":
        return str(tmp_path / "library.sqlite")
    return new_database(request.getfixturevalue("postgres"))


@pytest.fixture
def library(url: str) -> Iterator[Library]:
    """An empty library in each database."""
    opened = open_library(url)
    yield opened
    opened.close()


def new_database(server: str) -> str:
    """The URL of a new, empty database."""
    import psycopg

    name = "zy" + uuid.uuid4().hex[:12]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return server.replace("/postgres?", f"/{name}?")


def a_piece(number: int, path: str = "", vectors: dict | None = None) -> NewPiece:
    return NewPiece(
        path or f"/music/{number}.mid", f"{number:064x}", f"Piece {number}", "Anon", "waltz", 100, 16, 30.0,
        vectors={"d": np.arange(3, dtype=np.float32) + number} if vectors is None else vectors,
    )  # fmt: skip


def counts(opened: Library) -> dict[str, int]:
    with opened.read() as connection:
        return {t.name: len(connection.execute(select(t)).all()) for t in (PIECE, FILE, VECTOR, EVENT)}


def test_the_migrations_lead_to_the_schema(library):
    found = inspect(library.engine)
    assert set(METADATA.tables) | {"alembic_version"} == set(found.get_table_names())
    assert len(METADATA.tables) == 5
    for name, table in METADATA.tables.items():
        assert [c["name"] for c in found.get_columns(name)] == [c.name for c in table.columns]
        assert {c["name"]: c["nullable"] for c in found.get_columns(name)} == {c.name: c.nullable for c in table.columns}
        assert {i["name"] for i in found.get_indexes(name) if not i.get("duplicates_constraint")} == {i.name for i in table.indexes}
        assert {f["name"] for f in found.get_foreign_keys(name)} == {f.name for f in table.foreign_key_constraints}


def test_alembic_sees_no_difference_between_tables_and_schema(library):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with library.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_opening_twice_changes_nothing(url):
    first = open_library(url)
    store_pieces(first, [a_piece(1)])
    assert counts(open_library(url))["piece"] == 1


def test_two_that_open_at_once_make_one_schema(url):
    failures: list[Exception] = []

    def go() -> None:
        try:
            open_library(url)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=go) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures and counts(open_library(url))["piece"] == 0


def test_a_library_of_a_newer_zhiyin_is_refused(url):
    opened = open_library(url)
    with opened.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(InputError, match=r"made by a newer zhiyin. Expected schema 0001. Received schema 9999. hint: update zhiyin"):
        open_library(url)


def test_storing_is_idempotent_by_content(library):
    assert store_pieces(library, [a_piece(1), a_piece(2)]) == 2
    assert store_pieces(library, [a_piece(1), a_piece(1, "/music/copy.mid")]) == 0
    assert counts(library) == {"piece": 2, "file": 3, "vector": 2, "event": 0}
    assert [r["files"] for r in list_pieces(library)] == [["/music/1.mid", "/music/copy.mid"], ["/music/2.mid"]]
    ids, table = read_vectors(library, "d")
    assert table.tolist() == [[1, 2, 3], [2, 3, 4]] and len(ids) == 2
    assert known_contents(library, ["d"]) == {a_piece(1).content, a_piece(2).content}
    assert known_contents(library, ["d", "e"]) == set()


def test_a_transaction_that_fails_leaves_nothing(library):
    def broken():
        yield a_piece(1)
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        store_pieces(library, broken())
    assert counts(library)["piece"] == 0


def test_a_file_that_changed_moves_to_its_new_piece(library):
    store_pieces(library, [a_piece(1, "/music/a.mid"), a_piece(2, "/music/b.mid")])
    store_events(library, [Event("Mei", find_piece(library, "/music/b.mid"), "like")])
    store_pieces(library, [a_piece(3, "/music/a.mid"), a_piece(4, "/music/b.mid")])
    assert [r["title"] for r in list_pieces(library)] == ["Piece 2", "Piece 3", "Piece 4"]  # 2 was heard: it stays, without a file
    place_files(library, {"/music/c.mid": a_piece(2).content})
    assert list_pieces(library)[0]["files"] == ["/music/c.mid"]


def test_pieces_are_found_by_number_file_hash_and_title(library):
    store_pieces(library, [a_piece(1), a_piece(2), NewPiece("/x.mid", "f" * 64, "Piece 1", "", "", 1, 1, 1.0)])
    second = find_piece(library, "/music/2.mid")
    assert find_piece(library, str(second)) == find_piece(library, "piece 2") == find_piece(library, a_piece(2).content[:64]) == second
    with pytest.raises(InputError, match=r"'Piece 1' names 2 pieces. Expected one piece. Received number \d+, number \d+. hint: give the number"):
        find_piece(library, "Piece 1")
    with pytest.raises(InputError, match=r"No piece 'Peice 2' in the library.*near titles: 'Piece 2'"):
        find_piece(library, "Peice 2")


def test_an_empty_library_says_so(library):
    with pytest.raises(InputError, match="the library is empty: zhiyin library add FOLDER"):
        find_piece(library, "anything")
    with pytest.raises(InputError, match="no listener is known yet"):
        find_listener(library, "Mei")


def test_removing_a_piece_forgets_what_was_derived_from_it(library):
    store_pieces(library, [a_piece(1), a_piece(2)])
    store_events(library, [Event("Mei", 1, "like"), Event("Mei", 2, "play", 3)])
    assert remove_pieces(library, [1]) == 1
    assert counts(library) == {"piece": 1, "file": 1, "vector": 1, "event": 1}


def test_pieces_below_a_folder(library, tmp_path):
    inside, outside = str(tmp_path / "in" / "a.mid"), str(tmp_path / "out.mid")
    store_pieces(library, [a_piece(1, inside), a_piece(2, outside), a_piece(3, str(tmp_path / "in2.mid"))])
    assert pieces_below(library, tmp_path / "in") == [1]


def test_events_are_stored_once_and_the_later_value_stays(library):
    store_pieces(library, [a_piece(1)])
    assert store_events(library, [Event("Mei", 1, "rating", 5, 10), Event("Mei", 1, "like", 1, 10)]) == (2, 0)
    assert store_events(library, [Event("Mei", 1, "rating", 2, 10)]) == (0, 1)
    assert export_listener(library, "Mei")["events"][0]["value"] == 2


def test_liking_follows_what_was_said_last_else_what_was_done(library):
    assert liking([("rating", 5.0)]) == 1 and liking([("rating", 3.0)]) == 0 and liking([("rating", 1.0)]) == -1
    assert liking([("like", 1.0), ("play", 1.0), ("dislike", 1.0)]) == -1
    assert 0 < liking([("play", 1.0)]) < liking([("play", 20.0)]) < 1
    assert liking([("skip", 1.0)]) == -0.5 and liking([("play", 1.0), ("skip", 1.0)]) == 0
    store_pieces(library, [a_piece(1), a_piece(2)])
    store_events(library, [Event("Mei", 2, "like", 1, 5), Event("Mei", 1, "skip", 1, 9), Event("Bo", 1, "rating", 4, 3)])
    heard = read_heard(library)
    assert heard.listener.tolist() == [1, 1, 2] and heard.piece.tolist() == [1, 2, 1]
    assert heard.liking.tolist() == [-0.5, 1.0, 0.5] and heard.last.tolist() == [9, 5, 3]


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Event("Mei", 1, "rating", 6), r"rating out of range. Expected 1..5. Received 6."),
        (Event("Mei", 1, "rating", float("nan")), r"rating out of range. Expected 1..5. Received nan."),
        (Event("Mei", 1, "play", 0), r"value of a play out of range"),
        (Event("Mei", 1, "licke"), r"Unknown kind of event 'licke'. Expected play, skip, like, dislike, rating. .*'like'"),
        (Event(" ", 1, "like"), r"This is no listener's name. Expected 1..200 letters. Received ''"),
    ],
)
def test_events_that_make_no_sense_are_refused_and_nothing_is_stored(library, event, text):
    store_pieces(library, [a_piece(1)])
    with pytest.raises(InputError, match=text):
        store_events(library, [Event("Bo", 1, "like"), event])
    assert counts(library)["event"] == 0


def test_a_listener_is_exported_and_erased(library):
    store_pieces(library, [a_piece(1)])
    store_events(library, [Event("Mei", 1, "rating", 4, 100), Event("Bo", 1, "like")])
    known = export_listener(library, "Mei")
    assert known["listener"] == "Mei" and known["events"] == [
        {"kind": "rating", "value": 4.0, "at": 100, "title": "Piece 1", "content": a_piece(1).content}
    ]
    assert erase_listener(library, "Mei") == 1
    assert [r["name"] for r in list_listeners(library)] == ["Bo"] and counts(library)["event"] == 1
    with pytest.raises(InputError, match=r"No listener 'Mei'.*known names: 'Bo'"):
        export_listener(library, "Mei")


def test_nothing_of_an_erased_listener_is_left_in_the_file(tmp_path):
    opened = open_library(str(tmp_path / "l.sqlite"))
    store_pieces(opened, [a_piece(1)])
    store_events(opened, [Event("Wilhelmine", 1, "like", 1, i) for i in range(50)])
    erase_listener(opened, "Wilhelmine")
    opened.close()
    assert all(b"Wilhelmine" not in p.read_bytes() for p in tmp_path.iterdir())


def test_urls_that_name_no_library_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"This names no library. Expected sqlite:///FILE, postgresql://USER@HOST/NAME"):
        open_library("mysql://me@host/music")
    with pytest.raises(InputError, match=r"postgresql\+psycopg://me:\*\*\*@127.0.0.1:1/x cannot be opened"):
        open_library("postgresql://me:secret@127.0.0.1:1/x")
    (tmp_path / "text.sqlite").write_text("this is no database, it is a text of some length, long enough to be looked at\n" * 20)
    with pytest.raises(InputError, match=r"text.sqlite cannot be opened.*file is not a database"):
        open_library(str(tmp_path / "text.sqlite"))
    with pytest.raises(InputError, match="The library cannot stand at"):
        open_library(str(tmp_path / "text.sqlite" / "below.sqlite"))


def test_a_library_is_looked_for_without_making_one(tmp_path, monkeypatch):
    monkeypatch.setenv("ZHIYIN_HOME", str(tmp_path))
    assert library_if_there() is None and not list(tmp_path.iterdir())
    open_library()
    assert library_if_there() is not None
    monkeypatch.setenv("ZHIYIN_LIBRARY", str(tmp_path / "other.sqlite"))
    with pytest.raises(InputError, match=r"There is no library at .*other.sqlite"):
        library_if_there()
    open_library()
    assert str(library_if_there().url).endswith("other.sqlite")


def test_writers_wait_for_each_other(tmp_path):
    path = tmp_path / "l.sqlite"
    opened = open_library(str(path))
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, lambda: holder.execute("COMMIT"))
    timer.start()
    assert store_pieces(opened, [a_piece(1)]) == 1
