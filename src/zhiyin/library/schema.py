"""The tables, in one schema for SQLite and PostgreSQL. Migrations (migrations/versions) lead to exactly this.

piece      one row per content (sha256 of the file's bytes): facts, the file's metadata and its record as JSON
file       where that content was seen; one path holds one piece
vector     what was derived from a piece: its descriptors, its embedding (float32, little endian), by kind
listener   a name
event      what a listener did with a piece: play, skip, like, dislike, rating (1..5), and when (seconds since 1970, 0 = not known)
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

HEAD = "0001"  # the revision that these tables are
KINDS = ("play", "skip", "like", "dislike", "rating")

METADATA = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "uq": "uq_%(table_name)s_%(column_0_name)s",
                       "fk": "fk_%(table_name)s_%(column_0_name)s", "ix": "ix_%(table_name)s_%(column_0_name)s"}
)  # fmt: skip

PIECE = Table(
    "piece", METADATA,
    Column("id", Integer, primary_key=True),
    Column("content", String(64), nullable=False, unique=True),
    Column("title", Text, nullable=False, default=""),
    Column("composer", Text, nullable=False, default=""),
    Column("style", Text, nullable=False, default=""),
    Column("notes", Integer, nullable=False),
    Column("bars", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("metadata", Text, nullable=False, default="{}"),
    Column("record", Text, nullable=False, default=""),
    Column("added", BigInteger, nullable=False),
)  # fmt: skip

FILE = Table(
    "file", METADATA,
    Column("id", Integer, primary_key=True),
    Column("path", Text, nullable=False, unique=True),
    Column("piece_id", ForeignKey("piece.id", ondelete="CASCADE"), nullable=False, index=True),
)  # fmt: skip

VECTOR = Table(
    "vector", METADATA,
    Column("piece_id", ForeignKey("piece.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(80), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)  # fmt: skip

LISTENER = Table(
    "listener", METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
)  # fmt: skip

EVENT = Table(
    "event", METADATA,
    Column("id", Integer, primary_key=True),
    Column("listener_id", ForeignKey("listener.id", ondelete="CASCADE"), nullable=False),
    Column("piece_id", ForeignKey("piece.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("value", Float, nullable=False, default=1.0),
    Column("at", BigInteger, nullable=False, default=0),
    UniqueConstraint("listener_id", "piece_id", "kind", "at", name="uq_event_once"),
)  # fmt: skip

Index("ix_event_listener_at", EVENT.c.listener_id, EVENT.c.at)
