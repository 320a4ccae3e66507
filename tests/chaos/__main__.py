"""``python -m tests.chaos``: strike running processes and their database at random, and fail if anything is lost or twice."""

import sys

from tests.chaos.command import main

if __name__ == "__main__":
    sys.exit(main())
