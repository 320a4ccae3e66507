"""Schedules and triggers as runners and clients offer them; what they do is in ``cloaca.schedules``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cloaca.authoring.keyword_suggestions import suggests_keywords
from cloaca.authoring.names import checked_name
from cloaca.clock import new_id
from cloaca.model.context import Context
from cloaca.runner.inputs import Input, texts_of
from cloaca.store.store import Store

if TYPE_CHECKING:
    from cloaca.runner.scheduling import Scheduling
    from cloaca.schedules.cron import CronSchedule
    from cloaca.schedules.registrations import Registrations


@suggests_keywords
class Schedules:
    """What can be registered and asked about schedules. Moments in the dicts are ISO 8601 texts, UTC."""

    _store: Store
    _encoders: Any
    _scheduling: Scheduling | None = None
    """Of a runner: what acts on them."""

    # -- by the clock ----------------------------------------------------------------------------------------------

    def register_cron_workflow(
        self,
        workflow_name: str,
        cron_expression: str,
        timezone: str = "UTC",
        *,
        catchup_policy: bool | str = "skip",
    ) -> str:
        """Run a workflow by the clock, from the next instant on; returns the schedule's id.

        Each nominal instant starts one execution, however many runners share the database, whatever crashes, and
        also where a clock is set back. Its context holds ``scheduled_time``, ``schedule_id``, ``schedule_timezone``
        and ``schedule_expression``. Runners in whose process the workflow is registered fire it.

        Args:
            cron_expression: Five fields, or six with seconds first; names such as ``MON-FRI``; ``@daily`` and the
                like. Sunday is 0.
            timezone: Whose clocks it follows, such as ``"Europe/Berlin"``. Where the minute or the hour field starts
                with ``*`` it follows elapsed time; otherwise each time fires once, in a gap at its end, and the first
                time where it comes twice.
            catchup_policy: What becomes of instants that more than a minute passed over because no runner was there:
                ``"skip"`` leaves them out, ``"latest"`` fires the latest, ``"all"`` fires them up to
                ``cron_max_catchup_executions``.

        Raises:
            ScheduleError: Expression, zone or policy cannot be.
            WorkflowValidationError: No workflow can have this name, or what it declares as its input is not there.
            DatabaseError: It could not be stored.
        """
        registrations = self._changing()
        return self._changed(
            registrations.add(
                workflow_name, cron_expression, timezone, texts=self._input_of(workflow_name, None),
                catch_up=catchup_policy,
            )
        )  # fmt: skip

    def register_workflow_instance(
        self,
        workflow_name: str,
        instance_name: str,
        cron_expression: str,
        timezone: str = "UTC",
        params: Context | Mapping[str, Any] | None = None,
        *,
        catchup_policy: bool | str = "skip",
    ) -> str:
        """``register_cron_workflow`` under a name, with a context of its own: each execution starts with ``params``.

        Raises:
            ScheduleError: The workflow has an instance of this name already, or ``params`` holds a key that fires set.
            TypeError: A value of ``params`` cannot be stored.
            WorkflowValidationError: No instance can have this name, or ``params`` are not what the workflow declares,
                which a client does not know.
        """
        instance = checked_name(instance_name, what="the instance's name")
        texts, registrations = self._input_of(workflow_name, params), self._changing()
        return self._changed(
            registrations.add(
                workflow_name, cron_expression, timezone, instance=instance, texts=texts, catch_up=catchup_policy
            )
        )  # fmt: skip

    def add_cron_schedule(self, schedule: CronSchedule) -> str:
        """``register_cron_workflow`` for a ``CronSchedule``.

        Raises:
            ScheduleError: Something in it cannot be.
        """
        from cloaca.schedules.cron import checked_schedule  # noqa: PLC0415 - loaded by those who have schedules

        checked, registrations = checked_schedule(schedule), self._changing()
        return self._changed(
            registrations.add(
                checked.workflow_name, checked.cron_expression, checked.timezone,
                texts=self._input_of(checked.workflow_name, checked.context), enabled=checked.enabled, catch_up=checked.catch_up,
                most=checked.max_missed_runs,
            )
        )  # fmt: skip

    def list_cron_schedules(
        self,
        enabled_only: bool | None = None,  # noqa: FBT001 - the API's
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[dict[str, Any]]:
        """What fires by the clock, in the order of registration, 100 unless ``limit`` says otherwise.

        Each has ``id``, ``workflow_name``, ``cron_expression``, ``timezone``, ``enabled``, ``next_run_at``,
        ``last_run_at``, ``catchup_policy``, ``max_missed_runs``, ``instance_name``, ``params``, ``created_at`` and
        ``updated_at``.
        """
        return self._registrations().cron_schedules(enabled_only, limit, offset)

    def get_cron_schedule(self, schedule_id: str) -> dict[str, Any]:
        """One of ``list_cron_schedules``.

        Raises:
            ScheduleError: There is none of this id.
        """
        return self._registrations().cron_schedule(schedule_id)

    def update_cron_schedule(
        self,
        schedule_id: str,
        cron_expression: str,
        timezone: str = "UTC",
        *,
        catchup_policy: bool | str | None = None,
    ) -> None:
        """Give a schedule another expression and zone, from the next instant on.

        Raises:
            ScheduleError: There is none of this id, or a trigger declares it; expression, zone or policy cannot be.
        """
        self._changing().update(schedule_id, cron_expression, timezone, catch_up=catchup_policy)
        self._schedules_changed()

    def set_cron_schedule_enabled(self, schedule_id: str, enabled: bool) -> None:  # noqa: FBT001 - the API's
        """Switch a schedule on or off; what passes while it is off is not caught up with.

        Raises:
            ScheduleError: There is none of this id.
        """
        self._changing().enable(schedule_id, enabled)
        self._schedules_changed()

    def delete_cron_schedule(self, schedule_id: str) -> None:
        """Remove a schedule; its history and its executions stay.

        Raises:
            ScheduleError: There is none of this id, or a trigger declares it.
        """
        self._changing().remove(schedule_id)

    def get_cron_execution_history(
        self, schedule_id: str, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """What a schedule has fired, latest first.

        Each has ``id``, ``schedule_id``, ``scheduled_time``, ``claimed_at``, ``workflow_execution_id`` (also as
        ``pipeline_execution_id``), ``created_at`` and ``updated_at``.

        Raises:
            ScheduleError: It is no schedule's id.
        """
        return self._registrations().cron_history(schedule_id, limit, offset)

    def get_cron_execution_stats(self, since: str) -> dict[str, Any]:
        """How the fires by the clock since a moment have ended.

        Returns:
            ``total_executions``, ``successful_executions``, ``lost_executions`` (a fire and its execution are one
            transaction, so none is) and ``success_rate``, a fraction from 0 to 1.

        Args:
            since: ISO 8601; without an offset it is taken as UTC.

        Raises:
            ScheduleError: It is no moment.
        """
        return self._registrations().stats(since)

    # -- triggers --------------------------------------------------------------------------------------------------

    def list_trigger_schedules(
        self,
        enabled_only: bool | None = None,  # noqa: FBT001 - the API's
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[dict[str, Any]]:
        """The triggers that runners of this database have declared, in that order, 100 unless ``limit`` says otherwise.

        Each has ``id``, ``trigger_name``, ``workflow_name``, ``poll_interval_ms``, ``allow_concurrent``, ``enabled``,
        ``last_poll_at``, ``cron_expression``, ``timezone``, ``created_at`` and ``updated_at``.
        """
        self._declare_triggers()
        return self._registrations().triggers(enabled_only, limit, offset)

    def get_trigger_schedule(self, name: str) -> dict[str, Any] | None:
        """One of ``list_trigger_schedules``; ``None`` if there is none of this name."""
        self._declare_triggers()
        return self._registrations().trigger(name)

    def set_trigger_enabled(self, name: str, enabled: bool) -> None:  # noqa: FBT001 - the API's
        """Switch a trigger on or off.

        Raises:
            ScheduleError: There is none of this name.
        """
        self._declare_triggers()
        self._changing().enable_trigger(name, enabled)
        self._schedules_changed()

    def get_trigger_execution_history(
        self, name: str, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """What a trigger has fired, latest first; nothing where there is none of this name.

        Each has ``id``, ``schedule_id``, ``context_hash``, ``workflow_execution_id`` (also as
        ``pipeline_execution_id``), ``started_at``, ``completed_at`` and ``created_at``.
        """
        return self._registrations().trigger_history(name, limit, offset)

    # -- what runners and clients add ------------------------------------------------------------------------------

    def _input_of(self, workflow: str, context: Input) -> dict[str, str]:  # noqa: ARG002 - a runner asks what it is
        """What each execution of a schedule starts with; whoever has no code takes it as it is."""
        return texts_of(context, self._encoders)

    def _before_use(self) -> None:
        """Raise where nothing can be done here any more."""

    def _before_change(self) -> None:
        """Raise where nothing can be changed here any more."""
        self._before_use()

    def _declare_triggers(self) -> None:
        if self._scheduling is not None:
            self._scheduling.declare_triggers()

    def _schedules_changed(self) -> None:
        if self._scheduling is not None:
            self._scheduling.changed()

    _now = staticmethod(time.time)

    def _registrations(self) -> Registrations:
        from cloaca.schedules.registrations import Registrations  # noqa: PLC0415 - loaded by those who have schedules

        self._before_use()
        return Registrations(self._store.schedules, now=self._now, make_id=new_id)

    def _changing(self) -> Registrations:
        self._before_change()
        return self._registrations()

    def _changed(self, id: str) -> str:
        self._schedules_changed()
        return id
