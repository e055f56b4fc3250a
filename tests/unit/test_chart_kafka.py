"""A log in Kafka in the Helm chart."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_collector.process.settings import Settings, parse
from tests.chart_collector import DEFAULTS, KAFKA, container, manifests, named, render

PLAIN: dict[str, Any] = {"brokers": "kafka:9092"}


def test_kafka_is_reached_with_the_secrets_of_the_team() -> None:
    found = manifests(KAFKA, networkPolicy={"enabled": True})
    for part in ("collector", "writer"):
        pod = named(found, "Deployment", part)["spec"]["template"]["spec"]
        given = container(named(found, "Deployment", part))
        environ = {each["name"]: each.get("value", "a-secret") for each in given["env"]}
        command = [given["command"][1], *given["args"]]
        parsed = parse(command, environ)
        assert isinstance(parsed, Settings)
        settings = parsed.kafka
        assert settings is not None
        assert settings.topic("shop") == "recommender-events.shop"
        assert settings.client()["sasl.password"] == "a-secret"
        for name, paths in (
            ("kafka-ca", {settings.ca}),
            ("kafka-certificate", {settings.certificate, settings.key}),
        ):
            (mount,) = (v for v in given["volumeMounts"] if v["name"] == name)
            assert "subPath" not in mount  # such a file would never be replaced
            (volume,) = (v for v in pod["volumes"] if v["name"] == name)
            places = {each["path"] for each in volume["secret"]["items"]}
            assert {f"{mount['mountPath']}/{place}" for place in places} == paths
    egress = named(found, "NetworkPolicy", "collector")["spec"]["egress"]
    assert egress[-1] == {"ports": [{"port": 9093}, {"port": 9094}]}


@pytest.mark.parametrize(
    ("kafka", "said"),
    [
        ({}, "set collector.kafka.brokers"),
        ({"brokers": "kafka"}, "/collector/kafka/brokers"),
        (PLAIN | {"protocol": "SASL_SSL"}, "set collector.kafka.credentials.secretName"),
        (
            PLAIN | {"certificate": {"secretName": "mine"}},
            "collector.kafka.protocol is PLAINTEXT: set SSL or SASL_SSL",
        ),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_with_its_name(
    kafka: dict[str, Any], said: str
) -> None:
    code, _, errors = render({**DEFAULTS, "log": "Kafka", "kafka": kafka})
    assert code != 0
    assert said in errors
