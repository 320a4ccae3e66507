"""What is to be run: random workflows, and executions of which it is settled beforehand how each attempt ends."""

import copy
from typing import NamedTuple

from cloaca.authoring.task import Task
from cloaca.authoring.workflow import Workflow
from cloaca.engine.settings import EngineSettings
from cloaca.model.retry import RetryCondition, RetryPolicy
from cloaca.model.rules import (
    all_of,
    always,
    any_of,
    context_value,
    none_of,
    task_failed,
    task_skipped,
    task_success,
)
from tests.unit.test_fan_in import Step, play

VERBS = ("append", "set", "reset", "remove", "nest", "create")
INITIAL_VALUES = (0, [], [0], {}, {"x": 0, "log": [0]}, {"deep": {"x": 1}})
CRASH_LIMIT = 3
CONDITIONS = (
    None, None, None, RetryCondition.never(), RetryCondition.transient_only(), RetryCondition.error_pattern(["planned"])
)  # fmt: skip
POISON = "POISON"


class Planned(Exception):
    """What a body raises that is meant to fail."""


class Plan(NamedTuple):
    """A workflow and what its bodies do."""

    workflow: Workflow
    programs: list
    retries: list
    timeouts: list


class Past(NamedTuple):
    """What was before: how tasks have ended that stay so, what they left by node, and how often each was tried."""

    ends: dict
    changes: dict
    tried: dict


class Run(NamedTuple):
    """An execution, or one round of it: ``fates`` says for each task how its attempts end, the last of them for all that follow.

    ok and fail end as they say; hang never ends; late ends after its limit; kill brings the process down; poison
    leaves what the database refuses.
    """

    number: int
    plan: Plan
    initial: dict
    fates: list
    past: Past = Past({}, {}, {})

    @property
    def is_poisoned(self):
        return any("poison" in fates for fates in self.fates)

    def fate(self, node, attempt):
        fates = self.fates[node]
        return fates[min(attempt, len(fates)) - 1]


class Scenario(NamedTuple):
    plans: list
    runs: list
    settings: EngineSettings
    slots: int


def make_scenario(random, ran, *, deadly=True):
    """``ran`` is called with (execution id, task, attempt, fence) as a body begins."""
    plans = [make_plan(random, number, ran) for number in range(random.randint(1, 2))]
    runs = [
        make_run(random, number, plans, deadly=deadly)
        for number in range(random.randint(1, random.choice([5, 5, 10])))
    ]
    settings = EngineSettings(
        window=random.choice([1, 2, 10_000, 10_000]),
        task_timeout_seconds=4.0,
        crash_limit=CRASH_LIMIT,
        held_per_slot=random.choice([1, 2]),
    )
    return Scenario(plans, runs, settings, random.randint(1, 4))


def make_plan(random, number, ran):
    dependencies = make_dependencies(random)
    retries = [random.choice([None, None, make_policy(random)]) for _ in dependencies]
    timeouts = [random.choice([None, 0.05, 2.0]) for _ in dependencies]
    programs = [make_program(random) for _ in dependencies]
    ruled = random.random() < 0.5
    rules = [make_rule(random, deps) if ruled else None for deps in dependencies.values()]
    fates = {}
    tasks = [
        Task(
            body(node, programs[node], fates, ran),
            id=task,
            dependencies=tuple(deps),
            retry=retry,
            timeout_seconds=limit,
            trigger_rules=rule,
        )
        for (node, (task, deps)), retry, limit, rule in zip(
            enumerate(dependencies.items()), retries, timeouts, rules, strict=True
        )
    ]
    return Plan(Workflow(f"w{number}", tasks=tasks), programs, retries, timeouts)


def make_dependencies(random):
    """Chains, fans and joins of one to eight tasks, declared in any order."""
    names = [f"t{n}" for n in range(random.randint(1, 8))]
    chained = random.random() < 0.3
    dependencies = {}
    for n, name in enumerate(names):
        before = names[n - 1 : n] if chained else names[:n]
        dependencies[name] = (
            random.sample(before, random.randint(0, min(3, len(before)))) if not chained else before
        )
    declared = list(dependencies)
    random.shuffle(declared)
    return {name: dependencies[name] for name in declared}


def make_policy(random):
    return RetryPolicy(
        random.randint(0, 2), initial_delay=random.choice([0, 0, 0.3, 2]), condition=random.choice(CONDITIONS)
    )


def make_rule(random, dependencies):
    """Half of the tasks have none, and few of those that depend on nothing have one."""
    if random.random() < (0.5 if dependencies else 0.85):
        return None
    return combined(random, dependencies, random.randint(0, 2))


def combined(random, dependencies, depth):
    if depth:
        parts = [combined(random, dependencies, depth - 1) for _ in range(random.randint(1, 3))]
        return random.choice([all_of, any_of, none_of])(*parts)
    if dependencies and random.random() < 0.7:
        return random.choice([task_success, task_failed, task_skipped])(random.choice(dependencies))
    if random.random() < 0.2:
        return always()
    operator = random.choice(["Exists", "NotExists", "==", "!=", ">", "contains", "not_contains"])
    return context_value(random.choice("abc"), operator, random.choice([0, [], "x", {"x": 0, "log": [0]}]))


def make_program(random):
    return [
        Step(random.choice(VERBS), random.choice("abc"), random.randint(0, 7))
        for _ in range(random.randint(0, 3))
    ]


def make_run(random, number, plans, *, deadly):
    plan = random.choice(plans)
    initial = {key: copy.deepcopy(random.choice(INITIAL_VALUES)) for key in "abc" if random.random() < 0.4}
    kinds = ["ok"] * 10 + ["fail", "fail", "hang", "late"] + ["kill"] * (deadly and random.random() < 0.15)
    kinds += ["poison"] * (deadly and random.random() < 0.1)
    if deadly and random.random() < 0.04:
        initial["a"] = POISON
    fates = [[random.choice(kinds) for _ in range(random.choice([1, 1, 3]))] for _ in plan.programs]
    return Run(number, plan, initial, fates)


def body(node, program, fates, ran):
    def run(context, handle):
        job = handle._job
        fate = ran(job)
        play(program, node, context)
        if fate == "poison":
            context["a"] = POISON
        if fate == "fail":
            raise Planned(f"attempt {job.attempt}")

    return run
