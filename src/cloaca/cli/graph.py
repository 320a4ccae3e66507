"""``cloaca graph``: draw a workflow of a file or module, without running any of it."""

from __future__ import annotations

import os

import click

from cloaca.authoring import registry
from cloaca.authoring.names import shown
from cloaca.authoring.workflow import Workflow
from cloaca.cli.exit_codes import Refused
from cloaca.cli.loading import load
from cloaca.cli.output import kept_stdout
from cloaca.cli.targets import target_argument

_EXAMPLE = """\b
Examples:
  cloaca graph shop.flows nightly
  cloaca graph etl.py --output etl.svg
"""

_TEXTS = {"mermaid": Workflow.to_mermaid, "svg": Workflow.to_svg}
_ENDINGS = {".svg": "svg"}


@click.command(short_help="Draw a workflow.", epilog=_EXAMPLE)
@target_argument
@click.argument("workflow", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_TEXTS)),
    help="What to write; mermaid, unless --output ends with .svg.",
)
@click.option("--output", metavar="FILE", help="Write to this file instead of stdout, over what it holds.")
def graph(target: str, workflow: str | None, form: str | None, output: str | None) -> None:
    """Draw a workflow of FILE_OR_MODULE: each task below those it runs after, dashed if it has a rule.

    WORKFLOW may be omitted if there is only one. What the module prints when it is imported goes to stderr.

    Exit codes: 0 drawn, 2 wrong usage.
    """
    with kept_stdout() as stream:
        found = registry.workflow(load(target).pick(workflow))
        text = _TEXTS[form or _fitting(output)](found)
        if output is None:
            stream.write(text)
        else:
            _write(text, output)


def _fitting(output: str | None) -> str:
    return _ENDINGS.get(os.path.splitext(output or "")[1].lower(), "mermaid")


def _write(text: str, file: str) -> None:
    try:
        with open(file, "w", encoding="utf-8", newline="\n") as written:
            written.write(text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Refused(f"--output {shown(file)} cannot be written: {reason}: name another file") from error
