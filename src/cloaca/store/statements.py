"""Named SQL statements, read from .sql files."""

from __future__ import annotations

import os


def load_statements(path: str) -> dict[str, str]:
    """Statements by name: each starts with a line ``-- name: NAME``; text before the first one is a header."""
    with open(path, encoding="utf-8") as file:
        sections = file.read().split("-- name: ")[1:]
    return {name: sql.strip().rstrip(";") for name, _, sql in (s.partition("\n") for s in sections)}


def load_migrations(folder: str) -> list[tuple[int, list[str]]]:
    """Numbered migrations as ``(version, statements)``, in order; a statement ends with ``;`` at the end of a line."""
    migrations = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".sql"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                statements = [part.strip() for part in file.read().split(";\n")]
            migrations.append((int(name.partition("_")[0]), [s for s in statements if s]))
    return migrations
