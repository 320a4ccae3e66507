"""Workflows as Mermaid, as SVG and in notebooks."""

import itertools
import os
import random
import re
import subprocess
import sys
import time
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cloaca
from cloaca.authoring.task import Task
from cloaca.authoring.workflow import Workflow
from cloaca.drawing.figure import STATUSES
from cloaca.drawing.texts import columns, one_line, without_middle
from cloaca.errors import TaskNotFoundError, WorkflowValidationError
from cloaca.model.states import TaskStatus

SVG = "{http://www.w3.org/2000/svg}"
NIGHTLY = {"fetch": (), "load": ("fetch",), "mourn": ("load",)}

HOSTILE = [
    '"; click t0 call alert(1) %%',
    "<script>alert(1)</script>",
    "</title></svg>]]><!-- &amp; #quot;",
    "two\nlines\r\nand\ttabs",
    "\u202eevil\u2066 bidi",
    "nul \0 and \x1b[2J",
    "half \ud800 and \ufffe\uffff",
    "`**markdown**`",
    "x" * 65536,
    "日本語 😀",
]  # fmt: skip

WIDEST_COMMON_FONT = 0.61


def workflow(dependencies, *, docs=None, rules=None, name="nightly", description=""):
    tasks = []
    for id, needed in dependencies.items():

        def body(context): ...

        body.__doc__ = (docs or {}).get(id)
        tasks.append(Task(body, id=id, dependencies=tuple(needed), trigger_rules=(rules or {}).get(id)))
    return Workflow(name, tasks=tasks, description=description)


@pytest.fixture
def nightly():
    return workflow(
        NIGHTLY,
        docs={"fetch": "Reads the orders.\n    \n    At length."},
        rules={"mourn": cloaca.task_failed("load")},
        description="From shop to books",
    )


def parsed(svg):
    return ET.fromstring(svg)


def drawn_tasks(svg):
    """For each task its tooltip and the lines in its box."""
    return [
        (group.find(f"{SVG}title").text, [text.text for text in group.findall(f"{SVG}text")])
        for group in parsed(svg).iter(f"{SVG}g")
        if "task" in group.get("class", "").split()
    ]


# -- Mermaid -----------------------------------------------------------------------------------------------------------


def test_mermaid_shows_tasks_arrows_rules_and_descriptions(nightly):
    assert nightly.to_mermaid().splitlines() == [
        "flowchart TD",
        "    accTitle: Workflow nightly",
        "    accDescr: From shop to books",
        '    t0["fetch<br/>Reads the orders."]',
        '    t1["load"]',
        "    t2[\"mourn<br/>if task_failed('load')\"]",
        "    t0 --> t1",
        "    t1 -.-> t2",
    ]


def test_words_of_mermaid_are_ordinary_ids():
    words = ["end", "graph", "subgraph", "style", "class", "click", "default", "o", "x", "--", "1.a"]
    lines = workflow(dict.fromkeys(words, ())).to_mermaid().splitlines()[2:]
    assert lines == [f'    t{number}["{word}"]' for number, word in enumerate(words)]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_ends_its_label_in_mermaid(text):
    made = workflow(
        NIGHTLY, docs={"fetch": text}, rules={"load": cloaca.context_value("k", "==", text.encode("ascii", "replace").decode())},
        name=f"w {text}", description=text,
    )  # fmt: skip
    lines = made.to_mermaid().splitlines()
    assert len(lines) == 8
    assert all(len(line) < 2000 for line in lines)
    for line in lines[3:6]:
        label = re.fullmatch(r'    t\d\["(.*)"\]', line)[1].replace("<br/>", "")
        assert not re.search(r"[\"<>&`\x00-\x1f\x7f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", label)
        assert not re.search(r"[#;]", re.sub(r"#\d+;", "", label))


# -- SVG ---------------------------------------------------------------------------------------------------------------


def test_an_svg_shows_tasks_rules_and_descriptions(nightly):
    assert drawn_tasks(nightly.to_svg()) == [
        ("fetch\nReads the orders.", ["fetch", "Reads the orders."]),
        ("load", ["load"]),
        ("mourn\nruns if task_failed('load')", ["mourn", "if task_failed('load')"]),
    ]


def test_an_svg_says_to_a_screen_reader_what_it_shows(nightly):
    root = parsed(nightly.to_svg())
    assert (root.get("role"), root.get("aria-label")) == ("img", "Workflow nightly")
    assert root[0].tag == f"{SVG}title"
    assert root[0].text == "Workflow nightly"
    assert root.find(f"{SVG}desc").text == "3 tasks. From shop to books"


