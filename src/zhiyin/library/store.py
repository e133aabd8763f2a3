"""Opening the database: URL, schema up to date, transactions. What stands in the tables: pieces.py, listeners.py, events.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, inspect, make_url, select
from sqlalchemy import table as plain_table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.sql.expression import literal_column

from zhiyin.errors import InputError
from zhiyin.library.schema import HEAD

_BUSY_SECONDS = 60
_LOCK = 0x7A_68_69_79_69_6E  # one schema change at a time (PostgreSQL advisory lock)
MIGRATIONS = Path(__file__).parent / "migrations"


class Library:
    """A library that is open. ``url``: as given, the password hidden. Engines are per process: open it again in a child."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.url = self.engine.url.render_as_string(hide_password=True)
        try:
            self._bring_up_to_date()
        except SQLAlchemyError as error:
            raise self._unreachable(error) from None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: all of it is kept, or nothing where an exception leaves the block. Writers wait for each other."""
        with self.engine.connect() as connection:
            connection.execution_options(writes=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Lets go of the database."""
        self.engine.dispose()

    def _bring_up_to_date(self) -> None:
        with self.read() as connection:
            if _revision(connection) == HEAD:
                return
        with self.write() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            found = _revision(connection)
            if found != HEAD:
                upgrade(connection, found)

    def _unreachable(self, error: Exception) -> InputError:
        return InputError(
            f"The library {self.url} cannot be opened",
            expected="a database that answers, with tables of zhiyin or none",
            received=str(getattr(error, "orig", None) or error).strip().splitlines()[0],
            hint="--library URL or ZHIYIN_LIBRARY names another",
        )


def upgrade(connection: Connection, found: str | None) -> None:
    """Runs the migrations from revision ``found`` (None = empty database) to HEAD, inside the connection's transaction."""
    from alembic import command  # 0.2 s: only when a schema changes
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = [r.revision for r in ScriptDirectory.from_config(config).walk_revisions()]
    if found is not None and found not in known:
        raise InputError(
            "The library was made by a newer zhiyin",
            expected=f"schema {', '.join(sorted(known))}",
            received=f"schema {found}",
            hint="update zhiyin, or name another library with --library",
        )
    command.upgrade(config, "head")


def insert(connection: Connection, table: Table) -> Any:
    """An INSERT of the connection's dialect, which knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    row: Any = connection.execute(select(literal_column("version_num")).select_from(plain_table("alembic_version"))).first()
    return str(row[0]) if row else None


def _engine(text: str) -> Engine:
    """The engine of a URL or of a path to an SQLite file."""
    try:
        url = make_url(text if "://" in text else f"sqlite:///{Path(text).expanduser()}")
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        if url.get_backend_name() not in ("sqlite", "postgresql"):
            raise NoSuchModuleError(url.drivername)
        if url.get_backend_name() == "sqlite":
            return _sqlite(url)
        return create_engine(url, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError):
        raise InputError(
            "This names no library",
            expected="sqlite:///FILE, postgresql://USER@HOST/NAME, or the path of a file",
            received=repr(text.split("@")[-1]),
        ) from None
    except ModuleNotFoundError as missing:
        raise InputError(
            "PostgreSQL needs a driver that is not installed",
            expected="the extra `postgres`",
            received=f"no module {missing.name}",
            hint="pip install 'zhiyin[postgres]'",
        ) from None


def _sqlite(url: Any) -> Engine:
    """SQLite with foreign keys, real transactions (also around schema changes), and writers that wait for each other."""
    if url.database and url.database != ":memory:":
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"The library cannot stand at {url.database}", expected="a folder that can be written", received=str(error)
            ) from None
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # we begin ourselves
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA secure_delete=ON")  # who is erased is not left in free pages
        connection.execute("PRAGMA journal_mode=WAL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
