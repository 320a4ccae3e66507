"""NOTIFY and LISTEN: how runners notify each other of work and of ended executions."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

from cloaca.errors import DatabaseError
from cloaca.store.postgres import connection as driver
from cloaca.store.postgres.url import PostgresUrl
from cloaca.store.store import Notice

logger = logging.getLogger("cloaca.store")

AGAIN_SECONDS = 1.0
IDS_IN_A_NOTICE = 150
"""A payload is limited to 8,000 bytes, and an id has 36."""


def notify(db: Any, statement: str, *, ended: Sequence[str], work: bool) -> None:
    """Notify all listeners; outside a transaction this is delivered at once."""
    payloads = [" ".join(ended[at : at + IDS_IN_A_NOTICE]) for at in range(0, len(ended), IDS_IN_A_NOTICE)]
    for payload in [*payloads, *([""] if work else [])]:
        db.execute(statement, (payload,))


class Listener:
    """A thread with its own connection that passes on notifications, and reconnects after a lost connection."""

    def __init__(self, url: PostgresUrl, read_channel: str, notice: Notice) -> None:
        self._url = url
        self._read_channel = read_channel
        self._notice = notice
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cloaca-listener", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with driver.connect(self._url) as db:
                    (channel,) = db.execute(self._read_channel).fetchall()[0]
                    db.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
                    self._notice(())  # for what was announced before it listened
                    self._hand_on(db)
            except (psycopg.Error, DatabaseError) as error:
                is_driver = isinstance(error, psycopg.Error)
                text = driver.explained(error, self._url) if is_driver else error
                logger.info("listening again in a moment: %s", text)
                self._closing.wait(AGAIN_SECONDS)

    def _hand_on(self, db: driver.Connection) -> None:
        while not self._closing.is_set():
            for heard in db.notifies(timeout=1.0, stop_after=1):
                self._notice(heard.payload.split())

    def close(self) -> None:
        """End the thread, which notices within a second and is not waited for."""
        self._closing.set()
