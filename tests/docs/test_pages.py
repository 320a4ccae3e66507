"""Every example in the README, the documentation and the docstrings runs and prints what it shows."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cloaca
from cloaca.authoring import registry
from cloaca.store.sqlite.store import SqliteStore
from tests.docs.pages import ROOT, Page, blocks_of, is_as_shown, pages

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(cloaca.__path__, "cloaca.")
    if not module.name.endswith("__main__")
)


@pytest.fixture(autouse=True)
def _own_world(tmp_path, monkeypatch):
    """A registry, a folder and a database URL of the page's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLOACA_DATABASE_URL", raising=False)
    before = registry.use(registry.Registry())
    yield
    registry.use(before)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_runs_and_prints_what_it_shows(page, tmp_path, monkeypatch, request):
    for variable in ("ADMIN_URL", "POSTGRES_URL"):
        if variable in page.read_text(encoding="utf-8"):
            monkeypatch.setenv(variable, request.getfixturevalue("postgres_url"))
    Page(page, tmp_path).run()


@pytest.mark.parametrize("module", ["cloaca", *MODULES])
def test_the_examples_in_docstrings_run(module):
    failed, _ = doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS)
    assert not failed


def test_a_page_that_shows_something_else_than_it_prints_is_caught(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    monkeypatch.setattr("tests.docs.pages.ROOT", tmp_path)
    page.write_text("```python\nprint(1)\n```\n\n```text\n2\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"page.md:2 shows"):
        Page(page, tmp_path).run()
    page.write_text("```console\n$ echo one\none\n$ echo two\nthree\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"page.md:4 shows"):
        Page(page, tmp_path).run()


def test_output_that_a_page_does_not_show_is_caught(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    monkeypatch.setattr("tests.docs.pages.ROOT", tmp_path)
    page.write_text("```python\nprint('silent')\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="silent"):
        Page(page, tmp_path).run()


def test_what_a_page_leaves_running_is_ended_with_it(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    monkeypatch.setattr("tests.docs.pages.ROOT", tmp_path)
    page.write_text(
        "```console\n$ mkfifo pipe; (echo $BASHPID >pid; exec cat pipe) >/dev/null 2>&1 &\n"
        "$ until [ -s pid ]; do sleep 0.01; done\n$ false; echo no\nyes\n```\n",
        encoding="utf-8",
    )
    with pytest.raises(AssertionError, match="yes"):
        Page(page, tmp_path).run()
    left = Path("/proc", tmp_path.joinpath("pid").read_text(encoding="utf-8").strip(), "stat")
    deadline = time.monotonic() + 10
    while left.exists() and left.read_text(encoding="utf-8").split()[2] != "Z":
        assert time.monotonic() < deadline


def test_ids_times_and_durations_are_compared_as_such():
    assert is_as_shown(
        "01a207a5-5fc1-724d-aec3-61bce34efbc4 in 3.2 ms\n", "01a20000-0000-7000-8000-000000000000 in 9 ms"
    )
    assert not is_as_shown("in 3.2 ms", "in no time")


@pytest.mark.parametrize("name", ["example", "test"])
def test_the_readme_has_the_command_that_does_it_all(name):
    (command,) = [block for block in blocks_of(ROOT / "README.md") if block.mark == ("command", name)]
    assert len(command.text.splitlines()) == 1
    assert command.text.startswith("python3 -m venv .venv && ")
    subprocess.run(["bash", "-n", "-c", command.text], check=True)
    for path in re.findall(r"examples/\S+", command.text):
        assert (ROOT / path).is_file(), path


def test_the_readme_has_the_command_that_builds_the_site():
    """``.ci/run`` runs it."""
    (command,) = [block for block in blocks_of(ROOT / "README.md") if block.mark == ("command", "docs")]
    assert command.text.endswith(".venv/bin/zensical build --strict\n")


def test_no_document_installs_somebody_elses_distribution():
    written = [
        *pages(),
        *(ROOT / "examples").rglob("*"),
        *(ROOT / "src").rglob("*.py"),
        ROOT / "pyproject.toml",
    ]
    for path in written:
        if path.is_file() and path.suffix in {".md", ".py", ".toml", ".txt"}:
            assert not re.search(
                r"pip3? install ([^\s&|;]+ )*['\"]?cloaca\b", path.read_text(encoding="utf-8")
            ), path


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_exists(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"(?:\]\(|src=\"|srcset=\"|href=\")([^)\"\s]+)", text):
        if not target.startswith(("https://", "http://", "mailto:")):
            assert _exists(target, page), target


def _exists(target: str, page: Path) -> bool:
    path, _, anchor = target.partition("#")
    linked = (page.parent / path) if path else page
    return linked.exists() and (not anchor or anchor in _anchors(linked))


def _anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings of a page."""
    without_code = re.sub(
        r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    headings = re.findall(r"^#+ (.+)$", without_code, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page):
    named = re.findall(
        r"`((?:src|tests|docs|examples|benchmarks)/[\w./-]+|(?:cli|runner|engine|store|executors|authoring|drawing|model)/[\w./-]+)`",
        page.read_text(encoding="utf-8"),
    )
    for path in named:
        assert (ROOT / path).exists() or (ROOT / "src" / "cloaca" / path).exists(), path


def test_the_pictures_are_what_their_script_makes(tmp_path):
    images = ROOT / "docs" / "images"
    subprocess.run([sys.executable, images / "make.py", tmp_path], check=True)
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.svg")}
    assert made
    assert made == {path.name: path.read_text(encoding="utf-8") for path in images.glob("*.svg")}


def test_three_instant_tasks_in_a_row_cost_four_commits(monkeypatch):
    """As docs/architecture.md says."""
    with cloaca.WorkflowBuilder("chain"):

        @cloaca.task
        def first(context): ...

        @cloaca.task(dependencies=[first])
        def second(context): ...

        @cloaca.task(dependencies=[second])
        def third(context): ...

    commits = []
    commit = SqliteStore.commit
    monkeypatch.setattr(
        SqliteStore, "commit", lambda store, batch: commits.append(batch) or commit(store, batch)
    )
    with cloaca.DefaultRunner("sqlite:///chain.db") as runner:
        runner.execute("chain", check=True)
        assert len(commits) == 4
