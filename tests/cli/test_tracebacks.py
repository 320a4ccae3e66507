"""Where a body failed, as it is shown."""

from __future__ import annotations

import pytest

import cloaca
from cloaca.cli.tracebacks import user_frame
from tests.world import workflow_of


def stores_nothing(context):
    context["bad"] = object()


def asks_for_what_is_not_there(context):
    return context["missing"]


def raises_a_group(context):
    raise ExceptionGroup("several", [ValueError("a"), TypeError("b")])


def failed_at(body):
    workflow_of("failing", body)
    with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
        record = runner.get_execution(runner.execute("failing").execution_id)
    return user_frame(record.tasks[body.__name__].error.traceback)


@pytest.mark.parametrize("body", [asks_for_what_is_not_there, stores_nothing])
def test_an_error_that_this_library_raises_is_shown_at_the_line_of_the_body(body):
    frame = failed_at(body)
    assert (frame.file, frame.function) == (__file__, body.__name__)


def test_a_group_has_the_place_at_which_it_was_raised():
    frame = failed_at(raises_a_group)
    assert (frame.function, frame.source[:20]) == ("raises_a_group", "raise ExceptionGroup")
