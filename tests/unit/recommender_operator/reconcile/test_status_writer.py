"""A model's status is written at most once per look, or by the last look of a series."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from recommender_operator import actions as do
from recommender_operator.adapters.kinds import MODELS
from recommender_operator.adapters.objects.owned_writes import OwnedObjects
from recommender_operator.adapters.objects.parsed_objects import model_object
from recommender_operator.api.status import ModelClock, RecommenderModelStatus, Stage
from recommender_operator.reconcile.status_writer import StatusWriter
from recommender_operator.status.postponed_changes import LONGEST
from tests.fakes.kube import NOW, FakeKube
from tests.fakes.objects import add_model

ACTED = (do.DropBaseline(key="k"),)
MOVED = RecommenderModelStatus(stage=Stage.TRAINING)


@dataclasses.dataclass
class World:
    kube: FakeKube = dataclasses.field(default_factory=FakeKube)
    time: float = 0.0

    def __post_init__(self) -> None:
        add_model(self.kube)["status"] = {"stage": "Pending"}
        self.projection = StatusWriter(OwnedObjects(self.kube), clock=lambda: self.time)

    async def look(self, **decision: object) -> bool:
        """Return whether nothing is left for the next look."""
        raw = await self.kube.get(MODELS, "team", "movies")
        assert raw is not None
        values: dict[str, object] = {"actions": ACTED, "status": MOVED}
        decided = do.Decision(**(values | decision))  # type: ignore[arg-type]
        return await self.projection.write("movies", raw, model_object(raw), decided, NOW)

    @property
    def stage(self) -> str:
        return str(self.kube.find(MODELS, "movies")["status"]["stage"])


async def test_a_look_that_acted_leaves_its_progress_to_the_next_one() -> None:
    world = World()
    assert not await world.look()
    assert world.stage == "Pending"
    assert await world.look(actions=())
    assert world.stage == "Training"


async def test_a_look_that_only_started_a_window_answers_at_once() -> None:
    """Its next look may be behind those at all other models."""
    world = World()
    assert await world.look(actions=(do.SaveBaseline(key="k", taken_at=NOW, samples={}),))
    assert world.stage == "Training"


async def test_a_status_is_behind_for_no_longer_than_its_bound() -> None:
    world = World()
    assert not await world.look()
    world.time = LONGEST.total_seconds() - 0.1
    assert not await world.look()
    world.time = LONGEST.total_seconds()
    assert await world.look()
    assert world.stage == "Training"
    # The next series of looks has the full time again.
    assert not await world.look(status=RecommenderModelStatus(stage=Stage.EVALUATING))


async def test_a_warning_is_given_once_so_its_status_does_not_wait() -> None:
    world = World()
    warning = do.Event(type="Warning", reason="R", message="m")
    assert await world.look(events=(warning,))
    assert world.stage == "Training"


async def test_the_first_status_of_a_model_does_not_wait() -> None:
    world = World()
    del world.kube.find(MODELS, "movies")["status"]
    assert await world.look()
    assert world.stage == "Training"


async def test_state_that_only_the_status_stores_does_not_wait() -> None:
    world = World()
    assert await world.look(status=RecommenderModelStatus(stage=Stage.TRAINING, locked=True))
    assert world.stage == "Training"


@pytest.mark.parametrize(
    ("pace", "age", "waits"), [(30, 0, True), (30, 29, True), (30, 31, False), (15, 0, False)]
)
async def test_a_clock_waits_only_while_it_is_precise(pace: int, age: int, waits: bool) -> None:
    world = World()
    clock = ModelClock(
        observed_at=NOW - datetime.timedelta(seconds=age), time=NOW, pace_seconds=pace
    )
    stored = RecommenderModelStatus(stage=Stage.PENDING, clock=clock)
    world.kube.find(MODELS, "movies")["status"] = stored.dump()
    assert await world.look(status=MOVED.model_copy(update={"clock": clock})) is not waits
