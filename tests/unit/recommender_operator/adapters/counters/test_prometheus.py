import asyncio
import contextlib
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.adapters.counters import prometheus
from recommender_operator.adapters.counters.prometheus import (
    Prometheus,
    Queries,
    parse_answer,
    provider,
)
from recommender_operator.adapters.counters.sample_provider import SampleError
from recommender_operator.adapters.pods.pod_ref import PodRef
from recommender_operator.observed import Sample
from tests.unit.recommender_operator.adapters.podserver import (
    Handler,
    answering,
    hanging,
    serving,
)

#: The answer of a server that is not Prometheus, which must stay private.
SECRET = "ROOT-KEY9"
PODS = [PodRef(name="a", ip="10.0.0.1", ready=True), PodRef(name="b", ip="10.0.0.2", ready=True)]
OK = 'recommender_requests_total{outcome="ok"}'


def row(value: str, **labels: str) -> dict[str, Any]:
    own = {"outcome": "ok", "namespace": "shop"}
    metric = {"__name__": "recommender_requests_total", **own, **labels}
    return {"metric": metric, "value": [1.7e9, value]}


def answer(*rows: dict[str, Any]) -> bytes:
    data = {"resultType": "vector", "result": list(rows)}
    return json.dumps({"status": "success", "data": data}).encode()


async def requested(handler: Handler, timeout: float = 5, path: str = "") -> Sample:
    limits = aiohttp.ClientTimeout(total=timeout)
    async with serving(handler) as port, aiohttp.ClientSession(timeout=limits) as session:
        provider = Prometheus(Queries(session), f"http://127.0.0.1:{port}{path}/")
        return await provider.sample("shop", "films-1", PODS)


async def test_one_instant_query_returns_the_pods_of_the_version() -> None:
    seen: list[web.BaseRequest] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request)
        return web.Response(body=answer(row("3", pod="a"), row("4", pod="b")))

    assert await requested(handler, path="/prom") == {"a": {OK: 3}, "b": {OK: 4}}
    assert [r.path for r in seen] == ["/prom/api/v1/query"]
    series = '__name__=~"recommender_.*",namespace="shop",version="films-1"'
    assert seen[0].query["query"] == " or ".join(
        [
            f'{{{series},pod=~"a|b"}}',
            f'{{{series},pod_name=~"a|b"}}',
            f'{{{series},kubernetes_pod_name=~"a|b"}}',
            f'{{{series},instance=~"(\\\\[)?(a|b|10\\\\.0\\\\.0\\\\.1|10\\\\.0\\\\.0\\\\.2)(\\\\])?(:[0-9]+)?"}}',
        ]
    )
    assert seen[0].query["limit"] == str(prometheus.MAX_SERIES + 1)


async def test_no_version_can_widen_the_query() -> None:
    seen: list[str] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request.query["query"].partition(",pod=")[0])
        return web.Response(body=answer(row("3", pod="a")))

    async with serving(handler) as port, aiohttp.ClientSession() as session:
        provider = Prometheus(Queries(session), f"http://127.0.0.1:{port}")
        await provider.sample("shop", 'a"} or {x="', PODS)
        await provider.sample("shop", "films-1-f", PODS)
    series = '{__name__=~"recommender_.*",namespace="shop",version='
    assert seen == [
        series + r'"a\"} or {x=\""',
        series + '"films-1"',  # a fresh deployment counts as it
    ]


async def test_an_answer_beyond_the_limit_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "LIMIT", 100)
    with pytest.raises(SampleError, match="100 bytes"):
        await requested(answering(answer(*[row("3", pod="a")] * 10)))


def test_labels_of_the_server_are_not_part_of_the_key() -> None:
    more = {"job": "x", "instance": "10.0.0.1:8080", "container": "c", "model": "m", "team": "t"}
    assert parse_answer(answer(row("3", pod="a", **more)), "shop", PODS) == {"a": {OK: 3}}


@pytest.mark.parametrize(
    "labels",
    [{"pod": "b"}, {"instance": "10.0.0.2:8080"}, {"kubernetes_pod_name": "b"}, {"pod_name": "b"}],
)
def test_a_pod_is_known_by_any_usual_label(labels: dict[str, str]) -> None:
    assert parse_answer(answer(row("3", **labels)), "shop", PODS) == {"b": {OK: 3}}


def test_an_ipv6_address_is_accepted() -> None:
    pods = [PodRef(name="six", ip="fd00::1", ready=True)]
    assert set(parse_answer(answer(row("3", instance="[fd00::1]:8080")), "shop", pods)) == {"six"}


def test_series_of_other_pods_and_namespaces_are_left_out() -> None:
    rows = [
        row("1", pod="gone"),
        row("2", pod="a", namespace="other"),
        row("3"),
        row("4", pod="a"),
    ]
    del rows[-1]["metric"]["namespace"]
    assert parse_answer(answer(*rows), "shop", PODS) == {}


