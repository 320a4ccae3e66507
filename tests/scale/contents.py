"""What lies in a database that is measured: a mix as it is in use, written by a few statements over whole sets.

Which kind an execution is follows from its number alone, so that a small database and a large one are of one making:
number n comes ``(n * SPREAD) % size``-th among the kinds. Of what is open there is as much in both as can be claimed and
steered in a run; beyond that it grows with the size.
"""

from __future__ import annotations

from typing import NamedTuple

import cloaca
from cloaca.engine.plan import Plan
from cloaca.engine.settings import EngineSettings
from cloaca.model.events import Failure
from cloaca.store.rows import Known, Structure
from tests.engine.bench import workflow

WORKFLOWS = 40
DEAD = 10
LEAST_OPEN = 100
"""Of each kind of open executions."""

SPREAD = 7919
"""A prime: multiples of it, modulo the size, are all numbers below the size in another order."""

BEGAN = 1_700_000_000.0
SECONDS_APART = 2.0


def flow(number: int) -> str:
    return f"flow-{number:02}"


def code(number: int) -> cloaca.Workflow:
    """The workflow of a number: three tasks one after the other."""

    def extract(context):
        context["raw"] = list(range(20))

    def transform(context):
        context["metrics"] = {"sum": sum(context["raw"])}

    def load(context):
        context["loaded"] = True

    bodies = {"extract": extract, "transform": transform, "load": load}
    return workflow(flow(number), bodies, transform="extract", load="transform")


class Contents(NamedTuple):
    """What the statements are given beside numbers."""

    structures: list[Structure]
    deltas: dict[str, str]
    error: str

    @property
    def known(self) -> list[Known]:
        """What a runner that has all of the workflows could claim."""
        return [
            Known(one.workflow, stored, one.structure, "v")
            for one in self.structures
            for stored in (one.structure, "")
        ]


def contents() -> Contents:
    """Graphs, and what bodies leave, as the engine writes them."""
    built = [code(number) for number in range(WORKFLOWS)]
    structures = [Plan(one, EngineSettings()).structure for one in built]
    with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
        done = runner.execute(built[0])
        deltas = {row.task: row.delta or "{}" for row in runner._store.read_attempts(done.execution_id)}
    return Contents(
        structures, deltas, Failure("ValueError", "no", "Traceback (most recent call last): ...").text()
    )


