from hypothesis import given
from hypothesis import strategies as st

from cloaca.model.graph import INITIAL, Graph


@st.composite
def graphs(draw):
    size = draw(st.integers(1, 9))
    names = draw(st.permutations([f"t{n}" for n in range(size)]))
    chosen = {
        name: draw(st.permutations(draw(st.lists(st.sampled_from(names[:n]), unique=True)) if n else []))
        for n, name in enumerate(names)
    }
    return Graph("w", {name: chosen[name] for name in sorted(names)})


def chain(size):
    return Graph("chain", {f"t{n}": [f"t{n - 1}"] if n else [] for n in range(size)})


def paths(graph, node):
    """Every path from ``INITIAL`` to a node, as the nodes it passes through."""
    if not graph.dependencies[node]:
        return [[INITIAL, node]]
    return [[*path, node] for dep in graph.dependencies[node] for path in paths(graph, dep)]


def common(graph, nodes):
    """The last node on all paths to all nodes, the nodes' own ends included."""
    every = [path for node in nodes for path in paths(graph, node)]
    return [node for node in every[0] if all(node in path for path in every)][-1]


def depth_first(graph, targets):
    done = []

    def visit(node):
        if node not in done:
            for dep in graph.dependencies[node]:
                visit(dep)
            done.append(node)

    for target in targets:
        visit(target)
    return done


@given(graphs())
def test_a_dominator_is_the_last_node_that_all_paths_to_the_dependencies_share(graph):
    for node, dependencies in enumerate(graph.dependencies):
        assert graph.dominators[node] == (common(graph, dependencies) if dependencies else INITIAL)


@given(graphs())
def test_the_final_base_is_the_last_node_that_all_paths_to_all_leaves_share(graph):
    assert graph.final_base == common(graph, graph.leaves)


@given(graphs())
def test_between_lists_what_a_join_replays_depth_first(graph):
    for node, dependencies in enumerate(graph.dependencies):
        base = graph.dominators[node]
        known = {base} if base == INITIAL else {base, *graph.ancestors(base)}
        everything = depth_first(graph, dependencies)
        assert graph.between(base=INITIAL, targets=dependencies) == everything
        assert graph.between(base=base, targets=dependencies) == [n for n in everything if n not in known]


@given(graphs())
def test_what_comes_before_a_dominator_is_replayed_before_all_that_comes_after(graph):
    for node, dependencies in enumerate(graph.dependencies):
        base = graph.dominators[node]
        if base != INITIAL:
            before = depth_first(graph, [base])
            assert depth_first(graph, dependencies)[: len(before)] == before


@given(graphs())
def test_levels_and_order_put_dependencies_first(graph):
    position = {node: place for place, node in enumerate(graph.order)}
    assert sorted(position) == list(range(len(graph)))
    for node, dependencies in enumerate(graph.dependencies):
        assert all(position[dep] < position[node] for dep in dependencies)


@given(graphs())
def test_readers_counts_who_reads_each_state(graph):
    for node in range(len(graph)):
        count = sum(reads.count(node) for reads in graph.reads)
        assert graph.readers[node] == count + (graph.final_base == node)


@given(graphs())
def test_ancestors_are_the_nodes_on_any_path(graph):
    for node in range(len(graph)):
        on_paths = {passed for path in paths(graph, node) for passed in path}
        assert graph.ancestors(node) == on_paths - {node, INITIAL}


@given(graphs())
def test_a_graph_comes_back_from_its_text(graph):
    again = Graph.from_json(graph.to_json())
    assert (again.ids, again.dependencies, again.structure) == (
        graph.ids,
        graph.dependencies,
        graph.structure,
    )


def test_the_structure_depends_on_names_dependencies_and_their_order():
    graph = Graph("w", {"a": [], "b": [], "c": ["a", "b"]})
    others = [
        Graph("v", {"a": [], "b": [], "c": ["a", "b"]}),
        Graph("w", {"a": [], "b": [], "c": ["b", "a"]}),
        Graph("w", {"b": [], "a": [], "c": ["a", "b"]}),
        Graph("w", {"a": [], "b": ["a"], "c": ["a", "b"]}),
    ]
    assert len({graph.structure, *(other.structure for other in others)}) == 5


def test_a_chain_of_ten_thousand_tasks_is_an_ordinary_graph():
    graph = chain(10_000)
    last = len(graph) - 1
    assert graph.dominators[last] == last - 1
    assert graph.final_base == last
    assert graph.between(base=INITIAL, targets=[last]) == list(range(last + 1))
    assert len(graph.ancestors(last)) == last
    assert graph.order == tuple(range(last + 1))
    assert Graph.from_json(graph.to_json()).structure == graph.structure
