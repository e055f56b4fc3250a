"""The page of metrics is the library's, at a fraction of its cost."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from prometheus_client import Gauge, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.registry import CollectorRegistry

from recommender_operator.metrics import exposition, model_gauges
from recommender_operator.metrics.model_gauges import ModelGauges
from recommender_operator.metrics.model_metrics import ModelMetric

FORMATS: Mapping[str, Callable[[CollectorRegistry], bytes]] = {
    "": generate_latest,
    "application/openmetrics-text; version=1.0.0": openmetrics,
}
ODD = 'a "b" \\ c\nd é'
FIGURES = (
    ModelMetric("champion", ("movies-1",), 1.0),
    ModelMetric("version_stage", ("movies-1", "Promoted"), 1),
    ModelMetric("drift_effect", (ODD,), 0.1 + 0.2),
    ModelMetric("drift_effect", ("rating",), float("nan")),
    ModelMetric("drift_windows", (), 3e20),
)


class Page:
    """Models and another metric."""

    def __init__(self) -> None:
        self.models = ModelGauges()
        self.others = CollectorRegistry()
        Gauge("recommender_operator_leader", "One.", registry=self.others).set(1)
        for name in ("movies", "books"):
            self.models.set("team", name, FIGURES)

    def text(self, accept: str = "") -> str:
        return exposition.page(self.others, self.models, accept)[0].decode()

    def of_the_library(self, accept: str = "") -> str:
        both = CollectorRegistry()
        both.register(self.others)
        both.register(self.models)
        return FORMATS[accept](both).decode()

    def ask(self, **environ: str) -> tuple[dict[str, str], bytes]:
        told: list[Any] = []

        def start(status: str, headers: Iterable[tuple[str, str]]) -> None:
            told.extend([status, dict(headers)])

        asked = {"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics", "QUERY_STRING": "", **environ}
        body = b"".join(exposition.app(self.others, self.models)(asked, start))
        assert told[0] == "200 OK"
        return told[1], body


@pytest.mark.parametrize("accept", FORMATS)
def test_the_page_is_that_of_the_library(accept: str) -> None:
    page = Page()
    assert page.text(accept) == page.of_the_library(accept)
    # Also the second time, from what is kept.
    assert page.text(accept) == page.of_the_library(accept)


def test_each_look_and_each_deletion_shows_at_the_next_scrape() -> None:
    page = Page()
    page.text()
    page.models.set("team", "movies", (ModelMetric("champion", ("movies-2",), 1.0),))
    page.models.forget("team", "books")
    assert page.text() == page.of_the_library()
    assert "movies-2" in page.text()
    assert "books" not in page.text()


def test_only_models_that_were_looked_at_are_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    page, rendered = Page(), []
    page.text()
    add = model_gauges._add

    def counted(families: Any, key: model_gauges.Key, figures: model_gauges.ModelMetrics) -> None:
        rendered.append(key)
        add(families, key, figures)

    monkeypatch.setattr(model_gauges, "_add", counted)
    page.models.set("team", "books", FIGURES[:1])
    page.text()
    page.text()
    assert rendered == [("team", "books")]


def test_a_look_during_a_scrape_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page()
    add, later = model_gauges._add, (ModelMetric("champion", ("movies-2",), 1.0),)

    def looked_at(
        families: Any, key: model_gauges.Key, figures: model_gauges.ModelMetrics
    ) -> None:
        page.models.set("team", "movies", later)
        add(families, key, figures)

    monkeypatch.setattr(model_gauges, "_add", looked_at)
    page.text()
    monkeypatch.setattr(model_gauges, "_add", add)
    assert page.text() == page.of_the_library()


def test_scrapers_get_the_format_and_the_compression_that_they_accept() -> None:
    page = Page()
    accept = "application/openmetrics-text; version=1.0.0"
    headers, body = page.ask(HTTP_ACCEPT=accept, HTTP_ACCEPT_ENCODING="gzip")
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert gzip.decompress(body).decode() == page.text(accept)
    headers, body = page.ask()
    assert headers["Content-Type"].startswith("text/plain")
    assert body.decode() == page.text()


def test_a_query_of_one_metric_and_other_methods_are_the_librarys() -> None:
    page = Page()
    _, body = page.ask(QUERY_STRING="name[]=recommender_operator_leader")
    assert body.decode().splitlines()[-1] == "recommender_operator_leader 1.0"
    headers, body = page.ask(REQUEST_METHOD="OPTIONS")
    assert (headers["Allow"], body) == ("OPTIONS,GET", b"")
