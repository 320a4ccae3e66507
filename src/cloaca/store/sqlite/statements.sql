-- All statements of the SQLite store, by name. Values are always bound.

-- name: join_runner
insert into cloaca_runners (id, host, pid, joined_at) values (?, ?, ?, ?);

-- name: list_runners
select id, epoch, turn, host, pid, joined_at from cloaca_runners order by joined_at;

-- name: forget_runner
-- The runner no longer owns anything, so nobody records steering for it from here on.
delete from cloaca_steered where runner = ?;

-- name: leave_runner
delete from cloaca_runners where id = ?;

-- name: advance_turn
-- The first statement of every turn. Whoever declares this runner dead increments its epoch first, so a runner that
-- was declared dead changes no row here, and learns that it has lost everything.
update cloaca_runners set turn = ?3 where id = ?1 and epoch = ?2 and turn = ?3 - 1;

-- name: read_turn
select epoch, turn from cloaca_runners where id = ?;

-- name: declare_dead
update cloaca_runners set epoch = epoch + 1 where id = ?;

-- name: keep_structure
insert into cloaca_structures (structure, workflow, graph) values (?, ?, ?) on conflict do nothing;

-- name: read_structures
select structure, graph from cloaca_structures
where structure in (select value from json_each(?));

-- name: start_execution
insert into cloaca_executions
    (id, workflow, structure, version, status, owner, fence, input, idempotency_key, created_at, started_at)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict do nothing;

-- name: find_by_key
select id, input from cloaca_executions where workflow = ? and idempotency_key = ?;

-- name: find_started
select 1 from cloaca_executions where id = ?1 and owner is ?2 and fence = ?3;

-- name: settle_attempt
insert into cloaca_attempts
    (execution_id, task, attempt, status, delta, error, reason, started_at, finished_at, retry_at, fence)
select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?12
where exists (select 1 from cloaca_executions where id = ?1 and owner = ?11 and fence = ?12)
on conflict (execution_id, task, map_index, attempt) do update set
    status = excluded.status, delta = excluded.delta, error = excluded.error, reason = excluded.reason,
    started_at = excluded.started_at, finished_at = excluded.finished_at, retry_at = excluded.retry_at,
    fence = excluded.fence, alone = 0, deferred = 0
where cloaca_attempts.status in ('Running', 'Suspect');

-- name: note_running
insert into cloaca_attempts (execution_id, task, attempt, status, started_at, alone, deferred, fence)
select ?1, ?2, ?3, 'Running', ?4, ?5, ?6, ?8
where exists (select 1 from cloaca_executions where id = ?1 and owner = ?7 and fence = ?8)
on conflict (execution_id, task, map_index, attempt) do update set
    status = 'Running', started_at = excluded.started_at, retry_at = null, alone = excluded.alone,
    deferred = excluded.deferred, fence = excluded.fence
where cloaca_attempts.status in ('Running', 'Suspect');

-- name: finish_execution
update cloaca_executions set status = ?1, error = ?2, finished_at = ?3, owner = null
where id = ?4 and owner = ?5 and fence = ?6 and finished_at is null;

-- name: still_owned
select id from cloaca_executions where id = ?1 and owner = ?2 and fence = ?3 and finished_at is null;

-- name: read_owned
select id, structure, fence, round_fence from cloaca_executions
where owner = ?1 and finished_at is null
order by exists (
    select 1 from cloaca_attempts where execution_id = cloaca_executions.id and status = 'Running' and alone = 1
), seq
limit ?2;

-- name: count_alone
select count(*) from cloaca_executions join cloaca_attempts on execution_id = id
where owner = ?1 and cloaca_executions.finished_at is null and cloaca_attempts.status = 'Running' and alone = 1;

-- name: suspect_attempt
-- Only while the dead runner still owns the execution: another may have taken it over since it was read.
insert into cloaca_attempts (execution_id, task, attempt, status, crashes, charges, retry_at)
select ?1, ?2, ?3, 'Suspect', ?4, ?5, ?6
where exists (select 1 from cloaca_executions where id = ?1 and owner = ?7 and finished_at is null)
on conflict (execution_id, task, map_index, attempt) do update set
    status = 'Suspect', crashes = excluded.crashes, charges = excluded.charges, retry_at = excluded.retry_at, alone = 0
where cloaca_attempts.status in ('Running', 'Suspect');

-- name: note_release
insert into cloaca_events (execution_id, fence, kind, at, details)
select id, fence + 1, ?3, ?4, json_object('runner', owner) from cloaca_executions
where id = ?1 and owner = ?2 and finished_at is null;

-- name: release_execution
update cloaca_executions set owner = null, fence = fence + 1
where id = ?1 and owner = ?2 and finished_at is null;

-- name: clear_alone
update cloaca_attempts set alone = 0
where execution_id = ?1 and alone = 1
    and exists (select 1 from cloaca_executions where id = ?1 and owner = ?2 and finished_at is null);

