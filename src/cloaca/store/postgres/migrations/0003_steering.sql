-- A person may hold an execution, end it, or have its failed tasks run again, which opens its next round. round_fence is
-- the fence at which the round began: attempts under lower ones belong to earlier rounds. timed_from is when its time
-- limit began to count, where that is not its start.
alter table cloaca.executions
    add column round integer not null default 1,
    add column round_fence bigint not null default 0,
    add column timed_from double precision,
    add column forked_from text collate "C",
    add column forked_at text collate "C";

-- The fence under which it was settled tells between which events that was. deferred: its body waits without a slot.
alter table cloaca.attempts
    add column fence bigint not null default 0,
    add column deferred boolean not null default false;

-- What is not told by executions and attempts: each change of the fence after the first, which makes the fences of an
-- execution's events a sequence without gaps.
create table cloaca.events (
    execution_id text collate "C" not null,
    fence bigint not null,
    kind text not null,
    at double precision not null,
    details text not null,
    primary key (execution_id, fence)
);

-- Executions that others have changed under the hands of the runner that owned them, until it has seen it.
create table cloaca.steered (
    runner text collate "C" not null,
    execution_id text collate "C" not null,
    primary key (runner, execution_id)
);

drop index cloaca.executions_waiting;

create index executions_waiting on cloaca.executions (workflow, structure, seq)
where finished_at is null and owner is null and status <> 'Paused';

create index executions_listed on cloaca.executions (workflow, status, seq);
