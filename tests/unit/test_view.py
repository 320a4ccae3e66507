import gc
import itertools
import sys
import threading
import weakref
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloaca.model.delta import EMPTY, REMOVE, Add, Delta, Extend, Nested, Set
from cloaca.model.graph import INITIAL, Graph
from cloaca.model.merge import Conflict
from cloaca.model.view import View, final_view, view_before

FORK = Graph("fork", {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]})
A, B, C, D = range(4)


def merged(*steps, base=None, graph=FORK):
    """The merge of these operations on key ``k``, by node, over a state that holds it."""
    view = View.initial({} if base is None else {"k": base})
    return View.merged(graph, view, [(node, Delta({"k": operation})) for node, operation in steps])


def test_the_initial_view_is_written_by_nobody():
    view = View.initial({"a": "1", "b": "null"})
    assert (view.get("a"), view.get("b"), view.get("c")) == ("1", "null", None)
    assert (view.writer("a"), view.writer("c")) == (INITIAL, None)
    assert view.texts() == dict(view.items()) == {"a": "1", "b": "null"}
    assert view.keys() == list(view) == ["a", "b"]
    assert len(view) == 2
    assert "b" in view
    assert "c" not in view


def test_a_view_after_a_task_shows_its_changes_and_leaves_the_one_before_as_it_was():
    before = View.initial({"a": "1", "log": '["x"]', "gone": "1"})
    after = before.after(7, Delta({"a": Set("2"), "log": Extend('["y"]'), "gone": REMOVE, "new": Add("{}")}))
    assert after.texts() == {"a": "2", "log": '["x","y"]', "new": "{}"}
    assert after.writers() == {"a": 7, "log": 7, "new": 7}
    assert after.writer("gone") is None
    assert after.conflicts == []
    assert before.texts() == {"a": "1", "log": '["x"]', "gone": "1"}


def test_a_task_that_changes_nothing_leaves_the_view_it_saw():
    view = View.initial({"a": "1"})
    assert view.after(0, EMPTY) is view


def test_a_removed_key_can_come_back():
    view = View.initial({"a": "1", "b": "1"}).after(0, Delta({"a": REMOVE}))
    assert (view.keys(), len(view)) == (["b"], 1)
    assert view.after(1, Delta({"a": Add("2")})).writers() == {"b": INITIAL, "a": 1}


@given(
    st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.none() | st.integers(), max_size=5), max_size=30)
)
def test_a_chain_of_views_is_a_chain_of_dicts(writes):
    view, expected, history = View.initial({"a": "0"}), {"a": "0"}, []
    for node, write in enumerate(writes):
        view = view.after(node, Delta({k: REMOVE if v is None else Set(str(v)) for k, v in write.items()}))
        expected = {k: v for k, v in {**expected, **write}.items() if v is not None}
        history.append((view, {k: str(v) for k, v in expected.items()}))
    for old, texts in reversed(history):
        assert old.texts() == texts
        assert {key: old.get(key) for key in "abcdefgh" if key in old} == texts


def test_ten_thousand_unread_views_are_worked_out_without_recursion_and_then_let_go():
    view = first = View.initial({})
    for node in range(10_000):
        view = view.after(node, Delta({f"k{node}": Add("1")}))
    assert view.get("k0") == "1"
    assert len(view) == 10_000
    assert view.writer("k9999") == 9_999
    assert sys.getrefcount(first) < 5


def test_layers_of_a_long_chain_stay_few():
    view = View.initial({})
    for node in range(5_000):
        view = view.after(node, Delta({f"k{node}": Add("1")}))
        assert view.get("k0") == "1"
        assert len(view._layers) <= 16


def test_a_view_that_was_read_does_not_hold_the_deltas_it_came_from():
    class Watched(Delta):
        __slots__ = ("__weakref__",)

    delta = Watched({"a": Add("1")})
    gone = weakref.ref(delta)
    view = View.initial({}).after(0, delta)
    del delta
    assert gone() is not None
    assert view.get("a") == "1"
    gc.collect()
    assert gone() is None


