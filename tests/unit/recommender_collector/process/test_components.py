"""Declarations from files, and the key of pseudonyms."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from recommender_collector.__main__ import WRONG_USE, main
from recommender_collector.collector_metrics import WriterMetrics
from recommender_collector.domain.declaration import DeclarationError, parse_declaration
from recommender_collector.domain.pseudonyms import Pseudonyms
from recommender_collector.log.kafka_settings import KafkaSettings
from recommender_collector.process import components, kafka
from recommender_collector.process.settings import parse as settings_of
from recommender_runtime.settings import SettingsError
from tests.unit.recommender_collector.collector_samples import MAPPING

STORE = {
    "RECOMMENDER_STORE_URL": "redis://store:6379/0",
    "RECOMMENDER_ADMIN_TOKEN_FILE": "/etc/token",
}
KEYED = parse_declaration(
    orjson.dumps(
        {"models": {"a": {"mapping": MAPPING, "hashUsers": True}, "b": {"mapping": MAPPING}}}
    )
)


def test_a_missing_declaration_is_named() -> None:
    settings = settings_of(["serve", "--declaration", "/nowhere/c.json"], STORE)
    with pytest.raises(DeclarationError, match=r"/nowhere/c\.json"):
        components.declaration(settings)


def test_only_models_that_hash_get_pseudonyms() -> None:
    key = b"0123456789abcdef"
    found = components.rules(KEYED, key)
    pseudonym = found["a"].pseudonym
    assert pseudonym is not None
    assert pseudonym("ada") == Pseudonyms(key)("ada")
    assert found["b"].pseudonym is None


@pytest.mark.parametrize("key", [None, b"short"])
def test_a_missing_or_short_key_is_refused(key: bytes | None) -> None:
    with pytest.raises(SettingsError, match="RECOMMENDER_USER_KEY"):
        components.rules(KEYED, key)


def test_an_image_without_the_client_of_kafka_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("kafka_log", "kafka_topic"):
        monkeypatch.setitem(sys.modules, f"recommender_collector.log.{module}", None)
    settings = KafkaSettings(brokers="kafka:9092", prefix="events")
    metrics = WriterMetrics(CollectorRegistry(), ["shop"])
    with pytest.raises(SettingsError, match=r"recommender-operator\[kafka\]"):
        kafka.log(settings, {"shop": 60})
    with pytest.raises(SettingsError, match=r"recommender-operator\[kafka\]"):
        kafka.relays(settings, Redis(), {"shop": 60}, metrics)


@pytest.mark.parametrize("command", ["serve", "write"])
def test_the_command_says_what_is_wrong_and_ends(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "c.json").write_text('{"models": {}}')
    arguments = [command, "--declaration", str(tmp_path / "c.json")]
    monkeypatch.delenv("RECOMMENDER_STORE_URL", raising=False)
    assert main(arguments) == WRONG_USE
    assert "RECOMMENDER_STORE_URL" in capsys.readouterr().err
    for name, value in STORE.items():
        monkeypatch.setenv(name, value)
    assert main(arguments) == WRONG_USE
    assert "models" in capsys.readouterr().err
