-- The runners of this schema. The row is the interlock of every turn: see statements.sql, advance_turn. lock_key is
-- the session advisory lock that its process holds while it lives; null where no such lock can be trusted.
create table cloaca.runners (
    id text collate "C" primary key,
    epoch bigint not null default 0,
    turn bigint not null default 0,
    host text not null,
    pid integer not null,
    joined_at double precision not null,
    lock_key bigint
) with (fillfactor = 20);

-- The graphs that executions were started with, frozen: ids and dependencies as JSON.
create table cloaca.structures (
    structure text collate "C" primary key,
    workflow text not null,
    graph text not null
);

-- One row an execution. seq orders them; ids and times are never an order. A structure that is empty is chosen by the
-- first claim: who started the execution did not know the workflow.
create table cloaca.executions (
    seq bigint generated always as identity primary key,
    id text collate "C" not null unique,
    workflow text collate "C" not null,
    structure text collate "C" not null,
    version text not null,
    status text not null,
    owner text collate "C",
    fence bigint not null,
    input text not null,
    idempotency_key text collate "C",
    created_at double precision not null,
    started_at double precision,
    finished_at double precision,
    error text,
    watched boolean not null default false
);

create unique index executions_by_key on cloaca.executions (workflow, idempotency_key)
where idempotency_key is not null;

-- What is open, by who owns it: claims and takeovers never see what is finished.
create index executions_owned on cloaca.executions (owner, seq) where finished_at is null and owner is not null;

create index executions_waiting on cloaca.executions (workflow, structure, seq)
where finished_at is null and owner is null;

-- One row an attempt that was settled, lasted long enough to be worth noting, or may have brought its process down.
-- A skipped task is attempt 0. map_index has room for tasks that fan out over data; -1 is a task that does not.
create table cloaca.attempts (
    execution_id text collate "C" not null,
    task text collate "C" not null,
    map_index integer not null default -1,
    attempt integer not null,
    status text not null,
    delta text,
    error text,
    reason text,
    started_at double precision,
    finished_at double precision,
    retry_at double precision,
    crashes integer not null default 0,
    charges integer not null default 0,
    alone boolean not null default false,
    primary key (execution_id, task, map_index, attempt)
);

-- Ends a transaction in which something does not hold, so that a pipelined batch is written whole or not at all.
create function cloaca.demand(holds boolean, state text) returns void language plpgsql as $$
begin if not holds then raise exception 'cloaca: %', state using errcode = state; end if; end $$;
