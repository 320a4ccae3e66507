"""The user's own page, ``workflow.md`` beside this file: what it shows runs as it is written, and holds."""

import asyncio
import threading
from pathlib import Path

import pytest

import cloaca
from tests.docs.pages import blocks_of
from tests.world import SOON

PAGE = Path(__file__).with_name("workflow.md")
CREATING, ACCESSING, EXECUTION, VALIDATION, ETL, PARALLEL, ERRORS = range(7)


class Reader:
    """Somebody who types the page's blocks, as they are, into one session."""

    def __init__(self):
        self.names = {"__name__": "__main__"}
        self._blocks = blocks_of(PAGE)

    def type(self, *blocks, **left_out):
        """Run blocks; ``left_out`` is what the page says that one has of one's own."""
        self.names |= left_out
        for number in blocks:
            block = self._blocks[number]
            # Under the page's own lines: the source of a task is what the page shows.
            source = "\n" * (block.line - 1) + block.text
            exec(compile(source, str(PAGE), "exec", dont_inherit=True), self.names)

    def __getitem__(self, name):
        return self.names[name]


@pytest.fixture
def reader():
    reader = Reader()
    yield reader
    if "runner" in reader.names:
        reader["runner"].shutdown()


def test_the_page_has_seven_blocks_and_all_are_python():
    assert [block.language for block in blocks_of(PAGE)] == ["python"] * 7


def test_the_page_runs_from_top_to_bottom(reader, capsys):
    reader.type(CREATING, ACCESSING, EXECUTION, VALIDATION, ETL, PARALLEL, ERRORS)
    assert capsys.readouterr().out.splitlines() == [
        "Workflow name: my_workflow",
        "Description: Example workflow with dependencies",
        "Number of tasks: 2",
        "Execution status: Completed",
        "Final context: {'input_data': 'example', 'step': 'A completed, B completed'}",
        "Workflow is valid",
    ]


@pytest.mark.parametrize("block", [ETL, PARALLEL, ERRORS])
def test_each_later_block_stands_by_itself(reader, block):
    reader.type(block, cloaca=cloaca)


def test_a_workflow_has_the_types_of_the_page(reader):
    reader.type(CREATING)
    workflow = reader["workflow"]
    assert (type(workflow.name), type(workflow.description)) == (str, str)
    assert type(workflow.tasks) is list
    assert type(workflow.dependencies) is dict
    assert workflow.tasks == ["task_a", "task_b"]
    assert workflow.dependencies == {"task_a": [], "task_b": ["task_a"]}


def test_a_result_has_the_types_of_the_page(reader):
    reader.type(CREATING, EXECUTION)
    result = reader["result"]
    assert isinstance(result.status, str)
    assert result.status == "Completed"
    assert f"{result.status}" == "Completed"
    assert type(result.final_context.data) is dict


def test_what_is_handed_out_cannot_change_the_workflow_or_the_result(reader):
    reader.type(CREATING, EXECUTION)
    workflow, result = reader["workflow"], reader["result"]
    workflow.tasks.clear()
    workflow.dependencies["task_b"].append("task_z")
    workflow.dependencies.clear()
    workflow.tags["owner"] = "nobody"
    workflow.topological_sort().reverse()
    workflow.get_execution_levels()[0].clear()
    result.final_context.data.clear()
    reader["builder"].description("another").add_task("task_a")
    with pytest.raises(AttributeError, match="immutable"):
        workflow.name = "other"
    assert workflow.tasks == ["task_a", "task_b"]
    assert workflow.dependencies == {"task_a": [], "task_b": ["task_a"]}
    assert (workflow.tags, workflow.description) == ({}, "Example workflow with dependencies")
    assert result.final_context.data == {"input_data": "example", "step": "A completed, B completed"}
    assert reader["runner"].execute("my_workflow").status == "Completed"


def test_the_callers_context_is_left_as_it_was(reader):
    reader.type(CREATING, EXECUTION)
    assert reader["context"].data == {"input_data": "example"}


def test_a_workflow_is_executed_several_times_with_different_contexts(reader, runner):
    reader.type(CREATING, EXECUTION)
    for given in (1, 2, 3):
        result = runner.execute("my_workflow", cloaca.Context({"given": given}))
        assert result.final_context.data == {"given": given, "step": "A completed, B completed"}


def cycle():
    for id, dependency in (("one", "two"), ("two", "three"), ("three", "one")):
        cloaca.task(id=id, dependencies=[dependency])(lambda context: context)
    return cloaca.WorkflowBuilder("w").add_task("one").add_task("two").add_task("three")


