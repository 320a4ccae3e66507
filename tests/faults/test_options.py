"""Options that do not exist or cannot be: named with the nearest that does, before anything is done."""

import asyncio
import inspect

import pytest

import cloaca
from tests.hostile import Unshowable
from tests.world import SOON, workflow_of


def body(context): ...


@pytest.fixture
def handle(runner):
    workflow_of("w", body)
    return runner.start("w")


@pytest.fixture
def client(runner):
    with cloaca.Client("sqlite:///app.db") as client:
        yield client


BUILDER = cloaca.WorkflowBuilder("w")

MISSPELT = {
    "WorkflowBuilder": (lambda of: cloaca.WorkflowBuilder("w", tennant="t"), "tenant"),
    "WorkflowBuilder without a name": (lambda of: cloaca.WorkflowBuilder(nme="w"), "name"),
    "add_task": (lambda of: BUILDER.add_task(tsk="a"), "task"),
    "tag": (lambda of: BUILDER.tag("k", valeu="v"), "value"),
    "DefaultRunner": (lambda of: cloaca.DefaultRunner(databse_url="x"), "database_url"),
    "execute": (lambda of: of("runner").execute("w", contxt={}), "context"),
    "execute_async": (lambda of: asyncio.run(of("runner").execute_async("w", contxt={})), "context"),
    "start": (lambda of: of("runner").start("w", idempotency_keys="k"), "idempotency_key"),
    "start_async": (
        lambda of: asyncio.run(of("runner").start_async("w", idempotent_key="k")), "idempotency_key",
    ),
    "start_many": (lambda of: of("runner").start_many("w", context=[{}]), "contexts"),
    "list_executions": (lambda of: of("runner").list_executions(workflow="w"), "workflow_name"),
    "get_execution": (lambda of: of("runner").get_execution(id="x", exection_id="x"), None),
    "get_handle": (lambda of: of("runner").get_handle(excution_id="x"), "execution_id"),
    "shutdown": (lambda of: of("runner").shutdown(timout=1), "timeout"),
    "result": (lambda of: of("handle").result(time_out=1), "timeout"),
    "wait": (lambda of: of("handle").wait(timeout_s=1), "timeout"),
    "client's start": (lambda of: of("client").start("w", idempotency="k"), "idempotency_key"),
    "client's list": (lambda of: of("client").list_executions(stauts="Failed"), "status"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISSPELT)
def test_a_misspelt_keyword_names_the_nearest(request, name):
    call, meant = MISSPELT[name]
    with pytest.raises(TypeError) as refused:
        call(request.getfixturevalue)
    said = str(refused.value)
    assert "() takes no " in said
    assert said.endswith(f": did you mean {meant!r}?" if meant else "it takes execution_id")


def test_a_keyword_that_resembles_none_lists_those_there_are():
    with pytest.raises(TypeError) as refused:
        cloaca.DefaultRunner("sqlite:///app.db", workers=8)
    assert str(refused.value).startswith("DefaultRunner() takes no 'workers': it takes database_url, config")


@pytest.mark.parametrize("setting", ["max_concurrent_tasks", "connection_pool_size"])
def test_a_setting_given_to_the_runner_itself_is_shown_its_place(setting):
    with pytest.raises(
        TypeError, match=rf"it is a setting, write config=DefaultRunnerConfig\({setting}=\.\.\.\)"
    ):
        cloaca.DefaultRunner("sqlite:///app.db", **{setting: 8})


@pytest.mark.parametrize("cls", [cloaca.WorkflowBuilder, cloaca.DefaultRunner, cloaca.Client])
def test_signatures_stay_what_they_were(cls):
    for name, member in vars(cls).items():
        if inspect.isfunction(member) and not name.startswith("_"):
            assert next(iter(inspect.signature(member).parameters)) == "self"
            assert member.__module__ == cls.__module__
    assert inspect.iscoroutinefunction(cloaca.DefaultRunner.start_async)


@pytest.mark.parametrize("option", ["colour", "ID", "é", "", "\ud800", "\0", "x" * 65536, "hooks"])
def test_an_option_of_a_task_that_resembles_none_lists_those_there_are(option):
    with pytest.raises(cloaca.TaskValidationError) as refused:
        cloaca.task(**{option: 1})
    said = str(refused.value)
    assert said.isprintable()
    assert len(said) < 1000
    assert "there are id, dependencies, " in said


@pytest.mark.parametrize("option", ["retry_attempts", "retry_delay_ms", "retry_backoff", "timeout_seconds"])
@pytest.mark.parametrize(
    "value",
    [-1, 1.5j, "3", "", "Fixed", "x" * 65536, True, float("nan"), float("inf"), 2**64, 10**5000, [1], b"1"],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_an_option_cannot_have_is_refused_with_the_rule(option, value):
    for given in (value, Unshowable()):
        with pytest.raises(cloaca.TaskValidationError, match=f"^{option} must be ") as refused:
            cloaca.task(**{option: given})
        assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("mod=ro", "unknown database option 'mod': did you mean 'mode'?"),
        ("synchronus=full", "unknown database option 'synchronus': did you mean 'synchronous'?"),
        ("_busy_timout=1", "unknown database option '_busy_timout': did you mean 'busy_timeout'"),
        ("cache=shared", "unknown database option 'cache': Known are mode, journal_mode"),
        ("=", "unknown database option '': Known are mode, journal_mode"),
        ("a" * 65536, "unknown database option 'aaa"),
        ("mode=x", "database option mode='x' must be one of ro, rw, rwc, memory"),
        ("mode=" + "x" * 65536, "database option mode='xxx"),
        ("mode", "database option mode='' must be one of"),
        ("journal_mode=off", "database option journal_mode='off' must be one of wal"),
        ("journal_mode=wal;drop table x", "database option journal_mode='wal;drop table x' must be one of wal"),
        ("synchronous=off", "database option synchronous='off' must be one of full"),
        ("timeout=-1", "database option timeout='-1' must be a number from 0 to 2000000"),
        ("timeout=nan", "database option timeout='nan' must be a number from 0"),
        ("timeout=1e300", "database option timeout='1e300' must be a number from 0"),
        ("busy_timeout=1e10", "database option busy_timeout='1e10' must be a number from 0 to 2000000000"),
    ],
)  # fmt: skip
def test_an_option_of_a_url_that_cannot_be_is_refused_and_no_file_made(tmp_path, option, said):
    with pytest.raises(cloaca.ConfigurationError) as refused:
        cloaca.DefaultRunner(f"sqlite:///app.db?{option}")
    assert str(refused.value).startswith(said)
    assert len(str(refused.value)) < 500
    assert not list(tmp_path.iterdir())


