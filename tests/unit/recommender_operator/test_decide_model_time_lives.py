"""Wall clocks that jump in the rarer kinds of life do not change their result."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from recommender_operator.analysis.step_verdict import Verdict
from recommender_operator.lifecycle.standby import HOLD
from tests.unit.recommender_operator.drift_worlds import DRIFT, look, settle
from tests.unit.recommender_operator.experiment_worlds import reasons
from tests.unit.recommender_operator.test_decide_drift_causes import FEWER, SWAPPED, labelled
from tests.unit.recommender_operator.test_decide_model_time import JUMPS, Life, Witness, end, lived
from tests.unit.recommender_operator.test_decide_properties import Oracle
from tests.unit.recommender_operator.world import World

COOLDOWN = 600
#: Jumps that are tried in a life, at phases that are spread over it, forward and back in turn.
MOST = 5


def a_good_and_a_bad_one(world: World) -> None:
    """Versions that pass, or fail before users see them or at their first share."""
    world.settle()
    world.seed(2)
    world.settle()
    world.error_share[3] = 0.9
    world.seed(3)
    world.settle()


def a_standby(world: World) -> None:
    """The former champion answers for a while in the champion's place."""
    world.settle()
    world.seed(2)
    world.settle()
    service = world.services[world.stable()]
    service.ctx(ready=False)
    world.watch(60)
    service.ctx(ready=True)
    world.watch(2 * HOLD.total_seconds())
    world.settle()


def deleted(world: World) -> None:
    """A model is deleted with its artifacts."""
    world.settle()
    world.deleting = True
    for _ in range(20):
        if world.finished:
            return
        world.reconcile()
        world.finish_jobs()
        world.tick()
    raise AssertionError(world.summary())


def without_drift() -> Oracle:
    return Oracle(window=Verdict.INCONCLUSIVE, broken=Verdict.INCONCLUSIVE)


def drifts_again_after_the_cooldown(world: World) -> None:
    """A drift of the inputs retrains, and once more after the cooldown, as it stays."""
    oracle = without_drift()
    settle(world, oracle)
    oracle.window = Verdict.FAIL
    look(world, oracle, 40)
    assert reasons(world).count("RetrainStarted") == 1
    for _ in range(40):
        world.tick(15)
        look(world, oracle, 1)
    assert reasons(world).count("RetrainStarted") == 2
    oracle.window = Verdict.INCONCLUSIVE
    settle(world, oracle)


def a_drift_of_the_labels(world: World) -> None:
    """The loss rises, so that a training starts."""
    oracle = without_drift()
    settle(world, oracle)
    labelled(world, SWAPPED)
    settle(world, oracle)


def a_recalibration(world: World) -> None:
    """The calibration drifts, so that the champion's network gets a new one."""
    oracle = without_drift()
    settle(world, oracle)
    labelled(world, FEWER)
    settle(world, oracle)


@dataclasses.dataclass(frozen=True)
class Lived:
    life: Life
    sections: Mapping[str, Any]
    #: The reason of an Event that shows that the life is what it should be.
    shown: str


LIVES = {
    "shadow": Lived(
        a_good_and_a_bad_one, {"rollout": {"shadow": {"minRequests": 100, "seconds": 40}}}, ""
    ),
    "freshChampion": Lived(a_good_and_a_bad_one, {"rollout": {"freshChampion": True}}, ""),
    "standby": Lived(a_standby, {}, "ChampionReturned"),
    "deletion": Lived(deleted, {"deletionPolicy": "Delete"}, ""),
    "cooldown": Lived(
        drifts_again_after_the_cooldown,
        {"retrain": {"drift": {**DRIFT, "cooldownSeconds": COOLDOWN}}},
        "RetrainStarted",
    ),
    "labels": Lived(a_drift_of_the_labels, {"retrain": {"drift": DRIFT}}, "RetrainStarted"),
    "recalibration": Lived(a_recalibration, {"retrain": {"drift": DRIFT}}, "RecalibrationStarted"),
}


def ended(world: Witness) -> dict[str, object]:
    """Return the end of a life with the number of versions, which seeds do not tell apart."""
    told = reasons(world)
    counted = {reason: told.count(reason) for reason in ("RetrainStarted", "RecalibrationStarted")}
    return {**end(world), **counted, "versions": len(world.versions), "finished": world.finished}


@pytest.mark.parametrize("name", LIVES)
def test_a_clock_that_jumps_an_hour_does_not_change_the_end(name: str) -> None:
    lives = LIVES[name]
    straight = lived(lives.life, **lives.sections)
    assert not lives.shown or lives.shown in reasons(straight)
    expected = ended(straight)
    turns = sorted(straight.turns)
    spread = [turns[place * len(turns) // MOST] for place in range(MOST)]
    for ctx, jump in zip(spread, itertools.cycle(JUMPS), strict=False):
        seen = ended(lived(lives.life, {ctx: jump}, **lives.sections))
        assert seen == expected, f"{jump} at look {ctx}"
