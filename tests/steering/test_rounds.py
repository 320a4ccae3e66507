"""Retries of whole executions: which tasks run again, what they see, what is counted anew."""

import threading

import pytest

import cloaca
from tests.world import SOON


class Code:
    """Tasks of which some fail until they are repaired; notes what ran."""

    def __init__(self):
        self.broken = set()
        self.ran = []
        self.seen = {}

    def task(self, id, *dependencies, **options):
        def body(context, handle):
            self.ran.append(id)
            self.seen[id] = dict(context.data)
            self.keys.append(handle.idempotency_key)
            if id in self.broken:
                raise ValueError(f"{id} is broken")
            context[id] = len(self.ran)
            context["log"] = [*context.get("log", []), id]

        return cloaca.task(id=id, dependencies=list(dependencies), **options)(body)

    keys: list[str]


@pytest.fixture
def code():
    code = Code()
    code.keys = []
    return code


def run(runner, name, context=None):
    handle = runner.start(name, context)
    handle.wait(SOON)
    return handle


def retried(handle):
    handle.retry()
    return handle.result(SOON)


def test_what_failed_and_what_was_skipped_behind_it_runs_again_and_nothing_else(runner, code):
    with cloaca.WorkflowBuilder("w"):
        a, b = code.task("a"), code.task("b")
        bad = code.task("bad", a)
        behind = code.task("behind", bad)
        code.task("end", behind, b)
    code.broken = {"bad"}
    handle = run(runner, "w")
    assert handle.status == "Failed"
    assert sorted(code.ran) == ["a", "b", "bad"]
    code.ran.clear()
    code.broken = set()
    result = retried(handle)
    assert result.status == "Completed"
    assert code.ran == ["bad", "behind", "end"]
    assert code.seen["bad"]["log"] == ["a"]
    assert result["log"] == ["a", "bad", "behind", "b", "end"]
    assert {id: [one.status.value for one in task.attempts] for id, task in result.tasks.items()} == {
        "a": ["Completed"],
        "b": ["Completed"],
        "bad": ["Failed", "Completed"],
        "behind": ["Completed"],
        "end": ["Completed"],
    }


def test_each_round_has_the_retries_of_the_tasks_policy_and_an_idempotency_key_of_its_own(runner, code):
    with cloaca.WorkflowBuilder("w"):
        code.task("bad", retry_attempts=2, retry_delay_ms=1, retry_jitter=False)
    code.broken = {"bad"}
    handle = run(runner, "w")
    assert code.ran == ["bad"] * 3
    assert retried(handle).status == "Failed"
    assert code.ran == ["bad"] * 6
    record = runner.get_execution(handle.execution_id)
    assert [one.attempt for one in record.tasks["bad"].attempts] == [1, 2, 3, 4, 5, 6]
    first, second = f"{handle.execution_id}/bad/1", f"{handle.execution_id}/bad/2"
    assert code.keys == [first] * 3 + [second] * 3


def test_a_failure_that_another_task_has_handled_stays_as_it_is(runner, code):
    with cloaca.WorkflowBuilder("w"):
        primary = code.task("primary")
        code.task("mirror", primary, trigger_rules=cloaca.task_failed("primary"))
        code.task("other")
    code.broken = {"primary", "other"}
    handle = run(runner, "w")
    assert handle.status == "Failed"
    code.broken = set()
    code.ran.clear()
    result = retried(handle)
    assert code.ran == ["other"]
    assert result.status == "Completed"
    assert result.tasks["primary"].status == "Failed"


def test_what_was_skipped_by_its_own_rule_is_decided_again_only_behind_what_runs_again(runner, code):
    with cloaca.WorkflowBuilder("w"):
        bad, good = code.task("bad"), code.task("good")
        code.task("on_success", bad, trigger_rules=cloaca.task_success("bad"))
        code.task("never", good, trigger_rules=cloaca.task_failed("good"))
    code.broken = {"bad"}
    handle = run(runner, "w")
    code.broken = set()
    code.ran.clear()
    result = retried(handle)
    assert code.ran == ["bad", "on_success"]
    assert result.tasks["never"].status == "Skipped"
    assert result.status == "Completed"


