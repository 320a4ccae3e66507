-- All statements of the PostgreSQL store, by name. Values are always bound. The schema "cloaca" is replaced by the
-- quoted name of the runner's schema, so that no statement depends on the search_path.
--
-- Plans are kept while the tables grow a thousandfold, and statistics do not show a burst. Statements that find rows by
-- key therefore leave the planner no alternative, whose cost would soon be quadratic in the number of unfinished
-- executions: "num_nulls(finished_at) = 1" is "finished_at is null" in a form that no partial index matches; the limit
-- on arrays, although it takes everything, makes it expect few rows; and a lateral limit makes it look up row by row.

-- name: join_runner
insert into cloaca.runners (id, host, pid, joined_at, lock_key) values (%s, %s, %s, %s, %s);

-- name: list_runners
-- Locks prove nothing in the first seconds of a server, because its clients have not reconnected yet.
select id, epoch, turn, host, pid, joined_at,
    case when lock_key is null or now() - pg_postmaster_start_time() < interval '10 seconds' then null
    else exists (
        select 1 from pg_locks l, lateral (select (select usesysid from pg_stat_get_activity(l.pid)) as role) holder
        where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
            and l.database = (select oid from pg_database where datname = current_database())
            and l.classid::bigint = (lock_key >> 32) & 4294967295 and l.objid::bigint = lock_key & 4294967295
            -- Any role can see this lock and wait for it: it proves nothing if it is held by a role that is not a runner.
            and (has_table_privilege(role, runners.tableoid, 'update') is not false or pg_has_role(
                role, (select relowner from pg_class c where c.oid = runners.tableoid), 'member'))
    ) end
from cloaca.runners order by joined_at;

-- name: forget_runner
-- The runner no longer owns anything, so nobody records steering for it from here on.
delete from cloaca.steered where runner = %s;

-- name: leave_runner
delete from cloaca.runners where id = %s;

-- name: advance_turn
-- The first statement of every turn. Whoever declares this runner dead increments its epoch first, so a runner that
-- was declared dead changes no row here, and learns that it has lost everything.
with advanced as (
    update cloaca.runners set turn = %s where id = %s and epoch = %s and turn = %s returning 1
)
select cloaca.demand((select count(*) from advanced) = 1, 'CL001');

-- name: read_turn
-- The lock waits for a backend that is still executing the commit whose reply was lost.
select epoch, turn from cloaca.runners where id = %s for update;

-- name: declare_dead
update cloaca.runners set epoch = epoch + 1 where id = %s;

-- name: keep_structure
insert into cloaca.structures (structure, workflow, graph)
select * from unnest(%s::text[], %s::text[], %s::text[]) on conflict do nothing;

-- name: read_structures
select structure, graph from cloaca.structures where structure = any(%s::text[]);

-- name: start_execution
insert into cloaca.executions
    (id, workflow, structure, version, status, owner, fence, input, idempotency_key, created_at, started_at)
select * from unnest(
    %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[],
    %s::float8[], %s::float8[])
on conflict do nothing
returning id;

-- name: find_by_key
select id, input from cloaca.executions where workflow = %s and idempotency_key = %s;

-- name: find_started
select 1 from cloaca.executions where id = %s and owner is not distinct from %s and fence = %s;

