"""Idempotency keys and names that somebody typed to do harm: kept as they are or refused, on every database alike."""

import os
import random

import pytest

import cloaca
from tests.anywhere import impatience  # noqa: F401 - a fixture
from tests.world import SOON, workflow_of

pytestmark = pytest.mark.usefixtures("impatience")

KEPT = {
    "quotes": "'; drop table cloaca_executions; --\"`",
    "a path": "../../etc/passwd",
    "two dots": "..",
    "a percent": "%s %(x)s {0}",
    "a question mark": "? :id $1",
    "bidi": "abc\u202e\u2066def",
    "emoji": "👩‍👩‍👧",
    "space": " ",
    "line ends": "\r\n\t\x1b[31m",
    "the longest": "k" * 1024,
    "the longest in four bytes": "".join(
        chr(random.Random(n).randrange(0x10000, 0x10FFFF)) for n in range(256)
    ),
}

REFUSED = {
    "empty": ("", "must be a string that is not empty"),
    "no text": (7, "must be a string that is not empty"),
    "NUL": ("a\0b", r"holds '\\x00', which cannot be stored: remove it"),
    "half a character": ("a\ud800b", r"holds '\\ud800', which cannot be stored: remove it"),
    "64 KB": ("k" * 65536, r"is longer than 1024 bytes: use a digest of it"),
    "one byte too long": ("k" * 1023 + "ä", "is longer than 1024 bytes"),
}


@pytest.fixture(params=["runner", "client"])
def starter(request, database_url, runner):
    """A runner, or a client beside one."""
    workflow_of("w", lambda context: None, id="task")
    if request.param == "runner":
        yield runner
    else:
        with cloaca.Client(database_url) as client:
            yield client


@pytest.mark.parametrize("name", KEPT)
def test_a_key_of_any_text_names_one_execution(starter, runner, name):
    key = KEPT[name]
    one, two = (starter.start("w", {"n": 1}, idempotency_key=key) for _ in range(2))
    assert one.execution_id == two.execution_id
    starter.start("w", {"n": 2}, idempotency_key="x")
    assert runner._store.read_execution(one.execution_id).idempotency_key == key
    assert len(starter.list_executions()) == 2
    assert set(os.listdir()) <= {"app.db", "app.db-wal", "app.db-shm", "app.db-locks"}


@pytest.mark.parametrize("name", REFUSED)
def test_a_key_that_no_database_could_keep_is_refused(starter, name):
    key, said = REFUSED[name]
    with pytest.raises(cloaca.IdempotencyError, match=f"idempotency_key=.*{said}") as refused:
        starter.start("w", idempotency_key=key)
    assert len(str(refused.value)) < 250
    str(refused.value).encode()
    assert starter.list_executions() == []


NAMES = ["", " ", "a\0b", "a\ud800b", "k" * 65536, "a\u202eb", "a\nb"]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_name_that_no_workflow_can_have_is_not_started_and_not_found(runner, database_url, name):
    with cloaca.Client(database_url) as client:
        with pytest.raises(cloaca.WorkflowValidationError, match="the workflow's name"):
            client.start(name)
        with pytest.raises(cloaca.WorkflowValidationError, match="the workflow's name"):
            client.start_many(name, [{}])
        with pytest.raises(cloaca.WorkflowNotFoundError) as unknown:
            runner.start(name)
        str(unknown.value).encode()
        for anyone in (client, runner):
            assert anyone.list_executions(workflow_name=name) == []
            with pytest.raises(cloaca.ExecutionNotFoundError) as absent:
                anyone.get_handle(name)
            str(absent.value).encode()
            with pytest.raises(cloaca.ExecutionNotFoundError):
                anyone.list_executions(after=name)


@pytest.mark.parametrize("name", ["..", "'; drop table x; --", "%s", "a/b", "ä" * 255, "👩‍👩‍👧"], ids=repr)
def test_a_name_of_any_text_that_can_be_seen_is_run(runner, database_url, name):
    workflow_of(name, lambda context: context.set("ran", True), id="task")
    with cloaca.Client(database_url) as client:
        assert client.start(name, idempotency_key="ä" * 512).result(SOON)["ran"]
        assert [found.workflow_name for found in client.list_executions(workflow_name=name)] == [name]


@pytest.mark.parametrize(
    "text", ["a\0b", "a\ud800b", "\u202e", "x" * 65536], ids=["NUL", "half", "bidi", "64 KB"]
)
def test_an_error_of_any_text_is_on_record(runner, text):
    def fails(context):
        raise ValueError(text)

    workflow_of("fails", fails, id="fails")
    result = runner.start("fails").result(SOON)
    assert (result.status, result.tasks["fails"].error.type) == ("Failed", "ValueError")
    stored = runner.get_execution(result.execution_id)
    assert stored.error_message == result.error_message
    assert stored.tasks == result.tasks
