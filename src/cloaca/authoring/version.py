"""A workflow's version: a hash of its contents.

The version is shown, compared, and stored with each execution. Whether an execution can be resumed depends only on the
graph's ``structure``.
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
"""AST fields that follow from the others or have no meaning at run time."""


def version_of(name: str, *, tasks: Iterable[AnyTask], description: str, tags: Mapping[str, str]) -> str:
    """The hash of names, structure, options and normalised source. It does not depend on the order of tasks."""
    known: dict[int, str] = {}
    settings = sorted(_settings(task, known) for task in tasks)
    return _digest(json.dumps([name, description, sorted(tags.items()), settings]))


def _digest(text: str) -> str:
    import hashlib  # noqa: PLC0415 - it loads OpenSSL, which a process that builds nothing does not need

    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def _settings(task: AnyTask, known: dict[int, str]) -> str:
    code = _fingerprint(task, known)
    retry = task.retry and repr(task.retry)
    # Rules and inputs are hashed only if there are some, so that workflows without them keep the version they always had.
    rule = [task.trigger_rules.stored()] if task.trigger_rules else []
    params = [[param.name, repr(param.type), param.default_text] for param in task.declared_params]
    return json.dumps([task.id, task.dependencies, retry, task.timeout_seconds, code, *rule, *params])


def _fingerprint(task: AnyTask, known: dict[int, str]) -> str:
    """The hash of the task's function, cached on the task. Functions with the same code, as from a factory, share it."""
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
    # If the source was edited after the import, another function may be at this line.
    if node is None or node.name != code.co_name:
        return repr(_bytecode(code))
    # The values of these decorators are hashed as such, however they are written.
    node.decorator_list = [d for d in node.decorator_list if _name(d) not in ("task", "workflow_params")]
    return _dumped(node)


def _definition(
    function: Callable[..., Any], code: CodeType
) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    for read in (_block, _tokenized):
        try:
            source = read(function, code)
            # An indented definition is parsed inside a block, because dedenting would change its multi-line strings.
            tree: Any = _parsed(f"if 1:\n{source}" if source[0].isspace() else source)
        except (OSError, SyntaxError, ValueError, IndexError, RecursionError):
            continue
        node = tree.body[0].body[0] if source[0].isspace() else tree.body[0]
        return node if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else None
    return None


def _parsed(source: str) -> ast.Module:
    """Parse source code.

    CPython 3.11 tracks the recursion depth of the parser globally, and raises SystemError if two threads parse
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
    """The lines of a definition, without the tokenizer that takes most of the time of ``inspect.getsource``.

    The result is cut short if a multi-line string or an open bracket continues at the margin after the last line of code;
    it then does not parse.
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
    """The tree as text, without positions and docstrings. Iterative, because expressions can be nested deeply."""
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
    """The instructions with their operands, because indexes into the constants shift with a docstring."""
    instructions = [[i.opname, _argument(i.argval)] for i in dis.get_instructions(code)]
    return [code.co_name, code.co_varnames, instructions]


def _argument(value: Any) -> Any:
    if isinstance(value, CodeType):
        return _bytecode(value)
    return sorted(map(repr, value)) if isinstance(value, frozenset) else value
