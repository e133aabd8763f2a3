"""Alembic: how a library of an older zhiyin becomes one of this."""
