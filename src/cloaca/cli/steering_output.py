"""The output of the steering commands."""

from __future__ import annotations

import sys

import click

from cloaca.cli.documents import print_document, summary_document
from cloaca.insights import ExecutionRecord


def print_steered(record: ExecutionRecord, *, as_object: bool, then: str = "") -> None:
    """Say how an execution stands now.

    Args:
        then: What happens, or can be typed, next.
    """
    if as_object:
        print_document(sys.stdout, summary_document(record))
        return
    click.echo(f"execution {record.execution_id} is {record.status}{f': {then}' if then else ''}")
