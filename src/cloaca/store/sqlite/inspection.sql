-- Queries that diagnose a database. Each reads unfinished executions along an index, and never finished ones.

-- name: count_owned
select owner, count(*) from cloaca_executions where finished_at is null and owner is not null group by owner;

-- name: count_waiting
select workflow, count(*), min(created_at), workflow in (
    select workflow from cloaca_executions where finished_at is null and owner is not null
)
from cloaca_executions where finished_at is null and owner is null and status <> 'Paused'
group by workflow order by workflow;

-- name: list_suspected
-- A cross join is executed in the order in which it is written.
select e.id, e.workflow, a.task, a.crashes from (
    select id, workflow from cloaca_executions where finished_at is null and owner is not null
    union all
    select id, workflow from cloaca_executions where finished_at is null and owner is null and status <> 'Paused' and started_at is not null
) e cross join cloaca_attempts a where a.execution_id = e.id and a.status = 'Suspect' limit ?;

-- name: list_newest
select id, created_at, started_at from cloaca_executions order by seq desc limit ?;
