"""``cloaca trigger``: what runners have declared, from a process that has not."""

from __future__ import annotations


def test_triggers_are_listed_and_shown(shell, declared):
    header, line = shell.run("trigger", "list").splitlines()
    assert header.split()[0] == "trigger"
    assert line.split()[:6] == ["inbox", "noting", "polled", "every", "0.05", "s"]
    assert shell.json("trigger", "list", "--enabled")["triggers"][0]["trigger"] == "inbox"
    assert "when       polled every 0.05 s\n" in shell.run("trigger", "show", "inbox")
    assert shell.json("trigger", "show", "inbox")["workflow"] == "noting"


def test_a_trigger_is_switched_off_and_on(shell, declared):
    assert shell.run("trigger", "disable", "inbox") == "trigger inbox of workflow noting is off\n"
    assert shell.json("trigger", "list", "--enabled") == {"triggers": []}
    assert shell.json("trigger", "enable", "inbox")["enabled"] is True


def test_what_it_has_fired_is_listed(shell, declared):
    (fire,) = shell.json("trigger", "history", "inbox")["fires"]
    assert fire["execution_id"] in shell.run("trigger", "history", "inbox").splitlines()[1]


def test_one_that_is_not_there_is_refused_with_the_nearest(shell, declared):
    for command in ("show", "enable", "disable", "history"):
        assert "there is no trigger 'imbox' in this database: did you mean 'inbox'?" in shell.refused(
            "trigger", command, "imbox"
        )