def test_a_pod_scraped_twice_is_counted_once() -> None:
    rows = (row("5", pod="a", job="one"), row("4", pod="a", job="two"))
    assert parse_answer(answer(*rows), "shop", PODS) == {"a": {OK: 5}}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>", "not a response of Prometheus"),
        (b"\xff\xfe", "not a response of Prometheus"),
        (b"[]", "not a response of Prometheus"),
        (b"\x00" + SECRET.encode(), "invalid JSON at character 0"),
        (b"[" * 100_000, "not a response of Prometheus"),
        (b"1" * 5000, "not a response of Prometheus"),
        (json.dumps({"status": "error", "error": SECRET}).encode(), "unknown"),
        (
            b'{"status":"error","errorType":"bad_data","error":"' + SECRET.encode() + b'"}',
            "bad_data",
        ),
        (
            json.dumps({"status": SECRET, "errorType": SECRET}).encode(),
            "Prometheus returned an error",
        ),
        (b'{"status":"success","data":{"resultType":"matrix","result":[]}}', "not vector"),
        (b'{"status":"success","data":"' + SECRET.encode() + b'"}', "not vector"),
        (answer(row(SECRET, pod="a")), r"data\.result\[0\]\.value is not a number"),
        (
            answer(row("1", pod="a"), row("1", pod="a", le=SECRET)),
            r"result\[1\] of a has no number",
        ),
        (answer(row("NaN", pod="a", __name__=SECRET)), r"result\[0\] of a is nan"),
        (b'{"status":"success","data":{"resultType":"vector","result":[{}]}}', "not a response"),
        (answer(), "it must scrape port 8080 .* target labels namespace and pod"),
    ],
)
async def test_an_unusable_response_is_reported_with_the_version(body: bytes, why: str) -> None:
    with pytest.raises(SampleError, match=why) as failure:
        await requested(answering(body))
    assert "shop/films-1" in str(failure.value)
    assert SECRET not in str(failure.value)


async def test_a_deeply_nested_response_is_refused() -> None:
    with pytest.raises(SampleError, match="shop/films-1: not a response of Prometheus"):
        await requested(answering(b"[" * 100_000))


async def test_an_error_a_timeout_and_a_dead_server_are_reported() -> None:
    with pytest.raises(SampleError, match="answered 401 with 9 bytes of another type") as refusal:
        await requested(answering(SECRET, 401))
    assert SECRET not in str(refusal.value)
    with pytest.raises(SampleError, match=r"did not answer in 0\.2 s"):
        await requested(hanging, timeout=0.2)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(SampleError, match="failed"):
            await Prometheus(Queries(session), "http://127.0.0.1:1").sample(
                "shop", "films-1", PODS
            )
        with pytest.raises(SampleError, match=r"not possible|failed"):
            await Prometheus(Queries(session), "http://[").sample("shop", "films-1", PODS)


async def test_a_refused_server_gets_no_request() -> None:
    requested: list[web.BaseRequest] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        requested.append(request)
        return web.Response(body=answer(row("3", pod="a")))

    async with serving(handler) as port, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}"
        for allowed in ((), (f"{url}/other",)):
            with pytest.raises(SampleError, match=r"rollout\.analysis\.prometheusUrl"):
                await provider(Queries(session), url, allowed).sample("shop", "films-1", PODS)
        for more in ("#", "?x=1", "/../", "@localhost"):
            with pytest.raises(SampleError, match="base URL"):
                await provider(Queries(session), url + more, (url,)).sample(
                    "shop", "films-1", PODS
                )
        assert requested == []
        await provider(Queries(session), f"{url}/", (url,)).sample("shop", "films-1", PODS)
        assert len(requested) == 1


async def test_a_server_that_speaks_no_http_is_not_quoted() -> None:
    async def banner(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{SECRET}-2.0-server\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(banner, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, aiohttp.ClientSession() as session:
        found = Prometheus(Queries(session), f"http://127.0.0.1:{port}")
        with pytest.raises(SampleError, match="failed: ") as failure:
            await found.sample("shop", "v", PODS)
    assert SECRET not in str(failure.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
)


@given(st.one_of(st.binary(), JSON.map(lambda v: json.dumps(v).encode())))
def test_any_bytes_are_a_sample_or_a_value_error(body: bytes) -> None:
    with contextlib.suppress(ValueError):
        parse_answer(body, "shop", PODS)


@given(JSON)
def test_any_rows_are_a_sample_or_a_value_error(rows: object) -> None:
    body = {"status": "success", "data": {"resultType": "vector", "result": rows}}
    with contextlib.suppress(ValueError):
        parse_answer(json.dumps(body).encode(), "shop", PODS)
