"""Arguments and options that several commands take."""

from __future__ import annotations

import click

from cloaca.cli.completion_values import complete_ids

json_option = click.option("--json", "as_object", is_flag=True, help="Print one JSON document.")

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")

execution_argument = click.argument("typed_id", metavar="ID", shell_complete=complete_ids)
