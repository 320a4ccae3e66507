import asyncio
import inspect
import os

import pytest

import cloaca
from tests.world import workflow_of


@pytest.fixture
def database_url():
    """What is tried here are the URLs themselves."""
    return "sqlite:///app.db"


def hello(context):
    context["said"] = "hello"


def test_a_url_names_the_database(make_runner):
    workflow_of("hello", hello)
    assert make_runner("sqlite:///named.db").execute("hello")["said"] == "hello"
    assert os.path.getsize("named.db")


def test_without_a_url_the_environment_names_the_database(monkeypatch):
    monkeypatch.setenv("CLOACA_DATABASE_URL", "sqlite:///from-environment.db")
    with cloaca.DefaultRunner() as runner:
        assert "from-environment.db" in repr(runner)
    assert os.path.exists("from-environment.db")


def test_a_url_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("CLOACA_DATABASE_URL", "sqlite:///from-environment.db")
    with cloaca.DefaultRunner("sqlite:///named.db"):
        pass
    assert not os.path.exists("from-environment.db")


def test_without_any_url_it_is_cloaca_db_in_the_working_directory():
    with cloaca.DefaultRunner():
        pass
    assert os.path.exists("cloaca.db")


@pytest.mark.parametrize("name", ["database_url", None])
def test_the_url_is_given_by_position_or_by_name(name):
    given = {name: "sqlite:///:memory:"} if name else {}
    with cloaca.DefaultRunner(*([] if name else ["sqlite:///:memory:"]), **given) as runner:
        assert repr(runner) == "DefaultRunner('sqlite:///:memory:')"


@pytest.mark.parametrize(
    "url", ["sqlite:///:memory:", "sqlite://:memory:", ":memory:", "sqlite:///x?mode=memory"]
)
def test_each_spelling_of_memory_leaves_no_file(url, tmp_path):
    workflow_of("hello", hello)
    with cloaca.DefaultRunner(url) as runner:
        assert runner.execute("hello")["said"] == "hello"
        assert runner.list_executions()[0].status == "Completed"
    assert not list(tmp_path.iterdir())


def test_two_memory_databases_share_nothing(make_runner):
    workflow_of("hello", hello)
    one, other = make_runner(":memory:"), make_runner(":memory:")
    one.execute("hello")
    assert (len(one.list_executions()), len(other.list_executions())) == (1, 0)


def test_with_config_takes_settings():
    config = cloaca.DefaultRunnerConfig(max_concurrent_tasks=2)
    with cloaca.DefaultRunner.with_config("sqlite:///app.db", config) as runner:
        assert isinstance(runner, cloaca.DefaultRunner)
    assert list(inspect.signature(cloaca.DefaultRunner.with_config).parameters) == ["database_url", "config"]


@pytest.mark.parametrize("config", [{"max_concurrent_tasks": 2}, "fast", 4])
def test_a_config_that_is_none_says_how_to_make_one(config):
    with pytest.raises(cloaca.ConfigurationError, match=r"DefaultRunnerConfig\(") as refused:
        cloaca.DefaultRunner("sqlite:///app.db", config)
    assert type(config).__name__ in str(refused.value)
    assert not os.path.exists("app.db")


@pytest.mark.parametrize("url", [17, b"sqlite:///app.db", ["sqlite:///app.db"]])
def test_a_url_that_is_no_text_is_refused(url):
    with pytest.raises(cloaca.InvalidDatabaseUrl, match="is not a database URL"):
        cloaca.DefaultRunner(url)


def test_an_empty_url_is_refused_and_is_not_the_default():
    with pytest.raises(cloaca.InvalidDatabaseUrl, match="'' is not a database URL"):
        cloaca.DefaultRunner("")
    assert not os.path.exists("cloaca.db")


@pytest.mark.parametrize("caught", [ValueError, RuntimeError, cloaca.DatabaseError, cloaca.CloacaException])
def test_a_bad_url_is_caught_as_any_of_these(caught):
    with pytest.raises(
        caught, match="mysql://ada:\\*\\*\\*@host/db' is not a database URL that cloaca supports"
    ):
        cloaca.DefaultRunner("mysql://ada:secret@host/db")


def test_a_folder_that_does_not_exist_is_named():
    with pytest.raises(
        cloaca.DatabaseError, match=r"folder does not exist, tried '.*/absent' and '/absent': create it"
    ):
        cloaca.DefaultRunner("sqlite:///absent/app.db")


def test_a_block_shuts_the_runner_down_and_lets_errors_through():
    workflow_of("hello", hello)
    with pytest.raises(KeyError, match="mine"), cloaca.DefaultRunner("sqlite:///app.db") as runner:
        raise KeyError("mine")
    assert runner.__exit__(None, None, None) is False
    with pytest.raises(cloaca.RunnerError, match="was shut down: create another"):
        runner.execute("hello")


def test_an_async_block_shuts_the_runner_down():
    workflow_of("hello", hello)

    async def main():
        async with cloaca.DefaultRunner("sqlite:///app.db") as runner:
            assert (await runner.execute_async("hello"))["said"] == "hello"
        with pytest.raises(cloaca.RunnerError, match="was shut down: create another"):
            await runner.start_async("hello")

    asyncio.run(main())


def test_the_default_config_is_the_one_without_arguments():
    assert cloaca.DefaultRunnerConfig.default().to_dict() == cloaca.DefaultRunnerConfig().to_dict()


def test_a_config_shows_and_returns_every_setting():
    config = cloaca.DefaultRunnerConfig(pipeline_timeout_seconds=7)
    assert config.workflow_timeout_seconds == config.pipeline_timeout_seconds == 7
    assert config.to_dict()["pipeline_timeout_seconds"] == 7
    assert "max_concurrent_tasks=4" in repr(config)
    for name in config.to_dict():
        assert hasattr(config, name)


def test_a_config_that_is_changed_later_does_not_change_a_runner(make_runner):
    config = cloaca.DefaultRunnerConfig(retry_attempts=0)
    with cloaca.DefaultRunner("sqlite:///app.db", config) as runner:
        config.retry_attempts = 5
        workflow_of("fails", fails)
        assert len(runner.execute("fails").tasks["fails"].attempts) == 1


def fails(context):
    raise ValueError("no")
