"""Where a drawing puts boxes and arrows: what holds of every graph."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloaca.drawing.layout import Size, layout
from cloaca.drawing.ordering import crossings, ordered
from cloaca.drawing.routing import net_of
from cloaca.drawing.rows import rows_of


def random_graph(seed, *, most=40):
    """Sizes and dependencies; the kinds differ in how far arrows reach and how wide levels are."""
    chosen = random.Random(seed)
    count = chosen.randint(1, most)
    reach = chosen.choice([1, 3, count])
    fan = chosen.choice([1, 2, 6])
    skipped = chosen.choice([0.0, 0.5])
    dependencies = [
        []
        if chosen.random() < skipped
        else chosen.sample(
            range(max(0, node - reach), node), min(chosen.randint(0, fan), node - max(0, node - reach))
        )
        for node in range(count)
    ]
    sizes = [Size(2 * chosen.randint(10, 150), chosen.randint(20, 80)) for _ in range(count)]
    return sizes, dependencies


def rectangles(boxes):
    return [(box.x, box.y, box.x + box.width, box.y + box.height) for box in boxes]


def overlap(one, other):
    """Whether two rectangles share more than their borders; a line counts as a rectangle."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def check(sizes, dependencies):
    made = layout(sizes, dependencies=dependencies)
    boxes = rectangles(made.boxes)
    assert [box.width for box in made.boxes] == [size.width for size in sizes]
    assert all(box.height >= size.height for box, size in zip(made.boxes, sizes, strict=True))
    assert all(x >= 0 and y >= 0 and right <= made.width and low <= made.height for x, y, right, low in boxes)
    assert not [pair for pair in neighbours(boxes) if overlap(*pair)]
    assert set(made.edges) == {(dep, node) for node, deps in enumerate(dependencies) for dep in deps}
    for (source, target), points in made.edges.items():
        check_arrow(points, made.boxes[source], made.boxes[target])
        assert all(0 <= x <= made.width for x, _ in points)
    check_free({step for points in made.edges.values() for step in pairwise(points)}, boxes)
    return made


def neighbours(boxes):
    """Each pair of boxes in a row, and the tallest box of each row with the one of the next."""
    by_row = {}
    for box in boxes:
        by_row.setdefault(box[1], []).append(box)
    rows = [sorted(by_row[top]) for top in sorted(by_row)]
    for row in rows:
        yield from pairwise(row)
    for one, other in pairwise(rows):
        assert max(box[3] for box in one) < other[0][1]


