"""A library of either database for tests: an SQLite file, or a PostgreSQL server that the test run starts itself.

Where the server cannot be started the tests fail; they are not skipped.
"""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from zhiyin.library import Library, open_library

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory) -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the test run."""
    import pgserver
    import psycopg

    server = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:  # nothing here must outlive a power cut
        connection.execute("ALTER SYSTEM SET fsync TO off")
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()


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
