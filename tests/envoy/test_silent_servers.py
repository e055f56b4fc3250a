"""A server that accepts and does not answer costs no request; two of them get few more."""

from __future__ import annotations

import concurrent.futures
import pathlib
import signal
import urllib.error
from collections.abc import Iterator

import pytest

from tests.envoy import served
from tests.envoy.served import NAMES, Served

REQUESTS = 60
#: As many retries are in the budget whatever the number of requests in flight.
AT_ONCE = 10
(POLICY,) = served.documents("gateways/envoy-gateway.yaml")


@pytest.fixture
def model(tmp_path: pathlib.Path) -> Iterator[Served]:
    with served.serving(tmp_path, [POLICY]) as found:
        yield found


def test_no_request_is_lost_to_a_silent_server(model: Served) -> None:
    while {model.ask()["name"] for _ in range(8)} != {*NAMES}:
        pass  # until the Gateway has found both
    silent, other = NAMES
    model.processes[silent].send_signal(signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [pool.submit(model.ask) for _ in range(REQUESTS)]
        assert {each.result()["name"] for each in asked} == {other}


def test_servers_that_are_all_late_get_few_requests_again(model: Served) -> None:
    before = sum(map(model.count, NAMES))
    for process in model.processes.values():
        process.send_signal(signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(REQUESTS) as pool:
        asked = [pool.submit(model.ask) for _ in range(REQUESTS)]
        refused = [each.exception() for each in asked]
    for process in model.processes.values():
        process.send_signal(signal.SIGCONT)
    assert {_status(error) for error in refused} == {504}
    repeated = sum(map(model.count, NAMES)) - before - REQUESTS
    retries = POLICY["spec"]["retry"]["numRetries"]
    most = (
        POLICY["spec"]["circuitBreaker"]["retryBudget"]["percent"]["numerator"] * REQUESTS // 100
    )
    assert repeated <= retries * most


def _status(error: BaseException | None) -> int | None:
    return error.code if isinstance(error, urllib.error.HTTPError) else None
