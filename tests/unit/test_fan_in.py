"""Random workflows against a model that keeps whole states and replays everything from the start, recursively."""

import copy
import itertools
import json
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from cloaca.model.context import Context
from cloaca.model.delta import Delta
from cloaca.model.graph import INITIAL, Graph
from cloaca.model.merge import Conflict, apply
from cloaca.model.values import decode
from cloaca.model.view import View, final_view, view_before

KEYS = ["a", "b", "c"]
ABSENT = object()


class Step(NamedTuple):
    """One thing that a body does; ``by`` tells append by set from append in place, and dict changes apart."""

    verb: str
    key: str
    by: int


class Workflow(NamedTuple):
    def __repr__(self):
        return f"{self.graph.to_json()} {self.programs} {self.left_nothing} {self.initial}"

    graph: Graph
    programs: list
    left_nothing: set
    initial: dict


@st.composite
def graphs(draw, most=8):
    size = draw(st.integers(1, most))
    names = draw(st.permutations([f"t{n}" for n in range(size)]))
    dependencies = {
        name: draw(st.permutations(draw(st.lists(st.sampled_from(names[:n]), unique=True)) if n else []))
        for n, name in enumerate(names)
    }
    return Graph("w", {name: dependencies[name] for name in sorted(names)})


INITIAL_VALUES = st.sampled_from([0, [], [0], {}, {"x": 0, "log": [0]}, {"deep": {"x": 1}}]).map(
    copy.deepcopy
)


@st.composite
def workflows(
    draw, verbs=("append", "set", "reset", "remove", "nest", "create"), failing=True, initial=INITIAL_VALUES
):
    graph = draw(graphs())
    step = st.builds(Step, st.sampled_from(verbs), st.sampled_from(KEYS), st.integers(0, 7))
    programs = [draw(st.lists(step, max_size=4)) for _ in graph.ids]
    nodes = st.sampled_from(range(len(graph)))
    left_nothing = draw(st.sets(nodes, max_size=2)) if failing else set()
    return Workflow(graph, programs, left_nothing, draw(st.dictionaries(st.sampled_from(KEYS), initial)))


def play(program, node, context):
    """Run one body on a context or a dict; returns the keys it set, in order."""
    assigned = {}
    for number, (verb, key, by) in enumerate(program):
        unique = f"{node}.{number}"
        value = context.get(key)
        if verb == "remove":
            if key in context:
                del context[key]
            assigned.pop(key, None)
        elif verb == "append" and isinstance(value, list) and by % 2:
            value.append(unique)
        elif verb == "nest" and isinstance(value, dict) and by < 6:
            nest(value, unique, by)
        else:
            context[key] = made(verb, value, unique, by)
            assigned[key] = True
    return assigned


def made(verb, value, unique, by):
    if verb == "append":
        return [*(value if isinstance(value, list) else []), unique]
    if verb == "set":
        return by % 3
    if verb == "reset":
        return [[], [unique], {}, {"x": by, "log": [unique]}][by % 4]
    return {"log": [unique], "x": by % 2, "deep": {unique: 1}}


def nest(value, unique, by):
    inner = value.get("log")
    if by == 0 or not isinstance(inner, list):
        value["log"] = [unique]
    elif by == 1:
        inner.append(unique)
    elif by == 2:
        value["x"] = unique
    elif by == 3:
        value.pop("x", None)
    elif by == 4:
        value.setdefault("deep", {})[unique] = [unique]
    else:
        value[unique] = {"x": unique}


class Ran(NamedTuple):
    views: list
    deltas: dict
    after: dict
    final: View


def run(workflow, order=None, *, stored=False):
    """Run all bodies in ``order`` as the engine does: each sees the merge over its dominator."""
    graph = workflow.graph
    initial = View.initial(Context(workflow.initial).texts())
    views, deltas, after = [None] * len(graph), {}, {}
    for node in order or graph.order:
        view = views[node] = view_before(graph, node, initial, after, deltas)
        if node in workflow.left_nothing:
            after[node] = view
            continue
        context = Context.over(view)
        play(workflow.programs[node], node, context)
        delta = context.delta()
        deltas[node] = Delta.from_text(delta.text) if stored else delta
        after[node] = view.after(node, deltas[node])
    return Ran(views, deltas, after, final_view(graph, initial, after, deltas))


