"""Changes of what serves: a promotion under load, and the start of a pod's processes."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.serving_sides import Rig, run_load
from tests.cluster.triton import TritonServer
from tests.integration.transformer_rig import Running, run_transformer, until
from tests.ports import free_ports

#: Seconds of load before the new version starts, and after it has taken over.
BEFORE, AFTER = 5.0, 5.0
BARE_SERVER = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})
"""


def promotion(rig: Rig, rate: float, seconds: float) -> dict[str, Any]:
    """p99 of a run in which a second version starts and takes over, and of one without."""
    with (
        rig.triton() as server,
        rig.store() as store,
        rig.ours(server, store) as side,
        contextlib.ExitStack() as stack,
    ):
        run_load(side, {"rate": rate, "seconds": 5})
        without = run_load(side, {"rate": rate, "seconds": seconds})
        switch = rig.folder / "switch"
        took, over = list[float](), threading.Event()

        def promote() -> None:
            time.sleep(BEFORE)
            start = time.monotonic()
            other = stack.enter_context(rig.ours(stack.enter_context(rig.triton()), store))
            took.append(time.monotonic() - start)
            written = switch.with_suffix(".part")
            written.write_text(str(other.port))
            written.rename(switch)
            over.wait()  # Triton ends with the thread that started it

        thread = threading.Thread(target=promote)
        thread.start()
        during = run_load(side, {"rate": rate, "seconds": seconds, "switch": str(switch)})
        over.set()
        thread.join()
    return {
        "ratio": round(during["p99_ms"] / without["p99_ms"], 3),
        "failed": during["failed"],
        "during": during,
        "without": without,
        "new_version_ready_s": round(took[0], 1),
        "within_the_run": took[0] + BEFORE + AFTER <= seconds,
    }


def startup(rig: Rig, rounds: int) -> dict[str, Any]:
    """Seconds until the whole pod may serve, and until a bare server and Triton do, in turn."""
    whole, bare = list[float](), list[float]()
    for _ in range(rounds):
        whole.append(_whole_start(rig))
        bare.append(_bare_start(rig))
    extra = statistics.median(a - b for a, b in zip(whole, bare, strict=True))
    rounded = [[round(each, 2) for each in side] for side in (whole, bare)]
    return {"extra_s": round(extra, 2), "whole_s": rounded[0], "bare_s": rounded[1]}


def _whole_start(rig: Rig) -> float:
    """The transformer starts beside Triton, as in a pod, and waits for it."""
    start, log = time.perf_counter(), rig.folder / "start.log"
    with contextlib.ExitStack() as stack:
        beside: list[Running] = []

        def on_start(server: TritonServer) -> None:
            context = run_transformer(rig.source.artifact, server.grpc_url, log, wait=False)
            beside.append(stack.enter_context(context))

        stack.enter_context(rig.triton(on_start))
        until(beside[-1].ready, "ready", beside[-1].process, 120)
        return time.perf_counter() - start


def _bare_start(rig: Rig) -> float:
    start = time.perf_counter()
    with _bare_server(rig), rig.triton():
        return time.perf_counter() - start


@contextlib.contextmanager
def _bare_server(rig: Rig) -> Iterator[None]:
    (rig.folder / "bare_server.py").write_text(BARE_SERVER)
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "uvicorn", "bare_server:app", "--port", str(port),
               "--lifespan", "off", "--log-level", "error"]  # fmt: skip
    with subprocess.Popen(command, cwd=rig.folder) as process:
        try:
            yield
        finally:
            process.kill()
