"""One schedule: a scenario, chances, faults, and then a time without faults in which everything must finish."""

import contextlib

from tests.engine.bench import seconds_to_wait
from tests.engine.faults import AT_ANSWER, AT_BEGIN, AT_COMMIT, AT_READ
from tests.engine.scenario import make_scenario
from tests.engine.witness import Violation, Witness
from tests.engine.world import World

CRASHES = ("crash_before", "crash_after")
MOST_CRASHES = 2
"""One fewer than charge an innocent task to its limit."""

TURNS_AT_ONE_MOMENT = 60


def run_schedule(random, database, *, faulty=True):
    """Run one schedule on an empty database and check it.

    Returns:
        The world it was run in.

    Raises:
        Violation: Something that must hold did not.
    """
    world = World(random, database, Witness(database), faulty=faulty)
    try:
        world.populate(make_scenario(random, world.begin, deadly=faulty))
        for _ in range(random.choice([1, 2]) if world.is_steered else 1):
            # What has ended is there to be retried, forked and deleted.
            for _ in range(random.randint(10, 60)):
                act(world, faulty=faulty)
            settle_down(world)
        with world.calm():
            check_rest(world)
            leave(world)
        with contextlib.closing(database.store()) as store:
            world.witness.judge(world, store)
    finally:
        for runner in world.runners:
            runner.store.die()
        world.steering.close()
    return world


def act(world, *, faulty):
    """One thing that happens."""
    random = world.random
    if not world.runners:
        world.join()
        return
    runner = random.choice(world.runners)
    kind = random.randrange(118 if world.is_steered else 100)
    if kind < 35:
        world.turn(runner, runner.messages(random.choice([1, 3, 100])))
    elif kind < 50:
        world.take(runner)
    elif kind < 65:
        end_one(world, runner)
    elif kind < 78 and world.outcomes:
        world.deliver(random.randrange(len(world.outcomes)))
        if faulty and random.random() < 0.2:
            world.deliver_again()
    elif kind < 86:
        start(world, runner)
    elif kind < 93:
        world.tick(random.choice([0.001, 0.02, 0.2, 1.0, 7.0]))
    elif kind < 100 and faulty:
        disturb(world, runner)
    elif kind >= 100:
        steer(world, runner)


def end_one(world, runner):
    ready = [job for job in runner.bodies if world.can_end(job)]
    if ready:
        world.end(runner, world.random.choice(ready))


def start(world, runner):
    keyed = [run for run in world.scenario.runs if run.number % 2 and run not in world.unstarted]
    if world.unstarted:
        world.start_some(runner)
    elif keyed:
        world.ask([world.random.choice(keyed)], runner)


def steer(world, runner):
    if world.random.random() < 0.5:
        world.steering.from_inside(runner)
    else:
        world.steering.from_outside()


def disturb(world, runner):
    random = world.random
    kind = random.randrange(10)
    if kind < 5:
        world.faults.coming.extend(burst(world))
    elif kind == 5 and len(world.runners) < 3:
        world.join()
    elif kind == 6:
        world.deliver_again()
    elif kind == 7:
        world.shut_down(runner)
    elif may_crash(world) and kind == 8:
        world.crash(runner)
    elif may_crash(world):
        world.crashes += 1
        runner.disturbed = True
        runner.store.look_dead()


def burst(world):
    """Faults that come one after the other; some only matter together."""
    random = world.random
    if may_crash(world) and random.random() < 0.3:
        return ["lost_undone", random.choice(["full", "locked"]), "crash_before"]
    return [random.choice(faults_now(world)) for _ in range(random.randint(1, 4))]


def faults_now(world):
    kinds = [kind for kind in AT_COMMIT + AT_BEGIN + AT_READ + AT_ANSWER if kind not in CRASHES]
    return kinds + list(CRASHES) if may_crash(world) else kinds


def may_crash(world):
    return world.crashes + sum(kind in CRASHES for kind in world.faults.coming) < MOST_CRASHES


def settle_down(world):
    """No more faults: everything that was started must come to its end, woken only as the engine asks to be."""
    world.faults.coming.clear()
    with world.calm():
        for _ in range(2000):
            if not world.runners:
                world.join()
            world.steering.resume_all()
            move_bodies(world)
            take_turns(world)
            if not world.witness.unfinished() and not world.outcomes and not unanswered(world):
                return
            pass_time(world)
    raise Violation(f"I6: not finished: {world.witness.unfinished()}, not answered: {unanswered(world)}")


def move_bodies(world):
    for runner in list(world.runners):
        while world.take(runner) is not None:
            pass
        for job in list(runner.bodies):
            if world.can_end(job) and runner in world.runners:
                world.end(runner, job)
    while world.outcomes:
        world.deliver(0)


def take_turns(world):
    for runner in list(world.runners):
        for number in range(TURNS_AT_ONE_MOMENT):
            if runner not in world.runners or not runner.has_news:
                break
            if number == TURNS_AT_ONE_MOMENT - 1:
                raise Violation(f"a busy loop: {runner.engine.ownership.due}, {runner.engine.watchdog.due}")
            world.turn(runner, runner.messages(1000))


def pass_time(world):
    if any(runner.executor.slots.available or runner.executor.slots._exclusive for runner in world.runners):
        return
    waits = [seconds_to_wait(runner.engine) for runner in world.runners]
    if world.runners and not waits:
        raise Violation(
            f"I6: nobody waits for anything, and this is not finished: {world.witness.unfinished()}"
        )
    world.tick(min(waits, default=0.0))


def unanswered(world):
    return [asked.request for asked in world.asked if asked.runner in world.runners and not asked.answers]


def check_rest(world):
    """A runner with nothing to do waits."""
    for runner in world.runners:
        for _ in range(3):
            world.turn(runner, runner.messages(1000))
        if runner.has_news:
            raise Violation("a runner at rest does not wait")
    for _ in range(2):
        world.tick(world.settings.patrol_seconds)
        take_turns(world)
    for runner in world.runners:
        held = set(runner.engine.core.live)
        world.witness.demand(
            not held, "a runner at rest holds what has ended", runner.engine.core.runner, held
        )


def leave(world):
    """After a clean end nobody is left in the database, once somebody has looked for the dead."""
    for runner in list(world.runners):
        world.shut_down(runner)
    world.join()
    world.look_for_the_dead(world.runners[0])
    world.shut_down(world.runners[0])
    rows = world.witness.rows("select id from cloaca_runners")
    world.witness.demand(not rows, "runners that have left are still there", rows)
    rows = world.witness.rows("select runner, execution_id from cloaca_steered")
    world.witness.demand(not rows, "what is noted for runners that have left is still there", rows)
