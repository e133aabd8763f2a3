"""What Alembic runs: the migrations over the connection that it is handed (``store.upgrade``)."""

from __future__ import annotations

from alembic import context

from zhiyin.library.schema import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, render_as_batch=connection.dialect.name == "sqlite")
with context.begin_transaction():
    context.run_migrations()
