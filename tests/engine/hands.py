"""A clock and an executor that are moved by hand."""

from cloaca.executors.body import call_body, delta_of
from cloaca.executors.job import Outcome, failure_of
from cloaca.executors.slots import Slots
from cloaca.model.context import Context


class HandClock:
    """Wall and monotonic time, one offset apart."""

    def __init__(self, start=1_000_000.0):
        self.start = start
        self.elapsed = 0.0

    def now(self):
        return self.start + self.elapsed

    def monotonic(self):
        return 100.0 + self.elapsed

    def move(self, seconds):
        self.elapsed += seconds


class HandExecutor:
    """Starts a body where the test says ``take``, and ends it where the test says ``end``.

    ``submitted`` is told of each list of jobs before anything else is done with it.
    """

    def __init__(self, clock, *, slots=4, submitted=None):
        self.slots = Slots(slots, clock)
        self.clock = clock
        self.jobs = []
        self._submitted = submitted or (lambda jobs: None)

    @property
    def idle(self):
        return self.slots.idle

    def submit(self, jobs):
        self._submitted(jobs)
        self.jobs += jobs
        self.slots.add(jobs)

    def submit_exclusively(self, job):
        self._submitted([job])
        self.jobs.append(job)
        self.slots.run_exclusively(job)

    def drop(self, execution_id, why):
        self.slots.drop(execution_id, why)

    def abandon(self, job, why):
        job.interrupt(why)
        self.slots.finish(job)

    def wake(self):
        pass

    def close(self):
        self.slots.drain()

    def take(self):
        return self.slots.take()

    def end(self, job):
        """Run the body now, in no time, and free its slot."""
        outcome = self.outcome(job)
        self.slots.finish(job)
        return outcome

    def outcome(self, job):
        delta = failure = None
        try:
            context = Context.over(job.view)
            delta = delta_of(job, context, call_body(job, context))
        except Exception as error:
            failure = failure_of(error)
        return Outcome(job, delta, failure, job.started_at + self.clock.monotonic() - job.started)
