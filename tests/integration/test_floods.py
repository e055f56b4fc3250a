"""A hundred times the expected rate: each request is answered or refused, nobody is harmed."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from recommender_client import Client, EventClient, Query, Retries, events
from recommender_training.artifact.triton import MAX_BATCH_SIZE
from tests import collector_rig
from tests.cluster.triton import TritonServer, run_triton
from tests.integration.toy_models import SLOW
from tests.integration.transformer_calls import PREDICT
from tests.integration.transformer_rig import Running, run_transformer, until, write_artifact

pytestmark = pytest.mark.integration

EXPECTED = 10  # requests a second
HUNDREDFOLD, SECONDS = 100 * EXPECTED, 2
AT_A_TIME = 100
MIB = 48  # by which a process may grow
#: Of a client that waits and sends again.
PATIENT: dict[str, Any] = {"deadline": 30.0, "retries": Retries(count=50, first=0.05, most=0.5)}


@contextlib.contextmanager
def flooded(port: int, path: str, body: str) -> Iterator[subprocess.Popen[str]]:
    """A flood that begins with the block; the block may end before it."""
    command = [
        sys.executable, "-m", "tests.flood", str(port), path, str(HUNDREDFOLD), str(SECONDS), body
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def polite(process: subprocess.Popen[str], ask: Callable[[int], object]) -> tuple[int, float]:
    """Ask ten times a second while the flood lasts; return how often, and the longest wait."""
    count, longest = 0, 0.0
    while process.poll() is None:
        start = time.monotonic()
        ask(count)
        longest = max(longest, time.monotonic() - start)
        count += 1
        time.sleep(0.1)
    return count, longest


def memory(pid: int, name: str = "VmRSS") -> float:
    """The resident memory of a process in MiB, or with `VmHWM` the most of it so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (each for each in lines if each.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    return dict(json.loads(process.stdout.read()))


def test_a_transformer_answers_or_refuses_each_request_and_is_as_before(tmp_path: Path) -> None:
    write_artifact(tmp_path / "artifact")
    limits = ("--timeout-ms", "1000", "--baseline-timeout-ms", "500")  # the machine is busy
    with (
        run_triton(tmp_path / "artifact" / "repository") as triton,
        run_transformer(
            tmp_path / "artifact", triton.grpc_url, tmp_path / "log", *limits
        ) as running,
        Client(running.http, **PATIENT) as client,
    ):
        assert client.recommend(Query(1)).source == "model"
        pid, before = running.process.pid, memory(running.process.pid)
        port = int(running.http.rpartition(":")[2])
        # None of the users for whom the toy model misbehaves: one takes it seconds of CPU time, on
        # a busy machine a minute, in which it answers nobody.
        with flooded(port, PREDICT, '{"instances": [{"user_id": 1@}]}') as flood:
            asked, longest = polite(flood, lambda number: client.recommend(Query(number)))
            counts = told(flood)
        grown = memory(pid, "VmHWM") - before
        print(counts, f"{asked} polite, {longest:.1f} s; {before:.0f} + {grown:.0f} MiB")
        assert counts["sent"] == HUNDREDFOLD * SECONDS
        assert counts["unanswered"] == 0
        assert set(counts["statuses"]) <= {"200", "503"}
        assert asked > 1
        assert grown < MIB
        until(
            lambda: client.recommend(Query(1)).source == "model",
            "answered by the model",
            triton.process,
        )
        assert running.metric("transformer_requests_in_flight") == 0
        assert running.metric("recommender_requests_total", outcome="error") == 0


def test_what_waits_for_triton_without_its_client_is_not_computed(tmp_path: Path) -> None:
    write_artifact(tmp_path / "artifact", MAX_BATCH_SIZE)
    limits = ("--timeout-ms", "100", "--baseline-timeout-ms", "30000")
    with (
        run_triton(tmp_path / "artifact" / "repository") as triton,
        run_transformer(
            tmp_path / "artifact", triton.grpc_url, tmp_path / "log", *limits
        ) as running,
        ThreadPoolExecutor(AT_A_TIME) as pool,
    ):

        def answered() -> bool:
            return bool(running.ask(user_id=1)["source"] == "model")

        def dropped() -> bool:
            """Whether Triton dropped some of those that wait behind a slow one, if any had to."""
            until(answered, "answered by the model", triton.process)
            before, used = calls_of(triton, "success"), of_model(running)
            # What has begun is computed to its end: nobody else has the model until then.
            assert running.ask(user_id=SLOW)["source"] == "baseline"
            sources = pool.map(
                lambda user: running.ask(user_id=user)["source"], range(2, AT_A_TIME)
            )
            assert set(sources) <= {"model", "baseline"}
            until(answered, "answered by the model", triton.process)
            count = calls_of(triton, "failure", 'reason="CANCELED"')
            unused = calls_of(triton, "success") - before - (of_model(running) - used)
            print(f"{count:.0f} dropped, {unused:.0f} computed for nobody")
            assert unused <= 1 + 2 * MAX_BATCH_SIZE  # the slow one, and batches made before
            return count > 0

        # On a busy machine the others come when the slow one has ended.
        until(dropped, "dropped by Triton", triton.process)


def calls_of(triton: TritonServer, outcome: str, label: str = "") -> float:
    """Calls of the model that ended so, by Triton's count."""
    page = urllib.request.urlopen(f"http://{triton.metrics_url}/metrics", timeout=60).read()
    lines = page.decode().splitlines()
    named = f"nv_inference_request_{outcome}{{"
    found = [each for each in lines if each.startswith(named) and '"recommender"' in each]
    return sum(float(each.rpartition(" ")[2]) for each in found if label in each)


def of_model(running: Running) -> float:
    return running.metric("recommender_answers_total", source="model")


def test_a_collector_keeps_each_event_that_it_acknowledges(tmp_path: Path) -> None:
    with (
        collector_rig.running(tmp_path, fresh=True) as rig,
        EventClient(rig.url, **PATIENT) as client,
    ):
        client.send(events.click("polite", "first"))
        pid, before = rig.serve.pid, memory(rig.serve.pid)
        now = round(time.time())
        body = f'[{{"id": "@", "kind": "click", "user": "u@", "item": "i", "time": {now}}}]'
        with flooded(rig.port, "/v1/events", body) as flood:
            sent, longest = polite(
                flood, lambda number: client.send(events.click("polite", f"i{number}"))
            )
            counts = told(flood)
        grown = memory(pid, "VmHWM") - before
        print(counts, f"{sent} polite, {longest:.1f} s; {before:.0f} + {grown:.0f} MiB")
        assert counts["sent"] == HUNDREDFOLD * SECONDS
        assert counts["unanswered"] == 0
        assert set(counts["statuses"]) <= {"200", "429", "503"}
        assert sent > 1
        assert grown < MIB
        receipt = client.send(events.click("polite", "last"))
        assert receipt.accepted == 1
        acknowledged = counts["statuses"]["200"] + sent + 2
        collector_rig.until(lambda: len(rig.archived()) >= acknowledged)
        found = [row["id"] for row in rig.archived()]
        assert len(set(found)) == len(found)
