-- What fires by the clock or by polling. "needs" names what must be registered in a process for it to act on the row: a
-- workflow, or a trigger that its code declares. next_run_at is the next nominal instant, or the next poll; null while it
-- is disabled. reckoned_at is when that was reckoned: if it lies ahead, the clock was set back since.
create table cloaca_schedules (
    seq integer primary key,
    id text not null unique,
    kind text not null,
    name text,
    workflow text not null,
    needs text not null,
    expression text,
    timezone text,
    catch_up text not null,
    most integer,
    poll_interval_ms integer,
    allow_concurrent integer not null,
    input text not null,
    enabled integer not null,
    next_run_at real,
    reckoned_at real not null,
    last_run_at real,
    last_poll_at real,
    owner text,
    created_at real not null,
    updated_at real not null
);

-- An instance is named once for each workflow, what code declares is named once.
create unique index cloaca_schedules_instances on cloaca_schedules (workflow, name)
where kind = 'cron' and name is not null;

create unique index cloaca_schedules_declared on cloaca_schedules (name) where kind <> 'cron';

create index cloaca_schedules_due on cloaca_schedules (needs, next_run_at)
where kind <> 'trigger' and next_run_at is not null;

create index cloaca_schedules_ahead on cloaca_schedules (reckoned_at)
where kind <> 'trigger' and next_run_at is not null;

-- One row a fire, in one transaction with its execution's start. Each nominal instant of a schedule fires once; polls
-- have none. It outlives its schedule, which is what makes that hold.
create table cloaca_fires (
    seq integer primary key,
    id text not null unique,
    schedule_id text not null,
    scheduled_at real,
    fired_at real not null,
    context_hash text,
    execution_id text not null,
    unique (schedule_id, scheduled_at)
);

create index cloaca_fires_by_schedule on cloaca_fires (schedule_id, seq);

create index cloaca_fires_by_context on cloaca_fires (schedule_id, context_hash, seq) where context_hash is not null;

create index cloaca_fires_by_time on cloaca_fires (fired_at) where scheduled_at is not null;
