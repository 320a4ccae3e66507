"""The advisory lock that proves a runner alive, and who else may hold it."""

from __future__ import annotations

import psycopg

from cloaca.store.postgres.connection import Connection


def is_held_by_a_stranger(db: Connection, list_runners: str, *, runner: str, key: tuple[int]) -> bool:
    """Whether a runner's lock is held by a role that is not a runner, and may never release it: any role can take it.

    A runner that rejoins has another lock, and takes over its own executions.
    """
    try:
        seen = {row[0]: row[6] for row in db.execute(list_runners).fetchall()}
        if seen.get(runner) is not False:
            return False
        # It may have been released at this moment; then it is this runner's, and stays so for the next attempt.
        return not db.execute("select pg_try_advisory_lock(%s)", key).fetchall()[0][0]
    except psycopg.Error:
        return False
