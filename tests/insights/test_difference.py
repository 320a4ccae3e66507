"""Where two executions part, on both databases."""

import pytest

import cloaca
from tests.world import SOON, workflow_of


@pytest.fixture
def diff(runner):
    """Runs a workflow with each of two inputs and says in what they differ."""

    def diff(workflow, a, b):
        ids = [runner.execute(workflow, data).execution_id for data in (a, b)]
        return shown(runner.diff(*ids))

    return diff


def shown(found):
    return [(one.kind.value, one.task, one.key, one.a, one.b) for one in found.differences]


def build():
    with cloaca.WorkflowBuilder("w"):

        @cloaca.task
        def first(context):
            context["out"] = context["n"]
            context["same"] = 1

        @cloaca.task(dependencies=[first])
        def second(context):
            if context["n"] == "bad":
                raise ValueError("bad")
            if context["n"] == "worse":
                raise OSError("worse")
            context["log"] = ["second"]

        @cloaca.task(dependencies=[second])
        def third(context):
            context["same"] += 1


def test_equal_executions_differ_in_nothing(runner):
    build()
    ids = [runner.execute("w", {"n": 1}).execution_id for _ in range(2)]
    found = runner.diff(*ids)
    assert (bool(found), found.first, found.differences, found.a, found.b) == (False, None, [], *ids)


def test_inputs_come_first_then_tasks_in_the_order_they_depend(diff):
    build()
    assert diff("w", {"n": 1, "only": None}, {"n": 2}) == [
        ("Input", None, "n", "1", "2"),
        ("Input", None, "only", "null", None),
        ("Written", "first", "out", '{"add":{"out":1}}', '{"add":{"out":2}}'),
    ]


@pytest.mark.parametrize(
    ("a", "b"), [(1, 1.0), (1.0, 1.00000000000001), (10**30, 10**30 + 1), (True, 1), ({"x": 1}, {"x": 1.0})]
)
def test_numbers_are_compared_as_they_are_written(diff, a, b):
    build()
    assert [one[:3] for one in diff("w", {"n": a}, {"n": b})] == [
        ("Input", None, "n"), ("Written", "first", "out"),
    ]  # fmt: skip


def test_a_task_that_failed_in_one_of_them_differs_in_its_status_and_in_what_it_wrote(diff):
    build()
    found = diff("w", {"n": "bad"}, {"n": "good"})
    assert found[2:] == [
        ("Status", "second", None, "Failed", "Completed"),
        ("Written", "second", "log", None, '{"add":{"log":["second"]}}'),
        ("Status", "third", None, "Skipped", "Completed"),
        ("Written", "third", "same", None, '{"set":{"same":2}}'),
    ]


def test_tasks_that_failed_in_different_ways_differ_in_their_errors_type(diff):
    build()
    assert diff("w", {"n": "bad"}, {"n": "worse"})[2:] == [("Error", "second", None, "ValueError", "OSError")]


def test_of_different_structures_the_first_task_that_differs_comes_first(make_runner):
    build()
    runner = make_runner()
    old = runner.execute("w", {"n": 1}).execution_id
    with cloaca.WorkflowBuilder("other"):

        @cloaca.task
        def first(context):
            context["out"] = context["n"]
            context["same"] = 1

        @cloaca.task(dependencies=[first])
        def between(context): ...

        @cloaca.task(dependencies=[between], trigger_rules=cloaca.task_success("between"))
        def third(context):
            context["same"] += 1

    new = runner.execute("other", {"n": 1}).execution_id
    assert shown(runner.diff(old, new)) == [
        ("Workflow", None, None, "w", "other"),
        ("Structure", "second", None, "after first", None),
        ("Structure", "between", None, None, "after first"),
        ("Structure", "third", None, "after second", "after between, if task_success('between')"),
    ]
    assert (
        runner.diff(old, new).differences[2].text == "task 'between' is absent in A and runs after first in B"
    )


def test_a_fork_parts_where_it_was_forked_unless_it_does_the_same(runner):
    build()
    source = runner.start("w", {"n": 1})
    source.result(SOON)
    same, edited = source.fork("second"), source.fork("second", {"n": "bad"})
    same.result(SOON)
    edited.result(SOON)
    assert not runner.diff(source.execution_id, same.execution_id)
    found = runner.diff(source.execution_id, edited.execution_id)
    assert (found.first.kind, found.first.key) == ("Input", "n")
    assert (found.differences[1].kind, found.differences[1].task) == ("Status", "second")


def test_one_that_nobody_has_claimed_has_only_its_input(client):
    a, b = client.start("w", {"n": 1}), client.start("w", {"n": 2})
    assert shown(client.diff(a.execution_id, b.execution_id)) == [("Input", None, "n", "1", "2")]
    with pytest.raises(cloaca.ExecutionNotFoundError, match="'absent'"):
        client.diff(a.execution_id, "absent")


def test_a_fan_out_is_compared_task_by_task(runner):
    workflow_of("fan", *(named(n) for n in range(3)))
    ids = [runner.execute("fan", {"n": n}).execution_id for n in (1, 2)]
    assert [one.task for one in runner.diff(*ids).differences] == [None, "t0", "t1", "t2"]


def named(number):
    def body(context):
        context[f"k{number}"] = context["n"]

    body.__name__ = f"t{number}"
    return body
