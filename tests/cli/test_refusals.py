"""Mistakes in what is typed: a message that says what to do, exit code 2, no traceback of the library's."""

from __future__ import annotations

import json
import os

import pytest

from tests.cli.conftest import rest_of

TWO = """
import cloaca
for name in ("nightly", "weekly"):
    with cloaca.WorkflowBuilder(name):
        @cloaca.task
        def work(context): ...
"""


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("etk.py", "there is no file etk.py: did you mean etl.py?"),
        ("far/etl.py", "there is no file far/etl.py: there is no folder"),
        ("etk", "there is no file or module etk: did you mean etl.py?"),
        ("json.nothing", "there is no file or module json.nothing: name a file"),
        ("./", "./ is a folder: name a file in it"),
        ("a flow", "there is no file a flow: looked for "),
        ("", "FILE_OR_MODULE is '': name a file such as etl.py"),
        (" ", "FILE_OR_MODULE is ' ': name a file such as etl.py"),
        ("etl.py:etl", "there is no file etl.py:etl: name the workflow after a space, etl.py etl"),
        ("sub", "sub is a folder: name a file in it"),
        ("sub/extrac", "there is no file sub/extrac: did you mean sub/extract.py?"),
        ("\x1b[31m.py", r"there is no file '\x1b[31m.py': looked for '"),
        ("\u202eetl.py", r"there is no file '\u202eetl.py': did you mean etl.py?"),
        ("x" * 5000, "there is no file or module 'xxx"),
        (os.fsdecode(b"\xff.py"), r"there is no file '\udcff.py': looked for '"),
    ],
)
def test_a_file_or_module_that_is_not_there(folder, target, message):
    folder.path.joinpath("sub").mkdir()
    folder.write("sub/extract.py", "")
    said = folder.refused("run", target)
    assert message in said
    assert len(said) < 1000


def test_tasks_that_are_in_no_workflow_are_named(folder):
    folder.write("loose.py", "import cloaca\n@cloaca.task\ndef extract(context): ...\n")
    assert "loose.py declares 'extract' and registers no workflow: put them into a block" in folder.refused(
        "run", "loose.py"
    )


def test_a_constructor_that_exits_says_so(folder):
    folder.write(
        "exits.py", "import sys, cloaca\ncloaca.register_workflow_constructor('w', lambda: sys.exit(0))\n"
    )
    assert "the constructor of workflow 'w' failed with SystemExit: 0" in folder.refused("run", "exits.py")


@pytest.mark.parametrize("name", ["", " ", "\x1b[31m", "x" * 5000, "'; drop table x", os.fsdecode(b"\xff")])
def test_a_workflow_or_execution_of_a_hostile_name_is_not_there(folder, name):
    said = [folder.refused("run", "etl.py", name)]
    folder.run("run", "etl.py")
    said.append(folder.refused("run", "etl.py", "--resume", name))
    assert "is not in etl.py: it registers 'etl'" in said[0]
    assert any(part in said[1] for part in ("is not in sqlite:///", "--resume is ", "is too short"))
    assert all(line.isprintable() and len(line) < 500 for text in said for line in text.splitlines())


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "etl.py:\x1b\u202e"],
        ["run", "etl.py", "--context", '{"a": \x1b\u202e'],
        ["run", "etl.py", "--context", "@given.json"],
        ["worker", "etl.py", "--metrics-address", "\x1b\u202e"],
        ["fork", "0" * 36, "a", "--set", "\x1b\u202e=x"],
        ["schedule", "preview", "@daily", "--from", "\x1b\u202e"],
    ],
)
def test_what_was_typed_or_read_cannot_steer_the_terminal_it_is_refused_on(folder, arguments):
    folder.write("given.json", '{"a": \x1b\u202e')
    with folder.terminal(*arguments) as child:
        said = rest_of(child)
    assert "Error: " in said
    assert all(line.isprintable() for line in said.splitlines())


def test_a_module_that_raises_shows_its_own_traceback_only(folder):
    folder.write("bad.py", "def fail():\n    return 1 / 0\n\nfail()\n")
    shown = folder.refused("run", "bad.py")
    assert shown.startswith(f'Traceback (most recent call last):\n  File "{folder.path}/bad.py", line 4')
    assert shown.endswith(
        "ZeroDivisionError: division by zero\nError: bad.py cannot be imported: it raised ZeroDivisionError\n"
    )
    assert "importlib" not in shown


def test_a_module_that_imports_what_is_not_there_shows_its_traceback(folder):
    folder.write("needy.py", "import not_installed\n")
    assert "ModuleNotFoundError: No module named 'not_installed'" in folder.refused("run", "needy")


def test_a_workflow_that_cannot_be_built_is_shown_where_it_is_written(folder):
    folder.write(
        "empty.py", "import cloaca\nwith cloaca.WorkflowBuilder('nothing'):\n    pass\n",
    )  # fmt: skip
    shown = folder.refused("run", "empty.py")
    assert 'empty.py", line 2' in shown
    assert "WorkflowValidationError" in shown
    assert "builder.py" not in shown


