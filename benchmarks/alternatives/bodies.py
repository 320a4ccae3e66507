"""What the tasks of all of them do."""

from __future__ import annotations


def extract(number: int) -> int:
    return number + 1


def transform(number: int) -> int:
    return number + 1


def load(number: int) -> int:
    return number + 1
