"""An operator that is frozen in any kind of life and resumed beside a new one changes nothing.

`test_frozen.py` has the lives of two versions in both traffic modes; here are all other kinds of
writes, by the preconditions alone.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from recommender_operator.adapters.kinds import JOBS, MODELS, VERSIONS
from recommender_operator.resources import labels
from tests.unit.recommender_operator.stories import end_of_two
from tests.unit.recommender_operator.test_frozen import (
    PAUSE,
    ChainOfOperators,
    Freeze,
    everything,
)
from tests.unit.recommender_operator.test_lifecycle_experiments import CLICKS, PLAN, play

FREEZES = [Freeze(1, sent=True), Freeze(3, sent=False)]


@dataclasses.dataclass(frozen=True)
class Life:
    """What happens to a model, and the sections of its story that let it happen."""

    live: Callable[[ChainOfOperators], Awaitable[object]]
    sections: Mapping[str, Any] = dataclasses.field(default_factory=dict)


async def two_versions(story: ChainOfOperators) -> None:
    await end_of_two(story, False)


async def shadow(story: ChainOfOperators) -> None:
    await end_of_two(story, False)
    (steps,) = (
        story.rig.kube.find(VERSIONS, name)["status"]["steps"]
        for name in story.stages
        if name == story.status["champion"]
    )
    assert steps[0]["weight"] == 0


async def experiment(story: ChainOfOperators) -> None:
    assert (await play(story, CLICKS["better"]))["champion"]


async def snapshots(story: ChainOfOperators) -> None:
    """A snapshot on request; it begins at once."""
    story.rig.kube.touch(MODELS, "movies")["spec"]["data"]["snapshots"] = {"keep": 3}
    await story.first()
    await story.until(lambda: story.status["stage"] == "Serving")
    story.rig.kube.touch(MODELS, "movies")["metadata"]["annotations"] = {
        "recommender.dev/snapshot": "t1"
    }
    await story.until(lambda: bool((story.status.get("snapshots") or {}).get("dataVersion")))
    kinds = [
        story.rig.kube.find(JOBS, name)["metadata"]["labels"][labels.JOB_KIND]
        for name in story.rig.kube.names(JOBS)
    ]
    assert "snapshot" in kinds


def _serves(story: ChainOfOperators, champion: str) -> bool:
    return bool(story.status["champion"] == champion)


async def pinned_back(story: ChainOfOperators) -> None:
    """The former champion is pinned, and set free, so that the later one rolls out again."""
    first = await story.first()
    await end_of_two(story, False)
    second = story.status["champion"]
    for pin, champion in ((first, first), (None, second)):
        thing = story.rig.kube.touch(MODELS, "movies")
        thing["spec"]["rollbackTo"] = pin
        thing["metadata"]["generation"] += 1
        await story.until(functools.partial(_serves, story, champion), looks=200)
        await story.until(lambda: not story.status.get("candidate"))
        for _ in range(8):
            await story.look()


async def deleted(story: ChainOfOperators) -> None:
    """The model is deleted with its artifacts; the operator lets it go."""
    thing = story.rig.kube.touch(MODELS, "movies")
    thing["spec"]["deletionPolicy"] = "Delete"
    await story.first()
    thing = story.rig.kube.touch(MODELS, "movies")
    thing["metadata"]["deletionTimestamp"] = "2026-01-01T13:00:00Z"
    for _ in range(60):
        if not story.rig.kube.names(MODELS):
            return
        await story.reconcile()
        await story.cluster.step()
    raise AssertionError("it waits for its finalizer")


LIVES = {
    "freshChampion": Life(two_versions, {"rollout": {"freshChampion": True}}),
    "shadow": Life(shadow, {"rollout": {"shadow": {"share": 0.5, "seconds": 20}}}),
    "experiment": Life(experiment, {"experiment": PLAN}),
    "snapshots": Life(snapshots),
    "rollbackTo": Life(pinned_back),
    "deletion": Life(deleted),
}


@pytest.mark.parametrize("freeze", FREEZES, ids=str)
@pytest.mark.parametrize("name", LIVES)
async def test_an_operator_resumed_in_any_life_changes_no_existing_object(
    name: str, freeze: Freeze
) -> None:
    life = LIVES[name]
    story = ChainOfOperators("Gateway", freeze, fenced=False, **life.sections)
    await life.live(story)
    assert len(story.frozen) > 5
    story.rig.time += PAUSE
    before = everything(story.rig.kube)
    await story.resume_all()
    now = everything(story.rig.kube)
    assert {place for place in before if now.get(place) != before[place]} == set()
