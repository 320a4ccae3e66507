"""``python -m tests.crash``: kill processes at every counted moment, and fail if anything that must hold does not."""

import sys

from tests.crash.stage import run_stage

if __name__ == "__main__":
    sys.exit(run_stage())
