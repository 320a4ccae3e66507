"""Taking over from dead runners: which are dead, what they owned, and which of its attempts may have killed them."""

from __future__ import annotations

import logging

from cloaca.engine.core import Core
from cloaca.engine.heartbeat import Heartbeat
from cloaca.engine.suspects import backoff
from cloaca.model.graph import Graph
from cloaca.model.liveness import Liveness, Seen, Verdict
from cloaca.model.rounds import DECIDED, decides, reopened
from cloaca.model.rows import StoredAttempt
from cloaca.store.rows import OwnedRow, RunnerRow, SuspectRow

logger = logging.getLogger("cloaca.engine")

RELEASED_AT_ONCE = 500


class Takeover:
    """Watches the other runners of a database, and releases what dead ones have left."""

    def __init__(self, core: Core, heartbeat: Heartbeat) -> None:
        self._core = core
        self._heartbeat = heartbeat
        self._liveness = Liveness(
            lease_seconds=core.settings.lease_seconds,
            looks=core.store.looks_for_death,
            longest_step=2 * core.settings.patrol_seconds,
        )

    def look(self) -> bool:
        """Look at all other runners once; true if one more look would prove a death."""
        core = self._core
        runners, now = core.store.other_runners(), core.clock.monotonic()
        seen = [Seen(runner.id, runner.turn, runner.holds_lock) for runner in runners]
        verdicts = self._liveness.look(seen, now=now, could_write=self._heartbeat.is_regular(now))
        core.crowded = any(verdict is Verdict.ALIVE for verdict in verdicts.values())
        for runner in runners:
            if core.settings.recover and verdicts[runner.id] is not Verdict.ALIVE:
                self._replace(runner, verdicts[runner.id])
        return self._liveness.is_suspicious

    def _replace(self, runner: RunnerRow, verdict: Verdict) -> None:
        store = self._core.store
        logger.warning(
            "runner %s (process %s on %s) is %s: taking over", runner.id, runner.pid, runner.host,
            "dead" if verdict is Verdict.CRASHED else f"silent for its lease of {self._core.settings.lease_seconds:g} s",
        )  # fmt: skip
        # Its epoch grows in a separate transaction, so that none of its turns can change a row from here on.
        store.declare_dead(runner.id)
        self._release_all(runner.id, crashed=verdict is Verdict.CRASHED)
        store.remove_dead(runner.id)

    def _release_all(self, dead: str, *, crashed: bool) -> None:
        """Release what it owned. Only a proven crash makes suspects of the attempts that were running."""
        store = self._core.store
        if not crashed:
            while owned := store.owned_by(dead, limit=RELEASED_AT_ONCE):
                store.release(dead, [execution.id for execution in owned], now=self._core.clock.now())
            return
        charged = store.ran_alone(dead)
        while owned := store.owned_by(dead, limit=RELEASED_AT_ONCE):
            graphs = {
                s: Graph.from_json(g) for s, g in store.read_structures(o.structure for o in owned).items()
            }
            suspects: list[SuspectRow] = []
            for execution in owned:
                attempts = store.read_attempts(execution.id)
                suspects += _suspects(
                    execution,
                    graphs[execution.structure],
                    attempts,
                    self._core.clock.now(),
                    charged=charged,
                )
            store.release(dead, [execution.id for execution in owned], suspects, now=self._core.clock.now())


def _suspects(
    execution: OwnedRow, graph: Graph, attempts: list[StoredAttempt], now: float, *, charged: bool
) -> list[SuspectRow]:
    """The attempts of a dead runner's execution that may have been running when it died.

    If the rows show that one suspect was running alone, only that one is charged.
    """
    rows = []
    for task, number, stored in _open_attempts(graph, attempts, execution.round_fence, now):
        alone = stored is not None and stored.status == "Running" and stored.alone
        if charged and not alone:
            continue
        crashes = (stored.crashes if stored else 0) + 1
        charges = (stored.charges if stored else 0) + alone
        rows.append(SuspectRow(execution.id, task, number, crashes, charges, now + backoff(crashes)))
    return rows


def _open_attempts(
    graph: Graph, attempts: list[StoredAttempt], round_fence: int, now: float
) -> list[tuple[str, int, StoredAttempt | None]]:
    """Undecided tasks whose dependencies are all decided: id, attempt, and its row if there is one."""
    by_node: dict[int, list[StoredAttempt]] = {}
    for stored in attempts:
        by_node.setdefault(graph.index[stored.task], []).append(stored)
    again = reopened(graph, by_node, round_fence)
    latest = {node: rows[-1] for node, rows in by_node.items()}
    decided = {node for node, last in latest.items() if node not in again and decides(last)}
    found: list[tuple[str, int, StoredAttempt | None]] = []
    for node, task in enumerate(graph.ids):
        if node in decided or any(dep not in decided for dep in graph.dependencies[node]):
            continue
        last = latest.get(node)
        if last is None:
            found.append((task, 1, None))
        elif last.retry_at is None or last.retry_at <= now or node in again:
            is_over = last.status in DECIDED
            found.append((task, last.attempt + is_over, None if is_over else last))
    return found
