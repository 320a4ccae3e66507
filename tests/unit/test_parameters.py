from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest

from cloaca.authoring import registry
from cloaca.authoring.body_parameters import bind
from cloaca.authoring.decorator import task
from cloaca.errors import TaskExecutionError


@pytest.fixture(autouse=True)
def fresh_registry():
    before = registry.use(registry.Registry())
    yield
    registry.use(before)


class Row(TypedDict):
    id: int
    next: Row | None


class Point(msgspec.Struct):
    x: int


class Kind(StrEnum):
    BIG = "big"


def fails(made, context, match):
    with pytest.raises(TaskExecutionError, match=match) as caught:
        bind(made, context)
    assert caught.value.task_id == made.id


def test_a_task_without_keyword_only_parameters_gets_nothing():
    assert bind(task(id="a")(lambda context: None), {"x": 1}) == {}


def test_keys_of_the_parameters_names_are_passed_and_no_others():
    made = task(id="a")(lambda context, *, x, y: None)
    assert bind(made, {"x": 1, "y": None, "z": 3}) == {"x": 1, "y": None}


def test_an_absent_key_leaves_the_default():
    assert bind(task(id="a")(lambda context, *, limit=10: None), {}) == {}


def test_a_missing_key_names_key_task_and_who_could_have_written_it():
    made = task(id="load", dependencies=["fetch", "clean"])(lambda context, *, rows: None)
    fails(made, {}, "task 'load' needs 'rows', which is not in the context: none of 'fetch', 'clean'")


def test_a_missing_key_of_a_root_points_at_the_initial_context():
    fails(task(id="a")(lambda context, *, rows: None), {}, "the initial context must hold it")


def test_a_value_of_the_wrong_type_names_key_annotation_and_reason():
    @task
    def load(context, *, rows: list[int]): ...

    fails(
        load,
        {"rows": [1, "2"]},
        r"task 'load' needs 'rows' as list\[int\]: Expected `int`, got `str` - at `\$\[1\]`",
    )


@pytest.mark.parametrize("value", ["5", 5.5, True, None])
def test_the_check_is_strict(value):
    @task
    def load(context, *, limit: int): ...

    fails(load, {"limit": value}, "Expected `int`")


def test_an_int_fits_a_float_and_arrives_as_one():
    @task
    def load(context, *, ratio: float): ...

    ratio = bind(load, {"ratio": 2})["ratio"]
    assert type(ratio) is float


def test_the_contexts_own_list_or_dict_is_passed_so_changes_in_place_are_kept():
    @task
    def load(
        context,
        *,
        a: list[dict[str, Any]],
        b: dict[str, list[int] | None],
        c: Row,
        d: Annotated[list[Literal["x"]], msgspec.Meta(max_length=2)],
        e: Mapping[str, float],
        f,
    ): ...

    context = {
        "a": [{"k": 1}],
        "b": {"k": None},
        "c": {"id": 1, "next": {"id": 2, "next": None}},
        "d": ["x"],
        "e": {"k": 1},
        "f": [3],
    }
    bound = bind(load, context)
    assert all(bound[key] is context[key] for key in context)


def test_a_value_of_a_type_that_json_lacks_is_converted():
    @task
    def load(context, *, point: Point, at: dt.datetime, kinds: list[Kind], ids: set[int]): ...

    context = {"point": {"x": 1}, "at": "2026-01-02T03:04:05Z", "kinds": ["big"], "ids": [1, 1]}
    assert bind(load, context) == {
        "point": Point(1),
        "at": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
        "kinds": [Kind.BIG],
        "ids": {1},
    }
    assert type(bind(load, context)["kinds"][0]) is Kind


def test_constraints_of_an_annotation_are_checked():
    @task
    def load(context, *, limit: Annotated[int, msgspec.Meta(ge=1)]): ...

    fails(load, {"limit": 0}, "Expected `int` >= 1")


def test_an_annotation_that_names_nothing_is_explained():
    class Local: ...

    @task
    def load(context, *, rows: list[Local]): ...

    fails(load, {"rows": []}, "annotations of task 'load' cannot be resolved, name 'Local' is not defined")


def test_an_annotation_that_msgspec_does_not_know_is_explained():
    @task
    def load(context, *, rows: dict[str, Point] | dict[str, int]): ...

    fails(load, {"rows": {}}, "wants 'rows' as .*, which cannot come from a context")


def test_annotations_are_resolved_once(monkeypatch):
    @task
    def load(context, *, rows: list[int]): ...

    bind(load, {"rows": [1]})
    monkeypatch.setattr("cloaca.authoring.body_parameters.get_type_hints", None)
    assert bind(load, {"rows": [2]}) == {"rows": [2]}


def test_a_parameter_named_like_a_handle_but_keyword_only_is_a_key():
    assert bind(task(id="a")(lambda context, *, handle: None), {"handle": 1}) == {"handle": 1}
