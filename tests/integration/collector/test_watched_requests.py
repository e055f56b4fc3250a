"""From requests to the operator's estimates: a transformer, a collector and its Redis.

The candidate is a server that answers some requests with an error, which no transformer does on
demand.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from recommender_operator.api.spec import ExperimentMetric, ExperimentSpec, PrimaryMetric
from recommender_operator.api.version_experiment import ExperimentPhase, ExperimentStatus
from recommender_operator.experiments.estimates import pair
from recommender_operator.experiments.experiment_metrics import Metric
from recommender_operator.experiments.plan import Phase
from recommender_operator.rollout.collected_moments import read_phases
from recommender_serving.experiments.assignment import bucket
from tests import collector_rig
from tests.collector_experiment import ID, phases
from tests.collector_rig import MAPPING
from tests.fakes.kube import NOW
from tests.integration.transformer_rig import run_transformer
from tests.unit.recommender_serving.serving_samples import GENRES, write_files

INTEGERS: dict[str, Any] = {"mapping": {**MAPPING, "ids": {"user": "Integer", "item": "Integer"}}}
RECEIVER, CANDIDATE = "shop-00000000", "shop-11111111"
GROUP = base64.urlsafe_b64encode(json.dumps(GENRES[:1]).encode()).decode().rstrip("=")
#: What takes a whole minute is slow, which nothing here does.
WATCHED = f"id={ID};phase=0;cap=100;arms={CANDIDATE}:0-5000;requests=60000;group=genre:{GROUP}"
USERS = range(400)
THEIRS = [user for user in USERS if bucket(ID, str(user)) < 5000]
PLAN = ExperimentSpec(
    primary=(PrimaryMetric(metric=ExperimentMetric.ERROR_RATE, smallest_effect=0.5),)
)
EXPERIMENT = ExperimentStatus(
    id=ID, plan=PLAN, phases=(ExperimentPhase(number=0, weight=50, stable=RECEIVER, since=NOW),)
)


class Failing(http.server.BaseHTTPRequestHandler):
    """Answers with an error."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(500)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Write nothing."""


@contextlib.contextmanager
def failing() -> Iterator[int]:
    """The port of a candidate that fails each request."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


async def counted(folder: Path) -> tuple[Phase, dict[int, list[int]]]:
    """What the operator reads after a request of each user, and the items of the answers."""
    write_files(folder / "artifact")
    with collector_rig.running(folder, settings=INTEGERS) as rig, failing() as port:
        environ = {
            "RECOMMENDER_MODEL": "shop",
            "RECOMMENDER_VERSION": RECEIVER,
            "RECOMMENDER_COLLECTOR_URL": rig.url,
            "RECOMMENDER_IMPRESSIONS": "1",
            "RECOMMENDER_PEERS": f"127.0.0.1:{port},127.0.0.1:9",
        }
        flags, log = ("--model-wait-seconds", "0"), folder / "transformer.log"
        with run_transformer(
            folder / "artifact", "127.0.0.1:9", log, *flags, environ=environ
        ) as transformer:
            url = f"{transformer.http}/v1/models/recommender:predict"
            headers = {"x-recommender-experiment": WATCHED}
            async with httpx.AsyncClient(timeout=60, headers=headers) as client:
                shown = {user: await asked(client, url, user) for user in USERS}
            # What waits is sent at the end.
            assert await asyncio.to_thread(transformer.stop) == 0
        async with httpx.AsyncClient(timeout=60) as client:
            found = await phases(rig, client)
    told: dict[str, Any] = {"experiment": ID, "phases": found}
    (phase,) = read_phases(told, EXPERIMENT, RECEIVER, CANDIDATE)
    return phase, shown


async def test_requests_and_groups_reach_the_estimates_of_the_operator(tmp_path: Path) -> None:
    phase, shown = await counted(tmp_path)
    champion, candidate = phase.of(RECEIVER), phase.of(CANDIDATE)
    assert (champion.users, candidate.users) == (len(USERS) - len(THEIRS), len(THEIRS))
    assert (champion.sums["requests"], champion.sums["errors"]) == (champion.users, 0)
    assert champion.sums["slow"] == 0
    # Each request that the candidate got failed; after 20 it gets fewer.
    assert 20 <= candidate.sums["errors"] == candidate.sums["requests"] == candidate.sums["slow"]
    assert candidate.sums["answers"] == candidate.users, "the champion answered"
    errors = pair(Metric.ERROR_RATE, champion, candidate)
    assert errors is not None
    assert (errors.champion_value, errors.candidate_value) == (0, 1)
    exposure = pair(Metric.GROUP_EXPOSURE, champion, candidate)
    assert exposure is not None
    ours = [item for user, items in shown.items() if user not in THEIRS for item in items]
    share = sum(item % len(GENRES) == 0 for item in ours) / len(ours)
    assert exposure.champion_value == share
    assert 0 < share < 1


async def asked(client: httpx.AsyncClient, url: str, user: int) -> list[int]:
    answer = await client.post(url, json={"instances": [{"user_id": user, "top_n": 5}]})
    assert answer.status_code == 200, answer.text
    items: list[int] = answer.json()["predictions"][0]["items"]
    return items
