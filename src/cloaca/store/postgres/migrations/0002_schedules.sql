-- What fires by the clock or by polling. "needs" names what must be registered in a process for it to act on the row: a
-- workflow, or a trigger that its code declares. next_run_at is the next nominal instant, or the next poll; null while it
-- is disabled. reckoned_at is when that was reckoned: if it lies ahead, the clock was set back since.
create table cloaca.schedules (
    seq bigint generated always as identity primary key,
    id text collate "C" not null unique,
    kind text not null,
    name text collate "C",
    workflow text collate "C" not null,
    needs text collate "C" not null,
    expression text,
    timezone text,
    catch_up text not null,
    most integer,
    poll_interval_ms bigint,
    allow_concurrent boolean not null,
    input text not null,
    enabled boolean not null,
    next_run_at double precision,
    reckoned_at double precision not null,
    last_run_at double precision,
    last_poll_at double precision,
    owner text collate "C",
    created_at double precision not null,
    updated_at double precision not null
);

-- An instance is named once for each workflow, what code declares is named once.
create unique index schedules_instances on cloaca.schedules (workflow, name) where kind = 'cron' and name is not null;

create unique index schedules_declared on cloaca.schedules (name) where kind <> 'cron';

create index schedules_due on cloaca.schedules (needs, next_run_at)
where kind <> 'trigger' and next_run_at is not null;

create index schedules_ahead on cloaca.schedules (reckoned_at)
where kind <> 'trigger' and next_run_at is not null;

-- One row a fire, in one transaction with its execution's start. Each nominal instant of a schedule fires once; polls
-- have none. It outlives its schedule, which is what makes that hold.
create table cloaca.fires (
    seq bigint generated always as identity primary key,
    id text collate "C" not null unique,
    schedule_id text collate "C" not null,
    scheduled_at double precision,
    fired_at double precision not null,
    context_hash text collate "C",
    execution_id text collate "C" not null,
    unique (schedule_id, scheduled_at)
);

create index fires_by_schedule on cloaca.fires (schedule_id, seq);

create index fires_by_context on cloaca.fires (schedule_id, context_hash, seq) where context_hash is not null;

create index fires_by_time on cloaca.fires (fired_at) where scheduled_at is not null;
