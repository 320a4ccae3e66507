import asyncio
import functools
import inspect
from enum import StrEnum

import pytest

from cloaca.authoring import registry
from cloaca.authoring.decorator import task
from cloaca.authoring.task import Task
from cloaca.errors import TaskValidationError
from cloaca.model.retry import BackoffStrategy, RetryPolicy


@pytest.fixture(autouse=True)
def fresh_registry():
    before = registry.use(registry.Registry())
    yield registry.current()
    registry.use(before)


def body(context):
    """What it does."""
    return context


def test_a_bare_decorator_makes_a_task_of_the_functions_name():
    @task
    def fetch(context):
        return context

    assert isinstance(fetch, Task)
    assert (fetch.id, fetch.dependencies, fetch.retry, fetch.timeout_seconds) == ("fetch", (), None, None)


def test_a_called_decorator_takes_options():
    made = task(id="a-b.c_1", dependencies=["x", task(body)], retry_attempts=2, timeout_seconds=5)(body)
    assert made.id == "a-b.c_1"
    assert made.dependencies == ("x", "body")
    assert made.retry == RetryPolicy(2)
    assert made.timeout_seconds == 5.0


def test_an_empty_call_is_the_bare_decorator():
    assert task()(body).id == "body"


def test_calling_a_task_returns_the_functions_own_result():
    @task
    def double(context, factor=2):
        return context * factor

    assert double(3) == 6
    assert double(3, factor=3) == 9


def test_a_task_looks_like_its_function():
    made = task(body)
    assert made.__name__ == "body"
    assert made.__doc__ == "What it does."
    assert made.__wrapped__ is made.function is body
    assert inspect.signature(made) == inspect.signature(body)


def test_a_coroutine_function_remains_one():
    @task
    async def fetch(context):
        return context + 1

    assert fetch.is_async
    assert inspect.iscoroutinefunction(fetch)
    assert asyncio.run(fetch(1)) == 2
    assert not inspect.iscoroutinefunction(task(body))


def test_an_object_with_an_async_call_is_async():
    class Fetch:
        async def __call__(self, context):
            return context

    assert task(id="fetch")(Fetch()).is_async


def test_a_partial_of_an_async_function_is_async():
    async def fetch(url, context):
        return context

    made = task(id="fetch")(functools.partial(fetch, "url"))
    assert made.is_async
    assert made.id == "fetch"


@pytest.mark.parametrize("name", ["handle", "task_handle"])
def test_a_second_parameter_with_a_handles_name_is_a_handle(name):
    scope = {}
    exec(f"def f(context, {name}): ...", scope)
    assert task(scope["f"]).takes_handle


def test_any_other_name_is_no_handle():
    assert not task(id="a")(lambda context, grip=None: None).takes_handle
    assert not task(id="b")(lambda context, *, handle: None).takes_handle
    assert not task(id="c")(lambda handle: None).takes_handle


def test_a_second_parameter_that_nothing_fills_is_refused():
    with pytest.raises(
        TaskValidationError, match=r"takes 'limit', which nothing would fill: .*\(\*, limit\)"
    ):
        task(id="a")(lambda context, limit: None)


@pytest.mark.parametrize("name", ["handle", "task_handle"])
def test_a_handle_before_the_context_is_refused_with_the_order_they_come_in(name):
    swapped = {"handle": lambda handle, context: None, "task_handle": lambda task_handle, context: None}
    with pytest.raises(TaskValidationError, match=rf"takes '{name}' first, .*\(context, {name}\)"):
        task(id="a")(swapped[name])


def test_keyword_only_parameters_are_listed():
    @task
    def load(context, *, rows: list[int], limit=10): ...

    rows, limit = load.parameters
    assert (rows.name, rows.annotation, rows.has_default) == ("rows", list[int], False)
    assert (limit.name, limit.annotation, limit.has_default) == ("limit", None, True)


def test_a_body_without_a_positional_parameter_is_refused():
    with pytest.raises(TaskValidationError, match=r"no positional parameter.*def fetch\(context\)"):

        @task
        def fetch(): ...

    with pytest.raises(TaskValidationError, match="no positional parameter"):
        task(id="a")(lambda *, context: None)


def test_a_body_of_any_arguments_is_accepted():
    made = task(id="a")(lambda *args, **kwargs: (args, kwargs))
    assert made(1) == ((1,), {})


def test_generator_functions_are_refused():
    def rows(context):
        yield context

    async def later(context):
        yield context

    for function in (rows, later):
        with pytest.raises(TaskValidationError, match="is a generator function"):
            task(function)


@pytest.mark.parametrize("given", [3, "fetch", None])
def test_what_is_no_function_is_refused(given):
    with pytest.raises(TaskValidationError):
        task()(given)


def test_a_class_is_refused():
    with pytest.raises(TaskValidationError, match="decorates a function"):
        task(int)


