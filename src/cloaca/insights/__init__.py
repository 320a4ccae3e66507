"""All reads of stored state: records, history, differences, and why an execution is not making progress.

Runners, clients, commands and pages use the single class in ``service``.
"""

from cloaca.insights.code import FOR_CAPACITY, FOR_RESUME, CodeOf
from cloaca.insights.listing import list_summaries
from cloaca.insights.reading import read_record
from cloaca.insights.records import (
    AttemptRecord,
    ConflictRecord,
    ExecutionRecord,
    ExecutionSummary,
    TaskRecord,
    moment,
)
from cloaca.insights.tasks import task_records

__all__ = [
    "FOR_CAPACITY",
    "FOR_RESUME",
    "AttemptRecord",
    "CodeOf",
    "ConflictRecord",
    "ExecutionRecord",
    "ExecutionSummary",
    "TaskRecord",
    "list_summaries",
    "moment",
    "read_record",
    "task_records",
]
