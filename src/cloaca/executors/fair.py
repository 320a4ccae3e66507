"""A queue that takes turns between executions, so that a wide one does not hold up the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from cloaca.executors.job import Job


class FairQueue:
    """Jobs in order within an execution, and round-robin between executions. Not thread-safe."""

    __slots__ = ("_jobs", "_rotation", "_size")

    def __init__(self) -> None:
        self._jobs: dict[str, deque[Job]] = {}
        self._rotation: deque[str] = deque()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def extend(self, jobs: Iterable[Job]) -> None:
        """Append jobs to those of their executions."""
        for job in jobs:
            waiting = self._jobs.get(job.execution_id)
            if waiting is None:
                self._jobs[job.execution_id] = deque((job,))
                self._rotation.append(job.execution_id)
            else:
                waiting.append(job)
            self._size += 1

    def pop(self) -> Job | None:
        """The next job, or ``None``."""
        if not self._size:
            return None
        execution = self._rotation.popleft()
        waiting = self._jobs[execution]
        job = waiting.popleft()
        self._size -= 1
        if waiting:
            self._rotation.append(execution)
        else:
            del self._jobs[execution]
        return job

    def drop(self, execution: str) -> list[Job]:
        """Remove and return the waiting jobs of an execution."""
        waiting = self._jobs.pop(execution, None)
        if not waiting:
            return []
        self._size -= len(waiting)
        self._rotation.remove(execution)
        return list(waiting)

    def cut(self, keep: int, *, limit: int) -> dict[str, list[Job]]:
        """Remove and return the jobs of at most ``limit`` executions, by execution, of those whose turn is after ``keep`` others."""
        cut: dict[str, list[Job]] = {}
        while len(self._rotation) > keep and len(cut) < limit:
            execution = self._rotation.pop()
            cut[execution] = list(self._jobs.pop(execution))
            self._size -= len(cut[execution])
        return cut

    def drain(self) -> list[Job]:
        """Remove and return all jobs."""
        jobs = [job for waiting in self._jobs.values() for job in waiting]
        self._jobs.clear()
        self._rotation.clear()
        self._size = 0
        return jobs
