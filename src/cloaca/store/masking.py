"""Hiding secrets: those in database URLs, and in driver errors that may quote parts of one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

_CREDENTIALS = re.compile(r"(?<=:)(?!//).*@", re.DOTALL)
"""In ``user:password@host``, even if malformed: up to the last ``@``, since a password may contain one."""

_NO_PORT = re.compile(r"(://[^/?@:\[]+:)(?!\d+(?:[/?,]|$)|[^/?]*@)[^/?]*")
"""Something in place of a port that is not one, in a URL without a host."""

_OPTION = re.compile(r"([?&])([^=&]*)=([^&]*)")
_SECRET_NAME = re.compile(r"(?i)pass|pwd|secret|token")
_SETTING = re.compile(
    r"(?i)((?:^|[?&\s])[^?&=:\s]*(?:pass|pwd|secret|token)[^?&=:\s]*\s*[=:]\s*)[^&]*", re.DOTALL
)
"""``password=...`` as in a libpq connection string, to its end."""


def masked(url: str) -> str:
    """The URL, or what was meant as one, without anything that may be a password.

    >>> masked("postgresql://ada:secret@db/app?sslpassword=secret&sslmode=require")
    'postgresql://ada:***@db/app?sslpassword=***&sslmode=require'
    """
    url = _CREDENTIALS.sub("***@", url, count=1)
    url = _NO_PORT.sub(r"\1***", url, count=1)
    return _SETTING.sub(r"\1***", _OPTION.sub(_masked_option, url))


def _masked_option(option: re.Match[str]) -> str:
    mark, name, _ = option.groups()
    return f"{mark}{name}=***" if _SECRET_NAME.search(unquote(name)) else option[0]


def hidden(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets, in any form that URLs, connection strings or Python would give them."""
    forms = {form for secret in secrets for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def _forms(secret: str) -> Iterable[str]:
    quoted = secret.replace("\\", "\\\\").replace("'", "\\'")
    return {
        secret, quoted, quote(secret, safe=""), quote(secret), repr(secret)[1:-1], " ".join(secret.split())
    } - {""}  # fmt: skip
