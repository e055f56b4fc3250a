"""A transformer of a release that knew no experiments, or no copies, is replaced if needed."""

from __future__ import annotations

import pytest

from recommender_operator.adapters.kinds import INFERENCE_SERVICES
from recommender_operator.adapters.traffic.gateway_traffic import GatewayTraffic
from recommender_operator.adapters.traffic.traffic_port import Subject
from recommender_operator.resources import labels
from tests.fakes.kube import FakeKube
from tests.unit.recommender_operator.experiment_worlds import PLAN
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version
from tests.unit.recommender_operator.resources.built_manifests import MAPPING

NAME = "movies-0123abcd"
MEASURED: dict[str, object] = {"serving": {"impressions": 1}, "rollout": {"experiment": PLAN}}
SHADOWED: dict[str, object] = {"serving": {"impressions": 1}, "rollout": {"shadow": {}}}
PLAIN: dict[str, object] = {"serving": {"impressions": 1}}
MIXED: dict[str, object] = {"serving": {"impressions": 1}, "rollout": {"interleaving": {}}}
CURRENT = {labels.EXPERIMENTS: "4", labels.SHADOWS: "2"}
BOTH = pytest.mark.parametrize(
    ("contract", "sections"),
    [(labels.EXPERIMENTS, MEASURED), (labels.SHADOWS, SHADOWED), (labels.SHADOWS, MIXED)],
)


class Site:
    """A deployed version, whose transformer may be of an earlier release."""

    def __init__(self, contract: str) -> None:
        self._contract = contract
        self._kube = FakeKube()
        self._traffic = GatewayTraffic(self._kube, OPTIONS)

    async def ensured(self, sections: dict[str, object]) -> bool:
        """Observe and ensure the version; return whether it was outdated."""
        subject = Subject(model=model(**sections), versions={NAME: version()})
        service = (await self._traffic.observe(subject)).services.get(NAME)
        await self._traffic.ensure(subject, NAME)
        return service is not None and service.outdated

    def known(self) -> str | None:
        annotations = self._kube.find(INFERENCE_SERVICES, NAME)["metadata"]["annotations"]
        found: str | None = annotations.get(self._contract)
        return found

    def age(self, number: str | None) -> None:
        """Let the version be of a release with this number of the contract, or with none."""
        annotations = self._kube.find(INFERENCE_SERVICES, NAME)["metadata"]["annotations"]
        annotations.pop(self._contract)
        if number is not None:
            annotations[self._contract] = number


@BOTH
@pytest.mark.parametrize("number", [None, "0"])
async def test_an_upgrade_restarts_no_version_until_its_model_needs_it(
    number: str | None, contract: str, sections: dict[str, object]
) -> None:
    site = Site(contract)
    await site.ensured(PLAIN)
    site.age(number)
    assert not await site.ensured(PLAIN)
    assert site.known() == number, "no new pods"
    assert await site.ensured(sections)
    assert site.known() == CURRENT[contract]
    assert not await site.ensured(sections)


@BOTH
async def test_a_version_that_knows_the_contract_is_not_restarted_for_it(
    contract: str, sections: dict[str, object]
) -> None:
    site = Site(contract)
    await site.ensured(PLAIN)
    for each in (sections, PLAIN, sections):
        assert not await site.ensured(each)


async def test_a_transformer_that_knows_no_withdrawn_versions_is_replaced_for_further_ones() -> (
    None
):
    site = Site(labels.EXPERIMENTS)
    arms = {"weight": 20, "arms": [{"version": "movies-4567cdef"}]}
    several = MEASURED | {"rollout": {"experiment": PLAN | arms}}
    await site.ensured(PLAIN)
    site.age("1")
    assert not await site.ensured(MEASURED), "it knows the experiments of two versions"
    assert await site.ensured(several)
    assert site.known() == "4"
    assert not await site.ensured(several)
    site.age("2")
    assert not await site.ensured(several)


async def test_a_transformer_that_knows_no_bands_is_replaced_if_numbers_divide_the_users() -> None:
    users = {
        "files": "users/*",
        "id": "user_id",
        "features": [{"name": "age", "kind": "Numeric"}, {"name": "plan", "kind": "Categorical"}],
    }
    source = {
        "persistentVolumeClaim": {"claimName": "raw", "path": "shop"}, "format": "CSV",
        "mapping": {**MAPPING, "users": users},
    }  # fmt: skip

    def divided_by(feature: str) -> dict[str, object]:
        experiment = PLAN | {"segments": [{"feature": feature}]}
        return {**MEASURED, "rollout": {"experiment": experiment}, "data": {"source": source}}

    site = Site(labels.EXPERIMENTS)
    await site.ensured(PLAIN)
    site.age("2")
    assert not await site.ensured(divided_by("plan"))
    assert not await site.ensured(divided_by("device"))
    assert await site.ensured(divided_by("age"))
    assert site.known() == "4"
    assert not await site.ensured(divided_by("age"))


GROUP = {"itemGroup": {"feature": "genre", "categories": ["Film-Noir"]}}


@pytest.mark.parametrize(
    "more",
    [
        {"guardrails": [{"metric": "ErrorRate", "largestLoss": 0.5}]},
        {"guardrails": [{"metric": "SlowShare", "largestLoss": 0.5}]},
        {"guardrails": [{"metric": "GroupExposure", "largestLoss": 0.5}], **GROUP},
        {"primary": [{"metric": "GroupExcess", "smallestEffect": 0.5}], **GROUP},
    ],
)
async def test_a_transformer_that_reports_nothing_of_requests_is_replaced_if_they_are_watched(
    more: dict[str, object],
) -> None:
    site = Site(labels.EXPERIMENTS)
    await site.ensured(PLAIN)
    site.age("3")
    assert not await site.ensured(MEASURED)
    assert not await site.ensured(MEASURED | {"rollout": {"experiment": PLAN | GROUP}}), (
        "without its metric"
    )
    assert await site.ensured(MEASURED | {"rollout": {"experiment": PLAN | more}})
    assert site.known() == "4"
    assert not await site.ensured(MEASURED | {"rollout": {"experiment": PLAN | more}})


@pytest.mark.parametrize(("sections", "restarts"), [(SHADOWED, False), (MIXED, True)])
async def test_a_transformer_that_knows_copies_alone_is_replaced_for_mixed_lists_alone(
    sections: dict[str, object], restarts: bool
) -> None:
    site = Site(labels.SHADOWS)
    await site.ensured(PLAIN)
    site.age("1")
    assert await site.ensured(sections) is restarts
    assert site.known() == ("2" if restarts else "1")