def test_the_longest_busy_timeout_is_one_that_sqlite_takes(make_runner):
    runner = make_runner("sqlite:///app.db?timeout=2000000")
    workflow_of("w", body)
    assert runner.start("w").result(SOON).status == "Completed"


class Liar:
    @property
    def __class__(self):
        return str


FOREIGN = {
    "unshowable": Unshowable(),
    "liar": Liar(),
    "endless int": 10**5000,
    "64 KB": "x" * 65536,
    "nan": float("nan"),
}


@pytest.mark.parametrize("setting", cloaca.DefaultRunnerConfig().to_dict())
@pytest.mark.parametrize("name", FOREIGN)
def test_a_setting_that_cannot_be_is_refused_in_a_short_line(setting, name):
    config, given = cloaca.DefaultRunnerConfig(), FOREIGN[name]
    if name == "endless int" and setting in {
        "max_concurrent_tasks",
        "max_concurrent_async_tasks",
        "max_concurrent_workflows",
        "retry_attempts",
        "crash_limit",
        "window",
        "cron_max_recovery_attempts",
        "retention_executions",
        "db_pool_size",
        "connection_pool_size",
    }:
        return
    for call in (
        lambda: cloaca.DefaultRunnerConfig(**{setting: given}),
        lambda: setattr(config, setting, given),
    ):
        with pytest.raises(cloaca.ConfigurationError) as refused:
            call()
        assert str(refused.value).startswith(f"{setting}=")
        assert len(str(refused.value)) < 500
    assert config.to_dict() == cloaca.DefaultRunnerConfig().to_dict()


TAKES_VALUES = {
    "status": (lambda of, value: of("runner").list_executions(status=value), cloaca.ConfigurationError),
    "limit": (lambda of, value: of("runner").list_executions(limit=value), cloaca.ConfigurationError),
    "timeout of a result": (lambda of, value: of("handle").result(value), cloaca.ConfigurationError),
    "timeout of a wait": (lambda of, value: of("handle").wait(value), cloaca.ConfigurationError),
    "timeout of a shutdown": (lambda of, value: of("runner").shutdown(value), cloaca.ConfigurationError),
    "context": (lambda of, value: of("runner").start("w", value), TypeError),
    "contexts": (lambda of, value: of("runner").start_many("w", value), TypeError),
    "config": (lambda of, value: cloaca.DefaultRunner(":memory:", value), cloaca.ConfigurationError),
    "misspelt setting": (
        lambda of, value: cloaca.DefaultRunnerConfig(**{"x" * 9999: value}),
        cloaca.ConfigurationError,
    ),
}


@pytest.mark.parametrize("where", TAKES_VALUES)
@pytest.mark.parametrize("name", FOREIGN)
def test_an_argument_that_cannot_be_is_refused_in_a_short_line(request, runner, where, name):
    workflow_of("w", body)
    call, error = TAKES_VALUES[where]
    with pytest.raises(error) as refused:
        call(request.getfixturevalue, FOREIGN[name])
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("name", ["unshowable", "liar", "endless int"])
def test_a_key_of_an_input_or_of_a_start_that_is_no_text_is_refused(runner, name):
    workflow_of("w", body)
    given = FOREIGN[name]
    with pytest.raises(cloaca.IdempotencyError, match="must be a string that is not empty"):
        runner.start("w", idempotency_key=given)
    if name != "unshowable":
        with pytest.raises(TypeError, match="context keys are str: "):
            runner.start("w", {given: 1})
    with pytest.raises(cloaca.ConfigurationError, match=r"workflow_name=.* must be a str"):
        runner.list_executions(workflow_name=given)
    assert runner.list_executions() == []


@pytest.mark.parametrize("tasks", [None, [], ["a"], [body]], ids=["none", "no task", "an id", "a function"])
def test_a_workflow_made_by_hand_names_the_builder(tasks):
    with pytest.raises(cloaca.WorkflowValidationError, match=r"by WorkflowBuilder\('w'\)\.add_task"):
        cloaca.Workflow("w", **({} if tasks is None else {"tasks": tasks}))
