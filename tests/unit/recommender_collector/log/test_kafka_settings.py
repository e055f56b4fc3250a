"""Where Kafka is, and which of its topics keep what they acknowledge."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender_collector.log.kafka_log import topic_fault
from recommender_collector.log.kafka_settings import PREFIX, KafkaSettings, parse_kafka_settings
from recommender_runtime.settings import SettingsError

BROKERS = {"BROKERS": "kafka-0:9092,kafka-1:9093"}
SIGNED = {
    **BROKERS, "PROTOCOL": "SASL_SSL", "MECHANISM": "PLAIN", "USER": "shop", "PASSWORD": "pa55",
}  # fmt: skip
GOOD = {
    "cleanup.policy": "delete", "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
}  # fmt: skip


def _environ(**given: str) -> dict[str, str]:
    return {PREFIX + name: value for name, value in given.items()}


def test_without_brokers_the_log_is_not_in_kafka() -> None:
    assert parse_kafka_settings({}) is None
    assert parse_kafka_settings(_environ(TOPIC="events")) is None


def test_a_client_signs_in_as_it_is_told_and_shows_no_password() -> None:
    found = parse_kafka_settings(_environ(**SIGNED, CA="/ca.crt"))
    assert found is not None
    client = found.client()
    assert client["bootstrap.servers"] == "kafka-0:9092,kafka-1:9093"
    assert (client["sasl.username"], client["sasl.password"]) == ("shop", "pa55")
    assert client["ssl.ca.location"] == "/ca.crt"
    assert found.topic("shop") == "recommender-events.shop"
    assert "pa55" not in repr(found)
    plain = parse_kafka_settings(_environ(**BROKERS, PASSWORD="pa55"))
    assert plain is not None
    assert not any(name.startswith(("sasl", "ssl")) for name in plain.client())


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"BROKERS": "kafka"}, "BROKERS"),
        ({"BROKERS": "kafka:9092,"}, "BROKERS"),
        ({"TOPIC": "a b"}, "TOPIC"),
        ({"PROTOCOL": "TLS"}, "PROTOCOL"),
        ({"MECHANISM": "GSSAPI"}, "MECHANISM"),
        ({"USER": ""}, "USER"),
        ({"PASSWORD": ""}, "PASSWORD"),
        ({"DURABLE": "maybe"}, "DURABLE"),
        ({"CERTIFICATE": "/tls.crt"}, "KEY"),
        ({"KEY": "/tls.key"}, "CERTIFICATE"),
        ({"CERTIFICATE": "/c", "KEY": "/k", "PROTOCOL": "SASL_PLAINTEXT"}, "PROTOCOL"),
    ],
)
def test_a_wrong_variable_is_named(changed: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=f"{PREFIX}{named}") as caught:
        parse_kafka_settings(_environ(**{**SIGNED, **changed}))
    assert "pa55" not in str(caught.value)


def certified(folder: Path) -> KafkaSettings:
    paths = {name: str(folder / name) for name in ("CA", "CERTIFICATE", "KEY")}
    found = parse_kafka_settings(_environ(**BROKERS, PROTOCOL="SSL", **paths))
    assert found is not None
    return found


def test_a_client_shows_its_certificate(tmp_path: Path) -> None:
    client = certified(tmp_path).client()
    assert {name: client[f"ssl.{name}.location"] for name in ("ca", "certificate", "key")} == {
        name: str(tmp_path / name.upper()) for name in ("ca", "certificate", "key")
    }
    assert client["security.protocol"] == "SSL"


def test_a_file_that_is_not_there_is_named_with_its_variable(tmp_path: Path) -> None:
    settings = certified(tmp_path)
    for name in ("CA", "CERTIFICATE", "KEY"):
        with pytest.raises(ValueError, match=f"{PREFIX}{name} is .*{name}: No such file"):
            settings.check_files()
        (tmp_path / name).touch()
    settings.check_files()


def test_a_topic_that_two_brokers_must_have_is_durable() -> None:
    assert topic_fault("t", GOOD, 3) is None


@pytest.mark.parametrize(
    ("changed", "replicas", "said"),
    [
        ({"cleanup.policy": "compact"}, 3, "cleanup.policy"),
        ({"min.insync.replicas": "1"}, 3, "min.insync.replicas 1"),
        ({}, 1, "1 replicas"),
        ({"unclean.leader.election.enable": "true"}, 3, "unclean"),
    ],
)
def test_a_topic_that_may_lose_events_is_named_with_the_remedy(
    changed: dict[str, str], replicas: int, said: str
) -> None:
    found = topic_fault("t", {**GOOD, **changed}, replicas)
    assert found is not None
    assert said in found
    assert "set" in found
