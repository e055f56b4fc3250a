"""A real Kafka for the tests: one node in KRaft mode, from the jars of Maven Central."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.cluster.packages import ensure_packages
from tests.ports import free_port
from tests.redis_server import CACHE

VERSION = "4.1.1"
POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>recommender</groupId><artifactId>kafka</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies><dependency>
    <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
    <version>{VERSION}</version>
  </dependency></dependencies>
</project>
"""
#: Small and quick to start; the rest is Kafka's own.
OPTIONS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
PROPERTIES = """\
process.roles={roles}
node.id={node}
controller.quorum.voters=1@127.0.0.1:{controller}
listeners={listeners}
advertised.listeners={advertised}
controller.listener.names=CONTROLLER
log.dirs={folder}/data
auto.create.topics.enable=false
num.partitions=1
num.network.threads=1
num.io.threads=2
num.recovery.threads.per.data.dir=1
background.threads=1
log.cleaner.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
"""
#: What the tool for formatting would write, without a second start of Java.
META = "version=1\ncluster.id={cluster}\nnode.id={node}\ndirectory.id={directory}\n"


def jars() -> Path:
    """Return the folder of the jars, fetched once."""
    folder = CACHE / "kafka" / VERSION
    if shutil.which("java") is None:
        ensure_packages(("openjdk-17-jre-headless",))
    if not folder.exists():
        if shutil.which("mvn") is None:
            ensure_packages(("maven",))
        _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        (Path(scratch) / "pom.xml").write_text(POM)
        command = [
            "mvn", "--batch-mode", "--quiet", f"-Dmaven.repo.local={scratch}/repository",
            "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=jars",
        ]  # fmt: skip
        done = subprocess.run(
            command, cwd=scratch, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            raise RuntimeError(f"no Kafka: {' '.join(command)}\n{done.stdout[-2000:]}")
        with contextlib.suppress(OSError):  # another run fetched it first
            (Path(scratch) / "jars").rename(folder)


@dataclass(frozen=True)
class Node:
    """A node of a cluster. The first one is the controller too."""

    number: int = 1
    controller: int = field(default_factory=free_port)  # port
    cluster: str = field(default_factory=lambda: _uuid())

    def next(self) -> Node:
        """Return another node of the cluster."""
        return replace(self, number=self.number + 1)


class KafkaServer:
    """A broker on a free port of 127.0.0.1 that can be killed and started again.

    `listeners` are further ones by name, with their port; `more` are further properties.
    """

    def __init__(
        self,
        folder: Path,
        node: Node | None = None,
        listeners: Mapping[str, int] | None = None,
        more: str = "",
    ) -> None:
        node = node or Node()
        self.port = free_port()
        self._folder = folder
        self._log = folder / "kafka.log"
        self._process: subprocess.Popen[bytes] | None = None
        data = folder / "data"
        data.mkdir(parents=True)
        ports = {"PLAINTEXT": self.port, **(listeners or {})}
        own = {} if node.number > 1 else {"CONTROLLER": node.controller}
        properties = PROPERTIES.format(
            roles="broker,controller" if own else "broker",
            node=node.number,
            controller=node.controller,
            listeners=_addresses(ports | own),
            advertised=_addresses(ports),
            folder=folder,
        )
        (folder / "server.properties").write_text(properties + more)
        meta = META.format(cluster=node.cluster, node=node.number, directory=_uuid())
        (data / "meta.properties").write_text(meta)

    @property
    def brokers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def environ(self, prefix: str) -> dict[str, str]:
        """Variables of a collector. One broker is durable enough for a kill of its process."""
        return {
            "RECOMMENDER_KAFKA_BROKERS": self.brokers,
            "RECOMMENDER_KAFKA_TOPIC": prefix,
            "RECOMMENDER_KAFKA_DURABLE": "true",
        }

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [
            "java", *OPTIONS, "-cp", f"{jars()}/*", "kafka.Kafka",
            str(self._folder / "server.properties"),
        ]  # fmt: skip
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(KafkaException):
                if self.admin().list_topics(timeout=1).brokers:
                    return
        raise RuntimeError(f"Kafka does not start; its log ends:\n{self._log.read_text()[-3000:]}")

    def create(
        self,
        *topics: str,
        partitions: int = 3,
        copies: int = 1,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """Create topics, with so many copies of each partition."""
        admin = self.admin()
        settings = dict(config or {})
        made = admin.create_topics(
            [NewTopic(name, partitions, copies, config=settings) for name in topics]
        )
        for each in made.values():
            each.result(30)
        self._wait_for_leaders(topics)

    def remove_before(self, topic: str, partition: int, offset: int) -> None:
        """Remove messages, as the retention does."""
        admin = self.admin()
        found = admin.delete_records([TopicPartition(topic, partition, offset)])
        for each in found.values():
            each.result(30)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it at once: nobody needs its data any more."""
        self._end(signal.SIGKILL)

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Let it hang in the block: its port is open, and nothing answers."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def _wait_for_leaders(self, topics: Sequence[str]) -> None:
        admin = self.admin()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = admin.list_topics(timeout=5).topics
            made = [found[name] for name in topics if name in found]
            if len(made) == len(topics) and all(
                each.partitions and all(p.leader >= 0 for p in each.partitions.values())
                for each in made
            ):
                return
            time.sleep(0.02)
        raise RuntimeError(f"no leader of {', '.join(topics)}")

    def admin(self) -> AdminClient:
        """Return a client that may do anything."""
        return AdminClient({"bootstrap.servers": self.brokers, "log_level": 0})

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(60)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[KafkaServer]:
    """Run a broker whose data and log are in `folder`."""
    server = KafkaServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _addresses(ports: Mapping[str, int]) -> str:
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())


def _uuid() -> str:
    """Return an id as Kafka writes it: 16 bytes in base64, without a dash at the start."""
    return "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
