"""A workflow's version: a hash of what it consists of.

It is shown, compared and stored with each execution; whether an execution can go on is decided by the graph's
``structure`` alone.
"""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from types import CodeType
from typing import Any

from cloaca.authoring.signature import function_name
from cloaca.authoring.task import AnyTask

_TRIES = 20

_UNSEEN = frozenset({"ctx", "kind", "type_comment"})
"""Fields that follow from the others or mean nothing when the code runs."""


def version_of(name: str, *, tasks: Iterable[AnyTask], description: str, tags: Mapping[str, str]) -> str:
    """The hash of names, structure, options and normalised source; the order of the tasks is no part of it."""
    known: dict[int, str] = {}
    settings = sorted(_settings(task, known) for task in tasks)
    return _digest(json.dumps([name, description, sorted(tags.items()), settings]))


def _digest(text: str) -> str:
    import hashlib  # noqa: PLC0415 - it loads OpenSSL, which a process that builds nothing does without

    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def _settings(task: AnyTask, known: dict[int, str]) -> str:
    code = _fingerprint(task, known)
    retry = task.retry and repr(task.retry)
    # Rules and inputs are added where there are some: a workflow without keeps the version it had before there were any.
    rule = [task.trigger_rules.stored()] if task.trigger_rules else []
    params = [[param.name, repr(param.type), param.default_text] for param in task.declared_params]
    return json.dumps([task.id, task.dependencies, retry, task.timeout_seconds, code, *rule, *params])


def _fingerprint(task: AnyTask, known: dict[int, str]) -> str:
    """The hash of the task's function, kept with the task; functions of one code, as a factory makes, share it."""
    kept: str | None = vars(task).get("_fingerprint")
    if kept is None:
        function = _innermost(task.function)
        code = getattr(function, "__code__", function)
        if (kept := known.get(id(code))) is None:
            kept = known[id(code)] = _digest(_normalised(function))
        vars(task)["_fingerprint"] = kept
    return kept


def _innermost(function: Callable[..., Any]) -> Callable[..., Any]:
    function = inspect.unwrap(function)
    while isinstance(function, functools.partial):
        function = inspect.unwrap(function.func)
    called: Callable[..., Any] = function if inspect.isroutine(function) else type(function).__call__
    return called


def _normalised(function: Callable[..., Any]) -> str:
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return function_name(function)
    node = _definition(function, code)
    # Source that was edited after it was imported may show another function at this line.
    if node is None or node.name != code.co_name:
        return repr(_bytecode(code))
    # What is given to these decorators is counted as such, however it is spelt.
    node.decorator_list = [d for d in node.decorator_list if _name(d) not in ("task", "workflow_params")]
    return _dumped(node)


def _definition(
    function: Callable[..., Any], code: CodeType
) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    for read in (_block, _tokenized):
        try:
            source = read(function, code)
            # An indented definition is parsed inside a block: to dedent it would change its long strings.
            tree: Any = _parsed(f"if 1:\n{source}" if source[0].isspace() else source)
        except (OSError, SyntaxError, ValueError, IndexError, RecursionError):
            continue
        node = tree.body[0].body[0] if source[0].isspace() else tree.body[0]
        return node if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else None
    return None


def _parsed(source: str) -> ast.Module:
    """The tree of a source.

    CPython 3.11 counts the depth of trees in one place for all threads, and raises SystemError where two of them parse
    at once: https://github.com/python/cpython/issues/106905.
    """
    for _ in range(_TRIES):
        try:
            return ast.parse(source)
        except SystemError:
            continue
    return ast.parse(source)


def _tokenized(function: Callable[..., Any], _code: CodeType) -> str:
    return inspect.getsource(function)


def _block(function: Callable[..., Any], code: CodeType) -> str:
    """The definition's lines, without the tokenizer of ``inspect.getsource``, which takes most of its time.

    It is cut short where a long string or an open bracket reaches back to the margin after the last line with code;
    then it does not parse.
    """
    lines, start = inspect.findsource(function)
    margin = _margin(lines[start])
    end = _last_line(code)
    while end < len(lines) and (_margin(lines[end]) > margin or not lines[end].split("#")[0].strip()):
        end += 1
    return "".join(lines[start:end])


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip())


def _last_line(code: CodeType) -> int:
    inner = [_last_line(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return max([code.co_firstlineno, *inner, *(line for *_, line in code.co_lines() if line)])


def _dumped(root: ast.AST) -> str:
    """The tree as text, without positions and docstrings; iterative, for expressions nest deeply."""
    out: list[str] = []
    stack: list[Any] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.AST):
            out.append(type(node).__name__)
            stack.extend(getattr(node, field, None) for field in node._fields if field not in _UNSEEN)
        elif isinstance(node, list):
            body = node[1:] if _starts_with_text(node) else node
            out.append(str(len(body)))
            stack.extend(body)
        else:
            out.append(repr(node))
    return " ".join(out)


def _starts_with_text(statements: list[Any]) -> bool:
    match statements:
        case [ast.Expr(value=ast.Constant(value=str())), *_]:
            return True
    return False


def _name(decorator: ast.expr) -> str | None:
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    name: str | None = getattr(named, "attr", getattr(named, "id", None))
    return name


def _bytecode(code: CodeType) -> list[Any]:
    """The instructions with what they work on, for indexes into the constants shift with a docstring."""
    instructions = [[i.opname, _argument(i.argval)] for i in dis.get_instructions(code)]
    return [code.co_name, code.co_varnames, instructions]


def _argument(value: Any) -> Any:
    if isinstance(value, CodeType):
        return _bytecode(value)
    return sorted(map(repr, value)) if isinstance(value, frozenset) else value
