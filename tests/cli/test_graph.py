"""``cloaca graph``: a drawing of what a file registers."""

from xml.etree import ElementTree as ET

import pytest

DRAWN = """flowchart TD
    accTitle: Workflow etl
    t0["extract"]
    t1["transform"]
    t2["load"]
    t0 --> t1
    t1 --> t2
"""


def test_mermaid_goes_to_stdout_and_what_the_module_prints_does_not(folder):
    folder.write("loud.py", folder.path.joinpath("etl.py").read_text() + "\nprint('imported')\n")
    done = folder.run("graph", "loud.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, DRAWN, "imported\n")


def test_an_svg_goes_to_stdout_too(folder):
    done = folder.run("graph", "etl.py", "etl", "--format", "svg")
    assert done.returncode == 0
    assert ET.fromstring(done.stdout).get("aria-label") == "Workflow etl"


@pytest.mark.parametrize(
    ("options", "start"),
    [
        (["--output", "etl.svg"], "<svg "),
        (["--output", "etl.SVG"], "<svg "),
        (["--output", "etl.mmd"], "flowchart"),
        (["--output", "etl.svg", "--format", "mermaid"], "flowchart"),
        (["--output", "etl.txt", "--format", "svg"], "<svg "),
    ],
)
def test_a_file_holds_the_format_its_name_says_unless_told(folder, options, start):
    folder.write(options[1], "what it held before" * 1000)
    done = folder.run("graph", "etl.py", *options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert folder.path.joinpath(options[1]).read_text().startswith(start)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["etl.py", "elt"], "workflow 'elt' is not in etl.py: did you mean 'etl'?"),
        (["elt.py"], "there is no file elt.py: did you mean etl.py?"),
        (["etl.py", "--output", "no/etl.svg"], "--output 'no/etl.svg' cannot be written: No such file or directory"),
        (["etl.py", "--output", "."], "--output '.' cannot be written: Is a directory"),
        (["etl.py", "--output", ""], "--output '' cannot be written"),
        (["etl.py", "--format", "png"], "'png' is not one of 'mermaid', 'svg'"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_says_why(folder, arguments, message):
    assert message in folder.refused("graph", *arguments)


def test_the_help_has_examples(folder):
    done = folder.run("graph", "--help")
    assert "cloaca graph etl.py --output etl.svg" in done.stdout
