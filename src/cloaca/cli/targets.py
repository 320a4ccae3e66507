"""The arguments that name a file or module; a shell completes files."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem


def _files(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    return [CompletionItem(begun, type="file")]


target_argument = click.argument("target", metavar="FILE_OR_MODULE", shell_complete=_files)

targets_argument = click.argument(
    "targets", metavar="FILE_OR_MODULE...", nargs=-1, required=True, shell_complete=_files
)
