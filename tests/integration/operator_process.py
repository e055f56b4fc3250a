"""`recommender-operator run` as a process, for tests with a real API server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from recommender_operator.adapters.kinds import MODELS
from recommender_operator.controller.client import OfficialKube
from recommender_operator.process.settings import variable
from tests import warm
from tests.integration import operator_account as account
from tests.ports import free_port

PACKAGE = "recommender_operator"
#: On a busy machine a process takes many seconds to start.
SECONDS = 300.0


class Process:
    """`recommender-operator run`, which can be killed and started again."""

    #: What starts it in an interpreter of its own; without, it is forked (`tests.warm`).
    command: tuple[str, ...] = ()

    def __init__(
        self,
        config: pathlib.Path,
        folder: pathlib.Path,
        watched: str,
        *,
        name: str = "operator",
        of: account.Account | None = None,
        **settings: object,
    ) -> None:
        """`watched` is the namespace, all of them if empty; `settings` are keyed by field name.

        All other settings are those of the chart for the operator `of` a release.
        """
        self.name = name
        self.health, self.metrics = free_port(), free_port()
        self.log = folder / f"{name}.log"
        self._environment = {
            # The policies know the images and the Gateway that the chart sets.
            **(of or account.clusterwide()).environment,
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(config),
            "RECOMMENDER_NAMESPACE": account.SYSTEM,
            "RECOMMENDER_WATCH_NAMESPACES": watched,
            "RECOMMENDER_HEALTH_PORT": str(self.health),
            "RECOMMENDER_METRICS_PORT": str(self.metrics),
            "RECOMMENDER_POD_NAME": name,
            # A killed process holds the Lease for this long.
            "RECOMMENDER_LEASE_SECONDS": "4",
            **{variable(field): str(value) for field, value in settings.items()},
        }
        self._process: subprocess.Popen[bytes] | warm.Warm | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            if self.command:
                self._process = subprocess.Popen(
                    self.command, env=self._environment, stdout=log, stderr=log
                )
            else:
                self._process = warm.start(PACKAGE, ["run"], log, self._environment)

    def send(self, what: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(what)

    def wait(self, seconds: float = SECONDS) -> int:
        """Wait until the process ends, and return its exit code."""
        assert self._process is not None
        code = self._process.wait(timeout=seconds)
        self._process = None
        return code

    def end(self, how: signal.Signals) -> int:
        self.send(how)
        return self.wait()

    def read(self, port: int, path: str) -> tuple[int, str]:
        try:
            url = f"http://127.0.0.1:{port}{path}"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    @property
    def text(self) -> str:
        return self.log.read_text(encoding="utf-8")

    @contextlib.contextmanager
    def running(self) -> Iterator[Process]:
        self.start()
        try:
            yield self
        finally:
            if self._process is not None:
                self.end(signal.SIGKILL)


async def until(what: str, condition: Callable[[], Awaitable[bool]], process: Process) -> None:
    try:
        async with asyncio.timeout(SECONDS):
            while not await condition():
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"{what}: not in {SECONDS} s\n{process.text[-6000:]}") from None


async def delete_model(kube: OfficialKube, namespace: str, name: str = "movies") -> None:
    found = await kube.get(MODELS, namespace, name)
    assert found is not None
    assert await kube.delete(MODELS, namespace, name, uid=found["metadata"]["uid"])


async def status_of(kube: OfficialKube, namespace: str) -> dict[str, Any]:
    found = await kube.get(MODELS, namespace, "movies")
    return (found or {}).get("status") or {}
