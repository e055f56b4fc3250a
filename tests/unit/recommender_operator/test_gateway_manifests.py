"""The policies for Gateways fit the routes that the operator writes."""

from __future__ import annotations

import pathlib
from typing import Any

import yaml

from recommender_operator.api.spec_serving import ServingSpec
from recommender_operator.resources import http_route
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model

ROOT = pathlib.Path(__file__).resolve().parents[3]
FOLDER = ROOT / "manifests/integrations/gateways"
PAGE = (ROOT / "docs/gateways.md").read_text(encoding="utf-8")


def policy() -> dict[str, Any]:
    (found,) = yaml.safe_load_all((FOLDER / "envoy-gateway.yaml").read_text(encoding="utf-8"))
    spec: dict[str, Any] = found["spec"]
    return spec


def test_the_page_names_each_file() -> None:
    for file in FOLDER.iterdir():
        assert f"integrations/gateways/{file.name}" in PAGE


def test_the_selector_matches_the_labels_of_a_route() -> None:
    route = http_route.http_route(model(), {"movies-0123abcd": 100}, OPTIONS)
    (selector,) = policy()["targetSelectors"]
    assert route["apiVersion"].startswith(f"{selector['group']}/")
    assert route["kind"] == selector["kind"]
    assert selector["matchLabels"].items() <= route["metadata"]["labels"].items()


def test_an_attempt_has_time_for_the_model_and_its_fallback() -> None:
    timeout = ServingSpec().timeout_milliseconds / 1000
    seconds = float(policy()["retry"]["perRetry"]["timeout"].removesuffix("s"))
    assert seconds > 1.5 * timeout


def test_retries_have_a_budget_and_one_server_of_two_may_be_left_out() -> None:
    assert policy()["circuitBreaker"]["retryBudget"]["percent"]["numerator"] <= 20
    assert policy()["healthCheck"]["passive"]["maxEjectionPercent"] == 50


def test_a_connection_to_a_pod_that_is_gone_ends_before_its_attempt() -> None:
    attempt = policy()["retry"]["perRetry"]["timeout"]
    connect = policy()["timeout"]["tcp"]["connectTimeout"]
    assert float(connect.removesuffix("s")) < float(attempt.removesuffix("s"))


def test_pods_that_start_or_end_get_no_request_while_another_one_is_ready() -> None:
    """Envoy Gateway counts them as unhealthy, and a share of unhealthy ones as a panic."""
    assert policy()["healthCheck"]["panicThreshold"] == 1
