"""New certificates are used without a restart, and those of no use change nothing."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka")

from confluent_kafka import KafkaError, KafkaException

from recommender_collector.log.kafka_renewal import Renewal
from recommender_collector.log.kafka_settings import KafkaSettings

NAMES = ("ca.crt", "tls.crt", "tls.key")


class Files:
    """The files of a client, and what clients are made of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.is_good = True
        for name in NAMES:
            self.replace(name, "first")
        ca, certificate, key = (str(folder / name) for name in NAMES)
        settings = KafkaSettings(
            brokers="kafka:9093", protocol="SSL", ca=ca, certificate=certificate, key=key
        )
        self.renewal = Renewal(settings, self._connect)

    def replace(self, name: str, text: str) -> None:
        new = self._folder / "new"
        new.write_text(text)
        new.rename(self._folder / name)

    def remove(self, name: str) -> None:
        (self._folder / name).unlink()

    def _connect(self) -> list[str]:
        if not self.is_good:
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG))
        return [(self._folder / name).read_text() for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_was_replaced_is_read_once(tmp_path: Path, name: str) -> None:
    files = Files(tmp_path)
    assert files.renewal.look() is None
    files.replace(name, "other")
    found = files.renewal.look()
    assert found is not None
    assert found.count("other") == 1
    assert files.renewal.look() is None


def test_files_of_no_use_are_told_once_and_used_when_they_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = Files(tmp_path)
    files.replace("tls.crt", "other")
    files.is_good = False
    with caplog.at_level(logging.ERROR):
        assert files.renewal.look() is None
        files.remove("tls.key")
        assert files.renewal.look() is None
    assert files.renewal.fails
    assert len(caplog.records) == 1
    files.replace("tls.key", "other")
    files.is_good = True
    assert files.renewal.look() == ["first", "other", "other"]
    assert not files.renewal.fails
