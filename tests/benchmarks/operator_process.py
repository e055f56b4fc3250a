"""The processes of the operator and the simulator, and the operator's resource figures."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

from tests.cluster import processes
from tests.cluster.settings import apiserver_layout
from tests.ports import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
_REQUESTS = re.compile(
    r"recommender_operator_api_request_duration_seconds_count\{(?P<labels>[^}]*)\} (?P<value>\S+)"
)
LOOKS = "recommender_operator_reconcile_duration_seconds_count"


@dataclasses.dataclass(frozen=True)
class Figures:
    """At a moment `at` in seconds: CPU seconds, memory, looks, and requests since the start.

    Reads are those of looks; lists and watches of caches do not count.
    """

    at: float
    cpu: float
    rss_mib: float
    peak_mib: float
    looks: int
    reads: int
    writes: int
    #: Number of requests by verb and resource.
    requests: collections.Counter[str]


class Operator:
    """`recommender-operator run` with a kubeconfig."""

    def __init__(
        self, config: pathlib.Path, log: pathlib.Path, source: str, settings: dict[str, str]
    ) -> None:
        self.log = log
        self._health, self._metrics = free_port(), free_port()
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "KUBECONFIG": str(config),
            "PYTHONPATH": source,
            "RECOMMENDER_TRAINING_IMAGE": "example/training:1",
            "RECOMMENDER_SERVING_IMAGE": "example/serving:1",
            "RECOMMENDER_NAMESPACE": "recommender-system",
            "RECOMMENDER_HEALTH_PORT": str(self._health),
            "RECOMMENDER_METRICS_PORT": str(self._metrics),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "recommender_operator", "run"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log
            )

    def end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=60)
            self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def healthy(self) -> None:
        for _ in range(240):
            if await asyncio.to_thread(self._page, self._health, "/healthz"):
                return
            await asyncio.sleep(0.25)
        raise SystemExit(self.log.read_text(encoding="utf-8")[-3000:])

    def _page(self, port: int, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def looks(self) -> int:
        """Return the number of looks, by a page of that metric alone.

        The whole page of a fleet would take a part of the CPU that the looks need.
        """
        return count_of(self._page(self._metrics, f"/metrics?name%5B%5D={LOOKS}"), LOOKS)

    def figures(self) -> Figures:
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        page = self._page(self._metrics, "/metrics")
        requests: collections.Counter[str] = collections.Counter()
        for found in _REQUESTS.finditer(page):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', found["labels"]))
            requests[f"{labels['verb']} {labels['resource']}"] += int(float(found["value"]))
        return Figures(
            at=time.monotonic(),
            cpu=cpu_seconds(self.pid),
            rss_mib=_kib(status, "VmRSS") / 1024,
            peak_mib=_kib(status, "VmHWM") / 1024,
            looks=count_of(page, LOOKS),
            reads=_sum(requests, "GET"),
            writes=_sum(requests, "POST", "PATCH", "DELETE"),
            requests=requests,
        )


def count_of(page: str, name: str) -> int:
    """Return the value of a series without labels; 0 if the page does not have it."""
    found = re.search(rf"^{name} (\S+)", page, re.MULTILINE)
    return int(float(found[1])) if found else 0


def _sum(requests: collections.Counter[str], *verbs: str) -> int:
    return sum(count for name, count in requests.items() if name.split()[0] in verbs)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, user and system."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / TICKS


def control_plane() -> dict[str, int]:
    """Return the process ids of the API server and of etcd."""
    found = processes.running(apiserver_layout().state)
    return {process.executable: process.pid for process in found}


def _kib(status: str, field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) if found else 0


class Simulator:
    """The process that simulates Kubernetes, for the duration of the context."""

    def __init__(self, config: pathlib.Path, log: pathlib.Path) -> None:
        self._config, self._log = config, log

    def __enter__(self) -> Simulator:
        command = [sys.executable, "-m", "tests.benchmarks.operator_cluster", str(self._config)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        self.pid = self._process.pid
        while "ready" not in self._log.read_text(encoding="utf-8"):
            if self._process.poll() is not None:
                raise SystemExit(self._log.read_text(encoding="utf-8")[-3000:])
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)
        text = self._log.read_text(encoding="utf-8")
        if "Traceback" in text:
            print(text[-3000:])
