"""Secrets of database URLs: what is shown of a URL, and of a driver's error that may quote a part of one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

_CREDENTIALS = re.compile(r"(?<=:)(?!//).*@", re.DOTALL)
"""Of ``user:password@host``, whatever is wrong with it: up to the last ``@``, since a password may hold one."""

_NO_PORT = re.compile(r"(://[^/?@:\[]+:)(?!\d+(?:[/?,]|$)|[^/?]*@)[^/?]*")
"""What stands where a port would, and is none, of a URL that lacks its host."""

_OPTION = re.compile(r"([?&])([^=&]*)=([^&]*)")
_SECRET_NAME = re.compile(r"(?i)pass|pwd|secret|token")
_SETTING = re.compile(
    r"(?i)((?:^|[?&\s])[^?&=:\s]*(?:pass|pwd|secret|token)[^?&=:\s]*\s*[=:]\s*)[^&]*", re.DOTALL
)
"""``password=...`` as in a connection string of libpq, to its end."""


def masked(url: str) -> str:
    """The URL, or what was meant to be one, without what may be a password.

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
    """The text without these secrets, as they are or as a URL, a connection string or Python would write them."""
    forms = {form for secret in secrets for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def _forms(secret: str) -> Iterable[str]:
    quoted = secret.replace("\\", "\\\\").replace("'", "\\'")
    return {
        secret, quoted, quote(secret, safe=""), quote(secret), repr(secret)[1:-1], " ".join(secret.split())
    } - {""}  # fmt: skip