-- name: settle_attempt
with written as (
    insert into cloaca.attempts as a
        (execution_id, task, attempt, status, delta, error, reason, started_at, finished_at, retry_at, fence)
    select g.execution_id, g.task, g.attempt, g.status, g.delta, g.error, g.reason, g.started_at, g.finished_at,
        g.retry_at, g.fence
    from (select * from unnest(
        %s::text[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::text[], %s::float8[], %s::float8[],
        %s::float8[], %s::text[], %s::bigint[]
    ) limit %s) as g (
        execution_id, task, attempt, status, delta, error, reason, started_at, finished_at, retry_at, owner, fence)
    join cloaca.executions e on e.id = g.execution_id and e.owner = g.owner and e.fence = g.fence
    on conflict (execution_id, task, map_index, attempt) do update set
        status = excluded.status, delta = excluded.delta, error = excluded.error, reason = excluded.reason,
        started_at = excluded.started_at, finished_at = excluded.finished_at, retry_at = excluded.retry_at,
        fence = excluded.fence, alone = false, deferred = false
    where a.status in ('Running', 'Suspect')
    returning 1
)
select cloaca.demand((select count(*) from written) = %s, 'CL002');

-- name: note_running
with written as (
    insert into cloaca.attempts as a (execution_id, task, attempt, status, started_at, alone, deferred, fence)
    select g.execution_id, g.task, g.attempt, 'Running', g.started_at, g.alone, g.deferred, g.fence
    from (select * from unnest(
        %s::text[], %s::text[], %s::int[], %s::float8[], %s::bool[], %s::bool[], %s::text[], %s::bigint[]) limit %s)
        as g (execution_id, task, attempt, started_at, alone, deferred, owner, fence)
    join cloaca.executions e on e.id = g.execution_id and e.owner = g.owner and e.fence = g.fence
    on conflict (execution_id, task, map_index, attempt) do update set
        status = 'Running', started_at = excluded.started_at, retry_at = null, alone = excluded.alone,
        deferred = excluded.deferred, fence = excluded.fence
    where a.status in ('Running', 'Suspect')
    returning 1
)
select cloaca.demand((select count(*) from written) = %s, 'CL002');

-- name: finish_execution
with written as (
    update cloaca.executions e
    set status = g.status, error = g.error, finished_at = g.finished_at, owner = null
    from (select * from unnest(
        %s::text[], %s::text[], %s::float8[], %s::text[], %s::text[], %s::bigint[]) limit %s)
        as g (status, error, finished_at, id, owner, fence)
    where e.id = g.id and e.owner = g.owner and e.fence = g.fence and num_nulls(e.finished_at) = 1
    returning e.id, e.watched
)
select coalesce(array_agg(id) filter (where watched), '{}'), cloaca.demand(count(*) = %s, 'CL002') from written;

-- name: still_owned
select id from cloaca.executions where id = %s and owner = %s and fence = %s and num_nulls(finished_at) = 1;

-- name: read_owned
select id, structure, fence, round_fence from cloaca.executions
where owner = %s and finished_at is null
order by (
    select count(*) from cloaca.attempts a where a.execution_id = executions.id and a.status = 'Running' and a.alone
) > 0, seq
limit %s;

-- name: count_alone
select count(*) from cloaca.executions e cross join lateral (
    select 1 from cloaca.attempts a where a.execution_id = e.id and a.status = 'Running' and a.alone limit 1
) alone
where e.owner = %s and e.finished_at is null;

-- name: suspect_attempt
-- Only while the dead runner still owns the execution: another may have taken it over since it was read.
insert into cloaca.attempts as a (execution_id, task, attempt, status, crashes, charges, retry_at)
select g.execution_id, g.task, g.attempt, 'Suspect', g.crashes, g.charges, g.retry_at
from unnest(%s::text[], %s::text[], %s::int[], %s::int[], %s::int[], %s::float8[])
    as g (execution_id, task, attempt, crashes, charges, retry_at)
cross join lateral (
    select 1 from cloaca.executions e
    where e.id = g.execution_id and e.owner = %s and num_nulls(e.finished_at) = 1 limit 1
) owned
on conflict (execution_id, task, map_index, attempt) do update set
    status = 'Suspect', crashes = excluded.crashes, charges = excluded.charges, retry_at = excluded.retry_at,
    alone = false
where a.status in ('Running', 'Suspect');

-- name: release_execution
with released as (
    update cloaca.executions set owner = null, fence = fence + 1
    where id = any(%s::text[]) and owner = %s and num_nulls(finished_at) = 1
    returning id, fence
)
insert into cloaca.events (execution_id, fence, kind, at, details)
select id, fence, %s, %s, %s from released;

-- name: clear_alone
update cloaca.attempts a set alone = false
from cloaca.executions e
where a.execution_id = any(%s::text[]) and a.alone
    and e.id = a.execution_id and e.owner = %s and num_nulls(e.finished_at) = 1;

-- name: list_waiting
-- Jumps from one pair to the next along the index, so the cost is the number of pairs, not of executions.
with recursive pairs (workflow, structure) as (
    (select workflow, structure from cloaca.executions
     where owner is null and finished_at is null and status <> 'Paused'
     order by workflow, structure limit 1)
    union all
    select found.workflow, found.structure
    from pairs cross join lateral (
        select e.workflow, e.structure from cloaca.executions e
        where e.owner is null and e.finished_at is null and e.status <> 'Paused'
            and (e.workflow, e.structure) > (pairs.workflow, pairs.structure)
        order by e.workflow, e.structure limit 1
    ) found
)
select workflow, structure from pairs;

-- name: list_waiting_versions
select distinct workflow, structure, version from cloaca.executions
where owner is null and finished_at is null and status <> 'Paused';

-- name: claim_executions
-- Only the oldest executions of each workflow are read, so the cost depends on what is taken, not on all that waits. Those
-- that others are claiming at this moment are skipped, so eight times as many are read as requested.
with known as (
    select * from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
        as k (workflow, stored, structure, version, only_version)
),
oldest as (
    select waiting.seq, known.structure, known.version
    from known cross join lateral (
        select e.seq from cloaca.executions e
        where e.workflow = known.workflow and e.structure = known.stored and e.owner is null and e.finished_at is null
            and e.status <> 'Paused' and (known.only_version is null or e.version = known.only_version)
        order by e.seq limit 8 * %s
    ) waiting
    order by waiting.seq limit 8 * %s
),
picked as (
    select free.seq, oldest.structure, case when '' in (free.structure, free.version) then oldest.version else free.version end as version
    from oldest cross join lateral (
        select e.seq, e.structure, e.version from cloaca.executions e
        where e.seq = oldest.seq and num_nulls(e.owner, e.finished_at) = 2 and e.status <> 'Paused'
        for update skip locked
    ) free
    limit %s
),
claimed as (
    update cloaca.executions e
    set owner = %s, fence = e.fence + 1, status = 'Running', started_at = coalesce(e.started_at, %s),
        structure = picked.structure, version = picked.version
    from picked where e.seq = picked.seq
    returning e.seq, e.id, e.workflow, e.structure, e.version, e.fence, e.input, e.created_at, e.started_at, e.round,
        e.round_fence, e.timed_from
),
noted as (
    insert into cloaca.events (execution_id, fence, kind, at, details)
    select id, fence, 'Claimed', noted.at, json_build_object('runner', noted.runner)::text
    from claimed, (select %s::text as runner, %s::float8 as at) noted where fence > 1
)
select id, workflow, structure, version, fence, input, created_at, started_at, round, round_fence, timed_from
from claimed order by seq;

-- name: read_attempts
select task, attempt, status, delta, error, reason, started_at, finished_at, retry_at, crashes, charges, alone, fence,
    deferred
from cloaca.attempts where execution_id = %s order by task, map_index, attempt;

-- name: read_attempts_of
select execution_id, task, attempt, status, delta, error, reason, started_at, finished_at, retry_at, crashes,
    charges, alone, fence, deferred
from cloaca.attempts where execution_id = any(%s::text[]) order by task, map_index, attempt;

-- name: read_execution
select seq, id, workflow, structure, version, status, owner, fence, input, idempotency_key, created_at, started_at,
    finished_at, error, round, round_fence, forked_from, forked_at
from cloaca.executions where id = %s;

-- name: find_place
select seq from cloaca.executions where id = %s;

-- name: list_executions
select seq, id, workflow, structure, version, status, owner, fence, input, idempotency_key, created_at, started_at,
    finished_at, error, round, round_fence, forked_from, forked_at
from cloaca.executions where seq < %s order by seq desc limit %s;

-- name: list_executions_of
-- The newest of each status along one index, and the newest of those: the cost is six times the result, whatever the
-- size of the table. Here and in the next two statements, rows are compared instead of columns, so that no other index
-- has their order: the planner prefers the primary key if it expects such rows everywhere. The parameters are hidden
-- from it, because otherwise it would plan each time, which takes as long as reading the page.
with asked as materialized (
    select %s::text as workflow, %s::bigint as before, %s::bigint as most, %s::text[] as statuses
)
select seq, id, workflow, structure, version, status, owner, fence, input, idempotency_key, created_at, started_at,
    finished_at, error, round, round_fence, forked_from, forked_at
from cloaca.executions where seq = any(array(
    select newest.seq from asked, unnest(asked.statuses) as kind (status), lateral (
        select e.seq from cloaca.executions e
        where (e.workflow, e.status, e.seq) >= (asked.workflow, kind.status, 0)
            and (e.workflow, e.status, e.seq) < (asked.workflow, kind.status, asked.before)
        order by e.workflow desc, e.status desc, e.seq desc limit asked.most
    ) newest
    order by newest.seq desc limit (select most from asked)
))
order by seq desc;

-- name: list_executions_in
with asked as materialized (select %s::text as status, %s::bigint as before, %s::bigint as most)
select found.* from asked cross join lateral (
    select seq, id, workflow, structure, version, status, owner, fence, input, idempotency_key, created_at, started_at,
        finished_at, error, round, round_fence, forked_from, forked_at
    from cloaca.executions e
    where (e.status, e.seq) >= (asked.status, 0) and (e.status, e.seq) < (asked.status, asked.before)
    order by e.status desc, e.seq desc limit asked.most
) found
order by found.seq desc;

-- name: list_executions_of_in
with asked as materialized (select %s::text as workflow, %s::text as status, %s::bigint as before, %s::bigint as most)
select found.* from asked cross join lateral (
    select seq, id, workflow, structure, version, status, owner, fence, input, idempotency_key, created_at, started_at,
        finished_at, error, round, round_fence, forked_from, forked_at
    from cloaca.executions e
    where (e.workflow, e.status, e.seq) >= (asked.workflow, asked.status, 0)
        and (e.workflow, e.status, e.seq) < (asked.workflow, asked.status, asked.before)
    order by e.workflow desc, e.status desc, e.seq desc limit asked.most
) found
order by found.seq desc;

-- name: watch_execution
-- Whoever waits for an execution that another process runs says so in its row, and is notified of its end.
update cloaca.executions set watched = true where id = %s and finished_at is null;

-- name: notify
-- This may be a caller's connection, with the caller's search path.
select pg_catalog.pg_notify((select channel from cloaca.migrations where version = 1), %s);

-- name: read_channel
select channel from cloaca.migrations where version = 1;
