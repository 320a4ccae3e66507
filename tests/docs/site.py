"""Whether the built site is whole: ``python -m tests.docs.site``, after ``zensical build --strict``.

The generator checks links between pages. It passes over a navigation entry without a page, and over pictures and links
written as HTML; so here each page must have become one, and all that the built pages refer to must be there.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.docs.pages import ROOT

CONFIG = ROOT / "zensical.toml"


def navigation() -> list[str]:
    """The pages that the site's navigation lists, by their path below docs/."""
    return list(_listed(tomllib.loads(CONFIG.read_text(encoding="utf-8"))["project"]["nav"]))


def _listed(entry: object) -> Iterator[str]:
    match entry:
        case str():
            yield entry
        case list():
            for each in entry:
                yield from _listed(each)
        case dict():
            yield from _listed(list(entry.values()))


class Html(HTMLParser):
    """What a built page refers to, and what can be referred to in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"id", "name"} and value:
                self.ids.add(value)
            if name in {"href", "src"} and value:
                self.targets.append(value)


_html = cache(Html)


def missing(site: Path) -> Iterator[str]:
    """A sentence for each page that was not built, and for each target that is not there."""
    for page in navigation():
        if not site.joinpath(page).with_suffix(".html").is_file():
            yield f"docs/{page} is in the navigation of {CONFIG.name} and was not built"
    for path in sorted(site.rglob("*.html")):
        if path.name != "404.html":  # it is served at any address, and so refers to the root of the site
            yield from (f"{path} refers to {target}, which is missing" for target in _dangling(path))


def _dangling(page: Path) -> Iterator[str]:
    for target in _html(page).targets:
        url = urlsplit(target)
        if url.scheme or url.netloc:
            continue
        path = (page.parent / unquote(url.path)).resolve() if url.path else page
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file() or not _has(path, unquote(url.fragment)):
            yield target


def _has(path: Path, anchor: str) -> bool:
    return not anchor or path.suffix != ".html" or anchor in _html(path).ids


if __name__ == "__main__":
    found = list(missing(ROOT / "site"))
    sys.exit("\n".join(found) or None)
