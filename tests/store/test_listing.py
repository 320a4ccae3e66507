"""Reading executions page by page."""

import pytest

from tests.store.rows import batch_of, finish, start


@pytest.fixture
def filled(place):
    """Twenty-five executions of two workflows, every fifth of them finished."""
    store = place.joined("r1")
    store.commit(batch_of(*(start(f"e{n:02}", "r1", workflow="vw"[n % 2]) for n in range(25))))
    store.commit(batch_of(*(finish(f"e{n:02}", "r1", status="Failed") for n in range(0, 25, 5))))
    return store


def listed(store, *, workflow=None, status=None, after=None, limit=100):
    rows = store.list_executions(workflow=workflow, status=status, after=after, limit=limit)
    return [int(row.id[1:]) for row in rows]


def test_the_newest_come_first(filled):
    assert listed(filled) == list(range(24, -1, -1))
    assert listed(filled, limit=3) == [24, 23, 22]
    assert listed(filled, limit=0) == []


def test_pages_join_without_gap_or_overlap_while_more_is_started(filled):
    pages = [listed(filled, limit=10)]
    while pages[-1]:
        filled.commit(batch_of(start(f"e{99 - len(pages)}", "r1")))
        pages.append(listed(filled, limit=10, after=f"e{pages[-1][-1]:02}"))
    assert [len(page) for page in pages] == [10, 10, 5, 0]
    assert [number for page in pages for number in page] == list(range(24, -1, -1))


def test_what_is_listed_can_be_narrowed(filled):
    assert listed(filled, workflow="v") == list(range(24, -1, -2))
    assert listed(filled, status="Failed") == [20, 15, 10, 5, 0]
    assert listed(filled, workflow="v", status="Failed") == [20, 10, 0]
    assert listed(filled, workflow="v", status="Failed", after="e15") == [10, 0]


@pytest.mark.parametrize("odd", ["", "'; drop table x; --", "%s ? :1", "\0", "\ud800", "e" * 70_000])
def test_a_filter_that_no_row_can_match_finds_nothing(filled, odd):
    assert listed(filled, workflow=odd) == []
    assert listed(filled, status=odd) == []
    assert listed(filled, after=odd) == []
    assert filled.read_execution(odd) is None
    assert filled.read_attempts(odd) == []
    assert filled.read_structures([odd]) == {}
    assert listed(filled, limit=1) == [24]


def test_reading_goes_on_after_the_store_was_closed(filled):
    filled.close()
    assert listed(filled, limit=2) == [24, 23]
    assert filled.read_execution("e01").id == "e01"
