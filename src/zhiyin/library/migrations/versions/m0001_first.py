"""The first schema: piece, file, vector, listener, event."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the five tables."""
    op.create_table(
        "piece",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("content", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("title", "composer", "style")),
        sa.Column("notes", sa.Integer, nullable=False),
        sa.Column("bars", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("metadata", "record")),
        sa.Column("added", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_piece"),
        sa.UniqueConstraint("content", name="uq_piece_content"),
    )
    op.create_table(
        "file",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("piece_id", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_file"),
        sa.UniqueConstraint("path", name="uq_file_path"),
        sa.ForeignKeyConstraint(["piece_id"], ["piece.id"], name="fk_file_piece_id", ondelete="CASCADE"),
    )
    op.create_index("ix_file_piece_id", "file", ["piece_id"])
    op.create_table(
        "vector",
        sa.Column("piece_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("piece_id", "kind", name="pk_vector"),
        sa.ForeignKeyConstraint(["piece_id"], ["piece.id"], name="fk_vector_piece_id", ondelete="CASCADE"),
    )
    op.create_table(
        "listener",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_listener"),
        sa.UniqueConstraint("name", name="uq_listener_name"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("listener_id", sa.Integer, nullable=False),
        sa.Column("piece_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sa.UniqueConstraint("listener_id", "piece_id", "kind", "at", name="uq_event_once"),
        sa.ForeignKeyConstraint(["listener_id"], ["listener.id"], name="fk_event_listener_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["piece_id"], ["piece.id"], name="fk_event_piece_id", ondelete="CASCADE"),
    )
    op.create_index("ix_event_piece_id", "event", ["piece_id"])
    op.create_index("ix_event_listener_at", "event", ["listener_id", "at"])


def downgrade() -> None:
    """Back to nothing."""
    for name in ("event", "listener", "vector", "file", "piece"):
        op.drop_table(name)
