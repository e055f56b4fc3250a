"""Upstream manifests are changed only where they assume another cluster."""

import json

import pytest

from tests.cluster import gateway, imagestore, knative, kserve, local, node, objects


def webhook() -> objects.Manifest:
    service = {"name": "$(webhookServiceName)", "namespace": "kserve", "path": "/mutate-pods"}
    return {
        "kind": "MutatingWebhookConfiguration",
        "webhooks": [{"name": "a", "failurePolicy": "Fail", "clientConfig": {"service": service}}],
    }


def test_kserve_webhooks_lead_to_the_host_process_and_still_fail_closed() -> None:
    (changed,) = kserve.rewrite([webhook()], "https://127.0.0.1:1", b"CA")
    hook = changed["webhooks"][0]
    assert hook["clientConfig"] == {"url": "https://127.0.0.1:1/mutate-pods", "caBundle": "Q0E="}
    assert hook["failurePolicy"] == "Fail"


def test_kserve_runs_in_standard_mode_behind_our_gateway_and_keeps_other_settings() -> None:
    data = {
        "_example": "text",
        "deploy": '{"defaultDeploymentMode": "Serverless"}',
        "ingress": '{"urlScheme": "http", "enableGatewayApi": false}',
        "inferenceService": "{}",
        "logger": '{"image": "kserve/agent"}',
    }
    changed = kserve.configuration(data)
    assert "_example" not in changed
    assert json.loads(changed["deploy"]) == {"defaultDeploymentMode": "Standard"}
    ingress = json.loads(changed["ingress"])
    assert ingress["enableGatewayApi"] is True
    assert ingress["urlScheme"] == "http"
    assert ingress["kserveIngressGateway"] == "recommender-gateway/recommender-gateway"
    assert changed["logger"] == data["logger"]


def test_knative_pods_use_local_images_that_are_never_pulled() -> None:
    container = {
        "image": "ko://knative.dev/serving/cmd/activator",
        "resources": {"requests": {"cpu": "300m"}, "limits": {"cpu": "1"}},
    }
    deployment = {
        "kind": "Deployment",
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    knative.rewrite([deployment])
    assert container["image"] == imagestore.KNATIVE["activator"].name
    assert container["imagePullPolicy"] == "Never"
    assert container["resources"] == {
        "requests": {"cpu": "10m", "memory": "32Mi"},
        "limits": {"cpu": "1"},
    }


def test_knative_configuration_replaces_the_examples_whose_checksum_is_verified() -> None:
    config = {
        "kind": "ConfigMap",
        "metadata": {
            "name": "config-features",
            "annotations": {"knative.dev/example-checksum": "1"},
        },
        "data": {"_example": "text", "kept": "yes"},
    }
    (changed,) = knative.rewrite([config])
    assert changed["data"]["kubernetes.podspec-persistent-volume-claim"] == "enabled"
    assert changed["data"]["kept"] == "yes"
    assert "_example" not in changed["data"]
    assert changed["metadata"]["annotations"] == {}


def test_a_placeholder_without_a_value_is_an_error() -> None:
    assert objects.fill("port: @port@", {"port": 1}) == "port: 1"
    with pytest.raises(KeyError):
        objects.fill("port: @port@", {})


@pytest.mark.parametrize("text", [gateway.system(), local.platform()], ids=["gateway", "platform"])
def test_our_manifests_are_complete_objects(text: str) -> None:
    for manifest in objects.parse(text):
        assert manifest["apiVersion"]
        assert manifest["kind"]
        assert manifest["metadata"]["name"]


def test_pods_never_get_a_name_server_that_leads_to_themselves() -> None:
    text = "search a\nnameserver 127.0.0.53\nnameserver ::1\nnameserver 9.9.9.9\n"
    assert node.upstream_resolvers(text) == "nameserver 9.9.9.9\n"
    assert node.upstream_resolvers("nameserver 127.0.0.1\n").startswith("nameserver ")
