"""Three brokers of Kafka that clients reach over TLS, with rights of their own.

One listener takes SCRAM, one a certificate of the client; that in plain text is the
administrator's.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.cluster.pki import Authority
from tests.kafka_server import KafkaServer, Node
from tests.ports import free_port

SCRAM, CERTIFIED = "SASL_SSL", "SSL"
PROPERTIES = """\
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""
#: Longest wait until all brokers know a new user.
KNOWN_SECONDS = 60
Binding = TypeVar("Binding")
Rights = Sequence[tuple[ResourceType, str, Sequence[AclOperation]]]


class KafkaCluster:
    """The brokers, and what their administrator does."""

    def __init__(self, folder: Path, brokers: int = 3) -> None:
        self.authority = Authority(folder / "pki")
        self.authority.prepare()
        self.ca = self.authority.certificate
        certificate, key = self.authority.issue("broker", "broker", hosts=["127.0.0.1"])
        keystore = folder / "broker.pem"
        keystore.write_text(_pkcs8(key) + certificate.read_text())
        node, self.nodes = Node(), []
        self._ports = [{SCRAM: free_port(), CERTIFIED: free_port()} for _ in range(brokers)]
        for ports in self._ports:
            more = PROPERTIES.format(keystore=keystore, ca=self.ca)
            place = folder / str(node.number)
            self.nodes.append(KafkaServer(place, node, ports, more))
            node = node.next()

    def environ(self, prefix: str, user: str, password: str) -> dict[str, str]:
        """Variables of a collector; it checks whether the topics are durable."""
        return {
            **self._environ(prefix, SCRAM),
            "RECOMMENDER_KAFKA_MECHANISM": "SCRAM-SHA-512",
            "RECOMMENDER_KAFKA_USER": user,
            "RECOMMENDER_KAFKA_PASSWORD": password,
        }

    def certified(self, prefix: str, certificate: Path, key: Path) -> dict[str, str]:
        """Variables of a collector that signs in with a certificate."""
        return {
            **self._environ(prefix, CERTIFIED),
            "RECOMMENDER_KAFKA_CERTIFICATE": str(certificate),
            "RECOMMENDER_KAFKA_KEY": str(key),
        }

    def _environ(self, prefix: str, listener: str) -> dict[str, str]:
        return {
            "RECOMMENDER_KAFKA_BROKERS": ",".join(
                f"127.0.0.1:{ports[listener]}" for ports in self._ports
            ),
            "RECOMMENDER_KAFKA_TOPIC": prefix,
            "RECOMMENDER_KAFKA_PROTOCOL": listener,
            "RECOMMENDER_KAFKA_CA": str(self.ca),
        }

    def add_user(self, name: str, password: str, rights: Rights) -> None:
        """Create a user with these rights alone."""
        admin = self.nodes[0].admin()
        scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        change = UserScramCredentialUpsertion(name, scram, password.encode())
        for each in admin.alter_user_scram_credentials([change]).values():
            each.result(30)
        self.allow(name, rights)
        self._wait_until_known(name, password, rights)

    def _wait_until_known(self, name: str, password: str, rights: Rights) -> None:
        """Wait until each broker has applied a user and the rights to its topics.

        The controller confirms both before the brokers read them from its log.
        """
        topics = [
            resource
            for kind, resource, operations in rights
            if kind is ResourceType.TOPIC and AclOperation.DESCRIBE in operations
        ]
        deadline = time.monotonic() + KNOWN_SECONDS
        for ports in self._ports:
            for topic in topics:
                while (error := self._error_of(ports[SCRAM], name, password, topic)) is not None:
                    if time.monotonic() > deadline:
                        raise AssertionError(f"{name} and {topic} at {ports[SCRAM]}: {error}")
                    time.sleep(0.1)

    def _error_of(self, port: int, name: str, password: str, topic: str) -> str | None:
        """Return why a user does not see a topic at one broker; None if it does."""
        # A new client knows no other broker, so this one answers.
        client = AdminClient(
            {
                "bootstrap.servers": f"127.0.0.1:{port}",
                "security.protocol": SCRAM,
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": name,
                "sasl.password": password,
                "ssl.ca.location": str(self.ca),
                "log_level": 0,
            }
        )
        try:
            found = client.list_topics(topic, timeout=5).topics[topic]
        except KafkaException as error:
            return str(error)
        return None if found.error is None else str(found.error)

    def allow(self, name: str, rights: Rights) -> None:
        """Give a user further rights."""
        admin = self.nodes[0].admin()
        for each in admin.create_acls(_bindings(AclBinding, name, rights)).values():
            each.result(30)

    def forbid(self, name: str, rights: Rights) -> None:
        """Take rights from a user."""
        admin = self.nodes[0].admin()
        for each in admin.delete_acls(_bindings(AclBindingFilter, name, rights)).values():
            each.result(30)


def _bindings(made: Callable[..., Binding], name: str, rights: Rights) -> list[Binding]:
    return [
        made(
            kind, resource, ResourcePatternType.LITERAL, f"User:{name}", "*", operation,
            AclPermissionType.ALLOW,
        )
        for kind, resource, operations in rights
        for operation in operations
    ]  # fmt: skip


def _pkcs8(key: Path) -> str:
    """Return a private key in the one form that Kafka reads."""
    command = ["openssl", "pkcs8", "-topk8", "-nocrypt", "-in", str(key)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def running(folder: Path) -> Iterator[KafkaCluster]:
    """Run brokers whose data and logs are in `folder`."""
    cluster = KafkaCluster(folder)
    try:
        for each in cluster.nodes:
            each.start()
        yield cluster
    finally:
        for each in cluster.nodes:
            each.stop()
