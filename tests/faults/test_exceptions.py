"""Exceptions that lie about themselves, are huge, or hold others: kept by their real type, within bounds."""

import pytest

from tests.hostile import Unshowable
from tests.world import SOON, workflow_of


class Mute(Exception):
    def __str__(self):
        raise ValueError("no words")


class Lies(Exception):
    @property
    def __class__(self):
        return KeyError


class Exits(Exception):
    @property
    def __class__(self):
        raise SystemExit("class")


class OfNoName(type):
    @property
    def __name__(cls):
        raise ValueError("no name")

    def __repr__(cls):
        raise ValueError("no repr")


class Nameless(Exception, metaclass=OfNoName):
    pass


class Attributeless(Exception):
    @property
    def args(self):
        raise ValueError("no args")

    @property
    def __cause__(self):
        raise ValueError("no cause")

    @property
    def __notes__(self):
        raise ValueError("no notes")


Long = type("Long" * 50_000, (Exception,), {})


def chain():
    error = ValueError("0")
    for number in range(1, 3000):
        outer = ValueError(str(number))
        outer.__cause__ = error
        error = outer
    return error


def ring():
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    return one


def deep():
    error = ValueError("x")
    for _ in range(3000):
        error = ExceptionGroup("g", [error])
    return error


def noted():
    error = ValueError("x")
    for _ in range(1000):
        error.add_note("n" * 1000)
    return error


RAISED = {
    "lies": (Lies, "Lies"),
    "exits": (Exits, "Exits"),
    "nameless": (Nameless, "Nameless"),
    "attributeless": (Attributeless, "Attributeless"),
    "chain": (chain, "ValueError: 2999"),
    "ring": (ring, "ValueError: one"),
    "deep": (deep, "ExceptionGroup: g (1 sub-exception)"),
    "noted": (noted, "ValueError: x"),
    "wide": (
        lambda: ExceptionGroup("g", [ValueError(n) for n in range(10_000)]),
        "ExceptionGroup: g (10000 sub-exceptions)",
    ),
    "mute inside": (lambda: ExceptionGroup("g", [Mute(), KeyError("k")]), "ExceptionGroup: g (2 sub-exceptions)"),
    "exits inside": (
        lambda: BaseExceptionGroup("g", [SystemExit(3), KeyboardInterrupt()]),
        "BaseExceptionGroup: g (2 sub-exceptions)",
    ),
    "mute argument": (
        lambda: KeyError(Unshowable()),
        "KeyError: <its message cannot be shown: str() raised ValueError>",
    ),
    "no exception": (lambda: 7, "TypeError: exceptions must derive from BaseException"),
    "StopIteration": (lambda: StopIteration(3), "StopIteration: 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", RAISED)
def test_an_exception_is_kept_by_its_real_type_and_the_thread_lives(make_runner, database_url, name):
    runner = make_runner(database_url, max_concurrent_tasks=1)
    make, said = RAISED[name]

    def raises(context):
        raise make()

    workflow_of("bad", raises, id="bad")
    workflow_of("good", lambda context: context.set("ran", True), id="good")
    result = runner.start("bad").result(SOON)
    assert result.error_message == f"task 'bad' failed: {said}"
    error = runner.get_execution(result.execution_id).tasks["bad"].error
    assert error.type == said.split(":")[0]
    assert len(error.traceback) < 60_000
    assert runner.start("good").result(SOON)["ran"]


def test_a_name_of_two_hundred_kilobytes_is_kept_within_bounds(runner):
    def raises(context):
        raise Long

    workflow_of("bad", raises)
    message = runner.start("bad").result(SOON).error_message
    assert message.startswith("task 'raises' failed: LongLong")
    assert len(message) < 20_000
