"""The policy that is installed with the definitions holds everybody."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from tests.cluster.api import ClusterError
from tests.integration import operator_api_rig as rig
from tests.integration.crd_rig import Json, Server, installed

pytestmark = pytest.mark.integration

DENIED = "ValidatingAdmissionPolicy 'podtemplates.recommender.dev'"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
NEAR = {"labelSelector": {"matchLabels": {"a": "b"}}, "topologyKey": "zone"}
ELSEWHERE: tuple[Json, ...] = ({"namespaces": ["other"]}, {"namespaceSelector": {}})
ALONE = "has namespaces or namespaceSelector; remove them"
SHAPE = "has a field that pods of models do not take, or a value of another type"
#: Seconds until the API server enforces a policy.
EFFECTIVE_SECONDS = 120.0


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The API server, once it enforces the policy."""
    rig.kubeconfig()
    with installed() as found:
        end = time.monotonic() + EFFECTIVE_SECONDS
        while DENIED not in refused(found, "serving", {"other": {}}):
            assert time.monotonic() < end, "the API server does not enforce the policy"
            time.sleep(0.5)
        yield found


def templated(section: str, template: Json) -> Json:
    return rig.manifest("", "templated", **{section: {"podTemplate": template}})


def refused(server: Server, section: str, template: Json) -> str:
    """Return why the API server refuses a model with a template; empty if it does not."""
    body = templated(section, template)
    del body["metadata"]["namespace"]
    try:
        server.create(body, dry_run="All")
    except ApiException as error:
        return str(json.loads(error.body)["message"])
    return ""


def nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(depth):
        found = {"a": found}
    return found


def nodes(**requirement: object) -> Json:
    term = {"matchExpressions": [{"key": "zone", **requirement}]}
    return {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [term]}}}}


@pytest.mark.parametrize("section", ["training", "serving"])
@pytest.mark.parametrize(
    ("template", "message"),
    [
        ({"template": {}}, ".template is not for a model to set: remove it"),
        ({"metadata": {"name": "x"}}, ".metadata.name is not for a model to set"),
        ({"spec": {"hostNetwork": True}}, ".spec.hostNetwork is not for a model to set"),
        ({"spec": {"containers": []}}, ".spec.containers is not for a model to set"),
        ({"spec": {"volumes": []}}, ".spec.volumes is not for a model to set"),
        ({"spec": {"securityContext": {}}}, ".spec.securityContext is not for a model to set"),
        ({"spec": {"affinity": {"podAfinity": {}}}}, ".affinity.podAfinity is not for a model"),
        ({"spec": {"affinity": {"podAffinity": "x"}}}, "must be objects"),
        ({"spec": {"affinity": {"podAffinity": {REQUIRED: "x"}}}}, DENIED),
        ({"spec": {"affinity": {"podAffinity": {REQUIRED: [nested(2)]}}}}, SHAPE),
        ({"spec": {"affinity": {"nodeAffinity": nested(2)}}}, SHAPE),
        ({"spec": nodes(operator="Is")}, SHAPE),
        ({"spec": nodes(operator="In", values={"a": {}})}, SHAPE),
        ({"spec": {"tolerations": [{"kay": "x"}]}}, SHAPE),
        ({"spec": {"tolerations": [{"key": {"a": {}}}]}}, SHAPE),
        *[
            ({"spec": {"affinity": {kind: {when: [term]}}}}, ALONE)
            for kind in ("podAffinity", "podAntiAffinity")
            for field in ELSEWHERE
            for when, term in (
                (REQUIRED, {**NEAR, **field}),
                (PREFERRED, {"weight": 1, "podAffinityTerm": {**NEAR, **field}}),
            )
        ],
    ],
)
def test_nobody_creates_a_model_with_a_pod_template_of_more_than_its_fields(
    section: str, template: Json, message: str, server: Server
) -> None:
    reported = refused(server, section, template)
    assert DENIED in reported
    assert message in reported


@pytest.mark.parametrize("section", ["training", "serving"])
def test_a_pod_template_of_its_fields_is_allowed(section: str, server: Server) -> None:
    preferred = {"weight": 1, "podAffinityTerm": NEAR}
    expressions = [{"key": "a", "operator": "In", "values": ["b"]}]
    chosen = {**NEAR, "labelSelector": {"matchExpressions": expressions}}
    term = {"matchExpressions": expressions}
    spec = {
        "nodeSelector": {"pool": "gpu"},
        "tolerations": [
            {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30},
            {"key": "a", "operator": "Equal", "value": "b"},
        ],
        "affinity": {
            "nodeAffinity": {
                REQUIRED: {"nodeSelectorTerms": [term]},
                PREFERRED: [{"weight": 1, "preference": term}],
            },
            "podAffinity": {REQUIRED: [NEAR], PREFERRED: [preferred]},
            "podAntiAffinity": {REQUIRED: [chosen]},
        },
        "serviceAccountName": "trainer",
        "priorityClassName": "batch",
    }
    metadata = {"labels": {"team": "web"}, "annotations": {"a": "b"}}
    assert refused(server, section, {"metadata": metadata, "spec": spec}) == ""
    nothings: tuple[Json, ...] = ({}, {"spec": {}}, {"spec": {"affinity": {}}})
    for nothing in nothings:
        assert refused(server, section, nothing) == ""


@pytest.mark.parametrize(
    "path",
    [
        ("deep",),
        ("metadata", "deep"),
        ("spec", "deep"),
        ("spec", "affinity", "deep"),
        ("spec", "affinity", "nodeAffinity"),
        ("spec", "affinity", "podAffinity", REQUIRED),
    ],
)
def test_no_template_nests_deeper_than_readers_parse(
    path: tuple[str, ...], server: Server
) -> None:
    # The API server stores 10,000 levels, and Python's parsers read about a thousand: one such
    # object would end the lists of all models.
    text = '{"a":' * 2000 + "1" + "}" * 2000
    for name in reversed(path):
        text = f'{{"{name}":{text}}}'
    body = templated("serving", {})
    body["metadata"]["namespace"] = server.namespace
    whole = json.dumps(body).replace('"podTemplate": {}', f'"podTemplate": {text}')
    route = f"/apis/recommender.dev/v1alpha1/namespaces/{server.namespace}/recommendermodels"
    with pytest.raises(ClusterError, match=r"podtemplates\.recommender\.dev"):
        rig.kubectl("create", "--raw", route, "-f", "-", stdin=whole)


def test_an_update_is_held_if_it_changes_the_spec(server: Server) -> None:
    body = templated("serving", {"spec": {"nodeSelector": {"a": "b"}}})
    body["metadata"] = {"name": "updated"}
    server.create(body)
    server.patch("updated", {"metadata": {"labels": {"a": "b"}}})
    patch = {"spec": {"serving": {"podTemplate": {"spec": {"hostPID": True}}}}}
    with pytest.raises(ApiException, match="hostPID is not for a model to set"):
        server.patch("updated", patch)
