"""Two real versions: users get the answers of theirs, and no request fails if one is killed."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc

from recommender_serving.experiments.assignment import bucket
from tests.cluster.triton import TritonServer, run_triton
from tests.integration.transformer_calls import PREDICT
from tests.integration.transformer_rig import (
    VERSION,
    Running,
    run_transformer,
    until,
    write_artifact,
)
from tests.ports import free_ports

pytestmark = pytest.mark.integration

CANDIDATE = "movies-11111111"
ID = "0a1b2c3d"
HEADERS = {"x-recommender-experiment": f"id={ID};phase=0;cap=100;arms={CANDIDATE}:0-5000"}
USERS = range(30)
THEIRS = [user for user in USERS if bucket(ID, str(user)) < 5000]
OURS = [user for user in USERS if bucket(ID, str(user)) >= 5000]
#: The arm of a user and the version that answered.
Told = tuple[str, str]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    write_artifact(folder)
    return folder


@pytest.fixture(scope="module")
def triton(artifact: Path) -> Iterator[TritonServer]:
    with run_triton(artifact / "repository") as server:
        yield server


class Site:
    """The receiver, and a candidate that can be started again on its ports."""

    def __init__(self, artifact: Path, triton: str, folder: Path, *flags: str) -> None:
        self._artifact = artifact
        self._triton = triton
        self._folder = folder
        self._flags = flags
        self._ports = free_ports(2)

    def candidate(self) -> contextlib.AbstractContextManager[Running]:
        return self._run("candidate", self._ports, RECOMMENDER_VERSION=CANDIDATE)

    def receiver(self) -> contextlib.AbstractContextManager[Running]:
        peers = ",".join(f"127.0.0.1:{port}" for port in self._ports)
        return self._run("receiver", None, RECOMMENDER_PEERS=peers)

    def _run(
        self, name: str, ports: Sequence[int] | None, **environ: str
    ) -> contextlib.AbstractContextManager[Running]:
        log = self._folder / name
        return run_transformer(
            self._artifact, self._triton, log, *self._flags, environ=environ, ports=ports
        )


@contextlib.contextmanager
def rest(running: Running) -> Iterator[Callable[[int], Told]]:
    """A client of REST v1 with a kept connection."""
    connection = http.client.HTTPConnection(running.http.removeprefix("http://"), timeout=60)

    def call(user: int) -> Told:
        body = json.dumps({"instances": [{"user_id": user}]})
        try:
            connection.request("POST", PREDICT, body, HEADERS)
            response = connection.getresponse()
            content = json.loads(response.read())
        except Exception:
            connection.close()
            raise
        assert response.status == 200, content
        (found,) = content["predictions"]
        return found["arm"], found["version"]

    with contextlib.closing(connection):
        yield call


@contextlib.contextmanager
def rpc(running: Running) -> Iterator[Callable[[int], Told]]:
    """A client of gRPC with a kept channel."""
    client = tritonclient.grpc.InferenceServerClient(running.grpc)

    def call(user: int) -> Told:
        tensor = tritonclient.grpc.InferInput("user_id", [1], "INT64")
        tensor.set_data_from_numpy(np.array([user]))
        found = client.infer("recommender", [tensor], headers=HEADERS, client_timeout=60)
        arm, version = (found.as_numpy(name)[0].decode() for name in ("arm", "version"))
        return arm, version

    with client:
        yield call


class Users:
    """Users of both versions who ask without a pause, over REST and gRPC."""

    def __init__(self, running: Running) -> None:
        self.failures: list[str] = []
        self.answers: list[tuple[str, int, Told]] = []  # protocol, user, and what it was told
        self._stop = threading.Event()
        self._clients = contextlib.ExitStack()
        # Each client has a connection of its own.
        clients = [("rest", rest), ("grpc", rpc)] * 2
        self._threads = [
            threading.Thread(
                target=self._ask,
                args=(protocol, self._clients.enter_context(client(running)), start),
            )
            for start, (protocol, client) in enumerate(clients)
        ]

    def __enter__(self) -> Users:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
        self._clients.close()

    def told(self, version: str, users: list[int], count: int = 20) -> None:
        """Wait until so many further answers over each protocol are of a version."""
        start = len(self.answers)

        def enough() -> bool:
            assert self.failures == []
            later = [
                protocol
                for protocol, user, (_, answered) in self.answers[start:]
                if user in users and answered == version
            ]
            return all(later.count(protocol) >= count for protocol in ("rest", "grpc"))

        until(enough, f"answered by {version}", seconds=120)

    def _ask(self, protocol: str, call: Callable[[int], Told], start: int) -> None:
        for user in itertools.islice(itertools.cycle(USERS), start, None):
            if self._stop.is_set():
                return
            try:
                self.answers.append((protocol, user, call(user)))
            except Exception as error:
                self.failures.append(f"{protocol}: {error!r}")


def outcomes(running: Running) -> dict[str, float]:
    names = ("answered", "refused", "failed", "timeout", "open", "busy")
    return {name: running.metric("transformer_forwarded_total", outcome=name) for name in names}


def check(users: Users, receiver: Running) -> None:
    """Nobody failed, every arm is right, and what is counted is what users were told."""
    assert users.failures == []
    for _, user, (arm, version) in users.answers:
        assert arm == (CANDIDATE if user in THEIRS else VERSION)
        assert version in (arm, VERSION)
    disagreed = sum(arm != version for _, _, (arm, version) in users.answers)
    found = outcomes(receiver)
    assert disagreed == sum(found.values()) - found["answered"]
    assert disagreed == receiver.metric("transformer_experiment_disagreements_total")
    assert receiver.metric("recommender_requests_total", outcome="error") == 0


def test_no_request_fails_when_the_candidate_is_killed_under_load_and_comes_back(
    artifact: Path, triton: TritonServer, tmp_path: Path
) -> None:
    site = Site(artifact, triton.grpc_url, tmp_path)
    with site.receiver() as receiver:
        with site.candidate() as candidate, Users(receiver) as users:
            users.told(CANDIDATE, THEIRS)
            candidate.process.send_signal(signal.SIGKILL)
            candidate.process.wait(120)
            users.told(VERSION, THEIRS)
            with site.candidate():
                users.told(CANDIDATE, THEIRS)
            users.told(VERSION, THEIRS)
        check(users, receiver)


def test_a_candidate_that_hangs_costs_no_request(
    artifact: Path, triton: TritonServer, tmp_path: Path
) -> None:
    limits = ("--timeout-ms", "500", "--baseline-timeout-ms", "200")
    site = Site(artifact, triton.grpc_url, tmp_path, *limits)
    with site.receiver() as receiver:
        with site.candidate() as candidate, Users(receiver) as users:
            users.told(CANDIDATE, THEIRS)
            candidate.process.send_signal(signal.SIGSTOP)
            users.told(VERSION, THEIRS)
            candidate.process.send_signal(signal.SIGCONT)
            users.told(CANDIDATE, THEIRS)
        check(users, receiver)


def test_forwarded_requests_count_for_the_candidate_alone(
    artifact: Path, triton: TritonServer, tmp_path: Path
) -> None:
    site = Site(artifact, triton.grpc_url, tmp_path)
    with site.candidate() as candidate, site.receiver() as receiver:
        for client in (rest, rpc):
            with client(receiver) as call:
                for user in USERS:
                    assert call(user) == (CANDIDATE if user in THEIRS else VERSION,) * 2
        assert receiver.metric("recommender_requests_total", outcome="ok") == 2 * len(OURS)
        assert candidate.metric("recommender_requests_total", outcome="ok") == 2 * len(THEIRS)
        assert outcomes(receiver)["answered"] == 2 * len(THEIRS)
        assert receiver.metric("transformer_forward_extra_seconds_count") == 2 * len(THEIRS)
