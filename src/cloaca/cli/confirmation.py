"""Asking for confirmation before something is removed."""

from __future__ import annotations

import sys

import click

from cloaca.cli.exit_codes import FAILED, Refused


def confirm(what: str, *, yes: bool) -> None:
    """Continue only if the user agrees: a terminal asks, anything else needs ``--yes``.

    Raises:
        Refused: There is nobody to ask.
        click.exceptions.Exit: The answer is no.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused(f"{what} cannot be undone, and there is no terminal to confirm it on: add --yes")
    if not _agreed(f"{what}?"):
        click.echo("Nothing was removed.", err=True)
        raise click.exceptions.Exit(FAILED)


def _agreed(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        return False  # the end of the input
