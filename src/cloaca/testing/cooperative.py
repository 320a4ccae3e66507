"""Threads for bodies that may wait, of which only one runs at a time while the others stand still."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from cloaca.testing.clock import Clock


class CooperativeThread(threading.Thread):
    """A body on its own thread, which runs only while ``go`` waits for it."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(name="cloaca-testing-body", daemon=True)
        self._work = work
        self._turn = threading.Semaphore(0)
        self._stands = threading.Semaphore(0)
        self.due = math.inf
        """When it continues."""
        self.event = threading.Event()
        """If this is set, it continues earlier."""
        self.ended = False

    def go(self) -> None:
        """Run it until it waits or ends."""
        if self.ident is None:
            self.start()
        else:
            self._turn.release()
        self._stands.acquire()

    def run(self) -> None:
        try:
            self._work()
        finally:
            self.ended = True
            self._stands.release()

    def wait(self, event: threading.Event, due: float) -> None:
        """Called on this thread: stand still until ``go``."""
        self.event, self.due = event, due
        self._stands.release()
        self._turn.acquire()


class InlineClock:
    """The clock of one inline run: a body that waits for it stands still, and others continue."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._threads: list[CooperativeThread] = []
        """The waiting threads."""
        self.now = clock.now
        self.monotonic = clock.monotonic

    def wait(self, event: threading.Event, seconds: float, /) -> object:
        """Stand still until the event is set, or this many seconds have passed."""
        thread = threading.current_thread()
        if not isinstance(thread, CooperativeThread):
            # A thread that a body has started, which this clock does not control.
            return event.wait(seconds)
        self._threads.append(thread)
        thread.wait(event, self.monotonic() + seconds)
        return None

    @property
    def next_due(self) -> float:
        """When the next body continues."""
        return min((thread.due for thread in self._threads), default=math.inf)

    def go_on(self) -> bool:
        """Continue the first body that is due; false if there is none."""
        now = self.monotonic()
        thread = next((s for s in self._threads if s.due <= now or s.event.is_set()), None)
        if thread is not None:
            self._threads.remove(thread)
            thread.go()
        return thread is not None

    def close(self) -> None:
        """Let the waiting bodies end; each has been interrupted."""
        for thread in self._threads[:]:
            thread.go()

    def move_to(self, due: float) -> None:
        """Move the clock to this time."""
        self._clock.move(max(0.0, due - self.monotonic()))