def statements(kind: str, size: int, made: Contents) -> list[str]:
    """What fills tables in which the structures are, in order. Texts are ours alone: nothing needs to be bound."""
    words = _words(kind, size) | {
        "open": max(LEAST_OPEN, size // 200), "least": LEAST_OPEN, "spread": SPREAD, "size": size, "dead": DEAD,
        "workflows": WORKFLOWS, "began": BEGAN, "apart": SECONDS_APART, "error": _quoted(made.error),
        "schedules": max(100, size // 1000), "last": BEGAN + SECONDS_APART * size,
    }  # fmt: skip
    words |= {task: _quoted(delta) for task, delta in made.deltas.items()}
    # The kinds are told by statements that only name what was said before.
    words["kinds"] = KINDS.format(**words)
    return [statement.format(**words) for statement in STATEMENTS]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _words(kind: str, size: int) -> dict[str, str]:
    if kind == "sqlite":
        return {
            "t": "cloaca_", "true": "1", "false": "0",
            "numbers": f"(with recursive n (n) as (select 1 union all select n + 1 from n where n < {size}) select n from n)",
            "id": "printf('%08x-%04x-7000-8000-%012x', n / 65536, n % 65536, n)",
            "flow": "printf('flow-%02d', n % 97 % 40)",
        }  # fmt: skip
    hexed = "lpad(to_hex({}), {}, '0')"
    parts = (hexed.format("n / 65536", 8), hexed.format("n % 65536", 4), hexed.format("n", 12))
    return {
        "t": "cloaca.", "true": "true", "false": "false",
        "numbers": f"(select n from generate_series(1, {size}) as g (n))",
        "id": "{} || '-' || {} || '-7000-8000-' || {}".format(*parts),
        "flow": "'flow-' || lpad((n % 97 % 40)::text, 2, '0')",
    }  # fmt: skip


KINDS = """(
    select n, id, at, flow, case
        when place < {open} then 'waiting'
        when place < 2 * {open} then 'unknown'
        when place < 3 * {open} then 'paused'
        when place < 3 * {open} + {least} then 'dead'
        when n % 100 < 6 then 'Failed'
        when n % 100 = 6 then 'Cancelled'
        else 'Completed'
    end as kind
    from (
        select n, {id} as id, {began} + {apart} * n as at, {flow} as flow, cast(n as bigint) * {spread} % {size} as place
        from {numbers} m
    ) numbered
)"""

STATEMENTS = (
    """
    insert into {t}runners (id, host, pid, joined_at)
    select distinct 'dead-' || (n % {dead}), 'elsewhere', 1, {began} from {numbers} m where n < 1000
    """,
    """
    insert into {t}executions
        (id, workflow, structure, version, status, owner, fence, input, idempotency_key, created_at, started_at,
         finished_at, error)
    select id, case when kind = 'unknown' then 'gone-' || (n % 5) else flow end,
        case when kind = 'unknown' then '' else structure end, case when kind = 'unknown' then '' else 'v' end,
        case kind when 'waiting' then 'Pending' when 'unknown' then 'Pending' when 'paused' then 'Paused'
            when 'dead' then 'Running' else kind end,
        case when kind = 'dead' then 'dead-' || (n % {dead}) end,
        case when kind in ('waiting', 'unknown') then 0 when kind = 'paused' then 2 when n % 4 = 0 then 3 else 1 end,
        '{{"x": 1}}', case when n % 2 = 0 then 'key-' || n end, at,
        case when kind not in ('waiting', 'unknown') then at + 0.5 end,
        case when kind in ('Completed', 'Failed', 'Cancelled') then at + 1.5 end,
        case when kind = 'Failed' then 'task ''load'' failed: ValueError: no' when kind = 'Cancelled' then 'it was cancelled' end
    from {kinds} k join {t}structures s on s.workflow = flow order by n
    """,
    """
    insert into {t}attempts (execution_id, task, attempt, status, delta, error, started_at, finished_at, fence)
    select id, task, 1,
        case when task = 'load' and kind in ('Failed', 'Cancelled') then kind
            when task = 'load' and kind = 'dead' then 'Running' else 'Completed' end,
        case when task = 'load' and kind <> 'Completed' then null else delta end,
        case when task = 'load' and kind = 'Failed' then {error} end, at + 0.5,
        case when task = 'load' and kind = 'dead' then null else at + 1.0 end, 1
    from {kinds} k cross join (
        select 'extract' as task, {extract} as delta union all select 'load', {load} union all select 'transform', {transform}
    ) tasks
    where kind not in ('waiting', 'unknown') and not (task = 'load' and kind = 'paused')
    order by n, task
    """,
    """
    insert into {t}events (execution_id, fence, kind, at, details)
    select id, fence, event, at + 0.6, '{{"runner": "dead-1"}}' from {kinds} k cross join (
        select 2 as fence, 'TakenOver' as event union all select 3, 'Claimed'
    ) events
    where n % 4 = 0 and kind in ('dead', 'Completed', 'Failed', 'Cancelled')
    order by n, fence
    """,
    """
    insert into {t}events (execution_id, fence, kind, at, details)
    select id, 2, 'Paused', at + 0.6, '{{}}' from {kinds} k where kind = 'paused'
    """,
    """
    insert into {t}schedules
        (id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
         enabled, next_run_at, reckoned_at, created_at, updated_at)
    select 'schedule-' || n, 'cron', 'schedule-' || n, flow, flow, '0 0 1 1 *', 'UTC', 'skip', null, null, {true}, '{{}}', {true},
        4e9 + n, {began}, {began}, {began}
    from (select n, {flow} as flow from {numbers} m where n <= {schedules}) s
    """,
    """
    insert into {t}schedules
        (id, kind, name, workflow, needs, catch_up, poll_interval_ms, allow_concurrent, input, enabled, next_run_at,
         reckoned_at, created_at, updated_at)
    select 'trigger-' || n, 'trigger', 'trigger-' || n, flow, 'trigger-' || n, 'skip', 60000, {true}, '{{}}', {true},
        4e9, {began}, {began}, {began}
    from (select n, {flow} as flow from {numbers} m where n <= {schedules} / 2) s
    """,
    """
    insert into {t}fires (id, schedule_id, scheduled_at, fired_at, context_hash, execution_id)
    select 'fire-' || n, 'schedule-' || (1 + n / 10 % {schedules}), {began} + {apart} * n, {began} + {apart} * n, null, {id}
    from {numbers} m where n % 10 = 0
    """,
    """
    insert into {t}steered (runner, execution_id)
    select 'dead-' || (n % {dead}), id from {kinds} k where kind = 'dead' and n % 5 = 0
    """,
)
