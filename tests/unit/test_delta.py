import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloaca.model.delta import (
    EMPTY,
    MAX_NESTING,
    REMOVE,
    Add,
    Delta,
    Extend,
    Nested,
    Set,
    arranged,
    difference,
)
from cloaca.model.merge import apply
from cloaca.model.values import decode, encode

SCALARS = (
    st.none() | st.booleans() | st.integers(-2, 20) | st.floats(0, 2) | st.text("a,]}\\\"'é", max_size=3)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=4)
    ),
)


def between(seen, left):
    return difference(None if seen is None else encode(seen, "k"), encode(left, "k"))


@given(VALUES, VALUES)
def test_any_difference_is_exact_also_after_it_was_stored(seen, left):
    before, after = encode(seen, "k"), encode(left, "k")
    operation = difference(before, after)
    if operation is None:
        assert before == after
        return
    assert apply(operation, before) == after
    stored = Delta.from_text(Delta({"k": operation}).text).operations["k"]
    assert stored == operation
    assert apply(stored, before) == after


@given(st.lists(VALUES, max_size=4), st.lists(VALUES, min_size=1, max_size=4))
def test_a_list_that_begins_with_what_was_seen_is_extended_by_the_rest(seen, more):
    assert between(seen, seen + more) == Extend(encode(more, "k"))


@pytest.mark.parametrize(
    ("seen", "left"),
    [
        ([1], [12]),
        ([1], [1.5, 2]),
        (["a"], ["a,", "b"]),
        ([[1]], [[1, 2]]),
        ([1, 2], [1]),
        ([1], []),
        ([1], [2, 1]),
    ],
)
def test_a_list_that_only_looks_like_an_extension_is_set(seen, left):
    assert between(seen, left) == Set(encode(left, "k"))


@pytest.mark.parametrize("left", [1, None, "x", [], [1], {}, {"a": [1]}])
def test_what_was_absent_is_added(left):
    assert between(None, left) == Add(encode(left, "k"))


@pytest.mark.parametrize("value", [1, "x", [], [1], {}, {"a": [1]}])
def test_what_is_equal_is_no_difference(value):
    assert between(value, value) is None


def test_a_value_of_another_type_is_set():
    for seen, left in [([], {}), ({}, []), (1, [1]), ([1], 1), ({}, "{}"), (1, True), (1, 1.0)]:
        assert between(seen, left) == Set(encode(left, "k"))


def test_a_dict_differs_by_its_items():
    seen = {"same": 1, "n": 1, "log": ["a"], "deep": {"x": 1}, "gone": 1}
    left = {"same": 1, "n": 2, "log": ["a", "b"], "deep": {}, "new": [1]}
    assert between(seen, left) == Nested(
        {
            "new": Add("[1]"),
            "n": Set("2"),
            "log": Extend('["b"]'),
            "deep": Nested({"x": REMOVE}),
            "gone": REMOVE,
        }
    )


def test_a_dict_whose_order_cannot_be_replayed_is_set():
    assert between({"a": 1, "b": 2}, {"b": 2, "a": 1}) == Set('{"b":2,"a":1}')
    assert between({"a": 1}, {"b": 2, "a": 1}) == Set('{"b":2,"a":1}')


def test_dicts_nested_very_deep_are_set_where_telling_changes_apart_ends():
    seen, left = 1, 2
    for _ in range(250):
        seen, left = {"a": seen}, {"a": left}
    operation, depth = between(seen, left), 1
    assert apply(operation, encode(seen, "k")) == encode(left, "k")
    while isinstance(operation, Nested):
        operation, depth = operation.operations["a"], depth + 1
    assert depth == MAX_NESTING
    assert isinstance(operation, Set)


def test_the_text_holds_only_what_is_there():
    assert EMPTY.text == Delta({}).text == "{}"
    assert not EMPTY
    delta = Delta(
        {
            "raw": Set("1"),
            "log": Extend('["x"]'),
            "k": REMOVE,
            'é"': Add("null"),
            "stats": Nested({"n": Set("2"), "gone": REMOVE}),
        }
    )
    assert delta.text == (
        '{"add":{"\\u00e9\\"":null},"set":{"raw":1},"extend":{"log":["x"]},'
        '"nested":{"stats":{"set":{"n":2},"remove":["gone"]}},"remove":["k"]}'
    )
    assert Delta.from_text(delta.text) == delta
    assert delta


def test_the_text_is_json_whose_values_are_those_that_were_set():
    assert decode(Delta({"a": Set('{"b":[1,{}]}')}).text) == {"set": {"a": {"b": [1, {}]}}}


def test_operations_are_arranged_in_the_order_of_their_text():
    operations = {
        "e": REMOVE,
        "d": Nested({}),
        "c": Extend("[1]"),
        "b": Set("1"),
        "a": Add("1"),
        "a2": Add("2"),
    }
    assert list(arranged(operations)) == ["a", "a2", "b", "c", "d", "e"]
    assert list(Delta.from_text(Delta(operations).text).operations) == ["a", "a2", "b", "c", "d", "e"]


def test_a_delta_pickles():
    delta = Delta({"a": Nested({"b": Add("1")}), "c": REMOVE})
    assert pickle.loads(pickle.dumps(delta)) == delta


@pytest.mark.parametrize(
    ("operation", "text", "left"),
    [
        (Set("1"), None, "1"),
        (Set("1"), '"x"', "1"),
        (REMOVE, "1", None),
        (REMOVE, None, None),
        (Extend("[2]"), "[1]", "[1,2]"),
        (Extend("[2]"), "[]", "[2]"),
        (Extend("[]"), "[1]", "[1]"),
        (Extend("[2]"), None, "[2]"),
        (Extend("[2]"), "5", "[2]"),
        (Extend("[2]"), "{}", "[2]"),
        (Add("1"), None, "1"),
        (Add("1"), "2", "1"),
        (Add("[2]"), "[1]", "[1,2]"),
        (Add("[2]"), "{}", "[2]"),
        (Add('{"a":[2],"b":1}'), '{"a":[1],"c":1}', '{"a":[1,2],"c":1,"b":1}'),
        (Add('{"a":2}'), "[1]", '{"a":2}'),
        (Nested({"a": Set("2"), "b": REMOVE}), '{"b":1,"a":1}', '{"a":2}'),
        (Nested({"a": Set("2"), "b": REMOVE}), None, '{"a":2}'),
        (Nested({"a": Set("2"), "c": Nested({"d": Add("1")})}), "[1]", '{"a":2,"c":{"d":1}}'),
    ],
)
def test_an_operation_over_anything_else_sets_what_it_has(operation, text, left):
    assert apply(operation, text) == left
