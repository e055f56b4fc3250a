"""The dashboards against a real Prometheus that scrapes real pages.

Transformers and Triton are the real processes under traffic; the pages of operator, collector and
writer come from their registries. The scrapes set the labels that the chart's monitors set.
"""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from tests import dashboards
from tests.cluster.triton import run_triton
from tests.integration import metrics_pages, prometheus_server
from tests.integration.toy_models import BREAKS
from tests.integration.transformer_rig import Running, run_transformer, write_artifact

pytestmark = pytest.mark.integration
INTERVAL = "10s"
SECONDS = 60.0
#: Title and expression of a panel, or name and query of a variable.
Query = tuple[str, str]


def scrape(job: str, path: str, target: str, **labels: str) -> dict[str, Any]:
    return {
        "job_name": job,
        "metrics_path": path,
        "honor_labels": not labels,  # as for the operator, which sets the namespace itself
        "static_configs": [{"targets": [target], "labels": labels}],
    }


def environ_of(model: str, version: str) -> dict[str, str]:
    """Nobody gets the impressions; but without them no lists are mixed."""
    return {
        "RECOMMENDER_MODEL": model,
        "RECOMMENDER_VERSION": version,
        "RECOMMENDER_COLLECTOR_URL": "http://127.0.0.1:9",
        "RECOMMENDER_IMPRESSIONS": "1",
    }


def ask_in_rollout(champion: Running, candidate: str) -> None:
    """Ask as a user of the candidate, for copies and mixed lists, and with odd headers."""
    body = json.dumps({"instances": [{"user_id": 1}, {"user_id": BREAKS}]}).encode()
    for name, header in (
        ("experiment", f"id=00c0ffee;phase=0;cap=1;arms={candidate}:0-10000"),
        ("experiment", "id=1"),
        ("shadow", f"{candidate}:10000"),
        ("shadow", "x"),
        ("interleaving", f"id=00c0ffee;candidate={candidate};users=10000"),
        ("interleaving", "x"),
    ):
        headers = {"content-type": "application/json", f"x-recommender-{name}": header}
        url = f"{champion.http}/v1/models/recommender:predict"
        urllib.request.urlopen(
            urllib.request.Request(url, data=body, headers=headers), timeout=10
        ).close()


@contextlib.contextmanager
def traffic(candidate: str, *transformers: Running) -> Iterator[None]:
    """Requests that are answered, fall back, are refused, are forwarded, and are copied."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.05):
            ask_in_rollout(transformers[-1], candidate)
            for running in transformers:
                running.ask(user_id=1)
                running.ask(user_id=BREAKS)
                running.post("/v1/models/recommender:predict", {"instances": [{}]})

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("dashboards")
    write_artifact(folder / "artifact")
    rollout = metrics_pages.operator()
    pages = {
        "/operator": rollout.page,
        "/collector": metrics_pages.collector(),
        "/writer": metrics_pages.writer(),
    }
    versions = (rollout.candidate, rollout.champion)
    with contextlib.ExitStack() as stack:
        triton = stack.enter_context(run_triton(folder / "artifact" / "repository"))
        running: list[Running] = []
        for version in versions:
            environ = environ_of(rollout.model, version)
            if running:  # the champion forwards to the candidate
                peer = running[0]
                environ["RECOMMENDER_PEERS"] = f"{peer.http.removeprefix('http://')},{peer.grpc}"
            log = folder / f"{version}.log"
            running.append(
                stack.enter_context(
                    run_transformer(folder / "artifact", triton.grpc_url, log, environ=environ)
                )
            )
        address = stack.enter_context(metrics_pages.served(pages))
        stack.enter_context(traffic(rollout.candidate, *running))
        names = {"recommender_model": rollout.model, "recommender_version": rollout.champion}
        scrapes = [
            scrape("operator", "/operator", address),
            scrape("collector", "/collector", address, namespace=rollout.namespace),
            scrape("writer", "/writer", address, namespace=rollout.namespace),
            scrape("triton", "/metrics", triton.metrics_url, namespace=rollout.namespace, **names),
        ] + [
            scrape(
                each.http, "/metrics", each.http.removeprefix("http://"),
                namespace=rollout.namespace,
            )
            for each in running
        ]  # fmt: skip
        yield stack.enter_context(prometheus_server.running(folder, scrapes))


def ask(url: str, path: str, **parameters: str) -> Any:
    """Return the data of an answer, which must be a success."""
    query = urllib.parse.urlencode(parameters, doseq=True)
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{query}", timeout=60) as response:
        return json.load(response)["data"]


def has_numbers(url: str, expression: str) -> bool:
    result = ask(url, "query", query=expression)["result"]
    return any(math.isfinite(float(series["value"][1])) for series in result)


def left(queries: Sequence[Query], found: Callable[[Query], bool]) -> list[Query]:
    """Return the queries that find nothing, however often Prometheus has scraped."""
    still = list(queries)
    deadline = time.monotonic() + SECONDS
    while still and time.monotonic() < deadline:
        still = [query for query in still if not found(query)]
        time.sleep(0.5)
    return still


@pytest.mark.parametrize("name", sorted(dashboards.dashboards()))
def test_every_query_of_every_panel_shows_numbers(name: str, prometheus: str) -> None:
    given = [
        (title, dashboards.with_values(expression, INTERVAL))
        for title, expression in dashboards.queries(dashboards.dashboards()[name])
    ]
    assert left(given, lambda query: has_numbers(prometheus, query[1])) == []


@pytest.mark.parametrize("name", sorted(dashboards.dashboards()))
def test_every_variable_has_values(name: str, prometheus: str) -> None:
    def has_values(query: Query) -> bool:
        inside = query[1].removeprefix("label_values(").removesuffix(")")
        selector, _, label = inside.rpartition(", ")
        parameters = {"match[]": dashboards.with_values(selector, INTERVAL)}
        return bool(ask(prometheus, f"label/{label}/values", **parameters))

    given = list(dashboards.variables(dashboards.dashboards()[name]).items())
    assert left(given, has_values) == []
