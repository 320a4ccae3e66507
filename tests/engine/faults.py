"""What can go wrong between a store and its database, on purpose and in a set order."""

from collections import deque

AT_COMMIT = ("crash_before", "crash_after", "lost_done", "lost_undone", "full")
AT_BEGIN = ("locked",)
AT_READ = ("unreadable",)
AT_ANSWER = ("silent",)
"""While the runner asks whether a commit whose answer was lost has happened."""


class Crash(BaseException):
    """The process dies here."""


class Faults:
    """What goes wrong next on one database: each once, in this order, at the first point of its kind."""

    def __init__(self):
        self.coming = deque()
        self.limbo = []
        """Statements of a commit that failed with an I/O error: a crash may bring them back. SQLite only."""
        self.refused = ()
        """Texts that the database accepts in no row."""
        self.commits = 0
        self.happened = 0

    def are_coming(self, kinds):
        return any(kind in kinds for kind in self.coming)

    def next(self, kinds):
        found = next((kind for kind in self.coming if kind in kinds), None)
        if found is not None:
            self.coming.remove(found)
            self.happened += 1
        return found
