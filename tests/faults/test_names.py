"""Hostile names at every entry point: refused with the value, or stored as they are; never an error of another kind."""

import os
import sqlite3
from pathlib import Path
from unittest.mock import MagicMock

import pytest

import cloaca
from tests.hostile import Unshowable
from tests.world import SOON, workflow_of


class Incomparable:
    def __eq__(self, other):
        raise ValueError("no eq")

    def __hash__(self):
        raise ValueError("no hash")


class Odd(str):
    """Text whose every method lies in wait."""

    __slots__ = ()

    def _refuse(self, *_):
        raise ValueError("no")

    __repr__ = __str__ = __eq__ = __hash__ = __len__ = strip = encode = _refuse


class Liar:
    @property
    def __class__(self):
        return str


UNSEEN = {
    "empty": "",
    "blank": " \t\n",
    "NUL": "a\0b",
    "escape": "\x1b[31mred",
    "line end": "a\n",
    "bidi": "\u202eabc",
    "isolate": "\u2066abc",
    "no width": "\u200b",
    "byte order": "\ufeffa",
    "lone surrogate": "\ud800",
    "64 KB": "x" * 65536,
}
SEEN = {
    "quote": "it's",
    "double quote": '"',
    "statement": "'; drop table cloaca_executions; --",
    "percent": "%s %(a)s {0}",
    "parent": "..",
    "path": "../../etc/passwd",
    "accent": "é",
    "family": "👩‍👩‍👧",
    "option": "--db",
    "255": "x" * 255,
}
NO_TEXT = {
    "int": 7,
    "none": None,
    "bytes": b"name",
    "list": ["name"],
    "tuple": ("name",),
    "dict": {"name": 1},
    "object": object(),
    "unshowable": Unshowable(),
    "incomparable": Incomparable(),
    "liar": Liar(),
    "mock": MagicMock(spec=str),
    "endless int": 10**5000,
}


def body(context): ...


TAKES_NAMES = {
    "workflow": cloaca.WorkflowBuilder,
    "tenant": lambda name: cloaca.WorkflowBuilder("w", tenant=name),
    "package": lambda name: cloaca.WorkflowBuilder("w", package=name),
    "tag": lambda name: cloaca.WorkflowBuilder("w").tag(name, "v"),
    "registered": lambda name: cloaca.register_workflow_constructor(name, lambda: None),
}


def refusal(call, *arguments, error=cloaca.CloacaException):
    """The one line of a refusal; its attributes pickle with it."""
    with pytest.raises(error) as refused:
        call(*arguments)
    message = str(refused.value)
    assert message.isprintable()
    assert len(message) < 1000
    return message


@pytest.mark.parametrize("where", TAKES_NAMES)
@pytest.mark.parametrize("name", [*UNSEEN, *NO_TEXT])
def test_a_name_that_cannot_be_is_refused_and_shown(where, name):
    given = (UNSEEN | NO_TEXT)[name]
    assert refusal(TAKES_NAMES[where], given, error=cloaca.WorkflowValidationError)


@pytest.mark.parametrize("where", TAKES_NAMES)
@pytest.mark.parametrize("name", SEEN)
def test_any_name_that_can_be_seen_is_taken(where, name):
    TAKES_NAMES[where](SEEN[name])


@pytest.mark.parametrize("name", [*UNSEEN, *NO_TEXT, "quote", "statement", "parent", "path", "accent"])
def test_a_task_id_is_of_letters_or_refused(name):
    given = (UNSEEN | NO_TEXT | SEEN)[name]
    if given is not None:
        assert "the id of task 'body' is refused" in refusal(lambda: cloaca.task(id=given)(body))
    if type(given) is not str:
        assert "is not a task" in refusal(cloaca.WorkflowBuilder("w").add_task, given)
    else:
        assert "it cannot be one" in refusal(cloaca.WorkflowBuilder("w").add_task, given)


@pytest.mark.parametrize("name", NO_TEXT)
def test_a_dependency_that_is_no_name_is_refused(name):
    message = refusal(lambda: cloaca.task(id="a", dependencies=[NO_TEXT[name]])(body))
    assert message.startswith("a dependency must be a task's id or a function decorated with @task, not ")


