"""Values through a real runner: stored as they are, or the task fails and names the place; never stuck."""

import math
from datetime import date
from decimal import Decimal

import pytest

import cloaca
from tests.hostile import Unshowable
from tests.world import SOON, workflow_of


def nested(depth, kind):
    """Lists or dicts around a number, so many levels deep."""
    value = 1
    for _ in range(depth):
        value = [value] if kind is list else {"k": value}
    return value


def cycle(kind):
    value = [1] if kind is list else {"k": 1}
    if kind is list:
        value.append(value)
    else:
        value["self"] = value
    return value


KEPT = {
    "NUL": "a\0b",
    "lone surrogates": "\ud800 and \udfff",
    "bidi": "\u202eabc\u2066",
    "emoji": "👩‍👩‍👧",
    "every kind of space": "\t\n\r\x0b\x1f\x7f\x85\u2028",
    "quotes": "'\"`\\--;/*",
    "2**64": 2**64,
    "-2**63 - 1": -(2**63) - 1,
    "four thousand digits": 10**4000,
    "small": 5e-324,
    "large": 1.7976931348623157e308,
    "minus zero": -0.0,
    "a third": 1 / 3,
    "true": True,
    "none": None,
    "empty": [{}, [], "", 0],
    "mixed": {"a": [1, 1.0, True, "1", None], "": {"\0": {}}},
    "300 lists": nested(300, list),
    "300 dicts": nested(299, dict),
    "dict of hostile keys": {"": 1, "\0": 2, "\ud800": 3, "../..": 4, "' or 1=1 --": 5, "k" * 65536: 6},
    "many items": list(range(200_000)),
}


@pytest.mark.parametrize("name", KEPT)
def test_a_value_is_stored_as_it_is(make_runner, database_url, name):
    value = KEPT[name]
    runner = make_runner(database_url)
    with cloaca.WorkflowBuilder("passes"):
        write = cloaca.task(id="write")(lambda context: context.set("value", value))
        cloaca.task(id="read", dependencies=[write])(
            lambda context: context.set("same", is_same(context["value"], value))
        )
    result = runner.execute("passes", {"given": value})
    assert result.error_message is None
    assert result["same"]
    stored = runner.get_execution(result.execution_id).context
    for final in (result.final_context, stored):
        assert is_same(final["value"], value)
        assert is_same(final["given"], value)


def is_same(one, other):
    """Equal, of one type, and for floats of one sign."""
    if type(one) is not type(other) or one != other:
        return False
    return not isinstance(one, float) or math.copysign(1, one) == math.copysign(1, other)


def test_a_hundred_megabytes_are_stored(make_runner):
    runner = make_runner("sqlite:///app.db?synchronous=normal")
    value = "x" * 100_000_000
    workflow_of("large", lambda context: context.set("value", value), id="write")
    result = runner.execute("large")
    assert result.error_message is None
    assert result["value"] == value


# Made where they are used: some of them even a test's report cannot show.
REFUSED = {
    "nan": (lambda: float("nan"), "", "nan cannot be stored as JSON"),
    "infinity": (lambda: [1, -math.inf], "[1]", "-inf cannot be stored as JSON"),
    "bytes": (lambda: {"raw": b"\0"}, "['raw']", "a bytes cannot be stored as JSON"),
    "set": (lambda: [{"tags": {1}}], "[0]['tags']", "a set cannot be stored as JSON"),
    "date": (lambda: date(2026, 1, 1), "", "a date cannot be stored as JSON"),
    "decimal": (lambda: Decimal(1), "", "a Decimal cannot be stored as JSON"),
    "complex": (lambda: 1j, "", "a complex cannot be stored as JSON"),
    "object": (object, "", "an object cannot be stored as JSON"),
    "function": (lambda: [len], "[0]", "a builtin_function_or_method cannot be stored as JSON"),
    "deep list": (lambda: nested(100_000, list), "", "nested deeper than 300 levels"),
    "deep dict": (lambda: nested(100_000, dict), "", "nested deeper than 300 levels"),
    "cycle of a list": (lambda: cycle(list), "[1]", "a list contains itself"),
    "cycle of a dict": (lambda: cycle(dict), "['self']", "a dict contains itself"),
    "int key": (lambda: {"a": {7: 1}}, "['a']", "its key 7 is an int, JSON has only str keys"),
    "none key": (lambda: {None: 1}, "", "its key None is a NoneType, JSON has only str keys"),
    "tuple key": (lambda: [{(1, 2): 1}], "[0]", "its key (1, 2) is a tuple, JSON has only str keys"),
    "bytes key": (lambda: {b"k": 1}, "", "its key b'k' is a bytes, JSON has only str keys"),
    "ten thousand digits": (lambda: 10**10_000, "", "an int of so many digits cannot be read back"),
}


def sets(make):
    return lambda context: context.set("key", make())


def returns(make):
    return lambda context: {"key": make()}


def changes_in_place(make):
    def body(context):
        context["key"] = []
        context["key"].append(make())

    return body


def sets_on_a_loop(make):
    async def body(context):
        context["key"] = make()

    return body


