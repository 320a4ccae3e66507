"""The methods of runners and clients for schedules and triggers; the implementation is in ``cloaca.schedules``."""

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
    """Registering and querying schedules. Times in the returned dicts are ISO 8601 strings, UTC."""

    _store: Store
    _encoders: Any
    _scheduling: Scheduling | None = None
    """Of a runner: acts on the schedules."""

    # -- by the clock ----------------------------------------------------------------------------------------------

    def register_cron_workflow(
        self,
        workflow_name: str,
        cron_expression: str,
        timezone: str = "UTC",
        *,
        catchup_policy: bool | str = "skip",
    ) -> str:
        """Run a workflow on a cron schedule, starting with the next scheduled time; returns the schedule's id.

        Each scheduled time starts exactly one execution, however many runners share the database, whatever crashes, and
        even if a clock is set back. The execution's context holds ``scheduled_time``, ``schedule_id``,
        ``schedule_timezone`` and ``schedule_expression``. Only processes in which the workflow is registered fire it.

        Args:
            cron_expression: Five fields, or six with seconds first; names such as ``MON-FRI``; aliases such as ``@daily``.
                Sunday is 0.
            timezone: The time zone of the expression, such as ``"Europe/Berlin"``. If the minute or the hour field starts
                with ``*``, the schedule follows elapsed time. Otherwise each time fires once: a time that a clock change skips
                fires at the end of the gap, and a time that occurs twice fires at its first occurrence.
            catchup_policy: What to do about times missed by more than a minute because no runner was running:
                ``"skip"`` skips them, ``"latest"`` fires the latest one, ``"all"`` fires all of them, up to
                ``cron_max_catchup_executions``.

        Raises:
            ScheduleError: The expression, time zone or policy is not valid.
            WorkflowValidationError: The name is not a valid workflow name, or an input that the workflow declares is missing.
            DatabaseError: The schedule could not be stored.
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
        """``register_cron_workflow`` for a named instance, whose executions start with ``params`` as their context.

        Raises:
            ScheduleError: The workflow already has an instance of this name, or ``params`` has a key that the schedule sets.
            TypeError: A value in ``params`` cannot be stored.
            WorkflowValidationError: The instance name is not valid, or ``params`` do not match what the workflow declares,
                which a client cannot check.
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
            ScheduleError: A value in it is not valid.
        """
        from cloaca.schedules.cron import checked_schedule  # noqa: PLC0415 - needed only with schedules

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
        """The cron schedules in the order of registration, 100 unless ``limit`` says otherwise.

        Each has ``id``, ``workflow_name``, ``cron_expression``, ``timezone``, ``enabled``, ``next_run_at``,
        ``last_run_at``, ``catchup_policy``, ``max_missed_runs``, ``instance_name``, ``params``, ``created_at`` and
        ``updated_at``.
        """
        return self._registrations().cron_schedules(enabled_only, limit, offset)

    def get_cron_schedule(self, schedule_id: str) -> dict[str, Any]:
        """One entry of ``list_cron_schedules``.

        Raises:
            ScheduleError: No schedule has this id.
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
        """Change the expression and time zone of a schedule, starting with its next scheduled time.

        Raises:
            ScheduleError: No schedule has this id, a trigger declares it, or the expression, time zone or policy is not valid.
        """
        self._changing().update(schedule_id, cron_expression, timezone, catch_up=catchup_policy)
        self._schedules_changed()

    def set_cron_schedule_enabled(self, schedule_id: str, enabled: bool) -> None:  # noqa: FBT001 - the API's
        """Enable or disable a schedule; times that pass while it is disabled are not caught up.

        Raises:
            ScheduleError: No schedule has this id.
        """
        self._changing().enable(schedule_id, enabled)
        self._schedules_changed()

    def delete_cron_schedule(self, schedule_id: str) -> None:
        """Delete a schedule; its history and its executions are kept.

        Raises:
            ScheduleError: No schedule has this id, or a trigger declares it.
        """
        self._changing().remove(schedule_id)

    def get_cron_execution_history(
        self, schedule_id: str, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """The fires of a schedule, latest first.

        Each has ``id``, ``schedule_id``, ``scheduled_time``, ``claimed_at``, ``workflow_execution_id`` (also as
        ``pipeline_execution_id``), ``created_at`` and ``updated_at``.

        Raises:
            ScheduleError: The id is not that of a schedule.
        """
        return self._registrations().cron_history(schedule_id, limit, offset)

    def get_cron_execution_stats(self, since: str) -> dict[str, Any]:
        """How the executions that schedules have fired since a given time have ended.

        Returns:
            ``total_executions``, ``successful_executions``, ``lost_executions`` (always 0, as a fire and its execution are
            one transaction) and ``success_rate``, a fraction from 0 to 1.

        Args:
            since: ISO 8601; without an offset it is read as UTC.

        Raises:
            ScheduleError: It is not a valid time.
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
        """One entry of ``list_trigger_schedules``, or ``None`` if there is no trigger of this name."""
        self._declare_triggers()
        return self._registrations().trigger(name)

    def set_trigger_enabled(self, name: str, enabled: bool) -> None:  # noqa: FBT001 - the API's
        """Enable or disable a trigger.

        Raises:
            ScheduleError: There is no trigger of this name.
        """
        self._declare_triggers()
        self._changing().enable_trigger(name, enabled)
        self._schedules_changed()

    def get_trigger_execution_history(
        self, name: str, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """The fires of a trigger, latest first; empty if there is no trigger of this name.

        Each has ``id``, ``schedule_id``, ``context_hash``, ``workflow_execution_id`` (also as
        ``pipeline_execution_id``), ``started_at``, ``completed_at`` and ``created_at``.
        """
        return self._registrations().trigger_history(name, limit, offset)

    # -- what runners and clients add ------------------------------------------------------------------------------

    def _input_of(self, workflow: str, context: Input) -> dict[str, str]:  # noqa: ARG002 - a runner asks what it is
        """The input of each execution of a schedule. A process without the workflow's code takes it as it is."""
        return texts_of(context, self._encoders)

    def _before_use(self) -> None:
        """Raise if this runner or client can no longer be used."""

    def _before_change(self) -> None:
        """Raise if nothing can be changed through this runner or client any more."""
        self._before_use()

    def _declare_triggers(self) -> None:
        if self._scheduling is not None:
            self._scheduling.declare_triggers()

    def _schedules_changed(self) -> None:
        if self._scheduling is not None:
            self._scheduling.changed()

    _now = staticmethod(time.time)

    def _registrations(self) -> Registrations:
        from cloaca.schedules.registrations import Registrations  # noqa: PLC0415 - needed only with schedules

        self._before_use()
        return Registrations(self._store.schedules, now=self._now, make_id=new_id)

    def _changing(self) -> Registrations:
        self._before_change()
        return self._registrations()

    def _changed(self, id: str) -> str:
        self._schedules_changed()
        return id