@pytest.mark.parametrize("name", NO_TEXT)
@pytest.mark.parametrize("method", ["description", "tag"])
def test_a_text_that_is_none_is_refused(method, name):
    call = getattr(cloaca.WorkflowBuilder("w"), method)
    arguments = [NO_TEXT[name]] if method == "description" else ["k", NO_TEXT[name]]
    assert "must be a str, not " in refusal(call, *arguments)


@pytest.mark.parametrize("text", ["\0", "a\ud800"])
def test_a_text_that_no_database_takes_is_refused(text):
    assert "which cannot be stored" in refusal(cloaca.WorkflowBuilder("w").description, text)
    assert "which cannot be stored" in refusal(cloaca.WorkflowBuilder("w").tag, "k", text)


def test_text_that_only_looks_like_it_is_taken_for_what_it_holds():
    """A subclass of str is kept as the plain text, so that none of its own methods is called later."""
    task = cloaca.task(id=Odd("a"))(body)
    workflow = cloaca.WorkflowBuilder(Odd("w")).description(Odd("d")).tag(Odd("k"), Odd("v"))
    built = workflow.add_task(Odd("a")).build()
    texts = [task.id, built.name, built.description, *built.tags, *built.tags.values(), *built.tasks]
    assert [type(text) for text in texts] == [str] * 6
    assert texts == ["a", "w", "d", "k", "v", "a"]


@pytest.mark.parametrize("name", SEEN)
def test_a_workflow_of_any_name_runs_and_is_found(make_runner, database_url, tmp_path, name):
    runner = make_runner(database_url)
    workflow_of(SEEN[name], body)
    result = runner.start(SEEN[name]).result(SOON)
    assert (result.error_message, result.workflow_name) == (None, SEEN[name])
    found = runner.list_executions(workflow_name=SEEN[name])
    assert [summary.execution_id for summary in found] == [result.execution_id]
    assert runner.list_executions(workflow_name=SEEN[name] + "'") == []
    assert {path.name.split("-")[0] for path in tmp_path.iterdir()} <= {"cloaca.db"}


ASKS = {
    "get_execution": lambda runner, asked: runner.get_execution(asked),
    "get_handle": lambda runner, asked: runner.get_handle(asked),
    "list after": lambda runner, asked: runner.list_executions(after=asked),
}


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("name", [*UNSEEN, *SEEN, *NO_TEXT])
def test_an_execution_of_any_other_id_is_not_found(memory_runner, ask, name):
    given = (UNSEEN | SEEN | NO_TEXT)[name]
    if given is None and ask == "list after":
        return
    message = refusal(ASKS[ask], memory_runner, given, error=cloaca.ExecutionNotFoundError)
    assert "is not in sqlite:///:memory:" in message


@pytest.fixture(scope="module")
def memory_runner():
    """One for all who only ask."""
    with cloaca.DefaultRunner(":memory:") as runner:
        yield runner


@pytest.mark.parametrize("name", [*UNSEEN, *SEEN, *NO_TEXT])
def test_a_workflow_of_any_other_name_is_not_started(memory_runner, name):
    given = (UNSEEN | SEEN | NO_TEXT)[name]
    refusal(memory_runner.execute, given, error=(cloaca.WorkflowNotFoundError, TypeError))


URLS = {
    "empty": "",
    "blank": " ",
    "a line end": "sqlite:///app.db\n",
    "a space at its end": "sqlite:///app.db ",
    "NUL": "sqlite:///a\0b.db",
    "escaped NUL": "sqlite:///a%00b.db",
    "an escape of half a character": "sqlite:///%ff.db",
    "lone surrogate": "sqlite:///\udc80.db",
    "bidi": "sqlite:///\u202eapp.db",
    "escape": "sqlite:///\x1b[31m.db",
    "64 KB": "sqlite:///" + "x" * 65536,
    "3,000 folders": "sqlite:///" + "d/" * 3000 + "app.db",
    "no file": "sqlite://",
    "no file at all": "sqlite:///",
    "a folder": "sqlite:///folder/",
    "a folder without slash": "sqlite:///folder",
    "this folder": "sqlite:///.",
    "the folder above": "sqlite:///..",
    "almost memory": "sqlite:///:memory",
    "a user and a host": "sqlite://ada:secret@host/app.db",
    "surrogate in a server's": "postgresql://ada:secret@localhost:1/\ud800",
    "bidi in a server's": "postgresql://ada:secret@\u202e:1/app",
    "another database": "mysql://ada:secret@host/app",
    "no colon": "postgresql//ada:secret@host/app",
}


