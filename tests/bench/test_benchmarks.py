"""The benchmarks run, whatever the size, and a broken bound is not overlooked."""

import sqlite3

import pytest
from benchmarks import __main__ as command
from benchmarks import comparison
from benchmarks.figures import Bound, Figure, table
from benchmarks.places import Pairs, alternate
from benchmarks.sizes import Sizes
from benchmarks.speed import commits_in

from tests import postgres

TINY = Sizes(
    one_at_a_time=2,
    one_at_a_time_rounds=2,
    at_once=10,
    at_once_rounds=1,
    width=5,
    width_rounds=1,
    length=5,
    length_rounds=1,
    great_length=20,
    great_length_rounds=1,
    worn_by=10,
    counted=2,
    crowd=20,
    behind_the_crowd=2,
    context_bytes=10_000,
    context_rounds=2,
    finished=500,
    window=20,
    windows=2,
    deferred=20,
    deferred_async=20,
    process_rounds=1,
    backlog=40,
    backlog_rounds=1,
    busy_seconds=0.2,
    idle_seconds=0.2,
    old=20,
    slow_rounds=1,
    slow_at_once=5,
)


@pytest.fixture
def tests_server(monkeypatch):
    """PostgreSQL is measured on the server of all tests: one of its own takes seconds to make."""
    monkeypatch.setenv("CLOACA_TEST_POSTGRES", postgres.server_url())


@pytest.mark.usefixtures("tests_server")
@pytest.mark.parametrize("name", command.BENCHMARKS)
def test_each_benchmark_measures_what_it_says(name, tmp_path):
    figures = list(command.measured([name], TINY, str(tmp_path), tries=1))
    assert figures
    assert not list(tmp_path.iterdir()), "it leaves nothing behind"
    for figure in figures:
        assert figure.name in "\n".join(table([figure.cells]))


def test_an_engine_beside_itself_is_about_as_fast(tmp_path):
    one, other = (f"sqlite:///{tmp_path}/{name}.db" for name in ("one", "other"))
    with comparison.places(one, "cloaca.Cloaca", other) as pair:
        figures = [
            comparison.one_at_a_time("itself", pair, 3, Bound("at least", 0.1)),
            comparison.at_once("itself", pair, TINY, Bound("at least", 0.1)),
        ]
    assert [figure.name for figure in figures if not figure.is_ok] == []


def test_an_engine_that_is_not_installed_is_named_with_how_to_get_it(tmp_path):
    with (
        pytest.raises(SystemExit, match=r"nowhere is not installed: pip install -e '\.\[alternatives\]'"),
        comparison.places(f"sqlite:///{tmp_path}/one.db", "nowhere.Nowhere", "there"),
    ):
        pass


def test_a_chain_of_three_is_counted_to_cost_four_commits(tmp_path):
    (figure,) = command.measured(["commits"], TINY, str(tmp_path), tries=1)
    assert figure.value == 4


@pytest.mark.parametrize(
    ("bound", "kept", "broken"),
    [
        (Bound("at most", 1.5), 1.5, 1.51),
        (Bound("at least", 0.5), 0.5, 0.49),
        (Bound("exactly", 4), 4, 4.05),
    ],
)
def test_a_bound_tells_what_it_holds_and_what_breaks_it(bound, kept, broken):
    assert Figure("figure", kept, "x", bound).is_ok
    assert not Figure("figure", broken, "x", bound).is_ok


def benchmark_of(*values):
    """A benchmark that measures these values, one each time it is run, against a bound of 1."""
    left = iter(values)
    return lambda sizes, folder: [Figure("the figure", next(left), "x", Bound("at most", 1), "2 ms", "1 ms")]


def run(monkeypatch, capsys, benchmark, *arguments):
    monkeypatch.setattr(command, "BENCHMARKS", {"one": benchmark})
    return command.main(list(arguments)), capsys.readouterr().out


def test_a_broken_bound_is_shown_and_fails_the_command(monkeypatch, capsys):
    code, printed = run(monkeypatch, capsys, benchmark_of(2, 1.5))
    assert code == 1
    assert printed.splitlines()[1] == "the figure    2 ms    1 ms     1.5 x  <= 1 x  BROKEN"
    assert printed.splitlines()[-1] == "1 of 1 bounds broken"


def test_a_bound_that_holds_passes(monkeypatch, capsys):
    code, printed = run(monkeypatch, capsys, benchmark_of(0.5))
    assert code == 0
    assert printed.splitlines()[1].endswith("<= 1 x  ok")


def test_a_figure_that_breaks_its_bound_is_measured_again(monkeypatch, capsys):
    assert run(monkeypatch, capsys, benchmark_of(2, 0.9))[0] == 0
    assert run(monkeypatch, capsys, benchmark_of(2, 0.9), "--tries", "1")[0] == 1
    assert run(monkeypatch, capsys, benchmark_of(3, 2, 0.9), "--tries", "3")[0] == 0


def test_an_unknown_benchmark_is_refused(monkeypatch, capsys):
    with pytest.raises(SystemExit) as refused:
        command.main(["w5"])
    assert refused.value.code == 2
    assert "'w5'" in capsys.readouterr().err


def test_the_sides_take_turns_and_each_is_first_as_often():
    calls = []

    def side(name, value):
        return lambda: calls.append(name) or value

    pairs = alternate(side("ours", 3.0), side("beside", 2.0), rounds=4)
    assert calls == ["ours", "beside", "beside", "ours"] * 2
    assert (pairs.ratio, pairs.difference, pairs.medians) == (1.5, 1.0, (3.0, 2.0))


def test_a_moment_at_which_the_machine_was_slow_does_not_change_a_ratio():
    assert Pairs([3.0, 30.0, 3.0], [2.0, 20.0, 2.0]).ratio == 1.5


def test_commits_are_counted_in_the_log_whoever_makes_them(tmp_path):
    db = sqlite3.connect(tmp_path / "counted.db", isolation_level=None)
    db.execute("pragma journal_mode=wal")
    db.execute("create table numbers (number)")
    before = commits_in(tmp_path / "counted.db-wal")
    for number in range(3):
        db.execute("insert into numbers values (?)", (number,))
    db.execute("begin")
    db.executemany("insert into numbers values (?)", [("x" * 5000,)] * 10)
    db.execute("commit")
    assert commits_in(tmp_path / "counted.db-wal") - before == 4
    db.close()
