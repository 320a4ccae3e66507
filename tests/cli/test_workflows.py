"""``cloaca workflows``: what a file registers."""

import json

import pytest

SHOP = """
import cloaca

with cloaca.WorkflowBuilder("orders") as builder:
    builder.description("From shop to books").tag("team", "a")

    @cloaca.workflow_params(region=str, limit=(int, 10), tags=(list[str], []))
    @cloaca.task
    def fetch(context, *, region: str):
        '''Reads the shop.

        why: the books want it
        '''

    @cloaca.task(dependencies=[fetch], retry_attempts=3, timeout_seconds=5)
    async def load(context): ...

    @cloaca.task(dependencies=["fetch"])
    def count(context): ...

    @cloaca.task(dependencies=[load, count], trigger_rules=cloaca.task_failed("load"), on_success=print)
    def mourn(context): ...

with cloaca.WorkflowBuilder("refunds"):

    @cloaca.task
    def refund(context): ...

print("imported")
"""


@pytest.fixture
def shop(folder):
    folder.write("shop.py", SHOP)
    return folder


def said(folder, *arguments):
    done = folder.run("workflows", *arguments)
    assert (done.returncode, done.stderr.replace("imported\n", "")) == (0, ""), done
    return done.stdout


def test_workflows_are_listed(shop):
    assert said(shop, "list", "shop.py") == (
        "imported\n"
        "workflow  tasks  input                description\n"
        "orders    4      region, limit, tags  From shop to books\n"
        "refunds   1\n"
    )
    assert [one["workflow"] for one in json.loads(said(shop, "list", "shop", "--json"))["workflows"]] == [
        "orders",
        "refunds",
    ]


def test_a_workflow_is_shown_with_its_inputs_and_its_tasks_by_level(shop):
    lines = said(shop, "show", "shop.py", "orders").splitlines()
    assert lines[1] == "orders: From shop to books"
    assert lines[2].startswith("version ")
    assert lines[3:] == [
        "tags team=a",
        "",
        "input   type       default",
        "region  str        required",
        "limit   int        10",
        "tags    list[str]  []",
        "",
        "level  task   after        options",
        "1      fetch               reads region",
        "2      load   fetch        async, retried 3 times, timeout 5 s",
        "2      count  fetch",
        "3      mourn  load, count  if task_failed('load'), on_success",
    ]


def test_as_json_a_workflow_is_one_object_and_nothing_else_is_printed(shop):
    shown = json.loads(said(shop, "show", "shop.py", "orders", "--json"))
    assert (shown["workflow"], shown["description"], shown["tags"]) == (
        "orders",
        "From shop to books",
        {"team": "a"},
    )
    assert len(shown["version"]) == 32
    assert shown["levels"] == [["fetch"], ["load", "count"], ["mourn"]]
    assert shown["params"][1] == {
        "name": "limit", "type": "int", "required": False, "default": 10,
        "schema": {"type": "integer", "default": 10},
    }  # fmt: skip
    fetch, load, _, mourn = shown["tasks"]
    assert (fetch["what"], fetch["why"]) == ("Reads the shop.", "the books want it")
    assert (fetch["reads"], fetch["retry"], fetch["dependencies"]) == (["region"], None, [])
    assert (load["is_async"], load["retry"]["max_attempts"], load["timeout_seconds"]) == (True, 3, 5.0)
    assert (mourn["dependencies"], mourn["callbacks"]) == (["load", "count"], ["on_success"])
    assert mourn["trigger_rules"] == "task_failed('load')"


def test_the_only_workflow_needs_no_name_and_one_without_inputs_shows_none(folder):
    shown = said(folder, "show", "etl.py")
    assert shown.startswith("etl\nversion ")
    assert "input" not in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "shop.py"), "shop.py registers 2 workflows: name one of 'orders', 'refunds'"),
        (("show", "shop.py", "order"), "workflow 'order' is not in shop.py: did you mean 'orders'?"),
        (("list", "shap.py"), "there is no file shap.py: did you mean shop.py?"),
        (("list", "empty.py"), "empty.py registers no workflow"),
        (("list", "broken.py"), "the constructor of workflow 'broken' failed with ValueError: no"),
    ],
)
def test_what_cannot_be_shown_says_why(shop, arguments, message):
    shop.write("empty.py", "")
    shop.write(
        "broken.py", "import cloaca\ndef make(): raise ValueError('no')\n"
        "cloaca.register_workflow_constructor('broken', make)\n",
    )  # fmt: skip
    done = shop.run("workflows", *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_texts_that_would_steer_a_terminal_are_escaped(folder):
    folder.write(
        "evil.py", "import cloaca\n@cloaca.task\ndef t(context): ...\n"
        "w = cloaca.WorkflowBuilder('evil').description('\\x1b[2J' + 'x' * 9999).add_task(t).build()\n"
        "cloaca.register_workflow_constructor('evil', lambda: w)\n",
    )  # fmt: skip
    for command in ("list", "show"):
        shown = said(folder, command, "evil.py")
        assert "\x1b" not in shown
        assert len(shown) < 1500
