"""What is measured: each operation yields what is timed, and then undoes what that has done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from cloaca.engine import pruning
from cloaca.store.rows import StartRow
from tests.scale.contents import flow
from tests.scale.place import RUNNER, Place, id_of
from tests.store.rows import batch_of, finish, settle

Operation = Callable[[Place], Iterator[Callable[[], object]]]

PAGE = 50


def operations() -> dict[str, Operation]:
    """By name, in an order in which none takes away what a later one looks at."""
    return _listings() | _reads() | _runners() | _schedules() | _verbs() | {"prune: a batch": _prune}


def _plain(call: Callable[[Place], object]) -> Operation:
    """One that leaves nothing to undo."""

    def operation(place: Place) -> Iterator[Callable[[], object]]:
        yield lambda: call(place)

    return operation


# -- listings --------------------------------------------------------------------------------------------------------


def _listings() -> dict[str, Operation]:
    """Pages that are full at both sizes: what costs what it returns is compared where it returns as much."""
    filters: dict[str, tuple[int, dict[str, str]]] = {
        "all": (PAGE, {}),
        "of a workflow": (5, {"workflow_name": flow(7)}),
        "Completed": (PAGE, {"status": "Completed"}),
        "Failed": (15, {"status": "Failed"}),
        "Paused": (20, {"status": "Paused"}),
        "of a workflow, Completed": (5, {"workflow_name": flow(7), "status": "Completed"}),
        "of a workflow, Pending": (5, {"workflow_name": "gone-1", "status": "Pending"}),
        "of a workflow without any": (PAGE, {"workflow_name": "absent"}),
    }
    return {
        f"list: {name}, {page}": _listing(chosen, limit=limit, in_the_middle=page != "first page")
        for name, (limit, chosen) in filters.items()
        for page in ("first page", "middle")
    }


def _listing(chosen: dict[str, str], *, limit: int, in_the_middle: bool) -> Operation:
    return _plain(
        lambda place: place.client.list_executions(
            **chosen, limit=limit, after=place.middle if in_the_middle else None
        )
    )


# -- reads -----------------------------------------------------------------------------------------------------------


def _reads() -> dict[str, Operation]:
    def of(kind: str, read: Callable[[Place, str], object]) -> Operation:
        return _plain(lambda place: read(place, place.one(kind)))

    return {
        "show": of("Completed", lambda place, one: place.client.get_execution(one)),
        "show: one that failed": of("Failed", lambda place, one: place.client.get_execution(one)),
        "explain: one that failed": of("Failed", lambda place, one: place.client.explain(one)),
        "explain: one of a dead runner": of("Running", lambda place, one: place.client.explain(one)),
        "explain: one that is paused": of("Paused", lambda place, one: place.client.explain(one)),
        "explain: one that waits for code": of("unknown", lambda place, one: place.client.explain(one)),
        "history": of("Completed", lambda place, one: place.client.get_history(one)),
        "diff": of("Completed", lambda place, one: place.client.diff(one, place.one("Failed"))),
    }


# -- what runners do -------------------------------------------------------------------------------------------------


def _runners() -> dict[str, Operation]:
    return {
        "start": _start,
        "start: a key that is taken": _start_again,
        "a turn: start, settle, finish": _turn,
        "claim": _claim,
        "list what waits": _plain(lambda place: place.store.waiting_structures()),
        "takeover: what a dead runner owns": _plain(
            lambda place: place.store.owned_by("dead-1", limit=pruning.PAGE)
        ),
        "takeover: whether a suspect ran alone": _plain(lambda place: place.store.ran_alone("dead-1")),
        "takeover: attempts": _plain(lambda place: place.store.read_attempts(place.one("Running"))),
        "look: what was steered": _plain(lambda place: place.table.steered("dead-1")),
        "look: other runners": _plain(lambda place: place.store.other_runners()),
    }


def _start(place: Place) -> Iterator[Callable[[], object]]:
    key = f"new {next(place.numbers)}"
    yield lambda: place.client.start(flow(3), {"x": 1}, idempotency_key=key)


def _start_again(place: Place) -> Iterator[Callable[[], object]]:
    place.keyed.rotate()
    number = place.keyed[0]
    workflow = place.client.get_execution(id_of(number)).workflow_name
    yield lambda: place.client.start(workflow, {"x": 1}, idempotency_key=f"key-{number}")


def _turn(place: Place) -> Iterator[Callable[[], object]]:
    id, now = f"turn {next(place.numbers)}", time.time()
    one = place.structures[5]
    row = StartRow(id, one.workflow, one.structure, "v", "Running", RUNNER, 1, "{}", None, now, now)
    tasks = [settle(id, RUNNER, task=task) for task in ("extract", "transform", "load")]
    batch = batch_of(row, *tasks, finish(id, RUNNER))
    yield lambda: place.store.commit(batch)


def _claim(place: Place) -> Iterator[Callable[[], object]]:
    claimed: list[Any] = []
    yield lambda: claimed.extend(place.store.claim(place.known, structures=[], limit=4, now=time.time()))
    assert len(claimed) == 4
    place.store.release(RUNNER, [one.id for one in claimed], now=time.time())


# -- schedules -------------------------------------------------------------------------------------------------------


def _schedules() -> dict[str, Operation]:
    since = datetime.now(UTC).isoformat()
    return {
        "schedules: a tick, nothing due": _plain(lambda place: place.firing.tick(time.time())),
        "schedules: a tick that fires one": _fire,
        "schedules: list": _plain(lambda place: place.client.list_cron_schedules(limit=PAGE)),
        "schedules: list, second page": _plain(
            lambda place: place.client.list_cron_schedules(limit=PAGE, offset=PAGE)
        ),
        "triggers: list": _plain(lambda place: place.client.list_trigger_schedules(limit=PAGE)),
        "schedules: what one has fired": _plain(
            lambda place: place.schedules.fires("schedule-5", limit=1, offset=0)
        ),
        "schedules: how the latest ended": _plain(
            lambda place: place.client.get_cron_execution_stats(since)
        ),
    }  # fmt: skip


def _fire(place: Place) -> Iterator[Callable[[], object]]:
    now = time.time()
    place.schedules.enable(
        f"schedule-{1 + next(place.numbers) % 50}", enabled=True, next_run_at=now - 1, now=now
    )
    fired: list[int] = []
    yield lambda: fired.append(place.firing.tick(now)[1])
    assert fired == [1] or fired == [0]


# -- what people do --------------------------------------------------------------------------------------------------


def _verbs() -> dict[str, Operation]:
    return {
        "pause": _verb("pause", undone_by="resume"),
        "resume": _verb("resume", after="pause"),
        "cancel": _verb("cancel", undone_by="retry"),
        "retry": _verb("retry", after="cancel"),
        "fork": _fork,
        "delete": _delete,
    }


def _verb(name: str, *, after: str | None = None, undone_by: str | None = None) -> Operation:
    def operation(place: Place) -> Iterator[Callable[[], object]]:
        id = place.one("unknown")
        if after:
            getattr(place.client, after)(id)
        yield lambda: getattr(place.client, name)(id)
        if undone_by:
            getattr(place.client, undone_by)(id)

    return operation


def _fork(place: Place) -> Iterator[Callable[[], object]]:
    made: list[Any] = []
    source = place.one("Completed")
    yield lambda: made.append(place.client.fork(source, "load"))
    made[0].cancel()
    place.client.delete(made[0].execution_id)


def _delete(place: Place) -> Iterator[Callable[[], object]]:
    handle = place.client.fork(place.one("Completed"), "load")
    handle.cancel()
    yield lambda: place.client.delete(handle.execution_id)


def _prune(place: Place) -> Iterator[Callable[[], object]]:
    def batch() -> None:
        page = place.table.oldest(after=place.pruned, limit=PAGE)
        ended = [row for row in page if row.finished_at is not None][:5]
        place.table.count_attempts([row.id for row in ended])
        assert len(place.table.remove(ended)) == 5
        place.pruned = ended[-1].seq

    yield batch
