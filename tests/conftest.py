"""What all tests share: nothing that a test does ends up in the data folder of the person who runs it."""

import os

import pytest


@pytest.fixture(autouse=True, scope="session")
def own_home(tmp_path_factory):
    """A data folder for the whole run, unless one is given."""
    before = os.environ.get("ZHIYIN_HOME")
    os.environ["ZHIYIN_HOME"] = before or str(tmp_path_factory.mktemp("home"))
    yield
    if before is None:
        del os.environ["ZHIYIN_HOME"]


@pytest.fixture(scope="module")
def filled(folder, tmp_path_factory):
    """A library file that holds the module's ``folder``."""
    from zhiyin.inference.bring import add
    from zhiyin.library import open_library

    place = tmp_path_factory.mktemp("filled") / "library.sqlite"
    opened = open_library(str(place))
    add(opened, [folder], workers=0)
    opened.close()
    return place