-- name: list_waiting
-- Jumps from one pair to the next along the index, so the cost is the number of pairs, not of executions. Comparing
-- pairs would use only the first column of the index.
with recursive pairs (workflow, structure) as (
    select * from (
        select workflow, structure from cloaca_executions
        where owner is null and finished_at is null and status <> 'Paused'
        order by workflow, structure limit 1
    )
    union all
    select e.workflow, e.structure from pairs join cloaca_executions e on e.seq = coalesce((
        select seq from cloaca_executions
        where owner is null and finished_at is null and status <> 'Paused'
            and workflow = pairs.workflow and structure > pairs.structure
        order by workflow, structure limit 1
    ), (
        select seq from cloaca_executions
        where owner is null and finished_at is null and status <> 'Paused' and workflow > pairs.workflow
        order by workflow, structure limit 1
    ))
)
select workflow, structure from pairs;

-- name: list_waiting_versions
select distinct workflow, structure, version from cloaca_executions
where owner is null and finished_at is null and status <> 'Paused';

-- name: claim_executions
-- Only the oldest executions of each workflow are read, so the cost depends on what is taken, not on all that waits.
with known as (
    select value ->> 0 as workflow, value ->> 1 as stored, value ->> 2 as structure, value ->> 3 as version,
        value ->> 4 as only_version
    from json_each(?3)
),
picked as (
    select oldest.value as seq, known.structure, known.version
    from known join json_each((
        select json_group_array(seq) from (
            select seq from cloaca_executions
            where workflow = known.workflow and structure = known.stored and owner is null and finished_at is null
                and status <> 'Paused'
                and (known.only_version is null or cloaca_executions.version = known.only_version)
            order by seq limit ?4
        )
    )) oldest
    order by oldest.value limit ?4
)
update cloaca_executions
set owner = ?1, fence = fence + 1, status = 'Running', started_at = coalesce(started_at, ?2),
    structure = picked.structure,
    version = iif('' in (cloaca_executions.structure, cloaca_executions.version), picked.version, cloaca_executions.version)
from picked where cloaca_executions.seq = picked.seq
returning cloaca_executions.seq, id, workflow, cloaca_executions.structure, cloaca_executions.version, fence, input,
    created_at, started_at, round, round_fence, timed_from;

-- name: note_claim
insert into cloaca_events (execution_id, fence, kind, at, details) values (?, ?, 'Claimed', ?, json_object('runner', ?));

-- name: read_attempts
select task, attempt, status, delta, error, reason, started_at, finished_at, retry_at, crashes, charges, alone, fence,
    deferred
from cloaca_attempts where execution_id = ? order by task, map_index, attempt;

-- name: read_attempts_of
select execution_id, task, attempt, status, delta, error, reason, started_at, finished_at, retry_at, crashes,
    charges, alone, fence, deferred
from cloaca_attempts where execution_id in (select value from json_each(?)) order by task, map_index, attempt;

-- name: read_execution
select seq, id, workflow, structure, version, status, owner, fence, input, idempotency_key, created_at, started_at,
    finished_at, error, round, round_fence, forked_from, forked_at
from cloaca_executions where id = ?;

-- name: find_place
select seq from cloaca_executions where id = ?;

-- name: list_executions
select seq, id, workflow, structure, version, status, owner, fence, input, idempotency_key, created_at, started_at,
    finished_at, error, round, round_fence, forked_from, forked_at
from cloaca_executions where seq < ? order by seq desc limit ?;

-- name: list_executions_of
-- The newest of each status along one index, and the newest of those: the cost is six times the result, whatever the
-- size of the table.
select seq, id, workflow, structure, version, status, owner, fence, input, idempotency_key, created_at, started_at,
    finished_at, error, round, round_fence, forked_from, forked_at
from cloaca_executions where seq in (
    select newest.value from json_each(?4) kind join json_each((
        select json_group_array(seq) from (
            select seq from cloaca_executions indexed by cloaca_executions_listed
            where workflow = ?1 and status = kind.value and seq < ?2 order by seq desc limit ?3
        )
    )) newest
    order by newest.value desc limit ?3
)
order by seq desc;

-- name: list_executions_in
-- Jumps from one workflow to the next along the index. The newest few of each give a lower limit for the page, so that
-- little more is read than returned.
with recursive names (workflow) as materialized (
    select min(workflow) from cloaca_executions
    union all
    select (select min(workflow) from cloaca_executions where workflow > names.workflow)
    from names where names.workflow is not null
),
few (seq) as (
    select newest.value from names join json_each((
        select json_group_array(seq) from (
            select seq from cloaca_executions indexed by cloaca_executions_listed
            where workflow = names.workflow and status = ?1 and seq < ?2 order by seq desc limit 1 + ?3 / 8
        )
    )) newest
),
bound (seq) as materialized (
    select coalesce((select seq from few order by seq desc limit 1 offset ?3 - 1), 0)
)
select seq, id, workflow, structure, version, status, owner, fence, input, idempotency_key, created_at, started_at,
    finished_at, error, round, round_fence, forked_from, forked_at
from cloaca_executions where seq in (
    select newest.value from names join bound join json_each((
        select json_group_array(seq) from (
            select seq from cloaca_executions indexed by cloaca_executions_listed
            where workflow = names.workflow and status = ?1 and seq < ?2 and seq >= bound.seq order by seq desc limit ?3
        )
    )) newest
    order by newest.value desc limit ?3
)
order by seq desc;

-- name: list_executions_of_in
select seq, id, workflow, structure, version, status, owner, fence, input, idempotency_key, created_at, started_at,
    finished_at, error, round, round_fence, forked_from, forked_at
from cloaca_executions indexed by cloaca_executions_listed
where workflow = ? and status = ? and seq < ? order by seq desc limit ?;