def check_arrow(points, source, target):
    assert points[0] == (source.x + source.width // 2, source.y + source.height)
    assert points[-1] == (target.x + target.width // 2, target.y)
    assert all(lower[1] > upper[1] for upper, lower in pairwise(points))


def check_free(steps, boxes):
    """No step touches a box, whatever its curve: it is drawn inside the rectangle of its ends."""
    for (x, top), (end, bottom) in steps:
        around = (min(x, end) - 0.5, top, max(x, end) + 0.5, bottom)
        assert not [box for box in boxes if overlap(around, box)], around


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_boxes_stay_apart_and_arrows_lead_down_between_them(seed):
    check(*random_graph(seed))


def test_arrows_over_more_rows_than_a_trunk_may_pass_go_beside_all_boxes():
    dependencies = [[]] + [[node - 1, *([0] if node > 1 else [])] for node in range(1, 100)]
    made = check([Size(60, 30)] * 100, dependencies)
    right = max(box.x + box.width for box in made.boxes)
    assert made.edges[0, 99][1][0] > right
    assert len(made.edges[0, 99]) == 4


def test_lanes_beside_the_boxes_are_used_again_and_never_shared_by_strangers():
    chosen = random.Random(5)
    dependencies = [[]] + [
        list({node - 1, *([chosen.randrange(node - 80)] if node > 80 else [])}) for node in range(1, 200)
    ]
    made = check([Size(60, 30)] * 200, dependencies)
    lanes = {}
    for edge, points in made.edges.items():
        if len(points) == 4:
            lanes.setdefault(points[1][0], []).append((points[1][1], points[2][1], edge))
    assert lanes
    for passing in lanes.values():
        for one, other in pairwise(sorted(passing)):
            is_shared = one[2][0] == other[2][0] or one[2][1] == other[2][1]
            assert is_shared or one[1] < other[0]


@pytest.mark.parametrize("count", [1, 10, 200])
def test_equal_graphs_have_equal_layouts(count):
    sizes, dependencies = random_graph(count, most=count)
    assert layout(sizes, dependencies=dependencies) == layout(sizes, dependencies=dependencies)


def test_rows_are_the_levels_where_these_fit():
    dependencies = [[], [], [0], [1], [2, 3], [0]]
    assert rows_of(dependencies, widths=[10] * 6, most_width=100) == [[0, 1], [2, 3, 5], [4]]


def test_a_level_too_wide_for_one_row_is_cut_and_what_follows_is_kept_near():
    dependencies = [[], [], [], [], [0], [1], [2], [3]]
    assert rows_of(dependencies, widths=[10] * 8, most_width=20) == [[0, 1], [4, 5], [2, 3], [6, 7]]


def test_side_by_side_chains_are_not_cut_where_names_grow_longer():
    dependencies = [[], [], [], [], [0], [1], [2], [3]]
    widths = [10, 10, 10, 10, 14, 14, 14, 14]
    assert rows_of(dependencies, widths=widths, most_width=20) == [[0, 1], [4, 5], [2, 3], [6, 7]]


def test_one_box_wider_than_the_row_still_gets_a_row():
    assert rows_of([[], []], widths=[50, 50], most_width=20) == [[0], [1]]


def test_a_fan_of_two_thousand_is_no_line_of_two_thousand_boxes():
    dependencies = [[], *([0] for _ in range(1998)), list(range(1, 1999))]
    made = layout([Size(90, 36)] * 2000, dependencies=dependencies)
    assert made.width < 12_000
    assert made.height < 12_000


def test_arrows_of_one_source_share_their_way():
    dependencies = [[], *([0] for _ in range(300))]
    made = layout([Size(90, 36)] * 301, dependencies=dependencies)
    passed = {points[1:3] for points in made.edges.values() if len(points) > 2}
    assert passed
    assert len(passed) == 1


def test_crossings_that_can_be_avoided_are():
    dependencies = [[], [], [], [], [3], [2], [1], [0]]
    net = net_of(rows_of(dependencies, widths=[1] * 8, most_width=100), dependencies=dependencies)
    assert crossings(net.rows, net.below) == 6
    assert crossings(ordered(net), net.below) == 0


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32))
def test_ordering_never_adds_crossings(seed):
    _, dependencies = random_graph(seed)
    net = net_of(
        rows_of(dependencies, widths=[1] * len(dependencies), most_width=12), dependencies=dependencies
    )
    rows = ordered(net)
    assert [sorted(row) for row in rows] == [sorted(row) for row in net.rows]
    assert crossings(rows, net.below) <= crossings(net.rows, net.below)


@given(seed=st.integers(0, 2**32))
def test_crossings_are_counted_as_pairs_of_steps(seed):
    chosen = random.Random(seed)
    upper, lower = [0, 1, 2, 3], [4, 5, 6, 7]
    below = [[other for other in lower if chosen.random() < 0.5] for _ in upper] + [[]] * 4
    steps = [(one, other) for one in upper for other in below[one]]
    naive = sum(a < c and b > d for a, b in steps for c, d in steps)
    assert crossings([upper, lower], below) == naive


def test_a_chain_is_a_straight_line():
    made = check([Size(60, 30), Size(200, 30), Size(80, 30)], [[], [0], [1]])
    assert len({x for points in made.edges.values() for x, _ in points}) == 1
