"""What is not small is parsed in a thread, whoever wrote it."""

from __future__ import annotations

import threading
from typing import Any

import aiohttp
import pytest

from recommender_operator.adapters.counters import collector_client
from recommender_operator.adapters.pods import parsing, smoke
from recommender_operator.adapters.pods.parsing import parsed
from recommender_operator.adapters.pods.pod_ref import PodRef
from tests.fakes.kube import NOW
from tests.unit.recommender_operator.adapters.podserver import answering, serving
from tests.unit.recommender_operator.resources.builder_inputs import model


def thread_of(_body: bytes) -> int:
    return threading.get_ident()


async def test_only_what_is_not_small_is_parsed_in_a_thread() -> None:
    assert await parsed(thread_of, b"a" * parsing.SMALL) == threading.get_ident()
    assert await parsed(thread_of, b"a" * (parsing.SMALL + 1)) != threading.get_ident()


@pytest.mark.parametrize("size", [1, parsing.SMALL + 1])
async def test_the_error_of_a_parser_is_raised_unchanged(size: int) -> None:
    def refuse(_body: bytes) -> None:
        raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        await parsed(refuse, b"a" * size)


def recording(monkeypatch: pytest.MonkeyPatch, module: Any, parser: str) -> list[int]:
    """Return the threads that will call a parser of a module."""
    threads: list[int] = []
    parse = getattr(module, parser)

    def recorded(*arguments: Any) -> Any:
        threads.append(threading.get_ident())
        return parse(*arguments)

    monkeypatch.setattr(module, parser, recorded)
    return threads


async def test_the_answer_to_a_smoke_inference_is_checked_off_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = recording(monkeypatch, smoke, "check_answer")
    async with serving(answering("[" * smoke.LIMIT)) as port, aiohttp.ClientSession() as session:
        pod = PodRef(name="a", ip="127.0.0.1", ready=True)
        seen = await smoke.HttpSmokeTester(session, port=port, pause=0).smoke(pod, NOW)
    assert "the response is not JSON" in seen.message
    assert threads
    assert threading.get_ident() not in threads


async def test_the_answer_of_the_collector_is_parsed_off_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = recording(monkeypatch, collector_client, "parse")
    body = '{"phases": [' + "1," * parsing.SMALL + "1]}"
    async with serving(answering(body)) as port, aiohttp.ClientSession() as session:
        reader = collector_client.CollectorReader(
            session, f"http://127.0.0.1:{port}", model().namespace
        )
        seen = await reader.read(model(), "00c0ffee")
    assert set(seen.body) == {"phases"}
    assert threads
    assert threading.get_ident() not in threads
