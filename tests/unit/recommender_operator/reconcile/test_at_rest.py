"""What a look found that another look may find differently keeps a model from resting."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from recommender_operator.actions import Decision, DropBaseline
from recommender_operator.adapters.kinds import HTTP_ROUTES, MODELS
from recommender_operator.api.conditions import ConditionType
from recommender_operator.decide import decide
from recommender_operator.observed import Baseline, CollectorReading, Scaling
from recommender_operator.reconcile.idle_models import is_at_rest
from recommender_operator.reconcile.observer import Snapshot
from recommender_operator.resources.ownership import Foreign
from tests.fakes.kube import NOW
from tests.unit.recommender_operator.stories import MODES, Story

FOREIGN = Foreign(kind="HTTPRoute", namespace="team", name="movies", owner="nobody")
FAILED = Baseline(key="k", taken_at=NOW, samples={}, error="too large")


async def looked_at(mode: str = "Gateway") -> tuple[Snapshot, Decision]:
    """Return what the last look at a model found whose first version serves."""
    story = Story(mode)
    await story.first()
    await story.until(lambda: story.status["stage"] == "Serving")
    for _ in range(8):
        await story.look()
    kube, now = story.rig.kube, story.rig.time
    snapshot = await story.rig.observer.observe(kube.find(MODELS, "movies"), now)
    return snapshot, decide(snapshot.observed, now)


@pytest.mark.parametrize("mode", MODES)
async def test_a_model_that_serves_and_waits_for_nothing_is_at_rest(mode: str) -> None:
    assert is_at_rest(*await looked_at(mode))


@pytest.mark.parametrize(
    "found",
    [
        {"experiment": CollectorReading(error="away")},
        {"outcomes": CollectorReading()},
        {"sample_errors": {"v": "no pod answered"}},
        {"scaling": Scaling(problems=("KEDA refuses it",))},
        {"scaling": Scaling(failing_triggers=("some triggers do not work",))},
        {"scaling": Scaling(waits=True)},
        {"baselines": {"k": FAILED}},
    ],
    ids=str,
)
async def test_answers_that_may_differ_next_time_keep_it_awake(found: dict[str, Any]) -> None:
    snapshot, decision = await looked_at()
    observed = dataclasses.replace(snapshot.observed, **found)
    assert not is_at_rest(dataclasses.replace(snapshot, observed=observed), decision)


@pytest.mark.parametrize("part", ["platform", "traffic", "host"])
async def test_what_is_missing_refused_or_elsewhere_keeps_it_awake(part: str) -> None:
    snapshot, decision = await looked_at()
    observed = snapshot.observed
    changed = {
        "platform": {"platform": dataclasses.replace(observed.platform, missing=("x",))},
        "traffic": {"traffic": dataclasses.replace(observed.traffic, refused={"v-f": "no"})},
        "host": {"traffic": dataclasses.replace(observed.traffic, host="former.example")},
    }[part]
    observed = dataclasses.replace(observed, **changed)  # type: ignore[arg-type]
    assert not is_at_rest(dataclasses.replace(snapshot, observed=observed), decision)


@pytest.mark.parametrize(
    "found", [{"orphans": ("v",)}, {"foreign": (FOREIGN,)}, {"strangers": True}], ids=str
)
async def test_objects_that_are_not_its_own_keep_it_awake(found: dict[str, Any]) -> None:
    snapshot, decision = await looked_at()
    assert not is_at_rest(dataclasses.replace(snapshot, **found), decision)


async def test_a_route_that_is_looked_for_keeps_it_awake() -> None:
    snapshot, decision = await looked_at()
    snapshot.seen.read(HTTP_ROUTES, [])
    assert not is_at_rest(snapshot, decision)


@pytest.mark.parametrize("waits", ["candidate", "drift", "action"])
async def test_a_decision_that_waits_or_acts_keeps_it_awake(waits: str) -> None:
    snapshot, decision = await looked_at()
    status = decision.status
    if waits == "candidate":
        status = status.model_copy(update={"candidate": "v2"})
    if waits == "drift":
        # It may wait for the retrainings of other models.
        drifted = tuple(
            each.model_copy(update={"status": "True"})
            if each.type == ConditionType.DRIFTED
            else each
            for each in status.conditions
        )
        status = status.model_copy(update={"conditions": drifted})
    actions = (DropBaseline(key="k"),) if waits == "action" else ()
    changed = dataclasses.replace(decision, status=status, actions=actions)
    assert not is_at_rest(snapshot, changed)