def missing_dependency():
    cloaca.task(id="load", dependencies=["fetch"])(lambda context: context)
    return cloaca.WorkflowBuilder("w").add_task("load")


def duplicate_id():
    one = cloaca.task(id="load")(lambda context: context)
    other = cloaca.task(id="load")(lambda context: context)
    return cloaca.WorkflowBuilder("w").add_task(one).add_task(other)


def invalid_reference():
    builder = cloaca.WorkflowBuilder("w").add_task(cloaca.task(id="load")(lambda context: context))
    with pytest.raises(
        cloaca.WorkflowValidationError, match="'laod' not found in registry: did you mean 'load'"
    ):
        builder.add_task("laod")
    return builder


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (cycle, "cycle, one -> two -> three -> one"),
        (missing_dependency, "task 'load' depends on 'fetch', which no task is called"),
        (duplicate_id, "2 tasks have the id 'load'"),
        (invalid_reference, "task 'laod' not found in registry"),
    ],
)
def test_each_common_validation_error_is_caught_by_the_pages_own_handler(reader, capsys, broken, said):
    reader.type(VALIDATION, cloaca=cloaca, builder=broken())
    printed = capsys.readouterr().out
    assert printed.startswith("Validation failed: workflow 'w' cannot be built:")
    assert said in printed


def test_the_etl_pipeline_loads_what_it_has_extracted(reader, runner, capsys):
    reader.type(ETL)
    result = runner.execute(reader["etl_workflow"])
    assert result["metrics"] == {
        "total_users": 100,
        "total_orders": 250,
        "total_revenue": 15000,
        "avg_order_value": 60.0,
    }
    assert result["load_complete"] is True
    assert capsys.readouterr().out == f"Loading metrics: {result['metrics']}\n"


def test_the_parallel_pipeline_merges_what_both_branches_have_fetched(reader, runner):
    reader.type(PARALLEL, cloaca=cloaca)
    workflow = reader["create_parallel_workflow"]()
    cloaca.register_workflow_constructor("parallel_pipeline", lambda: workflow)
    result = runner.execute("parallel_pipeline", cloaca.Context())
    assert result["merged_data"] == {"users": result["users"], "orders": result["orders"]}
    assert len(result["merged_data"]["users"]) == len(result["merged_data"]["orders"]) == 2
    assert workflow.get_execution_levels() == [["fetch_users", "fetch_orders"], ["merge_data"]]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_independent_tasks_overlap(runner, kind):
    both_run = threading.Barrier(2)

    def call():
        both_run.wait(SOON)

    with cloaca.WorkflowBuilder("pair"):
        for id in ("left", "right"):
            if kind == "sync":
                cloaca.task(id=id)(lambda context: call())
            else:
                cloaca.task(id=id)(awaiting(call))
    assert runner.execute("pair").error_message is None


def awaiting(call):
    async def body(context):
        await asyncio.to_thread(call)

    return body


def test_the_pages_own_fetches_overlap(reader, runner):
    """With an API in the place where the page has the comment that it simulates one."""
    both_run = threading.Barrier(2)
    reader._blocks = [
        block if number != PARALLEL else type(block)(
            block.language, block.text.replace("# Simulate API call", "call_api()"), block.line, block.mark
        )
        for number, block in enumerate(reader._blocks)
    ]  # fmt: skip
    reader.type(PARALLEL, cloaca=cloaca, call_api=lambda: both_run.wait(SOON))
    assert runner.execute(reader["create_parallel_workflow"]()).status == "Completed"
    assert both_run.n_waiting == 0


def fails():
    raise OSError("no route to host")


@pytest.mark.parametrize(
    ("operation", "said", "kept"),
    [
        (lambda: 42, "Task succeeded!", {"success": True, "result": 42}),
        (fails, "Task failed with error: no route to host", {"success": False, "error": "no route to host"}),
    ],
)
def test_an_error_that_a_task_handles_reaches_the_next(reader, runner, capsys, operation, said, kept):
    reader.type(ERRORS, cloaca=cloaca, perform_risky_operation=operation)
    workflow = cloaca.WorkflowBuilder("risky").add_task("risky_task").add_task("handle_errors").build()
    result = runner.execute(workflow)
    assert (result.status, result.final_context.data) == ("Completed", kept)
    assert capsys.readouterr().out == f"{said}\n"


def test_a_task_of_the_page_is_still_a_function(reader):
    reader.type(CREATING)
    context = cloaca.Context()
    assert reader["task_a"](context) is context
    assert context.get("step") == "A completed"
