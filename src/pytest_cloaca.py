"""The pytest plugin: fixtures for a runner and a clock. It is loaded in every project, so it imports only on use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cloaca import DefaultRunner, DefaultRunnerConfig
    from cloaca.testing import Clock


@pytest.fixture
def cloaca_database_url(tmp_path: Path) -> str:
    """The database of ``cloaca_runner``: a new SQLite file. Override it to test on PostgreSQL."""
    return f"sqlite:///{tmp_path / 'cloaca.db'}"


@pytest.fixture
def cloaca_config() -> DefaultRunnerConfig | None:
    """The settings of ``cloaca_runner``: by default the defaults. Override it to use others."""
    return None


@pytest.fixture
def cloaca_clock() -> Clock:
    """A clock that stands still until ``move(seconds)``; ``cloaca_runner`` uses it in tests that request both."""
    from cloaca.testing import Clock  # noqa: PLC0415 - as above

    return Clock()


@pytest.fixture
def cloaca_runner(
    request: pytest.FixtureRequest, cloaca_database_url: str, cloaca_config: DefaultRunnerConfig | None
) -> Iterator[DefaultRunner]:
    """A runner on a private database, which is shut down after the test.

    Everything that the test declares and registers is forgotten afterwards. With ``cloaca_clock``, its retries, timeouts and
    polls fall due when the test moves that clock.
    """
    from cloaca.testing import isolated_registry  # noqa: PLC0415 - as above

    with isolated_registry(), _runner(request, cloaca_database_url, cloaca_config) as runner:
        yield runner


def _runner(
    request: pytest.FixtureRequest, database_url: str, config: DefaultRunnerConfig | None
) -> DefaultRunner:
    if "cloaca_clock" in request.fixturenames:
        from cloaca.testing.clocked_runner import ClockedRunner  # noqa: PLC0415 - as above

        return ClockedRunner(database_url, config, clock=request.getfixturevalue("cloaca_clock"))
    from cloaca import DefaultRunner  # noqa: PLC0415 - as above

    return DefaultRunner(database_url, config)
