"""Testing workflows without a server and without sleeping: retries of ten minutes take milliseconds.

``run`` runs one workflow inline, ``isolated_registry`` limits declarations to a test, and ``Clock`` is moved by
hand. The pytest fixtures ``cloaca_runner`` and ``cloaca_clock`` are available without an import.
"""

from cloaca.testing.clock import Clock
from cloaca.testing.isolation import isolated_registry
from cloaca.testing.running import run

__all__ = ["Clock", "isolated_registry", "run"]
