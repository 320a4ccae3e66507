"""Many threads, and many runners, on one database."""

import threading

import psycopg

import cloaca
from tests.world import SOON, workflow_of


def double(context, *, n: int):
    context["n"] = n * 2


def in_threads(count, work):
    """Call ``work`` with each number in a thread of its own, all at once; errors come back."""
    ready, errors = threading.Barrier(count), []

    def call(number):
        ready.wait(SOON)
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert not any(thread.is_alive() for thread in threads)
    return errors


def test_many_threads_share_a_runner(runner):
    check_sharing(runner)


def test_many_threads_share_a_runner_in_memory():
    with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
        check_sharing(runner)


def check_sharing(runner):
    workflow_of("double", double)

    def work(number):
        for n in range(5):
            result = runner.execute("double", {"n": number * 10 + n})
            assert result["n"] == (number * 10 + n) * 2
            assert runner.get_execution(result.execution_id).context["n"] == result["n"]
            assert runner.list_executions(limit=3)

    assert in_threads(24, work) == []
    assert len(runner.list_executions(limit=1000)) == 120


def test_threads_that_wait_for_one_execution_all_get_its_result(runner):
    goes_on = threading.Event()
    workflow_of("gated", lambda context: goes_on.wait(SOON) and None, id="gated")
    handle = runner.start("gated")
    results = []

    def work(number):
        if number == 0:
            goes_on.set()
        results.append(runner.get_handle(handle.execution_id).result(SOON).status)

    assert in_threads(16, work) == []
    assert results == ["Completed"] * 16


def test_a_runner_that_is_shut_down_under_its_callers_refuses_them_and_none_hangs(make_runner):
    runner = make_runner()
    workflow_of("double", double)
    counts = []

    def work(number):
        done = 0
        try:
            while True:
                runner.execute("double", {"n": number})
                done += 1
                if number == 0 and done == 3:
                    runner.shutdown()
        finally:
            counts.append(done)

    errors = in_threads(8, work)
    assert {type(error) for error in errors} == {cloaca.RunnerError}
    assert len(counts) == 8


def test_runners_are_made_and_ended_on_one_database_at_once(database_url):
    workflow_of("double", double)

    def work(number):
        with cloaca.DefaultRunner(database_url) as runner:
            assert runner.execute("double", {"n": number})["n"] == number * 2

    assert in_threads(8, work) == []
    with cloaca.DefaultRunner(database_url) as runner:
        assert len(runner.list_executions(status="Completed")) == 8


def test_workflows_are_registered_while_others_run(runner):
    def work(number):
        workflow_of(f"w{number}", double)
        assert runner.execute(f"w{number}", {"n": number})["n"] == number * 2

    assert in_threads(16, work) == []


def test_a_memory_database_reads_while_it_writes():
    workflow_of("double", double)
    with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
        handles = runner.start_many("double", [{"n": n} for n in range(200)])
        for handle in handles:
            assert runner.get_execution(handle.execution_id).workflow_name == "double"
        assert [handle.result(SOON)["n"] for handle in handles] == [n * 2 for n in range(200)]


def test_a_runner_needs_at_most_three_connections(postgres_url, postgres_database):
    """Whatever it does: turns, reads, schedules, waits for what another runner runs."""
    workflow_of("any", lambda context: None, id="only")
    most = []

    def count():
        with psycopg.connect(postgres_database, application_name="counts") as db:
            counted = "select count(*) from pg_stat_activity where datname = current_database() and application_name = %s"
            most.append(db.execute(counted, ("counted",)).fetchone()[0])

    with (
        cloaca.DefaultRunner(f"{postgres_url}&application_name=counted") as runner,
        cloaca.Client(postgres_url) as client,
    ):
        runner.register_cron_workflow("any", "0 0 1 1 *", "UTC")
        runner.execute("any")
        count()
        handles = [client.start("any") for _ in range(20)]

        def work(number):
            runner.get_handle(handles[number].execution_id).result(SOON)
            runner.list_executions()
            runner.list_cron_schedules()
            count()

        assert not in_threads(20, work)
        count()
    assert 1 <= max(most) <= 3


def test_a_runner_that_joins_runs_what_waits_for_the_slots_of_another(make_runner):
    together, met = threading.Barrier(2), threading.Event()

    def body(context):
        if not met.is_set():
            together.wait(SOON)
            met.set()

    workflow_of("gated", body, id="gated")
    alone = make_runner(max_concurrent_tasks=1)
    handles = alone.start_many("gated", [{"n": n} for n in range(10)])
    make_runner(max_concurrent_tasks=1)
    assert {handle.result(SOON).status for handle in handles} == {"Completed"}
    assert met.is_set()
