-- All statements of the SQLite store on schedules and their fires, by name. Values are always bound.

-- name: add_schedule
insert into cloaca_schedules
    (id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
     enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict do nothing;

-- name: declare_schedule
-- An unchanged declaration leaves alone when the schedule is due next, and whether it was disabled.
insert into cloaca_schedules
    (id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
     enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (name) where kind <> 'cron' do update set
    kind = excluded.kind, workflow = excluded.workflow, needs = excluded.needs, expression = excluded.expression,
    timezone = excluded.timezone, poll_interval_ms = excluded.poll_interval_ms,
    allow_concurrent = excluded.allow_concurrent, input = excluded.input,
    next_run_at = iif(enabled, excluded.next_run_at, null), reckoned_at = excluded.reckoned_at,
    updated_at = excluded.updated_at
where (cloaca_schedules.kind, cloaca_schedules.workflow, cloaca_schedules.expression, cloaca_schedules.timezone,
       cloaca_schedules.poll_interval_ms, cloaca_schedules.allow_concurrent)
    is not (excluded.kind, excluded.workflow, excluded.expression, excluded.timezone, excluded.poll_interval_ms,
       excluded.allow_concurrent);

-- name: find_schedule
select id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
    enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at
from cloaca_schedules where id = ?;

-- name: find_declared
select id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
    enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at
from cloaca_schedules where name = ? and kind <> 'cron';

-- name: list_cron_schedules
select id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
    enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at
from cloaca_schedules where kind <> 'trigger' and (enabled or not ?1) order by seq limit ?2 offset ?3;

-- name: list_triggers
select id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
    enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at
from cloaca_schedules where kind <> 'cron' and (enabled or not ?1) order by seq limit ?2 offset ?3;

-- name: change_schedule
update cloaca_schedules set expression = ?1, timezone = ?2, catch_up = ?3, most = ?4,
    next_run_at = iif(enabled, ?5, null), reckoned_at = ?6, updated_at = ?6
where id = ?7;

-- name: enable_schedule
update cloaca_schedules set enabled = ?1, next_run_at = ?2, reckoned_at = ?3, updated_at = ?3,
    owner = iif(?1, owner, null)
where id = ?4;

-- name: remove_schedule
delete from cloaca_schedules where id = ?;

-- name: any_schedule
select 1 from cloaca_schedules limit 1;

-- name: next_due
select min((
    select next_run_at from cloaca_schedules
    where needs = known.value and kind <> 'trigger' and next_run_at is not null
        and id not in (select value from json_each(?2))
    order by next_run_at limit 1
)) from json_each(?1) known;

-- name: any_ahead
select coalesce((
    select reckoned_at from cloaca_schedules where kind <> 'trigger' and next_run_at is not null
    order by reckoned_at desc limit 1
) > ?, 0);

-- name: take_due
select id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
    enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at
from cloaca_schedules
where kind <> 'trigger' and next_run_at is not null and next_run_at <= ?1
    and needs in (select value from json_each(?2)) and id not in (select value from json_each(?3))
order by next_run_at limit ?4;

-- name: take_ahead
select id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
    enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at
from cloaca_schedules
where kind <> 'trigger' and next_run_at is not null and reckoned_at > ?1
    and id not in (select value from json_each(?2))
order by reckoned_at limit ?3;

-- name: advance_schedule
update cloaca_schedules set next_run_at = ?1, reckoned_at = ?2, last_run_at = coalesce(?3, last_run_at) where id = ?4;

-- name: add_fire
insert into cloaca_fires (id, schedule_id, scheduled_at, fired_at, context_hash, execution_id)
values (?, ?, ?, ?, ?, ?) on conflict do nothing;

-- name: list_fires
select f.id, f.schedule_id, f.scheduled_at, f.fired_at, f.context_hash, f.execution_id, e.started_at, e.finished_at
from cloaca_fires f left join cloaca_executions e on e.id = f.execution_id
where f.schedule_id = ?1 order by f.seq desc limit ?2 offset ?3;

-- name: count_fires
select count(*), count(*) filter (where e.status = 'Completed'), count(*) filter (where e.id is null)
from cloaca_fires f left join cloaca_executions e on e.id = f.execution_id
where f.scheduled_at is not null and f.fired_at >= ?;

-- name: claim_triggers
-- An owner that is not among the runners has left or was found dead.
update cloaca_schedules set owner = ?1
where kind = 'trigger' and enabled and needs in (select value from json_each(?2)) and owner is not ?1
    and (owner is null or owner not in (select id from cloaca_runners))
    and exists (select 1 from cloaca_runners where id = ?1);

-- name: owned_triggers
select id, kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, input,
    enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at
from cloaca_schedules where kind = 'trigger' and enabled and owner = ? order by seq;

-- name: note_poll
update cloaca_schedules set last_poll_at = ?1, next_run_at = ?2, reckoned_at = ?1 where id = ?3 and owner = ?4 and enabled;

-- name: note_fire
update cloaca_schedules set last_run_at = ?1 where id = ?2;

-- name: active_like
-- For a trigger that allows one execution at a time, the latest decides; others are from a time when it allowed more.
select 1 from (
    select execution_id from cloaca_fires where schedule_id = ?1 and context_hash = ?2 order by seq desc limit 100
) f join cloaca_executions e on e.id = f.execution_id
where e.finished_at is null limit 1;

-- name: release_triggers
update cloaca_schedules set owner = null where owner = ?;
