"""Exit codes, and the exception behind the one for wrong usage."""

from __future__ import annotations

import click

from cloaca.authoring.names import escaped

COMPLETED = 0
FAILED = 1
REFUSED = 2
INTERRUPTED = 130
TERMINATED = 143


class Refused(click.ClickException):
    """The command cannot do what was requested; ``above`` is shown before the message."""

    exit_code = REFUSED

    def __init__(self, message: str, *, above: str = "") -> None:
        super().__init__(message)
        self.above = above

    def show(self, file: object = None) -> None:  # noqa: ARG002 - click's signature
        """Write it to stderr."""
        # It may repeat what was typed, or read from a file.
        message = "\n".join(map(escaped, self.format_message().split("\n")))
        click.echo(f"{self.above}Error: {message}", err=True)
