"""The documentation site: every page is found, and reads the same there and as plain Markdown."""

import re

import pytest

from tests.docs.pages import ROOT, pages
from tests.docs.site import missing, navigation

DOCS = ROOT / "docs"
IN_DOCS = [page for page in pages() if page.is_relative_to(DOCS)]


@pytest.mark.parametrize("page", IN_DOCS, ids=lambda page: str(page.relative_to(DOCS)))
def test_a_page_is_in_the_navigation(page):
    name = page.relative_to(DOCS).as_posix()
    assert navigation().count(name) == 1, (
        f"docs/{name} must be in the navigation once: add it to a section of nav in zensical.toml"
    )


def test_the_navigation_lists_only_pages_that_exist():
    assert [name for name in navigation() if not (DOCS / name).is_file()] == []


def test_the_index_links_to_every_page():
    """It is the navigation of those who read on GitHub."""
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    for page in IN_DOCS:
        if page.parent == DOCS and page.name != "index.md":
            assert f"]({page.name})" in index, f"add docs/{page.name} to a table in docs/index.md"


@pytest.mark.parametrize("page", IN_DOCS, ids=lambda page: str(page.relative_to(DOCS)))
def test_a_list_or_table_of_a_page_begins_after_an_empty_line(page):
    """GitHub does not need it; the generator of the site does, and shows a paragraph otherwise."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for above, line in zip(["", *text.splitlines()], text.splitlines(), strict=False):
        if re.match(r"[-*|] ?\S|\d+\. ", line):
            assert not above or re.match(r"[-*|]|\d+\.|  ", above), f"an empty line is missing above: {line}"


def test_what_is_missing_in_a_built_site_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.docs.site.navigation", lambda: ["index.md", "guide.md"])
    index = tmp_path / "index.html"
    index.write_text(
        '<h1 id="top">x</h1><a href="#top">x</a><a href="https://example.com/">x</a>'
        '<a href="index.html#nowhere">x</a><img src="images/none.svg">',
        encoding="utf-8",
    )
    assert list(missing(tmp_path)) == [
        "docs/guide.md is in the navigation of zensical.toml and was not built",
        f"{index} refers to index.html#nowhere, which is missing",
        f"{index} refers to images/none.svg, which is missing",
    ]
