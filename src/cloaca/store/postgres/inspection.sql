-- Queries that diagnose a database. Each reads unfinished executions along an index, and never finished ones.

-- name: count_owned
select owner, count(*) from cloaca.executions where finished_at is null and owner is not null group by owner;

-- name: count_waiting
select workflow, count(*), min(created_at), workflow in (
    select workflow from cloaca.executions where finished_at is null and owner is not null
)
from cloaca.executions where finished_at is null and owner is null and status <> 'Paused'
group by workflow order by workflow;

-- name: list_suspected
select e.id, e.workflow, a.task, a.crashes from (
    select id, workflow from cloaca.executions where finished_at is null and owner is not null
    union all
    select id, workflow from cloaca.executions where finished_at is null and owner is null and status <> 'Paused' and started_at is not null
) e cross join lateral (
    -- The offset makes this a lookup for each row: a join might read all attempts, under a plan made when they were few.
    select task, crashes from cloaca.attempts where execution_id = e.id and status = 'Suspect' offset 0
) a
limit %s;

-- name: list_newest
select id, created_at, started_at from cloaca.executions order by seq desc limit %s;

-- name: list_holders
-- Sessions that hold locks on these tables, except for reading, in a transaction that began long ago.
select a.pid, a.usename, a.application_name, a.client_addr::text, a.state,
    extract(epoch from clock_timestamp() - a.xact_start)::float8,
    (select count(*) from pg_stat_activity b where a.pid = any(pg_blocking_pids(b.pid)))
from pg_stat_activity a
where a.pid <> pg_backend_pid() and a.datname = current_database() and clock_timestamp() - a.xact_start > %s * interval '1 second'
    and exists (
        select 1 from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
        where l.pid = a.pid and l.granted and l.mode <> 'AccessShareLock' and n.nspname = %s
    )
order by a.xact_start;

-- name: read_server
select current_setting('server_version'), extract(epoch from clock_timestamp())::float8;
