"""Clients that hold connections or send no end of headers keep nobody else from the collector."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import collector_rig
from tests.collector_rig import Rig, clicks

IDLE = 2100  # more than the collector keeps
REFUSED = "recommender_collector_refused_connections_total"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with collector_rig.running(tmp_path, with_writer=False) as running:
        yield running


def refusals(rig: Rig, reason: str) -> float:
    page = httpx.get(f"http://127.0.0.1:{rig.serve.metrics}/metrics", timeout=10).text
    series = (each for family in text_string_to_metric_families(page) for each in family.samples)
    (found,) = (s for s in series if s.name == REFUSED and s.labels == {"reason": reason})
    return float(found.value)


def test_idle_connections_make_room_for_a_client_that_sends_events(rig: Rig) -> None:
    idle = [socket.create_connection(("127.0.0.1", rig.port), 10) for _ in range(IDLE)]
    try:
        with httpx.Client(timeout=10) as client:
            answer = client.post(f"{rig.url}/v1/events", json=clicks(0, 1))
            assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
        assert refusals(rig, "connections") >= IDLE - 2000
    finally:
        for each in idle:
            each.close()


def test_headers_without_end_are_refused(rig: Rig) -> None:
    with socket.create_connection(("127.0.0.1", rig.port), 10) as client:
        client.sendall(b"POST /v1/events HTTP/1.1\r\nx-long: " + 64 * 1024 * b"x")
        assert client.recv(64).startswith(b"HTTP/1.1 431 ")
    assert refusals(rig, "headers") == 1
