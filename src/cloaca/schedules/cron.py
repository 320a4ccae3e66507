"""A cron schedule as a value, and the validation of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloaca.authoring.names import is_str, nearest, shown
from cloaca.errors import ScheduleError
from cloaca.model.catchup import CatchUp
from cloaca.model.context import Context

MOST_CAUGHT_UP = 1000

_POLICIES = {policy.value: policy for policy in CatchUp} | {"run-all": CatchUp.ALL, "runall": CatchUp.ALL}


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """A workflow and when to run it, for ``add_cron_schedule``.

    Attributes:
        workflow_name: The workflow to run.
        cron_expression: Five fields, or six with seconds first; or an alias such as ``@daily``.
        timezone: The time zone of the expression.
        enabled: Whether it is enabled from the start.
        context: The context that each execution starts with.
        max_missed_runs: How many missed runs are caught up at most; ``None`` uses the runner's setting.
        catch_up: ``True`` or ``"all"``, ``False`` or ``"skip"``, or ``"latest"``.

    Example:
        >>> CronSchedule("report", "0 9 * * MON-FRI", "Europe/Berlin").enabled
        True
    """

    workflow_name: str
    cron_expression: str
    timezone: str = "UTC"
    enabled: bool = True
    context: Context | Mapping[str, Any] | None = None
    max_missed_runs: int | None = None
    catch_up: bool | str = False


def checked_schedule(given: Any) -> CronSchedule:
    """Validate a schedule.

    Raises:
        ScheduleError: It is not a ``CronSchedule``, or ``enabled`` is not a bool.
    """
    if not isinstance(given, CronSchedule):
        raise ScheduleError(
            f"{shown(given)} is not a CronSchedule: write CronSchedule('report', '0 9 * * *', 'Europe/Berlin')"
        )
    if type(given.enabled) is not bool:
        raise ScheduleError(f"enabled={shown(given.enabled)} must be True or False")
    return given


def checked_policy(given: Any) -> CatchUp:
    """The policy for a name or a bool.

    >>> checked_policy("run-all"), checked_policy(False)
    (<CatchUp.ALL: 'all'>, <CatchUp.SKIP: 'skip'>)

    Raises:
        ScheduleError: There is no such policy.
    """
    if type(given) is bool:
        return CatchUp.ALL if given else CatchUp.SKIP
    name = str.__str__(given).strip().lower().replace("_", "-") if is_str(given) else ""
    if name not in _POLICIES:
        hint = nearest(name, _POLICIES) or f"there are {', '.join(CatchUp)}"
        raise ScheduleError(f"catchup_policy={shown(given)} is not a catch-up policy: {hint}")
    return _POLICIES[name]


def checked_most(given: Any) -> int | None:
    """Validate the limit on how many missed runs are caught up.

    Raises:
        ScheduleError: It is not a whole number from 0 to 1000.
    """
    if given is not None and (type(given) is not int or not 0 <= given <= MOST_CAUGHT_UP):
        raise ScheduleError(
            f"max_missed_runs={shown(given)} must be a whole number from 0 to {MOST_CAUGHT_UP}, or None"
        )
    return given