def test_a_positional_id_is_refused_with_the_right_spelling():
    with pytest.raises(TaskValidationError, match=r"write @task\(id='fetch'\)"):
        task("fetch")


def test_a_misspelt_option_names_the_nearest_one():
    with pytest.raises(TaskValidationError, match="no option 'retry_attemps': did you mean 'retry_attempts'"):
        task(retry_attemps=3)


def test_an_option_near_to_none_lists_them_all():
    with pytest.raises(TaskValidationError, match="no option 'xyz': there are id, dependencies"):
        task(xyz=3)


HOSTILE = {
    "empty": "",
    "NUL": "a\0b",
    "quote": "a'b",
    "double quote": 'a"b',
    "dot": ".",
    "dots": "..",
    "slash": "a/b",
    "bidi": "a\u202eb",
    "surrogate": "a\ud800",
    "newline": "a\n",
    "space": "a b",
    "64 KB": "a" * 65536,
    "number": 3,
    "bytes": b"a",
}


@pytest.mark.parametrize("id", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_id_is_refused_in_a_short_printable_message(id):
    with pytest.raises(TaskValidationError, match="the id of task 'body' is refused") as caught:
        task(id=id)(body)
    assert len(str(caught.value)) < 250
    assert str(caught.value).isprintable()
    assert registry.current().task_ids() == []


def test_an_id_of_255_characters_is_accepted():
    assert len(task(id="a" * 255)(body).id) == 255


def test_an_id_from_an_enum_becomes_plain_text():
    class Ids(StrEnum):
        FETCH = "fetch"

    assert type(task(id=Ids.FETCH)(body).id) is str


def test_a_function_whose_name_is_no_id_needs_one():
    with pytest.raises(TaskValidationError, match=r"a lambda has no name .*: write @task\(id=\.\.\.\)"):
        task(lambda context: None)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("retry_attempts", -1),
        ("retry_attempts", True),
        ("retry_attempts", 1.5),
        ("retry_attempts", "3"),
        ("retry_attempts", 2**31),
        ("retry_delay_ms", -1),
        ("retry_delay_ms", False),
        ("retry_delay_ms", 0.5),
        ("retry_backoff", "quadratic"),
        ("retry_backoff", 3),
        ("retry_backoff", []),
        ("timeout_seconds", 0),
        ("timeout_seconds", -1),
        ("timeout_seconds", float("nan")),
        ("timeout_seconds", float("inf")),
        ("timeout_seconds", 10**400),
        ("timeout_seconds", True),
        ("timeout_seconds", "5"),
    ],
)
def test_a_value_that_cannot_be_is_refused_when_the_decorator_is_called(option, value):
    with pytest.raises(TaskValidationError, match=f"{option} must be"):
        task(**{option: value})


def test_a_bare_string_of_dependencies_is_refused_with_the_right_spelling():
    with pytest.raises(TaskValidationError, match=r"write dependencies=\['fetch'\]"):
        task(dependencies="fetch")


@pytest.mark.parametrize("given", [{"a"}, 3, [3], [None], [body]])
def test_dependencies_are_a_list_of_ids_or_tasks(given):
    with pytest.raises(TaskValidationError, match="dependenc"):
        task(dependencies=given)


def test_a_task_that_says_nothing_leaves_retries_to_the_runner():
    assert task(body).retry is None


def test_a_task_that_says_how_but_not_how_often_is_retried_three_times():
    assert task(retry_delay_ms=5)(body).retry == RetryPolicy(3, initial_delay=0.005)
    assert task(retry_backoff="linear")(body).retry == RetryPolicy(3, backoff=BackoffStrategy.linear())


def test_no_retries_can_be_said():
    assert task(retry_attempts=0)(body).retry == RetryPolicy(0)


def test_a_delay_above_the_usual_cap_is_kept():
    made = task(retry_delay_ms=60_000, retry_backoff="fixed")(body)
    assert made.retry.calculate_delay(1) == 60.0


def test_what_a_task_was_declared_with_cannot_be_changed():
    made = task(body)
    with pytest.raises(AttributeError, match="'id' of task 'body' cannot be changed"):
        made.id = "other"
    with pytest.raises(AttributeError, match="cannot be deleted"):
        del made.dependencies
    made.calls = 3
    assert made.calls == 3
    del made.calls


def test_a_task_declared_again_under_another_id_shares_the_function():
    first = task(body)
    assert task(id="other")(first).function is body


def test_attributes_of_the_function_do_not_shadow_the_tasks_own():
    def fetch(context): ...

    fetch.id, fetch.note = 3, "kept"
    made = task(fetch)
    assert (made.id, made.note) == ("fetch", "kept")


def test_the_representation_names_the_id():
    assert repr(task(dependencies=["a"])(body)) == "Task('body', dependencies=['a'])"
