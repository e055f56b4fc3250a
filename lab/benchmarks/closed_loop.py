"""Does the loop close? Users act on answers, and the next model learns from what they did.

    make bench-closed-loop

Users with known tastes (`recommender_simulate`) first see lists at random. Their impressions and
clicks go through the collector and its writer into the files that training reads. A model is
trained on them and serves (transformer, Triton, store); the same users act on its answers, and
the next model is trained on both. `expected` is the true number of clicks an answer, which
depends on the lists alone. `best` is that of the best possible lists without what the user clicked
on last, which the models leave out, so that it falls while users click; `share` is expected over
best. The last line is one JSON object; its `ratio` is the share of the last model over that of
random lists.
"""

from __future__ import annotations

import argparse
import asyncio
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

from recommender_client import AsyncClient, AsyncEventClient
from recommender_client.values import Id
from recommender_simulate.catalogue import RANDOM, AtRandom, Best
from recommender_simulate.click_memory import Memory
from recommender_simulate.driver import Course, Endpoint, Simulation, Truth
from recommender_simulate.population import Population, named
from recommender_simulate.summary import Summary
from recommender_simulate.user_tastes import Tastes
from recommender_training.data.sessions import HISTORY_LENGTH
from tests import collector_rig
from tests.benchmarks.machine import machine
from tests.cluster.triton import run_triton
from tests.collector_rig import Rig
from tests.integration.transformer_rig import run_transformer

TOP_N = 10
ATTRIBUTION_HOURS = 2 / 3600  # users click at once
MAPPING: dict[str, Any] = {
    "interactions": {
        **collector_rig.MAPPING["interactions"],
        "eventTypes": [
            {"type": "impression", "value": 1},
            {"type": "click", "value": 4},
            {"type": "purchase", "value": 5},
        ],
    },
    "label": {
        "positiveTypes": [{"type": "click"}],
        "attribution": {"impressions": ["impression"], "hours": ATTRIBUTION_HOURS},
    },
    "ids": {"user": "Text", "item": "Text"},
}


@dataclass(frozen=True)
class World:
    """Users, items, what is true of them, and how long each round takes."""

    items: Sequence[Id]
    users: Sequence[Id]
    truth: Truth
    seconds: float
    rate: float

    async def act(self, endpoint: Endpoint, collector: str, number: int) -> Summary:
        """Let users act on answers for a round."""
        async with AsyncEventClient(collector) as events:
            course = Course(self.seconds, TOP_N)
            simulation = Simulation(endpoint, events, self.truth, course, seed=number)
            visits = Population(self.users, number).visits(self.rate)
            return await simulation.run(visits, _tell)


def train(rig: Rig, folder: Path, number: int, seed: int) -> tuple[Path, dict[str, Any]]:
    """Train the next model on all events so far; return its artifact and its metrics."""
    mapping = folder / "mapping.json"
    mapping.write_text(json.dumps(MAPPING))
    lake, out = folder / "lake", folder / f"model-{number}"
    checked = _command(
        folder, "check", "--source", rig.files / "shop", "--format", "JSONLines",
        "--mapping", f"@{mapping}", "--lake", lake, "--min-rows", 1000,
    )  # fmt: skip
    trained = _command(
        folder, "train", "--lake", lake, "--data-version", checked["dataVersion"],
        "--config", json.dumps({"seed": seed}), "--output", out,
    )  # fmt: skip
    return out, {"dataVersion": checked["dataVersion"], "auc": trained["metrics"]["auc"]}


def _command(folder: Path, verb: str, *words: object) -> dict[str, Any]:
    report = folder / f"{verb}.json"
    command = [
        sys.executable, "-m", "recommender_training", verb, *map(str, words),
        "--report", str(report),
    ]  # fmt: skip
    ended = subprocess.run(command, check=False)
    told: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {}
    if ended.returncode != 0:
        raise SystemExit(f"{verb} ended with {ended.returncode}: {told.get('message')}")
    return told


async def serve(world: World, rig: Rig, artifact: Path, folder: Path, number: int) -> Summary:
    """Serve a model for a round."""
    environ = {
        "RECOMMENDER_MODEL": "shop",
        "RECOMMENDER_VERSION": f"shop-{number:08x}",
        **rig.reader,
        "RECOMMENDER_HIDE": "",  # nothing but the session, which the models leave out
    }
    with (
        run_triton(artifact / "repository") as triton,
        run_transformer(
            artifact, triton.grpc_url, folder / f"transformer-{number}.log", environ=environ
        ) as transformer,
    ):
        async with AsyncClient(transformer.http) as client:
            return await world.act(client, rig.url, number)


async def archived(rig: Rig, count: int, seconds: float = 60) -> None:
    """Wait until the writer has written so many events."""
    deadline = time.monotonic() + seconds
    while (found := len(rig.archived())) < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"the writer wrote {found} of {count} events in {seconds:.0f} s")
        await asyncio.sleep(0.2)


async def rounds(world: World, rig: Rig, folder: Path, models: int) -> dict[str, Any]:
    """Close the loop so many times; return the figures of each round."""
    events, figures = 0, {}
    for number in range(models + 1):
        about: dict[str, Any] = {}
        if number == 0:
            name, endpoint = RANDOM, AtRandom(world.items, 0)
            summary = await world.act(endpoint, rig.url, 0)
        else:
            artifact, about = train(rig, folder, number, seed=number)
            name = str(number)
            summary = await serve(world, rig, artifact, folder, number)
        told = summary.report()
        (arm,) = told["versions"].values()
        if told["failed"] or told["events"]["rejected"] or told["events"]["undelivered"]:
            raise SystemExit(f"requests or events failed: {summary.line()}")
        events += summary.accepted
        await archived(rig, events)
        figures[name] = {
            "expected": arm["expected_click_through"],
            "best": arm["best_click_through"],
            "share": round(arm["share_of_best"], 3),
            "clicked": arm["click_through"],
            "answers": arm["answers"],
            "sources": arm["sources"],
            **about,
        }
    return {"rounds": figures, "events": events}


def _tell(summary: Summary) -> None:
    print(summary.line(), file=sys.stderr, flush=True)


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=3, help="trained one after another (3)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of a round (60)")
    parser.add_argument("--rate", type=float, default=80.0, help="requests a second (80)")
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--items", type=int, default=300)
    return parser.parse_args(words)


def main() -> None:
    given = parse()
    items, tastes = named(given.items, "item-"), Tastes()
    truth = Truth(tastes, best=Best(items, tastes, Memory(HISTORY_LENGTH)))
    world = World(items, named(given.users, "user-"), truth, given.seconds, given.rate)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "collector").mkdir()
        with collector_rig.running(folder / "collector", settings={"mapping": MAPPING}) as rig:
            found = asyncio.run(rounds(world, rig, folder, given.models))
    share = {name: each["share"] for name, each in found["rounds"].items()}
    print(
        json.dumps(
            {
                "benchmark": "closed-loop",
                "ratio": round(share[str(given.models)] / share[RANDOM], 3),
                "share": share,
                **found,
                "machine": machine(),
                "load": round(os.getloadavg()[0], 1),
            }
        )
    )


if __name__ == "__main__":
    main()
