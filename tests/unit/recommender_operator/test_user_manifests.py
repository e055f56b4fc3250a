"""The manifests by which Gateways name the verified user fit the page and the schema."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import pytest
import yaml

from recommender_operator.api.spec_serving import CallersSpec
from recommender_operator.resources.options import Options

ROOT = pathlib.Path(__file__).resolve().parents[3]
FOLDER = ROOT / "manifests/integrations/users"
PAGE = (ROOT / "docs/trust.md").read_text(encoding="utf-8")
(HEADER,) = re.findall(r"userHeader: (\S+)\n```", PAGE)


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def test_the_page_shows_a_header_that_the_schema_accepts_and_each_file() -> None:
    assert CallersSpec.model_validate({"userHeader": HEADER}).user_header == HEADER
    for file in FOLDER.iterdir():
        assert f"integrations/users/{file.name}" in PAGE


def test_envoy_gateway_sets_the_header_and_removes_that_of_clients_first() -> None:
    policy, early = (each["spec"] for each in documents("envoy-gateway.yaml"))
    (provider,) = policy["jwt"]["providers"]
    assert provider["claimToHeaders"] == [{"claim": "sub", "header": HEADER}]
    assert early["headers"]["earlyRequestHeaders"]["remove"] == [HEADER]


def test_istio_sets_the_header_and_refuses_requests_without_a_token() -> None:
    authentication, authorization = (each["spec"] for each in documents("istio.yaml"))
    (rule,) = authentication["jwtRules"]
    assert rule["outputClaimToHeaders"] == [{"claim": "sub", "header": HEADER}]
    assert authorization["action"] == "ALLOW"
    (allowed,) = authorization["rules"]
    assert allowed["from"] == [{"source": {"requestPrincipals": ["*"]}}]


def test_forward_authentication_replaces_the_header() -> None:
    (middleware,) = documents("traefik.yaml")
    assert middleware["spec"]["forwardAuth"]["authResponseHeaders"] == [HEADER]
    assert f"proxy_set_header {HEADER} $user;" in (FOLDER / "nginx.conf").read_text()


@pytest.mark.parametrize("name", ["envoy-gateway.yaml", "istio.yaml"])
def test_policies_are_for_the_gateway_of_the_chart(name: str) -> None:
    defaults = Options(training_image="", serving_image="")
    for document in documents(name):
        for target in document["spec"]["targetRefs"]:
            if target["kind"] == "Gateway":
                assert target["name"] == defaults.gateway_name
                assert document["metadata"]["namespace"] == defaults.gateway_namespace
