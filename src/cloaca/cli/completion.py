"""``cloaca completion``: the script that lets a shell complete commands, options, ids and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from cloaca.cli.exit_codes import Refused

SHELLS = ("bash", "zsh", "fish")

_EXAMPLE = """\b
Examples:
  cloaca completion bash > ~/.local/share/bash-completion/completions/cloaca
  cloaca completion zsh > ~/.zfunc/_cloaca
  cloaca completion fish > ~/.config/fish/completions/cloaca.fish
"""


@click.command(short_help="Print the script that lets a shell complete.", epilog=_EXAMPLE)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that lets SHELL complete commands and options, and from the database ids and names.

    Exit codes: 0 printed, 2 a shell that is not known.
    """
    found = get_completion_class(shell)
    if found is None:
        raise Refused(f"this release of click completes nothing in {shell}: upgrade click")
    root = click.get_current_context().find_root().command
    click.echo(found(root, {}, "cloaca", "_CLOACA_COMPLETE").source())
