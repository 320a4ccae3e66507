"""The reference has every public name, and is what the docstrings say."""

import re

import pytest
from docs.reference.make import Reference
from docs.reference.names import entries

import cloaca
import cloaca.testing
from tests.docs.pages import ROOT

FOLDER = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def made():
    """The pages by file, from the docstrings of now."""
    return dict(Reference(entries()).pages())


def test_the_reference_is_up_to_date(made):
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    assert sorted(written) == sorted(made)
    for name, text in made.items():
        assert written[name] == text, f"docs/reference/{name}: run python -m docs.reference.make"


def test_every_public_name_is_described_once(made):
    described = [name for text in made.values() for name in re.findall(r"^## `(\w+)`$", text, re.MULTILINE)]
    assert len(described) == len(set(described))
    assert {*cloaca.__all__, *cloaca.testing.__all__} - {*described} == {"PipelineResult"}
    assert "`PipelineResult` is another name of it" in made["records.md"]


def test_every_name_has_something_said_about_it(made):
    assert not re.findall(r"^\| \[`\w+`\]\(.*\) \|\s+\|$", made["index.md"], re.MULTILINE)
