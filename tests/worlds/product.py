"""What a shop gets: a version trained by the command with default settings, and its answers.

The files are those that a shop would write; the answers are those of the transformer's own app
over the exported graphs, in place of Triton, to requests in the form of the endpoint.
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recommender_contract.online_store import HALF_LIFE, TREND_ITEMS
from recommender_serving.artifact import loader
from recommender_serving.ranking.trending import Trending
from recommender_serving.store.trend_reader import Trends
from recommender_training.artifact import triton
from recommender_training.export import torchscript
from tests.served_graph import Graph
from tests.unit.recommender_serving.serving_fakes import Parts
from tests.unit.recommender_serving.serving_served import Served
from tests.worlds.world import Doubles, Ints, Log, Request, Row, World

#: Items of a list, and the newest events of a user that a request has.
TOP, SESSION = 10, 200


class TrainingError(Exception):
    """The command ended without a version; its message is what the shop reads."""


@dataclass(frozen=True)
class Version:
    """A published artifact, the seconds of its training, and its peak resident memory in MiB."""

    artifact: Path
    report: Row
    seconds: float
    peak_mib: float


@dataclass(frozen=True)
class Answered:
    """A list as indices of items, best first, and the answer's time in milliseconds.

    `scores` [C] of the request's candidates, where it has some; 0 for one that is unknown.
    """

    items: Ints
    scores: Doubles | None
    ms: float


def write(world: World, folder: Path) -> list[str]:
    """Write what the shop has at the cut, and return the arguments of the command."""
    log = world.log.before(world.cut)
    rows = [
        {"user": int(log.user[at]) + 1, "item": int(log.item[at]) + 1, "at": int(log.time[at]),
         **{name: values[at] for name, values in log.columns.items()}}
        for at in range(len(log))
    ]  # fmt: skip
    _table(folder / "events.csv", rows)
    _table(folder / "items.csv", [row for row in world.items if _born(world, row) < world.cut])
    _table(folder / "users.csv", world.users)
    mapping = folder.parent / "mapping.json"
    mapping.write_text(json.dumps(world.mapping), encoding="utf-8")
    return ["--source", str(folder), "--format", "CSV", "--mapping", f"@{mapping}"]


def _born(world: World, row: Row) -> int:
    return int(world.born[row["id"] - 1])


def _table(file: Path, rows: Sequence[Row]) -> None:
    if rows:
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0])
            writer.writeheader()
            writer.writerows(rows)


def train(world: World, folder: Path, threads: int) -> Version:
    """Train below a folder; raises TrainingError with the command's message."""
    source, work, said = folder / "source", folder / "work", folder / "said.json"
    source.mkdir(parents=True)
    command = [sys.executable, "-m", "recommender_training", "run", *write(world, source)]
    # As with events.trending: requests know what is popular now, as peers do.
    command += ["--config", '{"trends": true}', "--work", str(work), "--report", str(said)]
    started = time.perf_counter()
    with (folder / "training.log").open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    report = json.loads(said.read_text(encoding="utf-8")) if said.exists() else {}
    if process.returncode:
        raise TrainingError(f"{report.get('reason')}: {report.get('message')}")
    artifact = work / str(report["path"])
    evaluation = json.loads((artifact / "report.json").read_text(encoding="utf-8"))
    return Version(artifact, evaluation, seconds, usage.ru_maxrss / 1024)


def body(request: Request, log: Log) -> Row:
    """A request as a client sends it: the user's newest events, and what the shop knows."""
    mine = np.flatnonzero((log.user == request.user) & log.engaged & (log.time < request.time))
    instance: dict[str, Any] = {
        "user_id": request.user + 1,
        "timestamp": request.time,
        "top_n": TOP,
        "session": [
            {"item": int(log.item[at]) + 1, "timestamp": int(log.time[at]),
             "value": 5.0 if log.positive[at] else 1.0}
            for at in mine[-SESSION:]
        ],
    }  # fmt: skip
    if request.candidates is not None:
        instance["candidate_items"] = [int(item) + 1 for item in request.candidates]
        instance["top_n"] = len(request.candidates)
    if request.context:
        instance["context"] = dict(request.context)
    return {"instances": [instance]}


class Store:
    """The trends that the collector keeps of a log, at the second `now`."""

    def __init__(self, log: Log) -> None:
        engaged = np.flatnonzero(log.engaged)
        self._item, self._time = log.item[engaged] + 1, log.time[engaged]
        self.now = 0

    async def read(self) -> Trends:
        past = self._time < self.now
        worth = np.exp2((self._time[past] - self.now) / HALF_LIFE)
        counts = np.bincount(self._item[past], worth)
        most = np.argsort(-counts, kind="stable")[:TREND_ITEMS]
        return Trends({int(item): float(counts[item]) for item in most if counts[item] > 0})

    async def close(self) -> None:
        pass


def answers(version: Version, world: World) -> list[Answered]:
    """The answer to each request of a world."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_answers(version.artifact, world, Path(folder)))


async def _answers(artifact: Path, world: World, folder: Path) -> list[Answered]:
    paths = [triton.model_path(artifact, name) for name in triton.MODELS]
    graphs = [Graph(torchscript.load(path)) for path in paths]
    loaded, store = loader.load(artifact), Store(world.log)
    trending = Trending(store, loaded.vocabulary.items.rows, None, lambda: 0.0)
    parts = Parts(folder, *graphs, artifact=loaded, timeout=60.0, trending=trending)
    served = await Served.opened(folder, parts)
    found = []
    async with served.http:
        for request in world.requests:
            asked = body(request, world.log)
            store.now = request.time
            await trending.refresh()
            started = time.perf_counter()
            answer = await served.http.post("/v1/models/recommender:predict", json=asked)
            seconds = time.perf_counter() - started
            (prediction,) = answer.raise_for_status().json()["predictions"]
            found.append(_read(prediction, request, seconds * 1000))
    return found


def _read(prediction: Row, request: Request, ms: float) -> Answered:
    items = np.array(prediction["items"], np.int64) - 1
    if request.candidates is None:
        return Answered(items[:TOP], None, ms)
    scores = dict(zip(items.tolist(), prediction["scores"], strict=True))
    named = np.array([scores.get(int(item), 0.0) for item in request.candidates])
    return Answered(items[:TOP], named, ms)