def test_threads_that_work_out_one_view_at_once_see_the_same():
    for _ in range(30):
        view = View.initial({})
        for node in range(300):
            view = view.after(node, Delta({f"k{node % 50}": Set(str(node)), f"k{(node + 7) % 50}": REMOVE}))
        barrier, seen = threading.Barrier(4), []

        def read(view=view, barrier=barrier, seen=seen):
            barrier.wait()
            seen.append((view.texts(), view.conflicts))

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(seen) == 4
        assert all(one == seen[0] for one in seen)


def test_parallel_appends_are_united_without_conflict():
    view = merged((B, Extend('["b"]')), (C, Extend('["c"]')), base='["a"]')
    assert (view.get("k"), view.writer("k"), view.conflicts) == ('["a","b","c"]', C, [])
    assert merged((B, Add('["b"]')), (C, Add('["c"]'))).get("k") == '["b","c"]'


def test_parallel_changes_of_a_dict_are_united():
    view = merged((B, Nested({"b": Add("1")})), (C, Nested({"c": Add("[2]")})), base='{"a":0}')
    assert (view.get("k"), view.conflicts) == ('{"a":0,"b":1,"c":[2]}', [])
    view = merged((B, Add('{"log":[1],"b":{}}')), (C, Add('{"log":[2],"b":{"x":1}}')))
    assert (view.get("k"), view.conflicts) == ('{"log":[1,2],"b":{"x":1}}', [])


@pytest.mark.parametrize(
    ("base", "first", "second", "left", "path"),
    [
        ("0", Set("1"), Set("2"), "2", ("k",)),
        ("0", Set("1"), Set("1"), "1", None),
        (None, Add("1"), Add("2"), "2", ("k",)),
        (None, Add("[1]"), Add("2"), "2", ("k",)),
        (None, Add("[1]"), Add('{"a":1}'), '{"a":1}', ("k",)),
        (None, Add('{"a":1,"b":2}'), Add('{"a":2}'), '{"a":2,"b":2}', ("k", "a")),
        (None, Add('{"a":1,"b":2}'), Add('{"a":1}'), '{"a":1,"b":2}', None),
        ("0", REMOVE, Set("2"), "2", ("k",)),
        ("0", Set("2"), REMOVE, None, ("k",)),
        ("0", REMOVE, REMOVE, None, None),
        ("[0]", REMOVE, Extend("[1]"), "[1]", ("k",)),
        ("[0]", Extend("[1]"), REMOVE, None, ("k",)),
        ("[0]", Extend("[1]"), Set("[2]"), "[2]", ("k",)),
        ("[0]", Set("[2]"), Extend("[1]"), "[2,1]", None),
        ("[0]", Set("2"), Extend("[1]"), "[1]", ("k",)),
        ('{"a":0}', REMOVE, Nested({"a": Set("1")}), '{"a":1}', ("k",)),
        ('{"a":0}', Set("[]"), Nested({"a": Set("1")}), '{"a":1}', ("k",)),
        ('{"a":0}', Nested({"a": Set("1")}), Nested({"a": Set("2")}), '{"a":2}', ("k", "a")),
        ('{"a":0}', Nested({"a": Set("1")}), Nested({"a": REMOVE}), "{}", ("k", "a")),
        ('{"a":0}', Nested({"a": REMOVE}), Nested({"a": REMOVE}), "{}", None),
        ('{"a":0}', Nested({"a": Set("1")}), Set("{}"), "{}", ("k",)),
        ('{"a":0}', Set('{"a":1}'), Nested({"a": Set("2")}), '{"a":2}', ("k", "a")),
        ('{"a":0}', Set('{"b":1}'), Nested({"a": Set("2")}), '{"b":1,"a":2}', ("k", "a")),
        ('{"a":0}', Set('{"b":1}'), Nested({"c": Add("2")}), '{"b":1,"c":2}', None),
        (
            '{"a":0}',
            Nested({"x": Add("1"), "y": Add("2")}),
            Set('{"y":2,"x":1,"a":0}'),
            '{"y":2,"x":1,"a":0}',
            None,
        ),
        ('{"a":{"b":0}}', Nested({"a": Nested({"b": Set("1")})}), Nested({"a": REMOVE}), "{}", ("k", "a")),
    ],
)
def test_a_change_that_meets_a_siblings_is_kept_and_a_loss_is_a_conflict(base, first, second, left, path):
    view = merged((B, first), (C, second), base=base)
    assert view.get("k") == left
    assert view.conflicts == ([Conflict(path, C, B)] if path else [])