def test_a_task_that_is_skipped_again_keeps_both_skips(runner, code):
    with cloaca.WorkflowBuilder("w"):
        bad = code.task("bad")
        code.task("behind", bad)
    code.broken = {"bad"}
    handle = run(runner, "w")
    for _ in range(2):
        assert retried(handle).status == "Failed"
    record = runner.get_execution(handle.execution_id)
    assert (record.tasks["behind"].status, record.tasks["behind"].attempts) == ("Skipped", [])
    code.broken = set()
    assert retried(handle).status == "Completed"


def test_what_completed_behind_a_task_that_runs_again_stays_and_both_are_in_the_final_context(runner, code):
    with cloaca.WorkflowBuilder("w"):
        bad = code.task("bad")
        always = code.task("cleanup", bad, trigger_rules=cloaca.always())
        code.task("last", always, bad)
        code.task("leaf", always)
    code.broken = {"bad"}
    handle = run(runner, "w")
    assert sorted(set(code.ran)) == ["bad", "cleanup", "leaf"]
    code.broken = set()
    code.ran.clear()
    result = retried(handle)
    assert result.status == "Completed"
    assert code.ran == ["bad", "last"]
    assert code.seen["last"]["log"] == ["bad", "cleanup"]
    assert result["log"] == ["bad", "cleanup", "last", "leaf"]
    assert runner.get_execution(handle.execution_id).context.data == result.final_context.data


def test_what_runs_again_waits_for_what_runs_again_before_it_where_all_between_them_is_kept(runner, code):
    entered, may_end = threading.Event(), threading.Event()

    with cloaca.WorkflowBuilder("w"):

        @cloaca.task
        def bad(context):
            entered.set()
            may_end.wait(SOON)
            if "bad" in code.broken:
                raise ValueError("bad is broken")
            context["log"] = [*context.get("log", []), "bad"]

        cleanup = code.task("cleanup", "bad", trigger_rules=cloaca.always())
        code.task("last", cleanup)
    code.broken = {"bad", "last"}
    may_end.set()
    handle = run(runner, "w")
    assert handle.status == "Failed"
    code.broken = set()
    code.ran.clear()
    entered.clear()
    may_end.clear()
    handle.retry()
    assert entered.wait(SOON)
    assert "task 'last' waits for 'bad'" in handle.explain().sentences
    assert runner.get_execution(handle.execution_id).tasks["last"].status == "Pending"
    assert code.ran == []
    may_end.set()
    assert handle.result(SOON).status == "Completed"
    assert code.ran == ["last"]
    assert code.seen["last"]["log"] == ["bad", "cleanup"]


def test_a_cancelled_execution_goes_on_where_it_was(runner, code):
    with cloaca.WorkflowBuilder("w"):
        a = code.task("a")
        code.task("b", a)
    handle = runner.start("w")
    handle.wait(SOON)
    fork = handle.fork("b")
    fork.wait(SOON)
    assert code.ran == ["a", "b", "b"]


def test_a_nested_execution_is_a_new_one_in_each_round(runner, code):
    with cloaca.WorkflowBuilder("inner"):
        code.task("leaf")
    broken = [True]

    with cloaca.WorkflowBuilder("outer"):

        @cloaca.task
        def outer(context):
            runner.execute("inner")
            if broken:
                broken.clear()
                raise ValueError("after the nested one")

    handle = run(runner, "outer")
    assert retried(handle).status == "Completed"
    assert code.ran == ["leaf", "leaf"]
    assert len(runner.list_executions(workflow_name="inner")) == 2


def test_a_retry_goes_on_after_the_process_has_ended(make_runner, code):
    with cloaca.WorkflowBuilder("w"):
        bad = code.task("bad")
        code.task("behind", bad)
    code.broken = {"bad"}
    runner = make_runner()
    handle = run(runner, "w")
    id = handle.execution_id
    runner.shutdown()
    code.broken = set()
    another = make_runner()
    another.retry(id)
    assert another.get_handle(id).result(SOON).status == "Completed"
    assert code.ran == ["bad", "bad", "behind"]


def test_a_retry_runs_the_version_that_is_registered_now(make_runner):
    def register(body):
        with cloaca.WorkflowBuilder("w"):
            cloaca.task(id="only")(body)

    def broken(context):
        raise ValueError("no")

    def mended(context):
        context["only"] = "mended"

    runner = make_runner(on_version_change="wait")
    register(broken)
    handle = run(runner, "w")
    first = runner.get_execution(handle.execution_id).workflow_version
    register(mended)
    result = retried(handle)
    assert (result.status, result["only"]) == ("Completed", "mended")
    assert runner.get_execution(handle.execution_id).workflow_version != first
