"""Log records that say which execution they belong to."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from cloaca.executors.current import current_attempt, in_callback
from cloaca.executors.job import ids_of


class LogContext(logging.Filter):
    """Gives each log record ``execution_id``, ``workflow``, ``task`` and ``attempt``; add it to a handler.

    They are those of the body that logs, with any logger, on its thread, on the event loop, or in a thread that
    ``asyncio.to_thread`` has started, and all but ``attempt`` those of a callback; a thread that a body starts by itself belongs to no execution, unless it runs in a
    copy of the body's context. What cloaca logs of an execution carries them too, as far as it belongs to one task.

    It lets every record pass, and changes nothing that a record has already.

    Args:
        outside: What they are of a record that belongs to no execution.

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
        """Give the record what it lacks."""
        known = _known()
        for name in ("execution_id", "workflow", "task", "attempt"):
            if name not in record.__dict__:
                setattr(record, name, known.get(name, self._outside))
        return True


def _known() -> Mapping[str, object]:
    """What the code that runs here belongs to."""
    attempt, callback = current_attempt.get(), in_callback.get()
    if attempt is not None:
        return ids_of(attempt.job)
    return {} if callback is None else callback.ids
