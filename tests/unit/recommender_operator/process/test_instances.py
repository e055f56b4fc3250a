"""Only one release manages a model: by its label, and by the claim in its status."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.adapters.kinds import EVENTS, MODELS
from recommender_operator.controller.kube import ConflictError
from recommender_operator.metrics.operator_metrics import Metrics
from recommender_operator.process.instances import (
    DELETING_WAIT,
    FOREIGN_WAIT,
    Claim,
    Release,
    ReleaseClaims,
    claim_of,
    is_labelled,
    selector,
)
from recommender_operator.reconcile.reconciler import Key, Refused
from recommender_operator.resources.labels import INSTANCE
from tests.fakes.kube import NOW, FakeKube
from tests.sources import SOURCE

KEY = Key("team", "movies")
GRACE = 120.0


@dataclasses.dataclass
class World:
    kube: FakeKube = dataclasses.field(default_factory=FakeKube)
    time: float = 0.0

    def __post_init__(self) -> None:
        spec = {
            "data": {"source": SOURCE},
            "storage": {"persistentVolumeClaim": {"claimName": "store"}},
        }
        metadata = {"name": "movies", "namespace": "team", "labels": {}}
        kind = {"apiVersion": "recommender.dev/v1alpha1", "kind": "RecommenderModel"}
        self.kube.put(MODELS, {**kind, "metadata": metadata, "spec": spec})

    def release(self, name: str, instance: str = "") -> Operator:
        return Operator(self, Release(name, instance))

    @property
    def model(self) -> Any:
        return self.kube.find(MODELS, "movies")

    @property
    def holder(self) -> str | None:
        claim = self.model.get("status", {}).get("operator") or {}
        return claim.get("release")

    def label(self, instance: str | None) -> None:
        labels = self.model["metadata"]["labels"]
        labels.pop(INSTANCE, None)
        if instance is not None:
            labels[INSTANCE] = instance
        self.kube.touch(MODELS, "movies")


class Operator:
    def __init__(self, world: World, release: Release) -> None:
        self.world = world
        self.metrics = Metrics()
        self.claims = ReleaseClaims(
            world.kube, release, grace=GRACE, metrics=self.metrics,
            now=lambda: NOW, clock=lambda: world.time,
        )  # fmt: skip

    async def look(self) -> Any:
        raw = await self.world.kube.get(MODELS, "team", "movies")
        assert raw is not None
        return await self.claims.admit(KEY, raw)

    async def acts(self) -> bool:
        return not isinstance(await self.look(), Refused)

    @property
    def foreign(self) -> float | None:
        return self.metrics.registry.get_sample_value("recommender_operator_foreign_models")


def test_the_servers_selector_and_the_check_of_a_look_agree() -> None:
    assert (selector(""), selector("blue")) == (f"!{INSTANCE}", f"{INSTANCE}=blue")
    for labels, instance, mine in (
        ({}, "", True),
        ({INSTANCE: "blue"}, "", False),
        ({INSTANCE: ""}, "", False),
        ({INSTANCE: "blue"}, "blue", True),
        ({INSTANCE: "green"}, "blue", False),
        ({}, "blue", False),
        (None, "", True),
    ):
        assert is_labelled({"metadata": {"labels": labels}}, instance) is mine


async def test_the_first_look_writes_the_claim_before_anything_else_and_no_other_does() -> None:
    world = World()
    first = world.release("a/a")
    admitted = await first.look()
    assert world.holder == "a/a"
    assert world.kube.writes == [("status", "recommendermodels", "movies")]
    assert admitted["metadata"]["resourceVersion"] == world.model["metadata"]["resourceVersion"]
    assert await first.acts()
    assert len(world.kube.writes) == 1


async def test_of_two_releases_that_see_a_new_model_one_claims_it() -> None:
    world = World()
    raw = await world.kube.get(MODELS, "team", "movies")
    assert raw is not None
    await world.release("a/a").claims.admit(KEY, raw)
    with pytest.raises(ConflictError):
        await world.release("b/b").claims.admit(KEY, raw)
    assert world.holder == "a/a"


async def test_a_claim_keeps_the_rest_of_the_status() -> None:
    world = World()
    world.model["status"] = {"stage": "Serving", "champion": "movies-1"}
    await world.release("a/a").look()
    assert world.model["status"]["champion"] == "movies-1"


async def test_another_release_of_the_same_instance_writes_one_event_and_nothing_else() -> None:
    world = World()
    first, second = world.release("a/a"), world.release("b/b")
    assert await first.acts()
    before = dict(world.model)
    world.kube.writes.clear()
    for _ in range(5):
        assert await second.look() == Refused(FOREIGN_WAIT)
    assert [(verb, kind) for verb, kind, _ in world.kube.writes] == [("create", "events")]
    assert world.model == before
    ((_, _, name),) = [place for place in world.kube.objects if place[0] == EVENTS]
    message = world.kube.find(EVENTS, name)["message"]
    assert "a/a manages this model, so b/b does not" in message
    assert "status.operator" in message
    assert second.foreign == 1


async def test_a_model_that_another_release_deletes_is_looked_at_more_often() -> None:
    world = World()
    await world.release("a/a").look()
    second = world.release("b/b")
    world.model["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    assert await second.look() == Refused(DELETING_WAIT)
    second.claims.forget(KEY)
    assert second.foreign == 0


async def test_a_claim_that_a_person_removed_is_free() -> None:
    world = World()
    await world.release("gone/gone").look()
    second = world.release("b/b")
    assert not await second.acts()
    del world.model["status"]["operator"]
    assert await second.acts()
    assert (world.holder, second.foreign) == ("b/b", 0)


async def test_a_label_moves_a_model_once_the_former_release_has_removed_its_claim() -> None:
    world = World()
    plain, blue = world.release("a/a"), world.release("b/b", "blue")
    assert await plain.acts()
    assert await blue.look() == Refused(None)
    world.label("blue")
    assert not await blue.acts()
    assert await plain.look() == Refused(None)
    assert world.holder is None
    assert await blue.acts()
    assert world.holder == "b/b"
    assert not await plain.acts()
    assert world.holder == "b/b"


async def test_the_claim_of_a_missing_release_ends_with_its_last_possible_look() -> None:
    world = World()
    await world.release("a/a").look()
    world.label("blue")
    blue = world.release("b/b", "blue")
    assert await blue.look() == Refused(DELETING_WAIT)
    world.time = GRACE - 1
    assert await blue.look() == Refused(1)
    world.time = GRACE
    assert await blue.acts()
    assert world.holder == "b/b"


async def test_a_label_that_changed_back_and_forth_starts_the_wait_again() -> None:
    """The former release may have had a look in between."""
    world = World()
    await world.release("a/a").look()
    blue = world.release("b/b", "blue")
    world.label("blue")
    assert await blue.look() == Refused(DELETING_WAIT)
    world.time = GRACE - 1
    world.label(None)
    world.label("blue")
    assert await blue.look() == Refused(DELETING_WAIT)
    world.time = GRACE + 1
    assert not await blue.acts()
    world.time = 2 * GRACE - 1
    assert await blue.acts()


async def test_a_release_that_gets_an_instance_keeps_the_models_that_get_its_label() -> None:
    world = World()
    await world.release("a/a").look()
    world.label("blue")
    assert await world.release("a/a", "blue").acts()
    assert claim_of(world.model, "a/a", "blue") is Claim.OURS
    assert world.model["status"]["operator"] == {"release": "a/a", "instance": "blue"}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.floats(0, 60)), max_size=40))
async def test_no_two_releases_act_on_a_model_within_the_length_of_a_look(
    steps: list[tuple[str, bool, float]],
) -> None:
    """`a` and `b` have no instance, `c` is blue; the label moves back and forth."""
    world = World()
    releases = {"a": world.release("a/a"), "b": world.release("b/b")}
    releases["c"] = world.release("c/c", "blue")
    labels = itertools.cycle(["blue", None])
    acted: tuple[str, float] | None = None
    let_go: set[str] = set()
    for name, moves, pause in steps:
        world.time += pause
        if moves:
            world.label(next(labels))
        holder = world.holder
        if await releases[name].acts():
            if acted is not None and acted[0] != name:
                assert acted[0] in let_go or world.time - acted[1] >= GRACE
            acted, let_go = (name, world.time), set()
        elif holder == f"{name}/{name}" and world.holder is None:
            let_go.add(name)
