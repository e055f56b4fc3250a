"""Faults of what a model uses beside its own pods: the online store and the collector.

Both are over when other pods are ready and the model uses the part again. A model that never used
it would lose nothing, so its own counters must show that it does, before the fault and after it.
"""

from __future__ import annotations

import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from recommender_operator.resources.serving_containers import HTTP_PORT
from tests.scenario import collecting
from tests.scenario.world import World

SECONDS = 180.0
#: Counters of a transformer: reads of users in the store, and impressions for the collector.
READS, IMPRESSIONS = "recommender_history_lookups_total", "transformer_impressions_total"
ANSWERED, TAKEN = ("found", "nothing"), ("durable",)


def kill_store(world: World) -> None:
    """Kill the online store: requests are answered without what it knows of the user."""
    _kill(world, "store", READS, ANSWERED)


def kill_collector(world: World) -> None:
    """Kill every pod of the collector: impressions wait in the transformers for a new one."""
    _kill(world, "collector", IMPRESSIONS, TAKEN)


def _kill(world: World, part: str, counter: str, outcomes: tuple[str, ...]) -> None:
    _until_more(world, counter, outcomes)
    former = collecting.pods(world, part)
    collecting.kill(world, part)

    def replaced() -> bool:
        found = collecting.pods(world, part)
        return bool(found) and not former & found

    world.until(f"other pods of the {part}", replaced, SECONDS)
    collecting.until_ready(world)
    _until_more(world, counter, outcomes)


def _until_more(world: World, counter: str, outcomes: tuple[str, ...]) -> None:
    before = counted(world, counter, outcomes)
    world.until(
        f"more of {counter} with the outcome {' or '.join(outcomes)}",
        lambda: counted(world, counter, outcomes) > before,
        SECONDS,
    )


def counted(world: World, counter: str, outcomes: tuple[str, ...]) -> float:
    """Return a counter of the champion's transformers, in total over outcomes.

    They are asked at their own addresses: in Knative mode they refuse what came through a proxy.
    """
    return sum(
        value
        for pod in world.kube.serving_pods(world.champion or "")
        for outcome, value in of_page(_page(pod.status.pod_ip), counter).items()
        if outcome in outcomes
    )


def _page(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}:{HTTP_PORT}/metrics", timeout=10) as response:
        return str(response.read().decode())


def of_page(page: str, counter: str) -> dict[str, float]:
    """Return the values of a counter by outcome, from a page of metrics."""
    return {
        sample.labels["outcome"]: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == counter
    }
