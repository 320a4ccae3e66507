"""Allowed names of schemas and roles: an allow-list, so that no name can be mistaken for anything else."""

from __future__ import annotations

import re

from cloaca.errors import SchemaError

LONGEST_NAME = 63
"""Bytes of an identifier, https://www.postgresql.org/docs/18/limits.html."""

OF_THE_SERVER = frozenset({"information_schema", "none", "public"})

KEY_WORDS = (
    " all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation "
    "column concurrently constraint create cross current_catalog current_date current_role current_schema current_time "
    "current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze "
    "from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit "
    "localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references "
    "returning right select session_user similar some symmetric system_user table tablesample then to trailing true union "
    "unique user using variadic verbose when where window with "
)
"""What PostgreSQL 18 reserves, https://www.postgresql.org/docs/18/sql-keywords-appendix.html."""


def check_name(name: object, *, what: str) -> str:
    """Check that the name of a schema or user is letters, digits and underscores, starts with a letter, and is not reserved.

    Raises:
        SchemaError: It is not.
    """
    if name is None or name == "":
        raise SchemaError(f"{what} name cannot be empty: give one, such as 'tenant_a'")
    if not isinstance(name, str) or re.fullmatch(r"[A-Za-z0-9_]+", name) is None:
        shown = repr(name)[:80]
        raise SchemaError(f"{what} name {shown} must contain only alphanumeric characters and underscores")
    if not name[0].isalpha():
        raise SchemaError(f"{what} name {name[:80]!r} must start with a letter")
    if len(name) > LONGEST_NAME:
        raise SchemaError(
            f"{what} name {name[:80]!r} has {len(name)} characters: PostgreSQL keeps {LONGEST_NAME}"
        )
    folded = name.lower()
    if folded.startswith("pg_") or folded in OF_THE_SERVER or f" {folded} " in KEY_WORDS:
        raise SchemaError(f"{what} name {name!r} is reserved by PostgreSQL: choose another")
    return name
