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