def test_an_svg_has_its_own_ground_for_light_and_dark(nightly):
    root = parsed(nightly.to_svg())
    style = root.find(f"{SVG}style").text
    assert root.find(f"{SVG}rect").get("class") == "panel"
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    for part in (light, dark):
        assert re.search(r"rect\.panel \{ fill: #\w{6}", part)
        assert re.search(r"text \{ fill: #\w{6}", part)


def test_the_styles_of_an_svg_hold_for_nothing_else_on_a_page(nightly):
    style = parsed(nightly.to_svg()).find(f"{SVG}style").text
    selectors = [
        part for rule in re.findall(r"^([^{}@]+)\{", style, re.MULTILINE) for part in rule.split(",")
    ]
    assert selectors
    assert all(selector.strip().startswith(".cloaca-graph ") for selector in selectors)


def test_arrows_to_a_task_with_a_rule_are_dashed_in_svg(nightly):
    paths = [path.get("class") for path in parsed(nightly.to_svg()).iter(f"{SVG}path")]
    assert paths == ["edge", "edge by-rule", "tips"]
    assert "by-rule" not in {
        path.get("class") for path in parsed(workflow(NIGHTLY).to_svg()).iter(f"{SVG}path")
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_breaks_the_svg_or_its_boxes(text):
    made = workflow(
        NIGHTLY, docs={"fetch": text}, rules={"load": cloaca.context_value("k", "==", text.encode("ascii", "replace").decode())},
        name=f"w {text}", description=text,
    )  # fmt: skip
    svg = made.to_svg()
    svg.encode()
    root = parsed(svg)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        "svg", "title", "desc", "style", "rect", "text", "g", "path",
    }  # fmt: skip
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u2028-\u202e\u2066-\u2069]", svg)
    assert len(svg) < 10_000
    check_labels(root)


@settings(max_examples=50)
@given(text=st.text())
def test_any_docstring_is_drawn(text):
    made = workflow({"a": ()}, docs={"a": text}, name="w", description=text)
    parsed(made.to_svg())
    assert len(made.to_mermaid().splitlines()) in {3, 4}


def test_labels_fit_their_boxes():
    ids = ["i", "W" * 255, "a.b-c_d" * 5, *(f"{'x' * n}" for n in range(1, 40, 6))]
    check_labels(parsed(workflow(dict.fromkeys(ids, ())).to_svg()))


def check_labels(root):
    size_of = {
        kind: int(size)
        for kind, size in re.findall(r"\.(\w+) \{ font-size: (\d+)px", root.find(f"{SVG}style").text)
    }
    for group in root.iter(f"{SVG}g"):
        rect = group.find(f"{SVG}rect")
        if rect is None:
            continue
        left, top = int(rect.get("x")), int(rect.get("y"))
        right, bottom = left + int(rect.get("width")), top + int(rect.get("height"))
        for text in group.findall(f"{SVG}text"):
            size = size_of[text.get("class")]
            half = columns(text.text) * size * WIDEST_COMMON_FONT / 2
            assert left <= int(text.get("x")) - half
            assert int(text.get("x")) + half <= right
            assert top + size <= int(text.get("y")) <= bottom - 0.25 * size


def test_a_long_id_is_shortened_in_its_box_and_whole_in_the_tooltip():
    id = "load_" + "x" * 240 + "_of_2026"
    ((tooltip, (label,)),) = drawn_tasks(workflow({id: ()}).to_svg())
    assert tooltip == id
    assert label == "load_xxxxxxxxxxxxxx…xxxx_of_2026"


def test_boxes_of_many_tasks_leave_descriptions_to_tooltips():
    made = workflow({f"t{n}": () for n in range(51)}, docs={"t0": "Reads."})
    assert drawn_tasks(made.to_svg())[0] == ("t0\nReads.", ["t0"])


def test_a_callable_object_without_a_text_of_its_own_has_no_description():
    class Body:
        __doc__ = 3

        def __call__(self, context): ...

    made = Workflow("w", tasks=[Task(Body(), id="a")])
    assert drawn_tasks(made.to_svg()) == [("a", ["a"])]


# -- both --------------------------------------------------------------------------------------------------------------


def test_statuses_are_shown_by_colour_and_by_mark(nightly):
    statuses = {"fetch": TaskStatus.COMPLETED, "load": "Failed"}
    svg = nightly.to_svg(statuses=statuses)
    assert [lines[-1] for _, lines in drawn_tasks(svg)] == [
        "✓ Completed",
        "✗ Failed",
        "if task_failed('load')",
    ]
    assert 'class="task Completed"' in svg
    assert "\n    class t1 Failed\n" in nightly.to_mermaid(statuses=statuses)
    assert '"load<br/>✗ Failed"' in nightly.to_mermaid(statuses=statuses)


