"""Objects that a user may hand over, and that resist being looked at."""


class Unshowable:
    """Raises whatever is asked of it."""

    def __repr__(self):
        raise ValueError("no repr")

    def __eq__(self, other):
        raise ValueError("no eq")

    def __hash__(self):
        raise ValueError("no hash")
