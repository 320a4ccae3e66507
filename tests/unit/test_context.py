import copy
import json
import pickle
from datetime import date

import pytest

from cloaca.errors import ContextError
from cloaca.model.context import Context
from cloaca.model.delta import REMOVE, Add, Delta, Extend, Nested, Set
from cloaca.model.view import View


def over(encoders=None, **data):
    return Context.over(View.initial(Context(data).texts()), encoders)


def test_a_context_is_empty_unless_given_data():
    assert Context() == {}
    assert Context({"a": 1}) == {"a": 1}
    assert len(Context({"a": 1})) == 1


@pytest.mark.parametrize("data", [[("a", 1)], "a", 1, {"a"}, True])
def test_data_that_is_not_a_dict_is_a_type_error(data):
    with pytest.raises(TypeError, match="made from a dict"):
        Context(data)


@pytest.mark.parametrize("key", [1, None, b"a", ("a",)])
def test_keys_that_are_not_str_are_a_type_error(key):
    with pytest.raises(TypeError, match="context keys are str"):
        Context({key: 1})
    with pytest.raises(TypeError, match="context keys are str"):
        Context().set(key, 1)


def test_a_refused_value_is_named_when_it_is_set_and_nothing_is_set():
    context = Context({"a": 1})
    for value in ({"x": [object()]}, object(), float("nan"), [float("inf")], {1: 2}):
        with pytest.raises(TypeError, match="context key 'a'"):
            context.set("a", value)
    assert context == {"a": 1}


def test_the_data_passed_in_is_copied():
    data = {"a": [1]}
    context = Context(data)
    data["a"].append(2)
    data["b"] = 1
    context.get("a").append(3)
    assert context == {"a": [1, 3]}
    assert data["a"] == [1, 2]


def test_get_returns_the_same_object_each_time():
    context = over(a={"b": [1]})
    context.get("a")["b"].append(2)
    assert context.get("a") is context["a"]
    assert context["a"] == {"b": [1, 2]}


def test_get_knows_a_stored_none_from_an_absent_key():
    context = over(a=None)
    assert context.get("a", 1) is None
    assert context.get("b", 1) == 1
    assert context.get("b") is None
    assert "a" in context
    assert "b" not in context
    assert 1 not in context


def test_get_required_names_the_key_and_the_keys_there_are():
    context = over(a=1, b=2)
    assert context.get_required("a") == 1
    with pytest.raises(ContextError, match="no key 'c'; it has 'a', 'b'"):
        context.get_required("c")
    with pytest.raises(ContextError, match="it is empty"):
        Context().get_required("c")
    with pytest.raises(ContextError, match="'k19' and 80 more"):
        Context({f"k{n}": n for n in range(100)}).get_required("c")


def test_insert_is_for_new_keys_and_update_for_those_that_exist():
    context = over(a=1)
    context.insert("b", 2)
    context.update("a", 3)
    with pytest.raises(ValueError, match="'a' already"):
        context.insert("a", 2)
    with pytest.raises(KeyError, match="no key 'c' to update"):
        context.update("c", 2)
    assert context == {"a": 3, "b": 2}


@pytest.mark.parametrize("remove", [Context.remove, Context.delete])
def test_remove_returns_the_old_value_and_does_not_mind_absence(remove):
    context = over(a=[1])
    assert remove(context, "a") == [1]
    assert remove(context, "a") is None
    assert "a" not in context
    assert context.get("a", 5) == 5
    context.insert("a", 2)
    assert context["a"] == 2


def test_items_are_read_set_and_deleted_by_brackets():
    context = over(a=1)
    context["b"] = 2
    assert context["b"] == 2
    del context["a"]
    for fail in (lambda: context["a"], lambda: context.__delitem__("a")):
        with pytest.raises(KeyError, match="'a'"):
            fail()
    assert list(context) == ["b"]


def test_keys_values_and_items_show_what_is_there_now():
    context = over(a=1, b=2, c=3)
    context["d"] = 4
    context["b"] = [5]
    del context["a"]
    assert context.keys() == list(context) == ["b", "c", "d"]
    assert context.values() == [[5], 3, 4]
    assert dict(context.items()) == {"b": [5], "c": 3, "d": 4}
    assert len(context) == 3


def test_a_context_equals_contexts_and_dicts_of_the_same_content():
    context = over(a=1)
    context.set("b", [2])
    assert context == Context({"b": [2], "a": 1}) == {"a": 1, "b": [2]}
    assert context != Context({"a": 1})
    assert context != 5
    with pytest.raises(TypeError):
        hash(context)


def test_repr_shows_a_context_and_its_beginning():
    assert repr(Context({"a": 1})) == "Context({'a': 1})"
    assert len(repr(Context({"a": "x" * 10_000}))) < 2100


