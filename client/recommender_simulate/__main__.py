"""The console script `recommender-simulate`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Sequence

from recommender_client import AsyncClient, AsyncEventClient
from recommender_client.values import Id
from recommender_simulate.arguments import parser
from recommender_simulate.behaviour import Behaviour
from recommender_simulate.catalogue import AtRandom, Best
from recommender_simulate.click_memory import Memory
from recommender_simulate.driver import Course, Endpoint, Simulation, Truth
from recommender_simulate.population import Population, named
from recommender_simulate.summary import Summary
from recommender_simulate.user_tastes import Tastes

DEADLINE_SECONDS = 10.0
MOST_PAIRS = 10_000_000  # of a user and an item: about 15 s of tastes


async def simulate(given: argparse.Namespace, memory: Memory) -> Summary:
    """Carry out a parsed command line; clicks of a known catalogue go to the memory."""
    items = named(given.items or 0, given.item_prefix)
    truth = _truth(given, items, memory)
    course = Course(given.seconds, given.top_n, given.impressions)
    users = named(given.users, given.user_prefix)
    if truth.best is not None:
        truth.best.prepare(users, given.top_n)
    population = Population(users, given.seed, context=dict(given.context))
    async with contextlib.AsyncExitStack() as stack:
        endpoint: Endpoint = AtRandom(items, given.seed)
        if given.url:
            endpoint = await stack.enter_async_context(
                AsyncClient(given.url, host=given.host, deadline=DEADLINE_SECONDS)
            )
        collector = None
        if given.events:
            collector = await stack.enter_async_context(
                AsyncEventClient(given.events, host=given.events_host)
            )
        simulation = Simulation(endpoint, collector, truth, course, given.seed)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, simulation.stop)
        return await simulation.run(population.visits(given.rate), _tell)


def _truth(given: argparse.Namespace, items: Sequence[Id], memory: Memory) -> Truth:
    seed = given.seed if given.tastes is None else given.tastes
    tastes = Tastes(seed, given.click_rate, given.spread)
    return Truth(
        tastes,
        Behaviour(purchase_share=given.purchase_share),
        dict(given.appeal),
        Best(items, tastes, memory) if items else None,
    )


def run(words: Sequence[str]) -> int:
    """Carry out a command line; return its exit code."""
    top, memory = parser(), Memory()
    given = top.parse_args(words)
    if given.items is None and (given.random or given.memory):
        top.error("--random and --memory need --items, the number of items of the catalogue")
    if (given.items or 0) * given.users > MOST_PAIRS:
        top.error(
            f"--items times --users is at most {MOST_PAIRS:,}: all tastes are computed first"
        )
    try:
        if given.memory and given.memory.exists():
            memory.load(given.memory)
        if given.memory:
            # Before anything is sent, to see that it can be written.
            memory.save(given.memory)
    except (ValueError, OSError) as error:
        top.error(f"--memory: {error}")
    summary = asyncio.run(simulate(given, memory))
    print(json.dumps(summary.report()) if given.output == "json" else summary.table())  # noqa: T201
    try:
        if given.memory:
            memory.save(given.memory)
    except OSError as error:
        print(f"--memory: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 1 if summary.failed_requests or summary.rejected or summary.undelivered else 0


def _tell(summary: Summary) -> None:
    print(summary.line(), file=sys.stderr, flush=True)  # noqa: T201


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
