import enum
import json
import math
import pickle
import traceback
from collections import OrderedDict, defaultdict
from datetime import date
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloaca.errors import ContextError, UnstorableValueError
from cloaca.model.values import MAX_DEPTH, decode, encode, items_of, joined, same, stored_form

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: Any
    y: Any


class Secret(str):
    __slots__ = ()


def refusal(value, **kwargs):
    with pytest.raises(UnstorableValueError) as caught:
        encode(value, "k", **kwargs)
    return caught.value


@given(VALUES)
def test_a_value_comes_back_as_it_was_with_its_types_and_order(value):
    text = encode(value, "k")
    assert text.isascii()
    assert repr(decode(text)) == repr(value)
    assert encode(decode(text), "k") == text


@given(VALUES)
def test_text_is_the_compact_text_of_the_standard_library(value):
    assert encode(value, "k") == json.dumps(value, separators=(",", ":"))


@pytest.mark.parametrize(
    "value", [-0.0, 1e22, 2**64, -(2**70), "\ud800", "\x00", "é", 5e-324, True, 10**4299]
)
def test_edges_of_json_survive(value):
    assert repr(decode(encode(value, "k"))) == repr(value)
    assert repr(decode(encode([{"in": value}], "k"))) == repr([{"in": value}])


def test_tuples_become_lists_at_any_depth():
    assert encode((1, {"a": (2,)}), "k") == '[1,{"a":[2]}]'
    assert encode(Point(1, (2,)), "k") == "[1,[2]]"


@pytest.mark.parametrize(
    "value", [Colour.RED, Level.HIGH, OrderedDict(b=1, a=2), defaultdict(list, a=[1]), Secret("s")]
)
def test_subclasses_of_json_types_are_read_back_as_what_they_equal(value):
    assert decode(encode(value, "k")) == value
    assert decode(encode([{"in": value}], "k")) == [{"in": value}]


def test_a_str_subclass_may_be_a_key():
    assert encode({Colour.RED: 1}, "k") == '{"red":1}'


@pytest.mark.parametrize(
    "value", [date(2026, 1, 2), b"x", {1}, object(), 1j, PurePosixPath("a"), math, len, range(3)]
)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_other_types_are_refused_by_type_and_path(value, depth):
    for _ in range(depth):
        value = [0, {"in": value}]
    error = refusal(value)
    assert error.path == ("k", *([1, "in"] * depth))
    assert "encoders={" + error.type_name in str(error)


def test_the_message_of_a_refusal_reads_well():
    with pytest.raises(TypeError) as caught:
        encode([1, 2, 3, {"when": date(2026, 1, 2)}], "orders")
    assert str(caught.value) == (
        "context key 'orders'[3]['when']: a date cannot be stored as JSON: convert it, or name its type in "
        "DefaultRunnerConfig(encoders={date: ...})"
    )
    assert isinstance(caught.value, ContextError)


def test_a_refusal_pickles_with_its_attributes():
    error = pickle.loads(pickle.dumps(refusal({"a": {1}})))
    assert (type(error), error.path, error.type_name) == (UnstorableValueError, ("k", "a"), "set")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_are_refused_by_name(value):
    assert f"{value} cannot be stored" in str(refusal(value))
    assert refusal({"a": [1.5, value]}).path == ("k", "a", 1)
    with pytest.raises(UnstorableValueError):
        stored_form([[value]], "k")


@pytest.mark.parametrize("key", [1, 1.5, None, True, (1,)])
def test_dict_keys_that_are_not_str_are_refused_and_not_converted(key):
    assert "has only str keys" in str(refusal({key: 1}))
    assert refusal([{"a": 1}, {"a": {"b": 1, key: 1}}]).path == ("k", 1, "a")
    assert refusal([[0], {key: 1}]).path == ("k", 1)


def test_a_value_that_contains_itself_is_refused():
    ring: list = [1]
    ring += [ring] * 50
    assert "contains itself" in str(refusal(ring))
    with pytest.raises(UnstorableValueError, match="contains itself"):
        stored_form({"a": ring}, "k")


def test_the_same_object_may_be_held_twice():
    shared = {"a": [1]}
    assert decode(encode([shared, shared, [shared]], "k")) == [shared, shared, [shared]]


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def test_depth_is_limited_and_the_key_named():
    assert decode(encode(nested(MAX_DEPTH), "k")) == nested(MAX_DEPTH)
    for depth in (MAX_DEPTH + 1, 100_000):
        error = refusal({"a": nested(depth)})
        assert f"nested deeper than {MAX_DEPTH} levels" in str(error)
        assert "'k'" in str(error)
        assert len(str(error)) < 500


def test_what_is_wrong_far_down_is_still_found():
    deep = [math.nan]
    for _ in range(MAX_DEPTH - 2):
        deep = [deep]
    assert "nan cannot be stored" in str(refusal(deep))
    assert len("".join(traceback.format_exception(refusal({"a": nested(100_000)})))) < 10_000


def test_an_int_that_cannot_be_read_back_is_refused():
    assert "so many digits" in str(refusal(10**5000))
    assert refusal({"a": [10**5000]}).path == ("k", "a", 0)


def test_encoders_apply_at_any_depth_and_to_subclasses():
    class Stamp(date):
        pass

    encoders = {date: date.isoformat, set: sorted, Secret: lambda _: "***"}
    value = {"at": [Stamp(2026, 1, 2)], "ids": {2, 1}, "secret": Secret("s"), "n": 1}
    plain = {"at": ["2026-01-02"], "ids": [1, 2], "secret": "***", "n": 1}
    assert decode(encode(value, "k", encoders)) == plain
    assert stored_form(value, "k", encoders) == plain


def test_what_an_encoder_returns_must_be_storable_too():
    assert "a bytes cannot be stored" in str(refusal([{1}], encoders={set: lambda _: [b"x"]}))
    assert "a set cannot be stored" in str(refusal([{1}], encoders={set: set}))


def test_an_encoder_that_raises_is_named():
    error = refusal([{1}], encoders={set: lambda _: 1 / 0})
    assert "the encoder for set raised ZeroDivisionError" in str(error)
    assert isinstance(error.__cause__, ZeroDivisionError)


def test_what_needs_no_encoder_keeps_its_identity():
    value = [OrderedDict(a=[1]), Colour.RED]
    assert stored_form(value, "k", {date: str}) is value


@given(st.dictionaries(st.text(), VALUES))
def test_the_items_of_a_dict_are_cut_out_of_its_text(value):
    text = encode(value, "k")
    assert items_of(text) == {key: encode(item, "k") for key, item in value.items()}
    assert joined(items_of(text)) == text


def test_equal_dicts_are_the_same_in_any_order_and_true_is_not_one():
    assert same('{"a":1,"b":2}', '{"b":2,"a":1}')
    assert not same('{"a":1,"b":2}', '{"a":2,"b":1}')
    assert not same("true", "1")
    assert not same("[1.0]", "[100]")
