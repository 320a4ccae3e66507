-- The runners of this database. The row is the interlock of every turn: see statements.sql, advance_turn.
create table cloaca_runners (
    id text primary key,
    epoch integer not null default 0,
    turn integer not null default 0,
    host text not null,
    pid integer not null,
    joined_at real not null
) without rowid;

-- The graphs that executions were started with, frozen: ids and dependencies as JSON.
create table cloaca_structures (
    structure text primary key,
    workflow text not null,
    graph text not null
) without rowid;

-- One row an execution. seq orders them; ids and times are never an order. A structure that is empty is chosen by the
-- first claim: who started the execution did not know the workflow.
create table cloaca_executions (
    seq integer primary key,
    id text not null unique,
    workflow text not null,
    structure text not null,
    version text not null,
    status text not null,
    owner text,
    fence integer not null,
    input text not null,
    idempotency_key text,
    created_at real not null,
    started_at real,
    finished_at real,
    error text
);

create unique index cloaca_executions_by_key on cloaca_executions (workflow, idempotency_key)
where idempotency_key is not null;

-- What is open, by who owns it: claims and takeovers never see what is finished.
create index cloaca_executions_owned on cloaca_executions (owner, seq) where finished_at is null and owner is not null;

create index cloaca_executions_waiting on cloaca_executions (workflow, structure, seq)
where finished_at is null and owner is null;

-- One row an attempt that was settled, lasted long enough to be worth noting, or may have brought its process down.
-- A skipped task is attempt 0. map_index has room for tasks that fan out over data; -1 is a task that does not.
create table cloaca_attempts (
    execution_id text not null references cloaca_executions (id),
    task text not null,
    map_index integer not null default -1,
    attempt integer not null,
    status text not null,
    delta text,
    error text,
    reason text,
    started_at real,
    finished_at real,
    retry_at real,
    crashes integer not null default 0,
    charges integer not null default 0,
    alone integer not null default 0,
    primary key (execution_id, task, map_index, attempt)
) without rowid;
