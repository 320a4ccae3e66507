"""Which execution a log record says that it belongs to."""

import asyncio
import contextvars
import logging
import threading

import pytest

import cloaca
from tests.world import workflow_of

IDS = ("execution_id", "workflow", "task", "attempt")


class Kept(logging.Handler):
    """Keeps what records carry, by message."""

    def __init__(self, **settings):
        super().__init__()
        self.by_message = {}
        self.addFilter(cloaca.LogContext(**settings))

    def emit(self, record):
        self.by_message[record.getMessage()] = tuple(getattr(record, name) for name in IDS)


@pytest.fixture
def kept():
    """A handler of all loggers."""
    handler = Kept()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


shop = logging.getLogger("shop")


def test_what_a_body_logs_says_where_it_belongs_on_whichever_thread(runner, kept):
    def on_a_thread(context, handle):
        shop.warning("sync %d", handle.attempt)
        copied = contextvars.copy_context()
        threads = [
            threading.Thread(target=copied.run, args=(shop.warning, "in a copy")),
            threading.Thread(target=shop.warning, args=("on its own",)),
        ]
        for thread in threads:
            thread.start()
            thread.join()
        if handle.attempt == 1:
            raise ValueError("again")

    async def on_the_loop(context):
        shop.warning("async")
        await asyncio.to_thread(shop.warning, "to_thread")

    workflow_of("etl", on_a_thread, on_the_loop, retry_attempts=1, retry_delay_ms=1)
    execution = runner.execute("etl").execution_id
    shop.warning("outside")
    assert kept.by_message.items() >= {
        ("sync 1", (execution, "etl", "on_a_thread", 1)),
        ("sync 2", (execution, "etl", "on_a_thread", 2)),
        ("in a copy", (execution, "etl", "on_a_thread", 2)),
        ("on its own", ("-",) * 4),
        ("async", (execution, "etl", "on_the_loop", 1)),
        ("to_thread", (execution, "etl", "on_the_loop", 1)),
        ("outside", ("-",) * 4),
    }


def test_a_callback_and_what_cloaca_logs_of_it_say_so_too(runner, kept):
    def told(task, context):
        shop.warning("told")
        raise ValueError("broken")

    workflow_of("etl", lambda context: None, id="load", on_success=told)
    execution = runner.execute("etl").execution_id
    raised = f"on_success of task 'load' of execution {execution} raised; the task's outcome stands"
    assert kept.by_message["told"] == kept.by_message[raised] == (execution, "etl", "load", "-")


def test_a_stuck_body_is_reported_with_its_ids(make_runner, kept):
    may_end = threading.Event()

    def body(context):
        may_end.wait()

    workflow_of("slow", body, timeout_seconds=0.05)
    execution = make_runner().execute("slow").execution_id
    may_end.set()
    ids = [ids for message, ids in kept.by_message.items() if "is stuck" in message]
    assert ids == [(execution, "slow", "body", 1)]


def test_what_a_record_has_already_stays(runner):
    handler = Kept(outside=None)

    def body(context):
        record = logging.makeLogRecord({"msg": "of another", "execution_id": "mine"})
        handler.handle(record)

    workflow_of("etl", body)
    runner.execute("etl")
    handler.handle(logging.makeLogRecord({"msg": "outside"}))
    assert handler.by_message["of another"] == ("mine", "etl", "body", 1)
    assert handler.by_message["outside"] == (None,) * 4
