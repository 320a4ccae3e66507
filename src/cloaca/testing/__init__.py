"""Testing workflows: no server, no sleeping, and retries of ten minutes within milliseconds.

``run`` runs one workflow inline, ``isolated_registry`` keeps what a test declares to that test, and ``Clock`` is moved by
hand. With pytest there are the fixtures ``cloaca_runner`` and ``cloaca_clock``, which need no import.
"""

from cloaca.testing.clock import Clock
from cloaca.testing.isolation import isolated_registry
from cloaca.testing.running import run

__all__ = ["Clock", "isolated_registry", "run"]
