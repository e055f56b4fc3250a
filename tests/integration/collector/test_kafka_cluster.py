"""A Kafka of several brokers with TLS, SASL and rights: what docs/kafka.md asks for is enough."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from recommender_collector.domain.events import Event
from recommender_collector.domain.lines import Lines, digest, line_of
from recommender_collector.log.durability import NotDurable
from recommender_collector.log.event_log import LogUnavailable
from recommender_collector.log.kafka_log import KafkaLog
from recommender_collector.log.kafka_settings import parse_kafka_settings
from recommender_collector.log.kafka_topic import KafkaTopic
from recommender_contract.events import Kind
from tests import collector_rig, kafka_cluster
from tests.collector_rig import Rig, clicks
from tests.kafka_cluster import KafkaCluster

DURABLE = {"min.insync.replicas": "2"}
TOPIC = (
    AclOperation.WRITE, AclOperation.READ, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS,
)  # fmt: skip
GROUP = (AclOperation.DESCRIBE, AclOperation.READ)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    with kafka_cluster.running(tmp_path_factory.mktemp("kafka")) as running:
        yield running


def signed_up(
    cluster: KafkaCluster, prefix: str, topic: Sequence[AclOperation] = TOPIC
) -> dict[str, str]:
    """Return the variables of a collector whose user has these rights of its own topic."""
    name, password = f"{prefix}.shop", secrets.token_hex(8)
    cluster.nodes[0].create(name, copies=3, config=DURABLE)
    rights = [(ResourceType.TOPIC, name, topic), (ResourceType.GROUP, f"{name}.writer", GROUP)]
    cluster.add_user(prefix, password, rights)
    return cluster.environ(prefix, prefix, password)


async def sent(rig: Rig, start: int, count: int) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.post(f"{rig.url}/v1/events", json=clicks(start, count))
    assert (answer.status_code, answer.json()["accepted"]) == (200, count)


async def archived(rig: Rig, count: int) -> None:
    await asyncio.to_thread(collector_rig.until, lambda: len(rig.archived()) == count)


async def test_events_pass_with_the_documented_rights_alone_also_while_a_broker_is_lost(
    tmp_path: Path, cluster: KafkaCluster
) -> None:
    environ = signed_up(cluster, "allowed")
    with collector_rig.running(tmp_path, environ=environ) as rig:
        await sent(rig, 0, 20)
        await archived(rig, 20)
        lost = cluster.nodes[-1]
        lost.kill()
        try:
            await sent(rig, 20, 20)
            await archived(rig, 40)
        finally:
            lost.start()
    assert sorted(row["id"] for row in rig.archived()) == sorted(f"e{n}" for n in range(40))


class Certificate:
    """The files of a certificate, which may be replaced."""

    def __init__(self, cluster: KafkaCluster, folder: Path) -> None:
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"
        self._authority = cluster.authority

    def issue(self, user: str) -> None:
        """Replace both, as a kubelet does: nobody reads half a file."""
        for made, place in zip(
            self._authority.issue(user, user), (self.certificate, self.key), strict=True
        ):
            copy = place.with_suffix(".new")
            shutil.copyfile(made, copy)
            copy.rename(place)


async def test_a_collector_signs_in_with_a_certificate_and_uses_a_new_one_without_a_restart(
    tmp_path: Path, cluster: KafkaCluster
) -> None:
    topic = "certified.shop"
    cluster.nodes[0].create(topic, copies=3, config=DURABLE)
    rights = [(ResourceType.TOPIC, topic, TOPIC), (ResourceType.GROUP, f"{topic}.writer", GROUP)]
    files = Certificate(cluster, tmp_path)
    files.issue("first")
    cluster.allow("CN=first", rights)
    environ = cluster.certified("certified", files.certificate, files.key)
    with collector_rig.running(tmp_path, environ=environ) as rig:
        await sent(rig, 0, 20)
        await archived(rig, 20)
        # Only who has the new certificate may do anything from now on.
        cluster.allow("CN=second", rights)
        files.issue("second")
        cluster.forbid("CN=first", rights)
        await asyncio.to_thread(collector_rig.until, lambda: accepts(rig, 20))
        await archived(rig, 21)
        processes = rig.serve.pid, rig.write.pid
        # Files that belong to nobody change nothing.
        shutil.copyfile(cluster.authority.issue("first", "first")[1], files.key)
        await asyncio.to_thread(
            collector_rig.until,
            lambda: all("cannot be used" in log(tmp_path, name) for name in ("serve", "write")),
        )
        await sent(rig, 21, 20)
        await archived(rig, 41)
        assert (rig.serve.pid, rig.write.pid) == processes
    assert sorted(row["id"] for row in rig.archived()) == sorted(f"e{n}" for n in range(41))


def accepts(rig: Rig, event: int) -> bool:
    """Whether the collector takes an event."""
    answer = httpx.post(f"{rig.url}/v1/events", json=clicks(event, 1), timeout=30)
    return answer.status_code == 200


def log(folder: Path, name: str) -> str:
    return (folder / f"{name}.log").read_text()


async def test_the_brokers_take_nobody_without_a_certificate(
    tmp_path: Path, cluster: KafkaCluster
) -> None:
    cluster.nodes[0].create("bare.shop", copies=3, config=DURABLE)
    environ = cluster.certified("bare", tmp_path / "none", tmp_path / "none")
    settings = parse_kafka_settings(
        {name: "" if "CERTIFICATE" in name or "_KEY" in name else text
         for name, text in environ.items()}
    )  # fmt: skip
    assert settings is not None
    bare = KafkaLog(settings, ["shop"])
    with pytest.raises(LogUnavailable):
        await bare.check(settings=True)
    bare.close()


async def test_a_certificate_that_cannot_be_read_is_named(
    tmp_path: Path, cluster: KafkaCluster
) -> None:
    environ = cluster.certified("none", tmp_path / "tls.crt", tmp_path / "tls.key")
    with (
        pytest.raises(RuntimeError, match=r"RECOMMENDER_KAFKA_CERTIFICATE is .*tls\.crt: No such"),
        collector_rig.running(tmp_path, environ=environ, with_writer=False),
    ):
        pass


def identity(topic: KafkaTopic) -> str:
    """Return the id of a topic, when a broker tells it."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return topic.identity()
        except LogUnavailable:
            if time.monotonic() > deadline:
                raise