def full_replay(workflow, ran, targets):
    order = workflow.graph.between(base=INITIAL, targets=targets)
    initial = View.initial(Context(workflow.initial).texts())
    return View.merged(workflow.graph, initial, [(n, ran.deltas.get(n, Delta({}))) for n in order])


def topological(draw, graph):
    waiting, order = set(range(len(graph))), []
    while waiting:
        ready = sorted(node for node in waiting if not waiting & set(graph.dependencies[node]))
        order.append(draw(st.sampled_from(ready)))
        waiting.remove(order[-1])
    return order


# The model.


def text(value):
    return json.dumps(value)


def difference(old, new):
    if old is ABSENT:
        return ("add", copy.deepcopy(new))
    if text(old) == text(new):
        return None
    if isinstance(old, list) and isinstance(new, list) and text(new[: len(old)]) == text(old):
        return ("extend", copy.deepcopy(new[len(old) :]))
    if isinstance(old, dict) and isinstance(new, dict) and in_order(old, new):
        return ("nested", differences(old, new))
    return ("set", copy.deepcopy(new))


def in_order(old, new):
    return [key for key in old if key in new] + [key for key in new if key not in old] == list(new)


def differences(old, new):
    found = {key: difference(old.get(key, ABSENT), value) for key, value in new.items()}
    found.update((key, ("remove", None)) for key in old if key not in new)
    return {key: change for key, change in found.items() if change is not None}


def changed(value, change):
    kind, content = change
    content = copy.deepcopy(content)
    if kind == "remove":
        return ABSENT
    if kind == "nested":
        start = value if isinstance(value, dict) else {}
        return changed_items(start, content)
    if kind in ("extend", "add") and isinstance(value, list) and isinstance(content, list):
        return value + content
    if kind == "add" and isinstance(value, dict) and isinstance(content, dict):
        return changed_items(value, {key: ("add", item) for key, item in content.items()})
    return content


def changed_items(value, changes):
    rank = ["add", "set", "extend", "nested", "remove"]
    result = dict(value)
    for key, change in sorted(changes.items(), key=lambda item: rank.index(item[1][0])):
        item = changed(result.get(key, ABSENT), change)
        if item is ABSENT:
            result.pop(key, None)
        else:
            result[key] = item
    return result


class Model:
    def __init__(self, workflow):
        self.workflow = workflow
        self.changes = {}

    def state(self, targets):
        """Every ancestor's changes once over the initial state, depth first, dependencies in declared order."""
        done, state = set(), copy.deepcopy(self.workflow.initial)

        def visit(node):
            nonlocal state
            if node not in done:
                done.add(node)
                for dep in self.workflow.graph.dependencies[node]:
                    visit(dep)
                state = changed_items(state, self.of(node))

        for target in targets:
            visit(target)
        return state

    def of(self, node):
        if node not in self.changes:
            seen = self.state(self.workflow.graph.dependencies[node])
            left = copy.deepcopy(seen)
            program = [] if node in self.workflow.left_nothing else self.workflow.programs[node]
            assigned = play(program, node, left)
            self.changes[node] = differences(seen, left)
            for key in assigned:
                if not isinstance(left[key], list | dict):
                    self.changes[node].setdefault(key, ("set", left[key]))
        return self.changes[node]


def values(view):
    return {key: decode(value) for key, value in view.texts().items()}


def elements(value):
    """Every unique id that a list holds, at any depth."""
    if isinstance(value, dict):
        value = [item for item in value.values() if isinstance(item, list | dict)]
    if not isinstance(value, list):
        return [value] if isinstance(value, str) else []
    return [found for item in value for found in elements(item)]


