"""What all tests share: databases of both kinds, each new and its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres

FOLDER = "CLOACA_TEST_POSTGRES_FOLDER"


def pytest_configure(config: pytest.Config) -> None:
    """The process that was started by hand owns the server; workers find it by its folder."""
    if not hasattr(config, "workerinput") and FOLDER not in os.environ:
        config.stash[_folder] = os.environ[FOLDER] = tempfile.mkdtemp(prefix="cloaca-postgres-")


_folder = pytest.StashKey[str]()


def pytest_unconfigure(config: pytest.Config) -> None:
    folder = config.stash.get(_folder, None)
    if folder is not None:
        postgres.Server(Path(folder)).stop()
        shutil.rmtree(folder, ignore_errors=True)
        os.environ.pop(FOLDER, None)


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A new, empty PostgreSQL database."""
    url = postgres.new_database(postgres.server_url())
    yield url
    postgres.drop_database(url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'cloaca.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A new database, of each kind in turn."""
    return request.getfixturevalue(f"{request.param}_url")
