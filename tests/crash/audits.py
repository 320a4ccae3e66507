"""The audit of whichever database a URL names."""

from __future__ import annotations

from types import ModuleType

from tests.crash import postgres_audit, sqlite_audit
from tests.crash.tables import Seen, Tables


def _audit_of(url: str) -> ModuleType:
    return sqlite_audit if url.startswith("sqlite") else postgres_audit


def latest_change(url: str) -> Seen:
    """What is committed now."""
    found: Seen = _audit_of(url).latest_change(url)
    return found


def count_runners(url: str) -> int:
    """How many runners are in the database, those that died and were not replaced yet included."""
    found: int = _audit_of(url).count_runners(url)
    return found


def read_tables(url: str) -> Tables:
    """Read everything at one moment."""
    found: Tables = _audit_of(url).read_tables(url)
    return found
