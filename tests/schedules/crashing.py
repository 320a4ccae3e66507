"""Schedulers that are killed at each statement of a tick: ``python -m tests.schedules.crashing [SERVER]``.

A process of its own, for it forks. It prints what was left each time, and what there was once another had gone on.
"""

# ruff: noqa: T201 - what is found is printed

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from functools import partial

import cloaca
from cloaca.authoring import registry
from tests import databases
from tests.crash import kills, postgres_kills
from tests.crash.kills import Fuse, in_process
from tests.schedules.hands import Place

MOST_STATEMENTS = 80
THREE_HOURS = 3 * 3600 + 1


def fires(place: Place) -> list[tuple[str, float | None, int]]:
    """By schedule and nominal instant: how many executions there are, those without a fire included."""
    found = place.rows(
        "select s.kind, s.catch_up, f.scheduled_at, count(e.id) from cloaca_fires f "
        "join cloaca_schedules s on s.id = f.schedule_id left join cloaca_executions e on e.id = f.execution_id "
        "group by s.kind, s.catch_up, f.id, f.scheduled_at order by 1, 2, 3"
    )
    orphans = place.rows(
        "select count(*) from cloaca_executions where id not in (select execution_id from cloaca_fires)"
    )
    return [list(row) for row in found] + [["orphan", "", None, number] for (number,) in orphans if number]


def prepare(place: Place) -> None:
    """Schedules of each policy that are three hours behind, and a trigger that is due."""
    registry.use(registry.Registry())
    cloaca.trigger(on="w", name="t", poll_interval="1s")(lambda: cloaca.TriggerResult.fire({"n": 1}))
    place.triggers = registry.triggers()
    for policy in ("skip", "latest", "all"):
        place.registrations.add("w", "0 * * * *", "UTC", catch_up=policy)
    place.scheduler().tick()
    place.write("delete from cloaca_runners")
    place.clock.passes(THREE_HOURS)


def work(place: Place) -> None:
    """Fire and ask whatever is due."""
    scheduler = place.scheduler()
    scheduler.tick()
    for poll in place.polls:
        poll()


def killed(place: Place, at: int) -> None:
    """``work``, until the process is killed before its n-th statement, and so after the one before."""
    fuse = Fuse(at, after=False)
    (kills if place.kind == "sqlite" else postgres_kills).at_statements(fuse)
    work(place)


@contextlib.contextmanager
def fresh(database: databases.Database) -> Iterator[Place]:
    with contextlib.ExitStack() as stack:
        if isinstance(database, databases.PostgresDatabase):
            stack.enter_context(database.emptied())
        yield Place(database, stack)


def point(place: Place, at: int) -> tuple[int, list[object], list[object]]:
    """How the process ended, what it left, and what there is once another runner has gone on."""
    prepare(place)
    code = in_process(partial(killed, place, at), os.devnull)
    left = fires(place)
    place.write("delete from cloaca_runners")
    place.clock.passes(1)
    work(place)
    return code, left, fires(place)


def main(server: str | None) -> list[object]:
    """All points, up to one at which nothing is killed any more."""
    points: list[tuple[int, list[object], list[object]]] = []
    with contextlib.ExitStack() as stack:
        shared = (
            stack.enter_context(contextlib.closing(databases.PostgresDatabase(server))) if server else None
        )
        for at in range(1, MOST_STATEMENTS):
            own = contextlib.nullcontext(shared) if shared else contextlib.closing(databases.SqliteDatabase())
            with own as database, fresh(database) as place:
                points.append(point(place, at))
            if points[-1][0] == 0:
                break
    return points


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:] or [None])))
