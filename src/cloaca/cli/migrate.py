"""``cloaca migrate``: bring a database's tables up to date before a deploy."""

from __future__ import annotations

import sys
from contextlib import closing

import click

from cloaca.cli.database import check_kept, database_option, is_there
from cloaca.cli.documents import print_document
from cloaca.cli.options import json_option
from cloaca.runner.stores import inspection_of, store_of

_EXAMPLE = """\b
Example:
  cloaca migrate --db postgresql://shop@db/shop
"""


@click.command(short_help="Bring a database's tables up to date.", epilog=_EXAMPLE)
@database_option
@json_option
def migrate(*, url: str, as_object: bool) -> None:
    """Bring a database's tables to the version that this release needs, in one transaction, and create them if there are none.

    Every runner and client does the same when it starts; this does it before they do.

    Exit codes: 0 they are up to date now, 2 wrong usage, or the database was made by a newer release or refuses.
    """
    check_kept(url, why="it is lost when this command ends: name a file or a server")
    with closing(inspection_of(url)) as inspection:
        before = inspection.tables_version() if is_there(url) else 0
    with closing(store_of(url)) as store:
        store.prepare()
        where, after = store.location, inspection.known_version
    if as_object:
        print_document(sys.stdout, {"database": where, "from": before, "to": after})
    elif before == after:
        click.echo(f"{where}: its tables have version {after}, as this release needs")
    else:
        click.echo(f"{where}: its tables were migrated from version {before} to {after}")
