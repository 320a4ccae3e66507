"""Mistakes to plant in the store and the engine, by altering their statements and methods in this process."""

from __future__ import annotations

from typing import Any

import pytest

from cloaca.engine.commit import Committer
from cloaca.engine.turn import Turn
from cloaca.model import restore
from cloaca.model.graph import Graph
from cloaca.model.rounds import last_before
from cloaca.store.rows import Batch, ClaimedExecution
from cloaca.store.sqlite import store as store_module
from cloaca.store.sqlite.store import SQL, SqliteStore
from tests.crash.scenes import Died

Patch = pytest.MonkeyPatch


def completion_without_fence_condition(patch: Patch) -> None:
    statement = _altered(store_module.SETTLE, "owner = ?11 and fence = ?12", "?11 = ?11 and ?12 = ?12")
    patch.setattr(store_module, "SETTLE", statement)


def takeover_in_two_transactions(patch: Patch) -> None:
    """What is claimed is read in one and claimed in the next."""
    claim = SqliteStore.claim

    def claim_what_was_read(store: SqliteStore, known: Any, **how: Any) -> list[ClaimedExecution]:
        rows = store.list_executions(workflow=None, status=None, after=None, limit=100)
        read = {row.id: store.read_attempts(row.id) for row in rows}
        return [found._replace(attempts=read[found.id]) for found in claim(store, known, **how)]

    patch.setattr(SqliteStore, "claim", claim_what_was_read)


def start_before_the_commit_of_a_dependency(patch: Patch) -> None:
    commit = Committer.commit

    def act_first(committer: Committer, turn: Turn) -> None:
        ready, turn.ready = turn.ready, []
        committer._core.executors.submit(ready)
        commit(committer, turn)

    patch.setattr(Committer, "commit", act_first)


def claim_without_owner_check(patch: Patch) -> None:
    patch.setitem(
        SQL,
        "claim_executions",
        _altered(SQL["claim_executions"], "and owner is null and finished_at", "and finished_at"),
    )


def claim_without_status_check(patch: Patch) -> None:
    statement = _altered(
        SQL["claim_executions"], "and owner is null and finished_at is null", "and owner is null"
    )
    patch.setitem(SQL, "claim_executions", statement)


def claim_of_what_is_paused(patch: Patch) -> None:
    for name in ("list_waiting", "claim_executions"):
        patch.setitem(SQL, name, _altered(SQL[name], "status <> 'Paused'", "true"))


def retry_of_what_has_completed(patch: Patch) -> None:
    """A new round opens all that was decided."""
    patch.setattr(
        restore, "reopened", lambda _graph, attempts, round_fence: set(last_before(attempts, round_fence))
    )


def settle_without_runner_row(patch: Patch) -> None:
    """It joins the fence alone."""
    statement = _altered(store_module.ADVANCE_TURN, "epoch = ?2 and turn = ?3 - 1", "?2 = ?2")
    patch.setattr(store_module, "ADVANCE_TURN", statement)


def release_without_owner_check(patch: Patch) -> None:
    patch.setitem(SQL, "release_execution", _altered(SQL["release_execution"], "owner = ?2", "?2 = ?2"))


def body_run_again_after_its_commit(patch: Patch) -> None:
    """Who takes over does not see what is completed."""
    statement = _altered(SQL["read_attempts_of"], "where ", "where status <> 'Completed' and ")
    patch.setitem(SQL, "read_attempts_of", statement)


def task_decided_twice(patch: Patch) -> None:
    """It is run again, and nothing keeps it from being settled again."""
    body_run_again_after_its_commit(patch)
    guard = "where cloaca_attempts.status in ('Running', 'Suspect')"
    patch.setattr(store_module, "SETTLE", _altered(store_module.SETTLE, guard, ""))


def finish_apart_from_the_last_task(patch: Patch) -> None:
    """The process dies between the two commits."""
    commit = SqliteStore.commit

    def commit_rows_first(store: SqliteStore, batch: Batch) -> Any:
        finishes, batch.finishes = batch.finishes, []
        losers = commit(store, batch)
        if finishes:
            raise Died
        return losers

    patch.setattr(SqliteStore, "commit", commit_rows_first)


def acknowledgement_before_the_commit(patch: Patch) -> None:
    commit = Committer.commit

    def answer_first(committer: Committer, turn: Turn) -> None:
        for request in turn.starting:
            assert request.answer
            request.answer({})
            request.answer = None
        commit(committer, turn)

    patch.setattr(Committer, "commit", answer_first)


def doubled_list_element(patch: Patch) -> None:
    """A join replays what it inherits twice."""
    between = Graph.between
    patch.setattr(Graph, "between", lambda *graph, **which: between(*graph, **which) * 2)


def _altered(statement: str, text: str, instead: str) -> str:
    assert text in statement, f"{text!r} is not in {statement!r} any more: plant this mistake another way"
    return statement.replace(text, instead)
