"""Values that a deployment passes to its workflows in environment variables."""

from __future__ import annotations

import os

from cloaca.authoring.names import is_str, shown
from cloaca.errors import VariableNotSetError

PREFIX = "CLOACINA_VAR_"


def var(name: str) -> str:
    """The current value of the environment variable ``CLOACINA_VAR_<name>``.

    Raises:
        VariableNotSetError: It is not set; also a ``KeyError``.

    Example:
        >>> import os
        >>> os.environ["CLOACINA_VAR_BUCKET"] = "reports"
        >>> var("BUCKET")
        'reports'
    """
    variable = _variable(name)
    value = os.environ.get(variable)
    if value is None:
        raise VariableNotSetError(
            f"{variable} is not set: set it in the environment of this process, or use var_or({name!r}, default)"
        )
    return value


def var_or(name: str, default: str) -> str:
    """``var``, or the default if the variable is not set. A variable set to an empty string counts as set.

    Example:
        >>> var_or("NOT_SET_ANYWHERE", "eu-west-1")
        'eu-west-1'
    """
    return os.environ.get(_variable(name), default)


def _variable(name: object) -> str:
    if not is_str(name) or not name or "=" in name or "\0" in name:
        raise VariableNotSetError(
            f"{shown(name)} cannot name a variable: give what follows {PREFIX}, without '='"
        )
    return f"{PREFIX}{name}"
