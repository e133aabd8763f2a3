"""The user's pieces, listeners and events in a database: SQLite by default, PostgreSQL by URL. It stores; it does not analyse.

    from zhiyin.library import open_library
    library = open_library()                                # library.sqlite in the user's data folder
    library = open_library("postgresql://me@host/music")    # or ZHIYIN_LIBRARY
"""

from __future__ import annotations

import os
from pathlib import Path

from zhiyin.errors import InputError
from zhiyin.files import data_folder
from zhiyin.library.store import Library

VARIABLE = "ZHIYIN_LIBRARY"


def open_library(url: str | None = None, *, make: bool = True) -> Library:
    """Opens a library and brings its schema up to date; a new one is made where there is none.

    url: an SQLAlchemy URL or a path to an SQLite file; None = ``ZHIYIN_LIBRARY``, else the user's data folder. make: False
    refuses a file that is named and is not there. InputError where the database cannot be reached.
    """
    named = url or os.environ.get(VARIABLE)
    if named and not make and "://" not in named and not Path(named).expanduser().is_file():
        raise InputError(
            f"There is no library at {named}", expected="a library's SQLite file", received="no such file",
            hint=f"zhiyin library add FOLDER --library {named} makes it",
        )  # fmt: skip
    return Library(named or str(data_folder() / "library.sqlite"))


def library_if_there(url: str | None = None) -> Library | None:
    """The library where one was made or is named, else None: for what works without one."""
    named = url or os.environ.get(VARIABLE)
    return open_library(url, make=False) if named or (data_folder() / "library.sqlite").is_file() else None
