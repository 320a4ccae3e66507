-- A person may hold an execution, end it, or have its failed tasks run again, which opens its next round. round_fence is
-- the fence at which the round began: attempts under lower ones belong to earlier rounds. timed_from is when its time
-- limit began to count, where that is not its start.
alter table cloaca_executions add column round integer not null default 1;

alter table cloaca_executions add column round_fence integer not null default 0;

alter table cloaca_executions add column timed_from real;

alter table cloaca_executions add column forked_from text;

alter table cloaca_executions add column forked_at text;

-- The fence under which it was settled tells between which events that was. deferred: its body waits without a slot.
alter table cloaca_attempts add column fence integer not null default 0;

alter table cloaca_attempts add column deferred integer not null default 0;

-- What is not told by executions and attempts: each change of the fence after the first, which makes the fences of an
-- execution's events a sequence without gaps.
create table cloaca_events (
    execution_id text not null,
    fence integer not null,
    kind text not null,
    at real not null,
    details text not null,
    primary key (execution_id, fence)
) without rowid;

-- Executions that others have changed under the hands of the runner that owned them, until it has seen it.
create table cloaca_steered (
    runner text not null,
    execution_id text not null,
    primary key (runner, execution_id)
) without rowid;

drop index cloaca_executions_waiting;

create index cloaca_executions_waiting on cloaca_executions (workflow, structure, seq)
where finished_at is null and owner is null and status <> 'Paused';

create index cloaca_executions_listed on cloaca_executions (workflow, status, seq);
