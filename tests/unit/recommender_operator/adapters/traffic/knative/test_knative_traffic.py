"""Traffic by KServe's canary, against a stand-in that follows KServe's rules."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.adapters.kinds import BUDGETS, INFERENCE_SERVICES, NETWORK_POLICIES
from recommender_operator.adapters.objects.owned_writes import ForeignObjectError
from recommender_operator.adapters.traffic.knative.knative_traffic import KnativeTraffic
from recommender_operator.adapters.traffic.traffic_port import Subject, TrafficError, TrafficView
from recommender_operator.api.quantities import MEBIBYTE
from recommender_operator.api.version import VersionStage
from recommender_operator.controller.kube import ConflictError, Object, Resource
from recommender_operator.resources.ownership import controller_of
from tests.fakes.documents import copied
from tests.fakes.kserve import FakeKServe
from tests.fakes.kube import FakeKube
from tests.fakes.objects import pod
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version

V1, V2, V3 = "movies-1", "movies-2", "movies-3"
DONE = VersionStage.PROMOTED


class Rig:
    def __init__(self) -> None:
        self.kube = FakeKube()
        self.kserve = FakeKServe(self.kube)
        self.traffic = KnativeTraffic(self.kube, OPTIONS)
        self.stages = {
            V1: VersionStage.CANARY, V2: VersionStage.CANARY, V3: VersionStage.CANARY
        }  # fmt: skip
        self.model = model()

    @property
    def subject(self) -> Subject:
        versions = {}
        for name, stage in self.stages.items():
            made = version(name)
            status = made.status.model_copy(update={"stage": stage})
            versions[name] = dataclasses.replace(made, status=status)
        pods = {name: [pod(f"{name}-pod", name)] for name in self.stages}
        return Subject(model=self.model, versions=versions, pods=pods)

    async def view(self) -> TrafficView:
        return await self.traffic.observe(self.subject)

    async def ensure(self, name: str) -> TrafficView:
        await self.traffic.ensure(self.subject, name)
        self.kserve.settle()
        return await self.view()

    async def split(self, **weights: int) -> TrafficView:
        wanted = {f"movies-{name[1]}": weight for name, weight in weights.items()}
        await self.traffic.split(self.subject, wanted)
        self.kserve.settle()
        return await self.view()

    async def release(self, name: str) -> TrafficView:
        await self.traffic.release(self.subject, name)
        self.kserve.settle()
        return await self.view()

    async def with_champion(self) -> Rig:
        await self.ensure(V1)
        self.stages[V1] = DONE
        await self.split(v1=100)
        return self

    async def with_three(self) -> Rig:
        """The third version has all requests, and the second is kept warm."""
        await self.with_champion()
        for name, weights in ((V2, {"v2": 100}), (V3, {"v3": 100})):
            await self.ensure(name)
            self.stages[name] = DONE
            await self.split(**weights)
        await self.ensure(V2)
        return self


async def test_the_first_version_receives_everything_as_soon_as_it_is_ready() -> None:
    view = await Rig().ensure(V1)
    assert view.services[V1].ready
    assert (view.traffic.weights, view.traffic.accepted) == ({V1: 100}, True)
    assert view.traffic.host == "movies-predictor.team.knative.example"
    assert view.services[V1].requested_memory == 1536 * MEBIBYTE


async def test_a_split_without_a_host_is_not_accepted() -> None:
    rig = Rig()
    rig.kserve.url = ""
    view = await rig.ensure(V1)
    assert (view.traffic.weights, view.traffic.accepted) == ({V1: 100}, False)
    assert "no host" in view.traffic.message


async def test_a_candidate_starts_without_requests() -> None:
    rig = await Rig().with_champion()
    view = await rig.ensure(V2)
    assert set(view.services) == {V1, V2}
    assert (view.traffic.weights, view.traffic.accepted) == ({V1: 100}, True)


async def test_a_candidate_gains_weight_step_by_step_and_is_promoted() -> None:
    rig = await Rig().with_champion()
    await rig.ensure(V2)
    assert (await rig.split(v1=90, v2=10)).traffic.weights == {V1: 90, V2: 10}
    assert (await rig.split(v1=50, v2=50)).traffic.accepted
    view = await rig.split(v2=100)
    assert (view.traffic.weights, view.traffic.accepted) == ({V2: 100}, True)


async def test_a_rollback_from_any_step_is_one_write() -> None:
    for percent in (10, 50, 100):
        rig = await Rig().with_champion()
        await rig.ensure(V2)
        await rig.split(**({"v1": 100 - percent, "v2": percent}))
        rig.kube.writes.clear()
        view = await rig.split(v1=100)
        assert rig.kube.writes == [("apply", "inferenceservices", "movies")]
        assert (view.traffic.weights, view.traffic.accepted) == ({V1: 100}, True), percent


async def test_a_candidate_that_never_gets_ready_keeps_the_split_and_gets_no_share() -> None:
    rig = await Rig().with_champion()
    rig.kserve.broken = {V2}
    view = await rig.ensure(V2)
    assert not view.services[V2].ready
    assert view.traffic.weights == {V1: 100}
    with pytest.raises(TrafficError, match="movies-2 is not ready"):
        await rig.split(v1=90, v2=10)
    with pytest.raises(TrafficError, match="would promote 'movies-1'"):
        await rig.split(v2=100)
    assert (await rig.view()).traffic.weights == {V1: 100}


async def test_a_candidate_that_is_released_gives_its_place_back_without_a_request() -> None:
    rig = await Rig().with_champion()
    await rig.ensure(V2)
    await rig.split(v1=90, v2=10)
    await rig.split(v1=100)
    rig.stages[V2] = VersionStage.ROLLED_BACK
    view = await rig.release(V2)
    assert view.services[V2].reason == "Retiring"
    assert view.traffic.weights == {V1: 100}
    view = await rig.release(V2)
    assert set(view.services) == {V1}
    assert (view.traffic.weights, view.traffic.accepted) == ({V1: 100}, True)
    predictor = rig.kube.find(INFERENCE_SERVICES, "movies")["spec"]["predictor"]
    assert "canaryTrafficPercent" not in predictor


async def test_the_stable_version_is_not_promoted_before_its_new_revision_is_ready() -> None:
    rig = await Rig().with_champion()
    await rig.ensure(V2)
    await rig.split(v1=100)
    rig.stages[V2] = VersionStage.ROLLED_BACK
    rig.kserve.broken = {V1}
    for _ in range(3):
        view = await rig.release(V2)
        assert view.traffic.weights == {V1: 100}
        assert V2 in view.services, "it is released until nothing of it is left"


async def test_one_canary_at_a_time_and_a_new_one_replaces_the_open_one_without_share() -> None:
    rig = await Rig().with_champion()
    await rig.ensure(V2)
    await rig.split(v1=90, v2=10)
    await rig.split(v1=100)
    rig.stages[V2] = VersionStage.SUPERSEDED
    rig.kserve.broken = {V3}
    view = await rig.ensure(V3)
    assert view.traffic.weights == {V1: 100}
    with pytest.raises(TrafficError):
        await rig.split(v1=90, v3=10)


async def test_the_former_champion_is_kept_warm_and_comes_back_at_once() -> None:
    rig = await Rig().with_champion()
    await rig.ensure(V2)
    rig.stages[V2] = DONE
    await rig.split(v2=100)
    view = await rig.ensure(V1)
    assert set(view.services) == {V1, V2}
    assert view.traffic.weights == {V2: 100}
    view = await rig.split(v1=100)
    assert (view.traffic.weights, view.traffic.accepted) == ({V1: 100}, True)


async def test_a_version_kept_warm_gives_way_to_a_candidate_and_not_the_other_way_round() -> None:
    rig = await Rig().with_champion()
    await rig.ensure(V2)
    rig.stages[V2] = DONE
    await rig.split(v2=100)
    await rig.ensure(V1)
    view = await rig.ensure(V3)
    assert set(view.services) == {V2, V3}
    view = await rig.ensure(V1)
    assert set(view.services) == {V2, V3}
    assert view.traffic.weights == {V2: 100}


async def test_a_version_kept_warm_waits_until_kserve_has_rolled_out_a_restored_champion() -> None:
    rig = await Rig().with_three()
    # One look: the route first, then what is kept warm.
    await rig.traffic.split(rig.subject, {V2: 100})
    await rig.traffic.ensure(rig.subject, V1)
    rig.kserve.settle()
    view = await rig.view()
    assert view.traffic.weights == {V2: 100}
    assert view.services[V2].ready
    assert set((await rig.ensure(V1)).services) == {V1, V2}


async def test_a_restored_champion_that_is_not_ready_and_a_warm_version_do_not_alternate() -> None:
    rig = await Rig().with_three()
    await rig.ensure(V1)
    rig.kserve.broken = {V1, V2}
    status = rig.model.status.model_copy(update={"champion": V2})
    rig.model = dataclasses.replace(rig.model, status=status)
    await rig.ensure(V2)
    rig.kube.writes.clear()
    for _ in range(3):
        await rig.ensure(V1)
        await rig.ensure(V2)
    assert [write for write in rig.kube.writes if write[1] == INFERENCE_SERVICES.plural] == []
    rig.kserve.broken.clear()
    rig.kserve.settle()
    assert (await rig.split(v2=100)).traffic.weights == {V2: 100}


async def test_only_the_latest_and_the_rolled_out_version_can_be_split() -> None:
    rig = await Rig().with_champion()
    with pytest.raises(TrafficError, match="movies-3"):
        await rig.split(v1=50, v3=50)


async def test_changed_settings_keep_the_share() -> None:
    rig = await Rig().with_champion()
    await rig.ensure(V2)
    await rig.split(v1=90, v2=10)
    rig.model = model(serving={"replicas": 3})
    assert (await rig.view()).services[V2].outdated
    view = await rig.ensure(V2)
    assert view.traffic.weights == {V1: 90, V2: 10}
    assert not view.services[V2].outdated


@pytest.mark.parametrize("kind", [BUDGETS, NETWORK_POLICIES], ids=lambda kind: kind.plural)
async def test_a_model_of_an_earlier_release_gets_what_it_lacks_and_no_pod_restarts(
    kind: Resource,
) -> None:
    rig = await Rig().with_champion()
    place = (kind, "team", "movies-predictor")
    del rig.kube.objects[place]
    assert (await rig.view()).services[V1].outdated
    rig.kube.writes.clear()
    view = await rig.ensure(V1)
    assert ("apply", kind.plural, "movies-predictor") in rig.kube.writes
    assert "inferenceservices" not in {plural for _, plural, _ in rig.kube.writes}
    assert not view.services[V1].outdated
    service = rig.kube.objects[INFERENCE_SERVICES, "team", "movies"]
    owner = controller_of(rig.kube.objects[place])
    assert owner is not None
    assert owner["uid"] == service["metadata"]["uid"]


async def test_without_policies_a_service_lacks_none() -> None:
    rig = Rig()
    rig.traffic = KnativeTraffic(rig.kube, dataclasses.replace(OPTIONS, isolate_triton=False))
    view = await (await rig.with_champion()).view()
    assert not view.services[V1].outdated
    assert rig.kube.names(NETWORK_POLICIES) == []


async def test_a_withdrawn_or_deleted_model_leaves_nothing() -> None:
    rig = await Rig().with_champion()
    await rig.traffic.withdraw(rig.subject)
    rig.kserve.settle()
    assert (await rig.view()).services == {}
    await rig.with_champion()
    rig.model = dataclasses.replace(rig.model, deleting=True)
    assert (await rig.release(V1)).services == {}


async def test_a_foreign_service_is_not_changed() -> None:
    rig = Rig()
    metadata: dict[str, Any] = {"name": "movies", "namespace": "team", "ownerReferences": []}
    spec: Object = {"predictor": {"model": {}}}
    other = copied(rig.kube.put(INFERENCE_SERVICES, {"metadata": metadata, "spec": spec}))
    view = await rig.view()
    assert (view.services, dict(view.traffic.weights)) == ({}, {})
    assert (
        "InferenceService team/movies does not belong to this model (no owner)"
        in view.traffic.message
    )
    assert [found.kind for found in view.foreign] == ["InferenceService"]
    for write in (
        rig.traffic.ensure(rig.subject, V1),
        rig.traffic.split(rig.subject, {V1: 100}),
        rig.traffic.release(rig.subject, V1),
        rig.traffic.withdraw(rig.subject),
    ):
        with pytest.raises(ForeignObjectError):
            await write
    assert rig.kube.find(INFERENCE_SERVICES, "movies") == other


async def test_a_split_over_a_service_that_another_operator_has_changed_is_a_conflict() -> None:
    rig = await Rig().with_champion()
    await rig.ensure(V2)
    await rig.split(v1=90, v2=10)
    frozen = rig.subject
    await rig.traffic.observe(frozen)
    await rig.split(v1=100)
    with pytest.raises(ConflictError):
        await rig.traffic.split(frozen, {V1: 50, V2: 50})
    assert (await rig.view()).traffic.weights == {V1: 100}


async def test_a_status_of_kserve_does_not_delay_a_split() -> None:
    rig = await Rig().with_champion()
    await rig.ensure(V2)
    await rig.split(v1=90, v2=10)
    seen = rig.subject
    await rig.traffic.observe(seen)
    service = rig.kube.touch(INFERENCE_SERVICES, "movies")
    service["status"] |= {"observedGeneration": 7}
    await rig.traffic.split(seen, {V1: 100})
    rig.kserve.settle()
    assert (await rig.view()).traffic.weights == {V1: 100}


Moves = st.lists(
    st.tuples(
        st.sampled_from(["ensure", "split", "release", "step", "break", "mend"]),
        st.sampled_from([V1, V2, V3]),
        st.sampled_from([0, 10, 50, 100]),
    ),
    max_size=14,
)


@given(Moves)
async def test_no_order_of_calls_gives_a_share_to_another_version(
    moves: list[tuple[str, str, int]],
) -> None:
    rig = await Rig().with_champion()
    allowed = {V1}
    for verb, name, percent in moves:
        if verb == "break":
            rig.kserve.broken.add(name)
        elif verb == "mend":
            rig.kserve.broken.discard(name)
        elif verb == "ensure":
            await rig.traffic.ensure(rig.subject, name)
        elif verb == "release" and name not in allowed:
            await rig.traffic.release(rig.subject, name)
        elif verb == "split":
            stable = V1
            wanted = {name: percent, stable: 100 - percent} if name != stable else {stable: 100}
            try:
                await rig.traffic.split(rig.subject, wanted)
            except TrafficError:
                continue
            # A version with a share may keep it until Knative applies the change.
            allowed |= {version for version, weight in wanted.items() if weight > 0}
        else:
            rig.kserve.step()
        reported = (await rig.view()).traffic.weights
        assert set(reported) <= allowed
        assert sum(reported.values()) in (0, 100)


def account(name: str) -> dict[str, Any]:
    return {"podTemplate": {"spec": {"serviceAccountName": name}}}


@pytest.mark.parametrize("before", [None, "default"])
async def test_a_refused_account_neither_reaches_the_template_nor_holds_traffic(
    before: str | None,
) -> None:
    rig = Rig()
    if before is not None:
        rig.model = model(serving=account(before))
    await rig.with_champion()
    await rig.ensure(V2)
    await rig.split(v1=50, v2=50)
    rig.model = model(serving=account("server"))
    view = await rig.split(v1=100)
    predictor = rig.kube.find(INFERENCE_SERVICES, "movies")["spec"]["predictor"]
    assert predictor.get("serviceAccountName") == before
    assert view.traffic.weights == {V1: 100}
    assert view.services[V2].outdated
    allowed = dataclasses.replace(OPTIONS, service_accounts=(("team", ("server",)),))
    rig.traffic = KnativeTraffic(rig.kube, allowed)
    view = await rig.ensure(V2)
    predictor = rig.kube.find(INFERENCE_SERVICES, "movies")["spec"]["predictor"]
    assert predictor["serviceAccountName"] == "server"
    assert not view.services[V2].outdated
    assert view.traffic.weights == {V1: 100}


async def test_an_invalid_placement_keeps_the_former_one_and_holds_no_traffic() -> None:
    rig = Rig()
    former = [{"key": "team", "operator": "Exists"}]
    rig.model = model(serving={"podTemplate": {"spec": {"tolerations": former}}})
    await rig.with_champion()
    await rig.ensure(V2)
    await rig.split(v1=50, v2=50)
    wrong = {"tolerations": [{"key": 3}], "affinity": {"podAffinity": "web"}}
    rig.model = model(serving={"podTemplate": {"spec": wrong}})
    view = await rig.split(v1=100)
    predictor = rig.kube.find(INFERENCE_SERVICES, "movies")["spec"]["predictor"]
    assert predictor["tolerations"] == former
    assert "affinity" not in predictor
    assert view.traffic.weights == {V1: 100}
    assert view.services[V2].outdated
