-- Steering, and reading what was steered. Each operation is a transaction of its own, outside the turns.

-- name: read_standing
select id, workflow, structure, version, status, owner, fence, round, round_fence, created_at, started_at, finished_at,
    timed_from, error
from cloaca.executions where id = %s for update;

-- name: lock_owner
-- A turn of the owner advances this row. So from here on, no turn is in progress that writes based on the previous state.
select id from cloaca.runners where id = (select owner from cloaca.executions where id = %s) for share;

-- name: read_standings
select id, workflow, structure, version, status, owner, fence, round, round_fence, created_at, started_at, finished_at,
    timed_from, error
from cloaca.executions where id = any(%s::text[]);

-- name: find_ids
select id from cloaca.executions where id between %s and %s order by id limit %s;

-- name: list_workflow_names
-- Jumps from one name to the next along the index, so the cost is the number of names, not of executions.
with recursive names (workflow) as (
    select * from (select workflow from cloaca.executions order by workflow limit 1) first
    union all
    select (select e.workflow from cloaca.executions e where e.workflow > names.workflow order by e.workflow limit 1)
    from names where names.workflow is not null
)
select workflow from names where workflow is not null;

-- name: change_standing
update cloaca.executions
set version = %s, status = %s, owner = %s, fence = %s, round = %s, round_fence = %s, finished_at = %s, timed_from = %s, error = %s
where id = %s;

-- name: cancel_attempts
update cloaca.attempts set status = 'Cancelled', finished_at = %s, fence = %s, retry_at = null, alone = false, deferred = false
where execution_id = %s and status in ('Running', 'Suspect');

-- name: add_event
insert into cloaca.events (execution_id, fence, kind, at, details) values (%s, %s, %s, %s, %s);

-- name: find_event
select 1 from cloaca.events where execution_id = %s and fence = %s and kind = %s and at = %s;

-- name: read_events
select fence, kind, at, details from cloaca.events where execution_id = %s order by fence;

-- name: note_steered
-- An existing row is locked: its runner, which is about to acknowledge it, waits and then sees this change as well.
insert into cloaca.steered (runner, execution_id) values (%s, %s)
on conflict (runner, execution_id) do update set runner = excluded.runner;

-- name: read_steered
select execution_id from cloaca.steered where runner = %s;

-- name: forget_steered
delete from cloaca.steered where runner = %s and execution_id = any(%s::text[]);

-- name: fork_execution
-- Whoever removes the source at this moment waits, or skips it: what is kept of it has yet to be read.
insert into cloaca.executions
    (id, workflow, structure, version, status, fence, input, created_at, forked_from, forked_at)
select %s::text, workflow, structure, '', 'Pending', 2, %s::text, %s::float8, id, %s::text from cloaca.executions where id = %s
for key share
on conflict do nothing
returning id;

-- name: fork_attempts
-- Of each: task, attempt, and what it leaves in the fork where that is not what it has left.
insert into cloaca.attempts (execution_id, task, attempt, status, delta, started_at, finished_at)
select %s::text, a.task, a.attempt, a.status, coalesce(kept.value ->> 2, a.delta), a.started_at, a.finished_at
from json_array_elements(%s::json) kept join cloaca.attempts a
    on a.execution_id = %s and a.task = kept.value ->> 0 and a.map_index = -1 and a.attempt = (kept.value ->> 1)::int;

-- name: delete_attempts
delete from cloaca.attempts where execution_id = any(%s::text[]);

-- name: delete_events
delete from cloaca.events where execution_id = any(%s::text[]);

-- name: delete_executions
delete from cloaca.executions where id = any(%s::text[]);

-- name: list_oldest
-- By seq, which grows with the start time, so that a pass over old executions ends where the young ones begin.
select seq, id, created_at, finished_at, idempotency_key from cloaca.executions where seq > %s order by seq limit %s;

-- name: find_newest
select seq from cloaca.executions where seq < %s order by seq desc limit 1 offset %s;

-- name: count_attempts
select execution_id, count(*) from cloaca.attempts where execution_id = any(%s::text[])
group by execution_id;

-- name: lock_ended
-- Whoever retries or removes one at this moment comes first.
select id, finished_at from cloaca.executions where id = any(%s::text[]) and num_nulls(finished_at) = 0 for update skip locked;

-- name: find_open
select id from cloaca.executions where id = any(%s::text[]) and num_nulls(finished_at) = 1;

-- name: lock_steered
select 1 from cloaca.steered where runner = %s and execution_id = %s for update skip locked;

-- name: delete_some_attempts
delete from cloaca.attempts
where ctid = any(array(select ctid from cloaca.attempts where execution_id = %s limit %s))
returning 1;

-- name: list_workflows
-- Jumps from one name to the next along an index, so the cost is the number of names, not of executions.
with recursive names (workflow) as (
    select * from (select workflow from cloaca.executions order by workflow limit 1) first
    union all
    select (select workflow from cloaca.executions where workflow > names.workflow order by workflow limit 1)
    from names where workflow is not null
)
select workflow from names where workflow is not null;

-- name: list_of_workflow
select seq, id, workflow, structure, version, round_fence from cloaca.executions
where workflow = %s and status = %s and seq > %s order by seq limit %s;

-- name: read_outcomes
select execution_id, task, attempt, status, retry_at, fence from cloaca.attempts
where execution_id = any(%s::text[]) order by task, map_index, attempt;
