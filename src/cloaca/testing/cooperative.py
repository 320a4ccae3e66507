"""Bodies that may wait, on threads that never run beside another: each goes on where the others stand still."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from cloaca.testing.clock import Clock


class CooperativeThread(threading.Thread):
    """A body on a thread of its own, which runs while ``go`` waits for it and at no other time."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(name="cloaca-testing-body", daemon=True)
        self._work = work
        self._turn = threading.Semaphore(0)
        self._stands = threading.Semaphore(0)
        self.due = math.inf
        """When it is to go on."""
        self.event = threading.Event()
        """Set where it is to go on before."""
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
        """Called on it: stand still until ``go``."""
        self.event, self.due = event, due
        self._stands.release()
        self._turn.acquire()


class InlineClock:
    """The time of one inline run; a body that waits for it stands still, and others go on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._threads: list[CooperativeThread] = []
        """Those that wait."""
        self.now = clock.now
        self.monotonic = clock.monotonic

    def wait(self, event: threading.Event, seconds: float, /) -> object:
        """Stand still until the event is set or so many seconds have passed."""
        thread = threading.current_thread()
        if not isinstance(thread, CooperativeThread):
            # A thread that a body has made, of which nobody here knows.
            return event.wait(seconds)
        self._threads.append(thread)
        thread.wait(event, self.monotonic() + seconds)
        return None

    @property
    def next_due(self) -> float:
        """When the next body is to go on."""
        return min((thread.due for thread in self._threads), default=math.inf)

    def go_on(self) -> bool:
        """Let the first body go on that is to; false if none is."""
        now = self.monotonic()
        thread = next((s for s in self._threads if s.due <= now or s.event.is_set()), None)
        if thread is not None:
            self._threads.remove(thread)
            thread.go()
        return thread is not None

    def close(self) -> None:
        """Let those end that still wait: each was told why."""
        for thread in self._threads[:]:
            thread.go()

    def move_to(self, due: float) -> None:
        """Let time pass up to then."""
        self._clock.move(max(0.0, due - self.monotonic()))
