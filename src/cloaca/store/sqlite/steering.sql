-- Steering, and reading what was steered. Each operation is a transaction of its own, outside the turns.

-- name: read_standing
select id, workflow, structure, version, status, owner, fence, round, round_fence, created_at, started_at, finished_at,
    timed_from, error
from cloaca_executions where id = ?;

-- name: read_standings
select id, workflow, structure, version, status, owner, fence, round, round_fence, created_at, started_at, finished_at,
    timed_from, error
from cloaca_executions where id in (select value from json_each(?));

-- name: find_ids
select id from cloaca_executions where id between ? and ? order by id limit ?;

-- name: list_workflow_names
-- Jumps from one name to the next along the index, so the cost is the number of names, not of executions.
with recursive names (workflow) as (
    select * from (select workflow from cloaca_executions order by workflow limit 1) first
    union all
    select (select e.workflow from cloaca_executions e where e.workflow > names.workflow order by e.workflow limit 1)
    from names where names.workflow is not null
)
select workflow from names where workflow is not null;

-- name: change_standing
update cloaca_executions
set version = ?, status = ?, owner = ?, fence = ?, round = ?, round_fence = ?, finished_at = ?, timed_from = ?, error = ?
where id = ?;

-- name: cancel_attempts
update cloaca_attempts set status = 'Cancelled', finished_at = ?, fence = ?, retry_at = null, alone = 0, deferred = 0
where execution_id = ? and status in ('Running', 'Suspect');

-- name: add_event
insert into cloaca_events (execution_id, fence, kind, at, details) values (?, ?, ?, ?, ?);

-- name: find_event
select 1 from cloaca_events where execution_id = ? and fence = ? and kind = ? and at = ?;

-- name: read_events
select fence, kind, at, details from cloaca_events where execution_id = ? order by fence;

-- name: note_steered
insert into cloaca_steered (runner, execution_id) values (?, ?) on conflict do nothing;

-- name: read_steered
select execution_id from cloaca_steered where runner = ?;

-- name: forget_steered
delete from cloaca_steered where runner = ? and execution_id in (select value from json_each(?));

-- name: fork_execution
insert into cloaca_executions
    (id, workflow, structure, version, status, fence, input, created_at, forked_from, forked_at)
select ?, workflow, structure, '', 'Pending', 2, ?, ?, id, ? from cloaca_executions where id = ?
on conflict do nothing
returning id;

-- name: fork_attempts
-- Of each: task, attempt, and what it leaves in the fork where that is not what it has left.
insert into cloaca_attempts (execution_id, task, attempt, status, delta, started_at, finished_at)
select ?, a.task, a.attempt, a.status, coalesce(kept.value ->> 2, a.delta), a.started_at, a.finished_at
from json_each(?) kept cross join cloaca_attempts a
    on a.execution_id = ? and a.task = kept.value ->> 0 and a.map_index = -1 and a.attempt = kept.value ->> 1;

-- name: delete_attempts
delete from cloaca_attempts where execution_id in (select value from json_each(?));

-- name: delete_events
delete from cloaca_events where execution_id in (select value from json_each(?));

-- name: delete_executions
delete from cloaca_executions where id in (select value from json_each(?));

-- name: list_oldest
-- By seq, which grows with the start time, so that a pass over old executions ends where the young ones begin.
select seq, id, created_at, finished_at, idempotency_key from cloaca_executions where seq > ? order by seq limit ?;

-- name: find_newest
select seq from cloaca_executions where seq < ? order by seq desc limit 1 offset ?;

-- name: count_attempts
select execution_id, count(*) from cloaca_attempts where execution_id in (select value from json_each(?))
group by execution_id;

-- name: lock_ended
-- Whoever retries or removes one at this moment comes first.
select id, finished_at from cloaca_executions where id in (select value from json_each(?)) and finished_at is not null;

-- name: find_open
select id from cloaca_executions where id in (select value from json_each(?)) and finished_at is null;

-- name: lock_steered
select 1 from cloaca_steered where runner = ? and execution_id = ?;

-- name: delete_some_attempts
delete from cloaca_attempts where (execution_id, task, map_index, attempt) in (
    select execution_id, task, map_index, attempt from cloaca_attempts where execution_id = ? limit ?
)
returning 1;

-- name: list_workflows
-- Jumps from one name to the next along an index, so the cost is the number of names, not of executions.
with recursive names (workflow) as (
    select * from (select workflow from cloaca_executions order by workflow limit 1) first
    union all
    select (select workflow from cloaca_executions where workflow > names.workflow order by workflow limit 1)
    from names where workflow is not null
)
select workflow from names where workflow is not null;

-- name: list_of_workflow
select seq, id, workflow, structure, version, round_fence from cloaca_executions
where workflow = ? and status = ? and seq > ? order by seq limit ?;

-- name: read_outcomes
select execution_id, task, attempt, status, retry_at, fence from cloaca_attempts
where execution_id in (select value from json_each(?)) order by task, map_index, attempt;
