"""The sides of the serving benchmark as processes: ours, bare Triton, and the peers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from recommender_contract.online_store import Set, key, member
from recommender_serving.artifact.loader import Artifact, load
from tests import redis_server
from tests.benchmarks import serving_requests as words
from tests.benchmarks.peers import serving_envs
from tests.benchmarks.serving_load import write_requests
from tests.benchmarks.serving_models import SESSION, Requests
from tests.cluster.triton import TritonServer, run_triton
from tests.integration.transformer_rig import run_transformer, until
from tests.ports import free_ports

NAME = "bench"  # of the resource, in the store
DRAWN = 2000
#: Settings of the peers: a worker for each core where the server has workers, and one torch thread
#: in each. Other numbers of threads and adaptive batching were not compared.
PEERS: dict[str, dict[str, int]] = {
    "kserve": {"workers": 2, "threads": 1, "batch": 1},
    "bentoml": {"workers": 2, "threads": 1, "batch": 1},
    "mlserver": {"workers": 0, "threads": 1, "batch": 1},
}


@dataclass(frozen=True)
class Side:
    """A server under load: its requests, what a good answer contains, and its processes."""

    name: str
    port: int
    requests: Path
    marker: str
    roots: Mapping[str, int]  # process ids by what they are

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time of each of its processes with their children."""
        return {part: sum(map(_cpu_of, _tree(root))) for part, root in self.roots.items()}


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def _cpu_of(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = _stat(pid)
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _tree(root: int) -> set[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
    found, left = set[int](), [root]
    while left:
        pid = left.pop()
        if pid not in found:
            found.add(pid)
            left += children.get(pid, [])
    return found


class Rig:
    """Everything that one model needs; sides are contexts, so that each runs alone or beside."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.source = folder, Requests(model)
        self.artifact: Artifact = load(self.source.artifact)
        events = {each["user_id"]: self._recent(each["events"]) for each in self.source.users()}
        self.instances = [
            {**each, "events": events[each["user_id"]]} for each in self.source.draw(DRAWN)
        ]
        self._events = events

    def _recent(self, events: list[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
        """One session of the last items, whatever the pauses between them were."""
        items = (events * SESSION)[-SESSION:]
        start = self.source.now - 30 * SESSION
        return [(item, start + 30 * n, value) for n, (item, _, value) in enumerate(items)]

    def _write(self, name: str, make: Callable[[Mapping[str, Any]], bytes]) -> Path:
        path = self.folder / f"{name}.requests"
        write_requests(path, [make(instance) for instance in self.instances])
        return path

    @contextlib.contextmanager
    def store(self) -> Iterator[redis_server.RedisServer]:
        """A Redis that knows the sessions of all users."""
        with (
            tempfile.TemporaryDirectory(dir=self.folder) as scratch,
            redis_server.running(Path(scratch)) as server,
            Redis.from_url(server.url) as client,
        ):
            pipeline = client.pipeline(transaction=False)
            for user, events in self._events.items():
                members = {
                    member(item, value, str(n), 1000 * at): 1000.0 * at
                    for n, (item, at, value) in enumerate(events)
                }
                pipeline.zadd(key(NAME, user, Set.RECENT), members)
            pipeline.execute()
            yield server

    @contextlib.contextmanager
    def triton(
        self, on_start: Callable[[TritonServer], None] = lambda _: None
    ) -> Iterator[TritonServer]:
        """Triton with the repository of the artifact."""
        with run_triton(self.source.artifact / "repository", on_start=on_start) as server:
            yield server

    def bare(self, server: TritonServer) -> Side:
        """Triton called directly."""
        path = self._write("bare", lambda each: words.for_triton(self._tensors(each)))
        port = int(server.http_url.rpartition(":")[2])
        return Side("bare", port, path, "item_ids__0", {"triton": server.process.pid})

    def _tensors(self, instance: Mapping[str, Any]) -> Any:
        return words.tensors(instance, self.artifact)

    @contextlib.contextmanager
    def ours(
        self, server: TritonServer, store: redis_server.RedisServer | None, source: str = ""
    ) -> Iterator[Side]:
        """The transformer before this Triton, with the store or with sessions in the requests.

        `source` is the folder `serving` of another checkout.
        """
        name = f"{'sessions' if store is None else 'whole'}{'-beside' if source else ''}"
        environ = {"RECOMMENDER_MODEL": NAME}
        if store is not None:
            environ["RECOMMENDER_STORE_URL"] = store.url
        log = self.folder / f"{name}.log"
        path = self._write(name, lambda each: words.for_transformer(each, store is None))
        with run_transformer(
            self.source.artifact, server.grpc_url, log, source=source, environ=environ
        ) as running:
            port = int(running.http.rpartition(":")[2])
            roots = {"transformer": running.process.pid, "triton": server.process.pid}
            roots |= {} if store is None else {"store": store.pid}
            yield Side(name, port, path, '"source":"model"', roots)

    @contextlib.contextmanager
    def peer(self, peer: str, **changed: int) -> Iterator[Side]:
        """A peer with its settings, of which some may be changed."""
        settings = PEERS[peer] | changed
        programs, (port,) = serving_envs.ensure(peer), free_ports(1)
        command, cwd = _command(peer, programs, port, settings, self.folder)
        make = {
            "kserve": lambda each: words.for_peer(self._tensors(each), words.V1, "instances"),
            "bentoml": lambda each: words.for_peer(self._tensors(each), "/predict", "instances"),
            "mlserver": lambda each: words.for_mlserver(self._tensors(each)),
        }[peer]
        environment = _environment(self.source.artifact, settings, programs)
        log = self.folder / f"{peer}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=cwd, env=environment, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        side = Side(peer, port, self._write(peer, make), '"items"', {peer: process.pid})
        try:
            until(lambda: _answers(side), f"ready: {log}", process, 120)
            yield side
        finally:
            # Workers of a peer may be in sessions of their own.
            for pid in _tree(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()


def _answers(side: Side) -> bool:
    from tests.benchmarks.serving_load import read_requests

    head, _, body = read_requests(side.requests)[0].partition(b"\r\n\r\n")
    call = urllib.request.Request(
        f"http://127.0.0.1:{side.port}{head.split()[1].decode()}",
        data=body,
        headers={"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(call, timeout=30) as response:
            return side.marker.encode() in response.read()
    except urllib.error.HTTPError as error:
        if error.code not in (404, 503):
            raise RuntimeError(error.read().decode()[:500]) from error
    except OSError:
        pass
    return False


def _environment(artifact: Path, settings: Mapping[str, int], programs: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(serving_envs.FOLDER),
        "MODEL": str(artifact / "repository" / "recommender" / "1" / "model.pt"),
        "THREADS": str(settings["threads"]),
        "OMP_NUM_THREADS": str(settings["threads"]),
        "WORKERS": str(settings["workers"]),
        "BATCH": str(settings["batch"]),
        "BENTOML_DO_NOT_TRACK": "true",
        "PYTHONWARNINGS": "ignore",
    }


def _command(
    peer: str, programs: Path, port: int, settings: Mapping[str, int], folder: Path
) -> tuple[list[str], Path]:
    """The command of a peer, and the folder that it starts in."""
    here = serving_envs.FOLDER
    if peer == "kserve":
        script = [str(here / "serving_kserve.py"), str(port), str(settings["workers"])]
        return [str(programs / "python"), *script], here
    if peer == "bentoml":
        command = [str(programs / "bentoml"), "serve", "serving_bentoml:Recommender"]
        return [*command, "--host", "127.0.0.1", "--port", str(port)], here
    own = folder / "mlserver"
    own.mkdir(exist_ok=True)
    ports = free_ports(2)
    server = {
        "http_port": port, "grpc_port": ports[0], "metrics_port": ports[1], "debug": False,
        "parallel_workers": settings["workers"], "host": "127.0.0.1",
    }  # fmt: skip
    model = {"name": "recommender", "implementation": "serving_mlserver.Recommender"}
    if settings["batch"] > 1:
        model |= {"max_batch_size": settings["batch"], "max_batch_time": 0.001}  # type: ignore[dict-item]
    (own / "settings.json").write_text(json.dumps(server))
    (own / "model-settings.json").write_text(json.dumps(model))
    return [str(programs / "mlserver"), "start", str(own)], own


def run_load(side: Side, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Run the generator on a side; its figures with the CPU time of the side for an answer."""
    given = {
        "port": side.port, "requests": str(side.requests), "marker": side.marker,
        "warm_seconds": 1.0, "connections": 64, "seed": 17, **settings,
    }  # fmt: skip
    before = side.cpu_seconds()
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.serving_load"],
        input=json.dumps(given), capture_output=True, text=True, check=True,
    )  # fmt: skip
    told: dict[str, Any] = json.loads(done.stdout)
    sent = (given["seconds"] + given["warm_seconds"]) * given["rate"]
    spent = {
        part: round(1000 * (after - before[part]) / sent, 2)
        for part, after in side.cpu_seconds().items()
    }
    return told | {"rate": given["rate"], "cpu_ms": round(sum(spent.values()), 2), "cpu": spent}