async def test_no_client_waits_for_a_broker_that_is_lost(cluster: KafkaCluster) -> None:
    settings = parse_kafka_settings(signed_up(cluster, "asked"))
    assert settings is not None
    # Each takes a broker of its own choice for the controller: some take the one that is lost.
    topics = [KafkaTopic(settings, "shop") for _ in range(12)]
    known = await asyncio.gather(*(asyncio.to_thread(identity, each) for each in topics))
    lost = cluster.nodes[-1]
    lost.kill()
    try:
        found = await asyncio.gather(*(asyncio.to_thread(identity, each) for each in topics))
    finally:
        lost.start()
    assert found == known
    for each in topics:
        each.close()


def log_without(cluster: KafkaCluster, missing: AclOperation) -> KafkaLog:
    left = [each for each in TOPIC if each != missing]
    settings = parse_kafka_settings(signed_up(cluster, f"no-{missing.name.lower()}", left))
    assert settings is not None
    return KafkaLog(settings, ["shop"])


async def test_a_collector_that_may_not_see_the_settings_says_so(cluster: KafkaCluster) -> None:
    log = log_without(cluster, AclOperation.DESCRIBE_CONFIGS)
    with pytest.raises(NotDurable, match="DescribeConfigs"):
        await log.check(settings=True)
    log.close()


async def test_a_collector_that_may_not_write_says_so_and_goes_on_when_it_may(
    cluster: KafkaCluster,
) -> None:
    log = log_without(cluster, AclOperation.WRITE)
    click = Event("a", Kind.CLICK, "ada", ("tea",), 1000)
    with pytest.raises(NotDurable, match="may not write"):
        await log.check(settings=True)
    await log.check(settings=False)  # each second: whether there is a topic
    with pytest.raises(LogUnavailable, match="write to the topic"):
        await log.append("shop", Lines(1, digest("a"), line_of(click)))
    with pytest.raises(NotDurable, match="may not write"):
        await log.check(settings=False)  # after it was refused
    cluster.allow("no-write", [(ResourceType.TOPIC, "no-write.shop", [AclOperation.WRITE])])
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(LogUnavailable, NotDurable):
                await log.check(settings=False)
                await log.append("shop", Lines(1, digest("a"), line_of(click)))
                break
    log.close()


async def test_a_collector_that_may_not_write_does_not_start(
    tmp_path: Path, cluster: KafkaCluster
) -> None:
    environ = signed_up(cluster, "barred", [each for each in TOPIC if each != AclOperation.WRITE])
    with (
        pytest.raises(RuntimeError, match=r"topic barred\.shop: .* may not write to it"),
        collector_rig.running(tmp_path, environ=environ, with_writer=False),
    ):
        pass


def readiness(rig: Rig) -> str:
    return httpx.get(f"http://127.0.0.1:{rig.serve.metrics}/readyz").text


async def test_a_collector_that_may_write_no_longer_is_unready_until_it_may(
    tmp_path: Path, cluster: KafkaCluster
) -> None:
    environ = signed_up(cluster, "changed")
    right = [(ResourceType.TOPIC, "changed.shop", [AclOperation.WRITE])]
    with collector_rig.running(tmp_path, environ=environ, with_writer=False) as rig:
        await sent(rig, 0, 5)
        cluster.forbid("changed", right)
        async with httpx.AsyncClient(timeout=30) as client:
            refused = 200
            while refused == 200:  # until every broker knows
                answer = await client.post(f"{rig.url}/v1/events", json=clicks(5, 1))
                refused = answer.status_code
        assert refused == 503
        said = "topic changed.shop: the collector's user may not write to it"
        await asyncio.to_thread(collector_rig.until, lambda: said in readiness(rig))
        cluster.allow("changed", right)
        await asyncio.to_thread(collector_rig.until, lambda: readiness(rig) == "ok\n")
        await sent(rig, 10, 5)
    assert f"unready: {said}" in log(tmp_path, "serve")