@given(workflows())
def test_every_task_and_the_final_context_see_what_the_model_says(workflow):
    ran, model = run(workflow), Model(workflow)
    for node, view in enumerate(ran.views):
        seen = model.state(workflow.graph.dependencies[node])
        assert {key: text(value) for key, value in values(view).items()} == {
            key: text(value) for key, value in seen.items()
        }
    assert values(ran.final) == model.state(workflow.graph.leaves)


@given(workflows(), st.data())
def test_the_order_of_completion_changes_nothing(workflow, data):
    expected = run(workflow)
    other = run(workflow, topological(data.draw, workflow.graph))
    for one, two in zip([*expected.views, expected.final], [*other.views, other.final], strict=True):
        assert one.texts() == two.texts()
        assert one.writers() == two.writers()
        assert one.conflicts == two.conflicts


@given(workflows())
def test_deltas_read_from_their_text_replay_to_the_same(workflow):
    expected, other = run(workflow), run(workflow, stored=True)
    assert expected.final.texts() == other.final.texts()
    assert list(expected.final.texts()) == list(other.final.texts())
    for delta in expected.deltas.values():
        again = Delta.from_text(delta.text)
        assert again == delta
        assert list(again.operations) == list(delta.operations)
        assert Delta(again.operations).text == delta.text


@given(workflows())
def test_a_delta_over_what_was_seen_is_exactly_what_was_left(workflow):
    ran = run(workflow)
    for node, delta in ran.deltas.items():
        context = Context.over(ran.views[node])
        play(workflow.programs[node], node, context)
        assert ran.after[node].texts() == context.texts()
        for key, operation in delta.operations.items():
            assert apply(operation, ran.views[node].get(key)) == context.texts().get(key)


@given(workflows())
def test_merging_over_the_dominator_equals_a_replay_of_everything(workflow):
    ran = run(workflow)
    for node, view in enumerate(ran.views):
        replayed = full_replay(workflow, ran, workflow.graph.dependencies[node])
        assert replayed.texts() == view.texts()
        assert replayed.writers() == view.writers()


@given(workflows(verbs=["append"], failing=False, initial=st.just([])))
def test_all_appends_survive_once_and_ancestors_come_first(workflow):
    graph, final = workflow.graph, values(run(workflow).final)
    for key in KEYS:
        made = [
            f"{n}.{i}"
            for n, steps in enumerate(workflow.programs)
            for i, s in enumerate(steps)
            if s.key == key
        ]
        found = final.get(key, [])
        assert sorted(found) == sorted(made)
        for one, two in itertools.combinations([int(unique.split(".")[0]) for unique in found], 2):
            assert two not in graph.ancestors(one)


@given(workflows())
def test_no_element_is_ever_doubled(workflow):
    for view in [*(ran := run(workflow)).views, ran.final]:
        for value in values(view).values():
            logs = [unique for unique in elements(value) if "." in unique]
            assert len(logs) == len(set(logs))


@given(workflows(verbs=["append", "remove", "set"]))
def test_a_removal_holds_unless_somebody_who_did_not_know_of_it_writes_the_key(workflow):
    ran, graph = run(workflow), workflow.graph
    wrote = {(node, key) for node, delta in ran.deltas.items() for key in delta.operations}
    for node, delta in ran.deltas.items():
        gone = [key for key in delta.operations if ran.after[node].get(key) is None]
        others = set(range(len(graph))) - graph.ancestors(node) - {node}
        for key in gone:
            if not any((other, key) in wrote for other in others):
                assert key not in ran.final


@given(workflows(verbs=["set"], initial=st.integers(0, 2)))
def test_conflicts_are_the_unequal_overwrites_between_tasks_that_do_not_know_each_other(workflow):
    ran, graph = run(workflow), workflow.graph
    last, expected = {}, []
    for node in graph.between(base=INITIAL, targets=graph.leaves):
        for key, operation in ran.deltas.get(node, Delta({})).operations.items():
            writer, value = last.get(key, (None, None))
            if writer is not None and writer not in graph.ancestors(node) and value != operation.text:
                expected.append(Conflict((key,), node, writer))
            last[key] = (node, operation.text)
    assert full_replay(workflow, ran, graph.leaves).conflicts == expected
