-- All statements of the PostgreSQL store on schedules and their fires, by name. Values are always bound. The schema
-- "cloaca" is replaced by the quoted name of the runner's schema.

-- name: add_schedule
insert into cloaca.schedules as s
    (id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
     enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict do nothing;

-- name: declare_schedule
-- An unchanged declaration leaves alone when the schedule is due next, and whether it was disabled.
insert into cloaca.schedules as s
    (id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
     enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (name) where kind <> 'cron' do update set
    kind = excluded.kind, workflow = excluded.workflow, needs = excluded.needs, expression = excluded.expression,
    timezone = excluded.timezone, poll_interval_ms = excluded.poll_interval_ms,
    allow_concurrent = excluded.allow_concurrent, input = excluded.input,
    next_run_at = case when s.enabled then excluded.next_run_at end, reckoned_at = excluded.reckoned_at,
    updated_at = excluded.updated_at
where (s.kind, s.workflow, s.expression, s.timezone, s.poll_interval_ms, s.allow_concurrent)
    is distinct from (excluded.kind, excluded.workflow, excluded.expression, excluded.timezone,
       excluded.poll_interval_ms, excluded.allow_concurrent);

-- name: find_schedule
select id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
    enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at
from cloaca.schedules where id = %s;

-- name: find_declared
select id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
    enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at
from cloaca.schedules where name = %s and kind <> 'cron';

-- name: list_cron_schedules
select id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
    enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at
from cloaca.schedules where kind <> 'trigger' and (enabled or not %s) order by seq limit %s offset %s;

-- name: list_triggers
select id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
    enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at
from cloaca.schedules where kind <> 'cron' and (enabled or not %s) order by seq limit %s offset %s;

-- name: change_schedule
update cloaca.schedules set expression = %s, timezone = %s, catch_up = %s, most = %s,
    next_run_at = case when enabled then %s::float8 end, reckoned_at = %s, updated_at = %s
where id = %s;

-- name: enable_schedule
update cloaca.schedules set enabled = %s, next_run_at = %s, reckoned_at = %s, updated_at = %s,
    owner = case when %s then owner end
where id = %s;

-- name: remove_schedule
delete from cloaca.schedules where id = %s;

-- name: any_schedule
select 1 from cloaca.schedules limit 1;

-- name: next_due
select min(first.next_run_at) from unnest(%s::text[]) as known (needs), lateral (
    select s.next_run_at from cloaca.schedules s
    where s.needs = known.needs and s.kind <> 'trigger' and s.next_run_at is not null and s.id <> all(%s::text[])
    order by s.next_run_at limit 1
) first;

-- name: any_ahead
-- By the last entry of an index: without statistics, a condition on reckoned_at would be checked in the whole table.
select coalesce((
    select reckoned_at from cloaca.schedules where kind <> 'trigger' and next_run_at is not null
    order by reckoned_at desc limit 1
) > %s, false);

-- name: take_due
-- Schedules that another runner is firing at this moment are skipped.
select id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
    enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at
from cloaca.schedules
where kind <> 'trigger' and next_run_at is not null and next_run_at <= %s
    and needs = any(%s::text[]) and id <> all(%s::text[])
order by next_run_at limit %s
for update skip locked;

-- name: take_ahead
select id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
    enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at
from cloaca.schedules
where kind <> 'trigger' and next_run_at is not null and reckoned_at > %s and id <> all(%s::text[])
order by reckoned_at limit %s
for update skip locked;

-- name: advance_schedule
update cloaca.schedules s
set next_run_at = g.next_run_at, reckoned_at = g.reckoned_at, last_run_at = coalesce(g.last_run_at, s.last_run_at)
from (select * from unnest(%s::float8[], %s::float8[], %s::float8[], %s::text[]) limit %s)
    as g (next_run_at, reckoned_at, last_run_at, id)
where s.id = g.id;

-- name: add_fire
insert into cloaca.fires (id, schedule_id, scheduled_at, fired_at, context_hash, execution_id)
select * from unnest(%s::text[], %s::text[], %s::float8[], %s::float8[], %s::text[], %s::text[])
on conflict do nothing
returning execution_id;

-- name: list_fires
select f.id, f.schedule_id, f.scheduled_at, f.fired_at, f.context_hash, f.execution_id, e.started_at, e.finished_at
from cloaca.fires f left join cloaca.executions e on e.id = f.execution_id
where f.schedule_id = %s order by f.seq desc limit %s offset %s;

-- name: count_fires
select count(*), count(*) filter (where e.status = 'Completed'), count(*) filter (where e.id is null)
from cloaca.fires f left join lateral (
    select id, status from cloaca.executions where id = f.execution_id limit 1
) e on true
where f.scheduled_at is not null and f.fired_at >= %s;

-- name: claim_triggers
-- An owner that is not among the runners has left or was found dead.
update cloaca.schedules s set owner = me.id from cloaca.runners me
where me.id = %s and s.kind = 'trigger' and s.enabled and s.needs = any(%s::text[]) and s.owner is distinct from me.id
    and (s.owner is null or s.owner not in (select r.id from cloaca.runners r));

-- name: owned_triggers
select id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
    enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at
from cloaca.schedules where kind = 'trigger' and enabled and owner = %s order by seq;

-- name: note_poll
update cloaca.schedules set last_poll_at = %s, next_run_at = %s, reckoned_at = %s
where id = %s and owner = %s and enabled;

-- name: note_fire
update cloaca.schedules set last_run_at = %s where id = %s;

-- name: active_like
-- For a trigger that allows one execution at a time, the latest decides; others are from a time when it allowed more.
select 1 from (
    select execution_id from cloaca.fires where schedule_id = %s and context_hash = %s order by seq desc limit 100
) f join cloaca.executions e on e.id = f.execution_id
where e.finished_at is null limit 1;

-- name: release_triggers
update cloaca.schedules set owner = null where owner = %s;