def test_dicts_that_differ_only_in_order_do_not_conflict():
    assert merged((B, Set('{"a":1,"b":2}')), (C, Set('{"b":2,"a":1}')), base="0").conflicts == []


def test_whoever_knows_a_change_may_overwrite_it():
    assert merged((A, Set("1")), (B, Set("2")), base="0").conflicts == []
    assert merged((A, Set("1")), (B, Set("2")), (C, Set("3")), base="0").conflicts == [Conflict(("k",), C, B)]
    assert merged((B, Set("1")), (C, Set("2")), (D, Set("3")), base="0").conflicts == [Conflict(("k",), C, B)]


def test_an_ancestor_is_found_through_tasks_that_left_nothing():
    graph = Graph("w", {"root": [], "a": ["root"], "b": ["a"], "c": ["b"], "x": ["root"], "join": ["c", "x"]})
    steps = [(1, Delta({"k": Set("1")})), (2, EMPTY), (3, Delta({"k": Set("2")})), (4, EMPTY)]
    assert View.merged(graph, View.initial({"k": "0"}), steps).conflicts == []


def test_every_append_that_an_overwrite_did_not_see_is_a_conflict():
    graph = Graph("w", {"a": [], "b": [], "c": ["b"], "d": ["a", "c"]})
    view = merged((0, Extend("[1]")), (1, Extend("[2]")), (2, Set("[]")), base="[0]", graph=graph)
    assert (view.get("k"), view.conflicts) == ("[]", [Conflict(("k",), 2, 0)])


def test_an_overwrite_of_many_siblings_below_a_dict_names_each():
    graph = Graph("w", {"a": [], "b": [], "c": [], "d": ["a", "b", "c"]})
    view = merged(
        (0, Nested({"x": Add("1")})),
        (1, Nested({"y": Add("1")})),
        (2, Set("{}")),
        base='{"z":0}',
        graph=graph,
    )
    assert view.conflicts == [Conflict(("k",), 2, 0), Conflict(("k",), 2, 1)]


def test_a_task_sees_the_initial_context_its_dependencys_or_a_merge():
    initial = View.initial({"k": "[]"})
    after, deltas = {}, {}
    for node, operation in enumerate([Extend("[1]"), Extend("[2]"), None, Extend("[4]")]):
        view = view_before(FORK, node, initial, after, deltas)
        delta = deltas[node] = operation and Delta({"k": operation})
        after[node] = view.after(node, delta) if delta else view
    assert view_before(FORK, A, initial, after, deltas) is initial
    assert view_before(FORK, B, initial, after, deltas) is after[A]
    assert view_before(FORK, D, initial, after, deltas).get("k") == "[1,2]"
    assert final_view(FORK, initial, after, deltas).get("k") == "[1,2,4]"


def test_the_final_view_of_one_leaf_is_what_it_left():
    graph = Graph("chain", {"a": [], "b": ["a"]})
    after = [None, View.initial({"k": "1"})]
    assert final_view(graph, View.initial({}), after, {}) is after[1]


def test_a_view_shows_its_content():
    assert repr(View.initial({"a": "1"})) == "View({'a': '1'})"


def test_a_wide_fan_in_costs_what_it_writes():
    """Two thousand tasks that change one key each touch it a bounded number of times, not each the whole of it."""
    counted = SimpleNamespace(calls=0)
    graph = Graph("wide", {"a": [], **{f"t{n}": ["a"] for n in range(2_000)}})
    base = View.initial({"d": "{}", "l": "[0]"})

    def count(frame, event, argument):
        counted.calls += event == "call"

    steps = [(n + 1, Delta({"d": Nested({f"k{n}": Add("1")}), "l": Extend(f"[{n}]")})) for n in range(2_000)]
    view = View.merged(graph, base, steps)
    sys.setprofile(count)
    try:
        assert len(view.get("d")) > 2_000 * 6
    finally:
        sys.setprofile(None)
    assert counted.calls < 40 * 2_000
    assert view.conflicts == []
    assert list(itertools.islice(view.keys(), 2)) == ["d", "l"]