def test_a_module_that_ends_the_program_is_told_about_the_guard(folder):
    folder.write("script.py", "import sys\nsys.exit(3)\n")
    shown = folder.refused("run", "script.py")
    assert "script.py ended the program when it was imported (SystemExit: 3)" in shown
    assert "if __name__ == '__main__'" in shown


def test_a_module_without_a_workflow(folder):
    folder.write("none.py", "x = 1\n")
    assert "none.py registers no workflow: write one with" in folder.refused("run", "none.py")
    folder.write(
        "built.py",
        "import cloaca\n@cloaca.task\ndef t(context): ...\n"
        "flow = cloaca.WorkflowBuilder('w').add_task('t').build()\n",
    )
    assert "cloaca.register_workflow_constructor('w', lambda: flow)" in folder.refused("run", "built.py")


def test_the_name_is_needed_where_there_are_several_and_the_nearest_is_named(folder):
    folder.write("two.py", TWO)
    assert "two.py registers 2 workflows: name one of 'nightly', 'weekly'" in folder.refused("run", "two.py")
    assert "workflow 'nightl' is not in two.py: did you mean 'nightly'?" in folder.refused(
        "run", "two.py", "nightl"
    )
    assert "it registers 'nightly', 'weekly'" in folder.refused("run", "two.py", "x")


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ("{n: 1}", "in double quotes at line 1, column 2\n  {n: 1}\n   ^\n"),
        ('{"a": 1,\n "b" 2}', """at line 2, column 6\n   "b" 2}\n       ^\n"""),
        ("[1]", "--context is a list and must be an object: "),
        ("7", "--context is a number and must be an object: "),
        ("", "--context is empty and must be an object: "),
        ('{"a": NaN}', "--context cannot be read as JSON: NaN is not a value of JSON"),
        ("@none.json", "the file 'none.json' of --context cannot be read: No such file or directory"),
        ("@.", "the file '.' of --context cannot be read: Is a directory"),
        ("@etl.py", "the file 'etl.py' of --context is not JSON: "),
        (os.fsdecode(b'{"a": "\xff"}'), "--context is not UTF-8 text: write it to a file"),
        ('{"a": 1e999}', "context key 'a': inf cannot be stored as JSON"),
        ('{"a": ' + "9" * 5000 + "}", "--context cannot be read as JSON: Exceeds the limit"),
        ("{'a': 1}", "in double quotes at line 1, column 2"),
        ("n=1", "--context is not JSON: "),
        ("@", "the file '' of --context cannot be read: No such file or directory"),
        ("@\x1b[31m", r"the file '\x1b[31m' of --context cannot be read: No such file or directory"),
        ("@deep.json", "the file 'deep.json' of --context cannot be read as JSON: "),
    ],
)
def test_a_context_that_cannot_be(folder, context, message):
    folder.write("deep.json", '{"a":' * 100_000)
    assert message in folder.refused("run", "etl.py", "--context", context)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("etl.db", "'etl.db' is not a database URL"),
        ("sqlite:///etl.py", "is damaged or is not a SQLite database"),
        ("", "'' is not a database URL"),
        ("sqlite:///.", "names no file"),
        (
            "mysql://ada:secret@host/app",
            "'mysql://ada:***@host/app' is not a database URL that cloaca supports",
        ),
        (os.fsdecode(b"sqlite:///\xff.db"), r"'sqlite:///\udcff.db' contains '\udcff', which is invisible"),
        ("sqlite:///%00.db", "'sqlite:///%00.db' has an escape that cannot be part"),
        ("sqlite:///etl.db?mod=ro", "unknown database option 'mod': did you mean 'mode'?"),
        ("sqlite:///etl.db?mode=rw", "etl.db does not exist, and mode=rw creates none"),
        ("sqlite:///far/etl.db", "the database's folder does not exist"),
    ],
)
def test_a_database_that_cannot_be_used(folder, url, message):
    said = folder.refused("run", "etl.py", "--db", url)
    assert message in said
    assert "secret" not in said


def test_what_cannot_be_resumed(folder):
    assert "there is no database" in folder.refused("run", "etl.py", "--resume", "x")
    assert not os.path.exists(folder.path / "cloaca.db")
    done = json.loads(folder.run("run", "etl.py", "--json").stdout)["execution_id"]
    assert "execution 'nothing here' is not in sqlite:///" in folder.refused(
        "run", "etl.py", "--resume", "nothing here"
    )
    assert "--context cannot be given with --resume" in folder.refused(
        "run", "etl.py", "--resume", done, "--context", "{}"
    )
    folder.write("two.py", TWO)
    assert "is of workflow 'etl', which two.py does not register" in folder.refused(
        "run", "two.py", "--resume", done
    )
    assert "is of workflow 'etl', not of 'weekly'" in folder.refused(
        "run", "two.py", "weekly", "--resume", done
    )


def test_an_unknown_command_or_option_names_the_nearest(folder):
    assert "did you mean 'run'" in folder.refused("rum")
    assert "Did you mean '--json'?" in folder.refused("run", "etl.py", "--jsn")
    assert "Missing argument 'FILE_OR_MODULE'" in folder.refused("run")
