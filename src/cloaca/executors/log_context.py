"""Log records that name the execution they belong to."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from cloaca.executors.current import current_attempt, in_callback
from cloaca.executors.job import ids_of


class LogContext(logging.Filter):
    """A logging filter that adds ``execution_id``, ``workflow``, ``task`` and ``attempt`` to log records.

    Records get the ids of the body that logs them, with any logger: on the body's thread, on the event loop, or in a thread
    started with ``asyncio.to_thread``. Records of a callback get all but ``attempt``. A thread that a body starts itself
    belongs to no execution, unless it runs in a copy of the body's context. Records that cloaca logs about an execution have
    these attributes too, as far as they concern a single task.

    The filter lets every record pass, and never replaces an attribute that a record already has.

    Args:
        outside: The value of the attributes in records that belong to no execution.

    Example:
        >>> import logging
        >>> handler = logging.StreamHandler()
        >>> handler.addFilter(LogContext())
        >>> handler.setFormatter(logging.Formatter("%(execution_id)s %(task)s#%(attempt)s %(message)s"))
        >>> logging.getLogger("shop").addHandler(handler)
    """

    def __init__(self, *, outside: object = "-") -> None:
        super().__init__()
        self._outside = outside

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes that the record lacks."""
        known = _known()
        for name in ("execution_id", "workflow", "task", "attempt"):
            if name not in record.__dict__:
                setattr(record, name, known.get(name, self._outside))
        return True


def _known() -> Mapping[str, object]:
    """The ids that the running code belongs to."""
    attempt, callback = current_attempt.get(), in_callback.get()
    if attempt is not None:
        return ids_of(attempt.job)
    return {} if callback is None else callback.ids
