"""What ``--json`` prints: one name for one thing, and one way to write a moment, whichever command it is."""

from __future__ import annotations

import json
import re
from collections import defaultdict

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d")
OTHER_NAMES = {"id", "name", "workflow_name", "trigger_name", "instance_name", "workflow_execution_id", "cron_expression",
               "completed_at", "catchup_policy"}  # fmt: skip
OF_SEVERAL_KINDS = {
    "error",  # of an execution a sentence, of a task what it raised
    "tasks",  # of an execution by their ids, of a workflow in order
    "executions",  # those listed, or how many are removed
    "attempts",  # as above
    "why",  # of a task in its author's words, of a plan every reason
}
OF_USERS = {"context", "written_by", "details", "tags", "params"}

FILE = """
import cloaca

with cloaca.WorkflowBuilder("etl"):

    @cloaca.workflow_params(limit=(int, 3))
    @cloaca.task
    def fetch(context): ...

    @cloaca.task(dependencies=[fetch])
    def load(context): ...

    @cloaca.task(dependencies=[load])
    def tell(context): ...
"""


def items(value, *, path=()):
    """Each key with its value, down to what users' own data begins."""
    if isinstance(value, list):
        for one in value:
            yield from items(one, path=path)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key, one
            if key == "tasks" and isinstance(one, dict):
                yield from items(list(one.values()))
            elif key not in OF_USERS:
                yield from items(one)


def commands(ended, fired):
    """Every command that takes ``--json``, as it is typed."""
    completed, failed = ended
    yield from (f"{verb} {failed}" for verb in ("show", "explain", "history", "watch"))
    yield from ("list", "list --limit 1", f"diff {completed} {failed}", f"retry {failed}", f"pause {failed}")
    yield from (f"explain {failed}", f"resume {failed}", f"cancel {failed}", f"fork {completed} load")
    yield from ("workflows list FILE", "workflows show FILE", "plan FILE", "doctor --for 0", "migrate")
    yield from (
        "schedule list",
        f"schedule show {fired}",
        f"schedule history {fired}",
        f"schedule disable {fired}",
    )
    yield from (f"schedule enable {fired}", f"schedule update {fired} @daily", "schedule preview @daily")
    yield from ("schedule add etl @hourly", f"schedule delete {fired} --yes", f"delete {failed} --yes")
    yield from (f"trigger {verb} inbox" for verb in ("show", "disable", "enable", "history"))
    yield from ("trigger list", "prune --keep 0 --dry-run")


def test_a_key_means_one_thing_and_a_moment_is_written_in_one_way(folder, shell, ended, fired, declared):
    folder.write("file.py", FILE)
    folder.environment["CLOACA_DATABASE_URL"] = shell.url
    kinds = defaultdict(set)
    for command in commands(ended, fired):
        done = folder.run(*command.replace("FILE", "file.py").split(), "--json")
        assert done.stdout.count("\n") == 1, (command, done)
        for key, value in items(json.loads(done.stdout)):
            assert key not in OTHER_NAMES, command
            if (key.endswith("_at") and key != "forked_at") or key in ("at", "utc", "local"):
                assert value is None or MOMENT.fullmatch(value), (command, key, value)
            if value is not None:
                kinds[key].add("number" if type(value) in (int, float) else type(value).__name__)
    assert {key for key, found in kinds.items() if len(found) > 1} == OF_SEVERAL_KINDS