@pytest.mark.parametrize("copied", [Context.to_dict, lambda context: context.data])
def test_a_dict_of_the_context_shares_nothing_with_it(copied):
    context = over(a=[1])
    context["b"] = {"c": []}
    context["a"].append(2)
    data = copied(context)
    assert type(data) is dict
    assert data == {"a": [1, 2], "b": {"c": []}}
    data["b"]["c"].append(1)
    data["a"].clear()
    assert context == {"a": [1, 2], "b": {"c": []}}


def test_json_goes_out_and_comes_back():
    context = over(a=[1], b="é")
    context["a"].append({"c": None})
    assert json.loads(context.to_json()) == {"a": [1, {"c": None}], "b": "é"}
    assert context.to_json().isascii()
    assert Context.from_json(context.to_json()) == context


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "null", '{"a":NaN}', '{"a":1e999}', '{"a":' + "[" * 99_999 + "]" * 99_999 + "}"]
)
def test_text_that_is_no_json_object_is_a_value_error(text):
    with pytest.raises(ValueError):
        Context.from_json(text)


def test_a_context_pickles_and_copies_by_value():
    context = over(a=[1])
    context["b"] = 2
    for other in (pickle.loads(pickle.dumps(context)), copy.copy(context), copy.deepcopy(context)):
        assert other == {"a": [1], "b": 2}
        other["a"].append(2)
    assert context["a"] == [1]


def test_nothing_read_or_written_is_an_empty_delta():
    context = over(a=[1], b={"c": 1}, d=1)
    assert [context.get(key) for key in context]
    context["a"] = [1]
    context["b"] = {"c": 1}
    context.insert("new", 1)
    context.remove("new")
    assert not context.delta()
    assert context.delta().text == "{}"


def test_an_explicit_set_of_an_equal_scalar_is_a_change():
    context = over(a=1)
    context.set("a", 1)
    assert context.delta() == Delta({"a": Set("1")})


def test_the_delta_tells_how_each_key_changed():
    context = over(scalar=1, log=["a"], stats={"n": 1, "log": []}, gone=1, other=[1, 2])
    context["scalar"] = 2
    context["new"] = "x"
    context["log"].append("b")
    context["stats"]["n"] += 1
    context["stats"]["log"].append("c")
    context["stats"]["list"] = [1]
    context["other"] = [2, 1]
    del context["gone"]
    nested = Nested({"list": Add("[1]"), "n": Set("2"), "log": Extend('["c"]')})
    expected = {
        "new": Add('"x"'),
        "scalar": Set("2"),
        "other": Set("[2,1]"),
        "log": Extend('["b"]'),
        "stats": nested,
        "gone": REMOVE,
    }
    assert context.delta() == Delta(expected)
    assert list(context.delta().operations) == list(expected)


def test_a_value_changed_in_place_after_it_was_set_is_saved_as_it_is_at_the_end():
    context, rows = over(), [1]
    context.set("rows", rows)
    rows.append(2)
    assert context.delta() == Delta({"rows": Add("[1,2]")})
    rows.append(object())
    with pytest.raises(TypeError, match=r"context key 'rows'\[2\]: an object"):
        context.delta()


def test_a_value_read_and_changed_in_place_to_something_unstorable_is_refused_at_the_end():
    context = over(a={"b": 1})
    context["a"][1] = 2
    with pytest.raises(TypeError, match="context key 'a': its key 1 is an int"):
        context.delta()


def test_encoders_apply_when_a_value_is_set_and_what_is_seen_is_what_is_saved():
    context = over({date: date.isoformat})
    context.set("at", date(2026, 1, 2))
    context.set("all", [date(2026, 1, 2)])
    assert context["at"] == "2026-01-02"
    context["all"].append(date(2026, 1, 3))
    assert context.delta().operations["all"] == Add('["2026-01-02","2026-01-03"]')


def test_a_returned_context_replaces_all_and_counts_only_what_differs():
    context = over(a=[1], b=1, c=1, d={"e": 1})
    context["new"] = 1
    context["a"].append(2)
    context.replace(Context({"a": [1, 3], "b": 1, "d": {"e": 2}, "f": [True]}))
    assert context == {"a": [1, 3], "b": 1, "d": {"e": 2}, "f": [True]}
    assert context.delta() == Delta(
        {"a": Extend("[3]"), "c": REMOVE, "d": Nested({"e": Set("2")}), "f": Add("[true]")}
    )
    context["a"].append(4)
    context["f"].append(False)
    assert context.delta().operations["a"] == Extend("[3,4]")
    assert context.delta().operations["f"] == Add("[true,false]")


def test_a_returned_dict_is_merged_into_the_context():
    context = over(a=1, b=[1])
    context.update_from_dict({"b": [1, 2], "c": None})
    assert context == {"a": 1, "b": [1, 2], "c": None}
    assert context.delta() == Delta({"b": Extend("[2]"), "c": Add("null")})
