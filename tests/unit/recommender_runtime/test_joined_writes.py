"""A head leaves with its body, and nothing is lost or reordered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_runtime.joined_writes import JoinedWrites

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire:
    """A transport that keeps every system call."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.closed_after: int | None = None

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        self.calls.append(b"".join(parts))

    def close(self) -> None:
        self.closed_after = len(self.calls)

    def is_closing(self) -> bool:
        return self.closed_after is not None


@pytest.fixture
def wire() -> Wire:
    return Wire()


def joined(wire: Wire) -> Any:
    return JoinedWrites(wire, asyncio.get_running_loop())  # type: ignore[arg-type]


async def test_a_head_and_its_body_are_one_write(wire: Wire) -> None:
    transport = joined(wire)
    transport.write(HEAD)
    transport.write(b"ok")
    assert wire.calls == [HEAD + b"ok"]
    await asyncio.sleep(0)
    assert wire.calls == [HEAD + b"ok"]


async def test_a_head_without_a_body_leaves_at_the_next_turn_of_the_loop(wire: Wire) -> None:
    joined(wire).write(HEAD)
    assert wire.calls == []
    await asyncio.sleep(0)
    assert wire.calls == [HEAD]


async def test_a_head_leaves_before_the_connection_closes(wire: Wire) -> None:
    transport = joined(wire)
    transport.write(HEAD)
    transport.close()
    assert (wire.calls, wire.closed_after) == ([HEAD], 1)
    assert transport.is_closing()


@given(st.lists(st.sampled_from([HEAD, b"", b"body", b"HTTP/1.1 in a body", b"\r\n\r\n"])))
def test_every_byte_leaves_once_and_in_order(written: list[bytes]) -> None:
    async def run() -> list[bytes]:
        wire = Wire()
        transport = joined(wire)
        for data in written:
            transport.write(data)
        await asyncio.sleep(0)
        return wire.calls

    assert b"".join(asyncio.run(run())) == b"".join(written)
