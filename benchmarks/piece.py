"""What the workers of ``sharing`` run: one task that takes 5 ms and leaves the number of its process."""

import os
import time
from typing import Any

import cloaca

with cloaca.WorkflowBuilder("piece"):

    @cloaca.task
    def take(context: Any) -> None:
        time.sleep(0.005)
        context["process"] = os.getpid()