def test_every_status_of_a_task_can_be_drawn():
    assert set(TaskStatus) == set(STATUSES)
    made = workflow({f"t{n}": () for n in range(len(STATUSES))})
    statuses = {f"t{n}": status for n, status in enumerate(STATUSES)}
    style = parsed(made.to_svg(statuses=statuses)).find(f"{SVG}style").text
    for status in STATUSES:
        assert style.count(f".{status} rect") == 2
        assert f"classDef {status} " in made.to_mermaid(statuses=statuses)
    assert len(set(STATUSES.values())) == len(STATUSES)


@pytest.mark.parametrize("draw", [Workflow.to_mermaid, Workflow.to_svg])
def test_statuses_that_mean_nothing_are_refused(nightly, draw):
    with pytest.raises(
        TaskNotFoundError, match="'fetsh', which is not in workflow 'nightly': did you mean 'fetch'"
    ):
        draw(nightly, statuses={"fetsh": "Failed"})
    with pytest.raises(TaskNotFoundError, match="3, which is not in workflow 'nightly': it has 'fetch'"):
        draw(nightly, statuses={3: "Failed"})
    with pytest.raises(
        WorkflowValidationError, match="status of task 'load' is 'failed': give one of Completed"
    ):
        draw(nightly, statuses={"load": "failed"})
    with pytest.raises(WorkflowValidationError, match="is None: give one of"):
        draw(nightly, statuses={"load": None})


def test_notebooks_get_the_drawing_in_a_frame_that_scrolls(nightly):
    html = nightly._repr_html_()
    assert nightly.to_svg() in html
    assert "overflow: auto" in html
    ET.fromstring(html)
    assert nightly._repr_mimebundle_() == {"text/plain": repr(nightly), "text/html": html}
    assert nightly._repr_mimebundle_(include={"text/plain"}, exclude=None)["text/plain"] == repr(nightly)


PROGRAM = """
import cloaca
with cloaca.WorkflowBuilder("w") as builder:
    @cloaca.task
    def a(context): "One."
    for name in "bcdefgh":
        cloaca.task(id=name, dependencies=["a"], trigger_rules=cloaca.always())(lambda context: None)
    cloaca.task(id="z", dependencies=["h", "a", "c"])(lambda context: None)
print(builder.build().to_svg(statuses={"a": "Completed"}) + builder.build().to_mermaid())
"""


def test_every_process_draws_the_same():
    drawn = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM], env=os.environ | {"PYTHONHASHSEED": seed}, check=True,
            capture_output=True, encoding="utf-8",
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(drawn) == 1


def test_nothing_of_it_is_loaded_before_something_is_drawn():
    look = (
        "import sys, cloaca\nwith cloaca.WorkflowBuilder('w'):\n    @cloaca.task\n    def a(context): ...\n"
        "sys.exit(any(name.startswith('cloaca.drawing') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", look], check=True)


def of_two_thousand(kind):
    chosen = random.Random(7)
    numbers = range(2000)
    match kind:
        case "chain with arrows from anywhere":
            needed = ({node - 1, chosen.randrange(node)} if node else () for node in numbers)
        case "three arrows from anywhere":
            needed = (chosen.sample(range(node), min(node, 3)) for node in numbers)
        case "two thousand at once":
            needed = itertools.chain([()], ([0] for _ in numbers[2:]), [numbers[1:-1]])
        case "layers":
            needed = (
                chosen.sample(range(node // 40 * 40 - 40, node // 40 * 40), 2) if node >= 40 else ()
                for node in numbers
            )
    return workflow({f"task_{node}": [f"task_{dep}" for dep in deps] for node, deps in enumerate(needed)})


@pytest.mark.parametrize(
    "kind",
    ["chain with arrows from anywhere", "three arrows from anywhere", "two thousand at once", "layers"],
)
def test_two_thousand_tasks_are_drawn_in_below_two_seconds(kind):
    made = of_two_thousand(kind)
    start = time.process_time()
    svg = made.to_svg()
    assert time.process_time() - start < 2
    assert len(drawn_tasks(svg)) == 2000
    assert len(svg) < 2_000_000


# -- texts -------------------------------------------------------------------------------------------------------------


@given(text=st.text(), most=st.integers(4, 40))
def test_a_shortened_text_has_one_line_and_no_more_characters_than_allowed(text, most):
    for shortened in (one_line(text, most=most), without_middle(one_line(text, most=100), most=most)):
        assert len(shortened) <= most
        assert len(shortened.splitlines()) <= 1


def test_wide_characters_take_two_columns_and_marks_none():
    assert (columns("ab"), columns("日本"), columns("e\u0301"), columns("é")) == (2, 4, 1, 1)
