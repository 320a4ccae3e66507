"""Shell completion of values from the database: empty if it cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing

import click
from click.shell_completion import CompletionItem

from cloaca.cli.database import check_exists, check_kept
from cloaca.cli.exit_codes import Refused
from cloaca.cli.formatting import shortened
from cloaca.clock import id_bounds
from cloaca.errors import CloacaException
from cloaca.insights import list_summaries, read_record
from cloaca.runner.stores import DEFAULT_URL, store_of
from cloaca.store.store import Store

MOST = 50

Found = Iterable[tuple[str, str]]
"""Matching values, each with a description that a shell may show."""


def _completer(
    find: Callable[[Store, click.Context, str], Found],
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    def complete(ctx: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
        url = ctx.params.get("url") or DEFAULT_URL
        try:
            check_kept(url, why="it is empty")
            check_exists(url)
            # Without preparing the database: pressing Tab creates and changes no tables.
            with closing(store_of(url)) as store:
                found = list(find(store, ctx, begun))
        except (CloacaException, Refused):
            return []
        return [
            CompletionItem(text, help=shortened(note, most=60))
            for text, note in found
            if text.startswith(begun)
        ]

    return complete


def _ids(store: Store, _: click.Context, begun: str) -> Found:
    newest = list_summaries(store, workflow_name=None, status=None, limit=MOST, after=None)
    found = [(one.execution_id, f"{one.workflow_name}, {one.status}") for one in newest]
    if any(id.startswith(begun) for id, _ in found):
        return found
    first, last = id_bounds(begun)
    return [(id, "") for id in store.steering.ids_between(first, last, limit=MOST)]


def _workflows(store: Store, _: click.Context, __: str) -> Found:
    return [(name, "") for name in store.steering.workflow_names()]


def _tasks(store: Store, ctx: click.Context, _: str) -> Found:
    first, last = id_bounds(ctx.params.get("typed_id") or "")
    ids = store.steering.ids_between(first, last, limit=1)
    return [
        (task.id, task.status) for id in ids for task in read_record(store, id, code_of=None).tasks.values()
    ]


def _schedules(store: Store, _: click.Context, __: str) -> Found:
    rows = store.schedules.list_cron(enabled_only=False, limit=MOST, offset=0)
    return [(row.id, f"{row.workflow}, {row.expression}") for row in rows]


def _triggers(store: Store, _: click.Context, __: str) -> Found:
    rows = store.schedules.list_triggers(enabled_only=False, limit=MOST, offset=0)
    return [(row.name or "", row.workflow) for row in rows]


complete_ids = _completer(_ids)
complete_workflows = _completer(_workflows)
complete_tasks = _completer(_tasks)
complete_schedules = _completer(_schedules)
complete_triggers = _completer(_triggers)
