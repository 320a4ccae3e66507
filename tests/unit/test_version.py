import ast
import functools
import importlib.util
import linecache
import subprocess
import sys

import pytest

from cloaca.authoring import registry
from cloaca.authoring.builder import WorkflowBuilder
from cloaca.authoring.decorator import task


@pytest.fixture(autouse=True)
def fresh_registry():
    before = registry.use(registry.Registry())
    yield
    registry.use(before)


SOURCE = '''
from cloaca.authoring.decorator import task
@task(id="a")
def a(context):
    """Says nothing."""
    # Nor does this.
    context["n"] = [1, 2]
    return context
'''


@pytest.fixture
def version_of(tmp_path):
    """The version of a workflow of the one task that a module of this source declares."""

    def version(source):
        path = tmp_path / "tasks.py"
        path.write_text(source)
        linecache.clearcache()
        spec = importlib.util.spec_from_file_location("tasks", path)
        module = importlib.util.module_from_spec(spec)
        exec(compile(source, str(path), "exec"), vars(module))
        return WorkflowBuilder("etl").add_task("a").build().version

    return version


def versions(*variants):
    """The versions of one workflow, changed by each of these functions."""
    for change in variants:
        builder = WorkflowBuilder("etl").description("moves data").tag("team", "a")
        change(builder)
        yield builder.build().version


def body(context): ...


def test_a_version_is_a_text_of_32_digits_and_the_same_for_the_same_definition(version_of):
    version = version_of(SOURCE)
    assert len(version) == 32
    assert int(version, 16)
    assert version_of(SOURCE) == version


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# Nor does this.", "# Another comment."),
        ('    """Says nothing."""\n', ""),
        ("[1, 2]", "[\n1,\n      2,\n]"),
        ('@task(id="a")', '@task(\n    id = "a",\n)'),
        ("import task", "import task\nimport sys\n\n"),
        ('"n"', "'n'"),
    ],
)
def test_comments_formatting_and_docstrings_do_not_change_it(version_of, old, new):
    changed = SOURCE.replace(old, new)
    assert changed != SOURCE
    assert version_of(changed) == version_of(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[1, 2]", "[1, 3]"),
        ('"n"', '"m"'),
        ("(context):", "(context, *, n: int = 3):"),
        ('@task(id="a")', '@task(id="a", retry_attempts=1)'),
        ('@task(id="a")', '@task(id="a", timeout_seconds=1)'),
        ('@task(id="a")', '@task(id="a")\n@(lambda f: f)'),
    ],
)
def test_code_and_options_change_it(version_of, old, new):
    changed = SOURCE.replace(old, new)
    assert changed != SOURCE
    assert version_of(changed) != version_of(SOURCE)


def test_name_description_tags_ids_and_dependencies_change_it():
    one, two = (task(id=id)(body) for id in ("a", "b"))
    after = task(id="b", dependencies=["a"])(body)
    variants = list(
        versions(
            lambda builder: builder.add_task(one),
            lambda builder: builder.add_task(two),
            lambda builder: builder.add_task(one).add_task(two),
            lambda builder: builder.add_task(one).add_task(after),
            lambda builder: builder.add_task(one).description("other"),
            lambda builder: builder.add_task(one).tag("team", "b"),
        )
    )
    variants.append(
        WorkflowBuilder("other").description("moves data").tag("team", "a").add_task(one).build().version
    )
    assert len(set(variants)) == len(variants)


def test_the_order_of_adding_does_not_change_it():
    one, two = (task(id=id)(body) for id in ("a", "b"))
    first, second = versions(
        lambda builder: builder.add_task(one).add_task(two),
        lambda builder: builder.add_task(two).add_task(one),
    )
    assert first == second


def test_another_process_computes_the_same(tmp_path):
    (tmp_path / "tasks.py").write_text(SOURCE)
    program = (
        "import tasks\n"
        "from cloaca.authoring.builder import WorkflowBuilder\n"
        "print(WorkflowBuilder('etl').add_task('a').build().version)\n"
        'exec(\'def f(context): return {1, 2} if context in {"x", "y", "z"} else (lambda: 3)\')\n'
        "from cloaca.authoring.decorator import task\n"
        "print(WorkflowBuilder('etl').add_task(task(f)).build().version)\n"
    )
    path = [str(tmp_path), *sys.path]
    found = {
        subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path[:] = {path!r}\n{program}"],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_a_function_without_source_is_told_apart_by_its_bytecode():
    def version(source):
        scope = {}
        exec(source, scope)
        return WorkflowBuilder("etl").add_task(task(scope["f"])).build().version

    first = version("def f(context): return 1")
    assert version("def f(context):\n    'Documented.'\n    return 1  # comment") == first
    assert version("def f(context): return 2") != first
    assert version("def f(context): return (lambda: 1)()") != version("def f(context): return (lambda: 2)()")


def test_lambdas_partials_and_objects_have_versions():
    class Fetch:
        def __call__(self, context): ...

    made = [
        task(id="a")(function)
        for function in (lambda context: 1, functools.partial(body), Fetch(), len, str.upper)
    ]
    found = [WorkflowBuilder("etl").add_task(one).build().version for one in made]
    assert len(set(found)) == len(found)


def test_long_strings_brackets_and_deep_expressions_at_the_end_of_a_function_are_read_whole(version_of):
    template = SOURCE.replace("    return context\n", "%s")
    for end in (
        "    context['sql'] = '''\nselect 1\n{0}'''\n",
        "    context['x'] = (\n1 +\n{0}\n)\n",
        "    def inner():\n        return {0}\n",
        "    if context:\n        x: int\n    else:\n        y: {0}\n",
        "    return " + "+".join(["context"] * 700) + "+{0}\n",
    ):
        one, two = (version_of(template.replace("%s", end.format(n))) for n in (4, 5))
        assert one != two


def test_source_that_changed_after_the_import_does_not_lend_another_functions_text(tmp_path, version_of):
    version = version_of(SOURCE)
    path = tmp_path / "tasks.py"
    made = registry.current().find_task("a")
    path.write_text("def other(context):\n    pass\n" * 20)
    linecache.clearcache()
    vars(made).pop("_fingerprint")
    again = WorkflowBuilder("etl").add_task("a").build().version
    assert again != version
    path.unlink()
    linecache.clearcache()
    vars(made).pop("_fingerprint")
    assert WorkflowBuilder("etl").add_task("a").build().version == again


def test_a_task_is_read_once_however_many_workflows_have_it(monkeypatch):
    made = task(body)
    first = WorkflowBuilder("one").add_task(made).build().version
    monkeypatch.setattr("cloaca.authoring.version._normalised", None)
    assert WorkflowBuilder("two").add_task(made).build().version != first


def test_a_parser_that_another_thread_has_disturbed_is_asked_again(monkeypatch):
    wanted = WorkflowBuilder("w").add_task(declared()).build().version
    parse, failures = ast.parse, [SystemError("AST constructor recursion depth mismatch")] * 3

    def disturbed(source):
        if failures:
            raise failures.pop()
        return parse(source)

    monkeypatch.setattr(ast, "parse", disturbed)
    assert WorkflowBuilder("w").add_task(declared()).build().version == wanted
    assert not failures


def declared():
    @task(id="a")
    def a(context):
        context["n"] = 1

    return a
