"""The examples of how to deploy a worker: their commands are ones that the command line takes."""

from __future__ import annotations

import configparser
import json
import shlex

import pytest

from cloaca.cli.main import cloaca
from tests.world import ROOT

UNIT = ROOT / "deploy" / "cloaca-worker.service"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


def unit():
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    return parser


def dockerfile(instruction):
    lines = DOCKERFILE.read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith(f"{instruction} ")]
    return json.loads(line.removeprefix(instruction))


@pytest.fixture
def parsed():
    """The arguments of a command line as the command understands them."""

    def parse(program, command, *arguments):
        assert program == "cloaca"
        return cloaca.get_command(None, command).make_context(command, list(arguments)).params

    return parse


def test_the_unit_starts_a_worker_that_drains_before_systemd_gives_up(parsed):
    service = unit()["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    options = parsed(program.rsplit("/", 1)[1], *arguments)
    assert options["targets"] == ("SHOP.FLOWS",)
    assert options["drain_seconds"] < float(service["TimeoutStopSec"])
    assert (service["KillSignal"], service["RestartPreventExitStatus"]) == ("SIGTERM", "2")


def test_the_image_runs_a_worker_on_a_file_that_it_contains(parsed):
    options = parsed(*dockerfile("ENTRYPOINT"), *dockerfile("CMD"))
    (target,) = options["targets"]
    assert (ROOT / target).is_file()
    lines = [line.split() for line in DOCKERFILE.read_text(encoding="utf-8").splitlines()]
    copied = [source for words in lines if words[:1] == ["COPY"] for source in words[1:-1]]
    assert target.split("/")[0] in copied
    for source in copied:
        assert (ROOT / source).exists(), source