@pytest.mark.parametrize("how", [sets, returns, changes_in_place, sets_on_a_loop])
@pytest.mark.parametrize("name", REFUSED)
def test_a_value_that_cannot_be_stored_fails_its_task_and_names_the_place(runner, name, how):
    make, path, why = REFUSED[name]
    workflow_of("bad", how(make), id="write")
    workflow_of("good", lambda context: context.set("ran", True), id="good")
    result = runner.start("bad").result(SOON)
    place = f"context key 'key'{'[0]' if how is changes_in_place else ''}{path}"
    assert result.error_message.startswith("task 'write' failed: UnstorableValueError: context key 'key'")
    assert why in result.error_message
    if "deeper" not in why:
        assert result.error_message.startswith(f"task 'write' failed: UnstorableValueError: {place}: {why}")
    assert len(result.error_message) < 1000
    assert runner.start("good").result(SOON)["ran"]


@pytest.mark.parametrize("key", [7, None, b"k", ("k",), 1.5])
def test_a_key_that_is_no_str_fails_its_task_and_is_named(runner, key):
    workflow_of("sets", lambda context: context.set(key, 1), id="write")
    workflow_of("returns", lambda context: {key: 1}, id="write")
    for name in ("sets", "returns"):
        message = runner.execute(name).error_message
        assert f"context keys are str: {key!r} is of type {type(key).__name__}" in message


@pytest.mark.parametrize("key", ["", "\0", "\ud800", "\u202e", "..", "a/b", "'; drop table", "k" * 65536])
def test_a_key_of_any_text_is_stored(make_runner, database_url, key):
    runner = make_runner(database_url)
    with cloaca.WorkflowBuilder("keys"):
        write = cloaca.task(id="write")(lambda context: context.set(key, ["written"]))
        cloaca.task(id="extend", dependencies=[write])(lambda context: context[key].append("extended"))
    result = runner.execute("keys")
    assert result.error_message is None
    assert result[key] == ["written", "extended"]
    assert runner.get_execution(result.execution_id).context[key] == ["written", "extended"]


def test_a_value_whose_encoder_raises_names_both(make_runner):
    def fails(value):
        raise LookupError("no zone")

    runner = make_runner(encoders={date: fails})
    workflow_of("bad", lambda context: context.set("day", [date(2026, 1, 1)]), id="write")
    assert runner.execute("bad").error_message == (
        "task 'write' failed: UnstorableValueError: context key 'day'[0]: "
        "the encoder for date raised LookupError: no zone"
    )


def test_a_context_of_a_hundred_thousand_keys_is_stored(runner):
    workflow_of(
        "wide", lambda context: context.update_from_dict({f"k{n}": n for n in range(100_000)}), id="write"
    )
    result = runner.execute("wide")
    assert len(result.final_context) == 100_000
    assert result["k99999"] == 99_999


class Liar:
    @property
    def __class__(self):
        return str


class Raises:
    @property
    def __class__(self):
        raise ValueError("no class")


class Text(str):
    """Text whose every method lies in wait."""

    __slots__ = ()

    def _refuse(self, *_):
        raise ValueError("no")

    __repr__ = __str__ = __eq__ = __hash__ = __len__ = encode = _refuse


ODD = [Unshowable, Liar, Raises]


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("how", [sets, returns, changes_in_place, sets_on_a_loop])
def test_an_object_that_lies_in_wait_is_refused_by_its_real_type(runner, kind, how):
    workflow_of("bad", how(kind), id="write")
    message = runner.start("bad").result(SOON).error_message
    assert message.startswith("task 'write' failed: UnstorableValueError: context key 'key'")
    assert f"{kind.__name__} cannot be stored as JSON" in message


@pytest.mark.parametrize("kind", ODD)
def test_a_key_that_lies_in_wait_is_refused_by_its_real_type(runner, kind):
    workflow_of("bad", lambda context: context.set(kind(), 1), id="write")
    message = runner.start("bad").result(SOON).error_message
    assert message.startswith("task 'write' failed: UnstorableValueError: context keys are str: <")
    assert message.endswith(f"is of type {kind.__name__}, convert it")


@pytest.mark.parametrize(
    "value", [[Unshowable], [[1, {"a": Raises}]], {"k": Liar}], ids=["list", "deep", "dict"]
)
def test_an_input_that_lies_in_wait_is_refused_before_it_starts(runner, value):
    def made(value):
        if isinstance(value, dict):
            return {key: made(item) for key, item in value.items()}
        return [made(item) for item in value] if isinstance(value, list) else value if value == 1 else value()

    workflow_of("never", lambda context: None, id="never")
    with pytest.raises(cloaca.UnstorableValueError, match="cannot be stored as JSON"):
        runner.start("never", {"in": made(value)})
    assert runner.list_executions() == []


def test_text_is_stored_as_what_it_holds_whatever_its_methods_do(runner):
    workflow_of("text", lambda context: context.set(Text("k"), [Text("v")]), id="write")
    result = runner.start("text").result(SOON)
    assert (result.error_message, result.final_context.data) == (None, {"k": ["v"]})


def test_a_message_about_a_hostile_key_is_short_and_cannot_steer_a_terminal(runner):
    keys = ["k" * 65536, "\x1b]0;title\x07", "\u202e"]
    for key in keys:
        workflow_of("bad", lambda context, key=key: context.set(key, {key: object()}), id="write")
        message = runner.start("bad").result(SOON).error_message
        assert "an object cannot be stored" in message
        assert message.isprintable()
        assert len(message) < 500
