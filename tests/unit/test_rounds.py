"""Which tasks wait for which, where a round or a fork has opened a task before one that it keeps."""

from cloaca.model.graph import Graph
from cloaca.model.rounds import nearest_open


def nearest(dependencies, undecided):
    graph = Graph("w", dependencies)
    found = nearest_open(graph, {graph.index[task] for task in undecided})
    return {graph.ids[node]: {graph.ids[one] for one in awaited} for node, awaited in found.items()}


def test_a_node_waits_for_its_undecided_dependencies():
    dependencies = {"a": (), "b": (), "c": ("a", "b"), "d": ("c",)}
    assert nearest(dependencies, "abcd") == {"c": {"a", "b"}, "d": {"c"}}
    assert nearest(dependencies, "bcd") == {"c": {"b"}, "d": {"c"}}
    assert nearest(dependencies, "") == {}


def test_a_node_waits_for_what_is_undecided_beyond_decided_ones():
    dependencies = {"a": (), "kept": ("a",), "also": ("kept",), "b": (), "c": ("also", "b"), "d": ("c",)}
    assert nearest(dependencies, "abcd") == {"kept": {"a"}, "also": {"a"}, "c": {"a", "b"}, "d": {"c"}}
    assert nearest(dependencies, "ad") == {"kept": {"a"}, "also": {"a"}, "c": {"a"}, "d": {"a"}}
