"""Serving metrics over HTTP while a worker runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from cloaca.cli.exit_codes import Refused
from cloaca.runner.telemetry import missing_extra

logger = logging.getLogger("cloaca.worker")

_F = TypeVar("_F", bound=Callable[..., Any])

LOOPBACK = "127.0.0.1"


def metrics_options(command: _F) -> _F:
    """Options that say where metrics are served."""
    port = click.option(
        "--metrics-port", metavar="PORT", type=click.IntRange(0, 65535),
        help="Serve metrics for Prometheus on this port; 0 picks a free one, which is logged.",
    )  # fmt: skip
    address = click.option(
        "--metrics-address", metavar="ADDRESS",
        help=f"The address to serve them on ({LOOPBACK}); 0.0.0.0 for all interfaces.",
    )  # fmt: skip
    return port(address(command))


@contextmanager
def served(address: str | None, port: int | None) -> Iterator[None]:
    """Serve the default registry of ``prometheus_client`` until the end of the block; without a port, do nothing.

    Raises:
        Refused: The address or port cannot be used, or there is an address without a port.
        ConfigurationError: The extra is not installed.
    """
    if port is None:
        if address is not None:
            raise Refused(f"--metrics-address {address} needs a port: give --metrics-port PORT too")
        yield
        return
    address = address or LOOPBACK
    server, thread = _started(address, port)
    # The actual address: the port may have been 0, and the host a name.
    host = f"[{address}]" if ":" in address else address
    logger.info("metrics: http://%s:%d/metrics", host, server.server_port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _started(address: str, port: int) -> Any:
    try:
        from prometheus_client import start_http_server  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise missing_extra("--metrics-port", "prometheus", error) from error
    try:
        return start_http_server(port, addr=address)
    except (OSError, UnicodeError) as error:
        raise Refused(
            f"--metrics-port {port}: cannot listen on {address!r} ({error}): choose another port, 0 for a free one, or "
            "an address of this machine with --metrics-address"
        ) from error
