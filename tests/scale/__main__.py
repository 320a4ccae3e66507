"""``python -m tests.scale``: hold what is read and written at a million executions against a thousand."""

import sys

from tests.scale.stage import run_stage

if __name__ == "__main__":
    sys.exit(run_stage())