@pytest.mark.parametrize("name", [*URLS, *(name for name in NO_TEXT if name != "none")])
def test_a_url_that_is_none_is_refused_and_no_file_made(tmp_path, name):
    (tmp_path / "folder").mkdir()
    message = refusal(cloaca.DefaultRunner, (URLS | NO_TEXT)[name], error=cloaca.DatabaseError)
    assert "secret" not in message
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("app.db", "for a file write sqlite:///app.db"),
        ("./data/app", "for a file write sqlite:///./data/app"),
        ("/srv/app.db", "for a file write sqlite:////srv/app.db"),
        ("SQLite:///app.db", "write sqlite://..."),
        ("sqlite+pysqlite:///app.db", "write sqlite://..."),
        ("sqlite3:///app.db", "write sqlite://..."),
        ("sqlite:app.db", "write sqlite://..."),
        ("postgresql+psycopg2://ada:secret@host/app", "write postgresql://..."),
        ("postgresql//ada:secret@host/app", "write postgresql://..."),
        ("Postgres://ada:secret@host/app", "write postgresql://..."),
        ("sqlite:///:memory", "write sqlite:///:memory:"),
        ("sqlite:///folder", "is a folder: name a file in it, such as sqlite:////"),
        ("mysql://ada:secret@host/app", "use sqlite:///relative/path.db"),
    ],
)
def test_a_url_that_is_almost_one_says_what_to_write(tmp_path, url, advice):
    (tmp_path / "folder").mkdir()
    message = refusal(cloaca.DefaultRunner, url, error=cloaca.DatabaseError)
    assert advice in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///it's.db", "it's.db"),
        ("sqlite:///a%20b%3F.db", "a b?.db"),
        ("sqlite:///50%.db", "50%.db"),
        ("sqlite:///x#y.db", "x#y.db"),
        ("sqlite:///é👩‍👩‍👧.db", "é👩‍👩‍👧.db"),
        ("sqlite:///-rf.db", "-rf.db"),
        ("sqlite:///folder/../a.db", "a.db"),
        ("sqlite:///file:a.db%3Fmode=memory", "file:a.db?mode=memory"),
    ],
)
def test_a_file_of_any_name_that_can_be_seen_is_made(make_runner, tmp_path, url, file):
    (tmp_path / "folder").mkdir()
    workflow_of("w", body)
    assert make_runner(url).execute("w").status == "Completed"
    database = sqlite3.connect(tmp_path / file)
    assert database.execute("select count(*) from cloaca_executions").fetchone() == (1,)
    database.close()


@pytest.mark.parametrize("name", [name for name in NO_TEXT if name != "none"])
def test_a_schema_that_is_no_text_is_refused_before_anything_is_tried(name):
    for url in ("postgresql://ada:secret@localhost:1/app", "sqlite:///app.db"):
        message = refusal(lambda url=url: cloaca.DefaultRunner(url, schema=NO_TEXT[name]))
        assert "schema" in message
        assert "secret" not in message


@pytest.mark.parametrize("text", ["\x1b]0;title\x07", "a\nb", "\u202e"])
def test_what_a_message_shows_cannot_steer_a_terminal(runner, text):
    """Of a value and of an object's own repr alike."""

    class Steering:
        def __repr__(self):
            return text

    for given in (text, Steering()):
        assert refusal(cloaca.WorkflowBuilder, given)


def test_files_of_the_folder_are_only_the_databases(make_runner, tmp_path):
    """Names of workflows, tasks and keys touch no file."""
    before = set(os.listdir("/tmp"))
    workflow_of("../escaped", body, id="..a")
    make_runner().start("../escaped", idempotency_key="../key").result(SOON)
    assert {path.name for path in tmp_path.iterdir()} <= {
        "app.db",
        "app.db-wal",
        "app.db-shm",
        "app.db-locks",
    }
    assert not Path("../escaped").exists()
    assert "key" not in set(os.listdir("/tmp")) - before
