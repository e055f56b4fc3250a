"""A transformer of a release that knew no experiments is replaced, where there is one."""

from __future__ import annotations

import pytest

from recommender_operator.adapters.kubernetes.port import INFERENCE_SERVICES
from recommender_operator.adapters.traffic.gateway import GatewayTraffic
from recommender_operator.adapters.traffic.port import Subject
from recommender_operator.resources import labels
from tests.fakes.kube import FakeKube
from tests.unit.recommender_operator.experiment_worlds import PLAN
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version

NAME = "movies-0123abcd"
MEASURED: dict[str, object] = {"serving": {"impressions": 1}, "experiment": PLAN}
PLAIN: dict[str, object] = {"serving": {"impressions": 1}}


class Site:
    """A deployed version, whose transformer may be of an earlier release."""

    def __init__(self) -> None:
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
        found: str | None = annotations.get(labels.EXPERIMENTS)
        return found

    def age(self, number: str | None) -> None:
        """Let the version be of a release with this contract of experiments, or with none."""
        annotations = self._kube.find(INFERENCE_SERVICES, NAME)["metadata"]["annotations"]
        annotations.pop(labels.EXPERIMENTS)
        if number is not None:
            annotations[labels.EXPERIMENTS] = number


@pytest.mark.parametrize("number", [None, "0"])
async def test_an_upgrade_restarts_no_version_until_its_model_has_an_experiment(
    number: str | None,
) -> None:
    site = Site()
    await site.ensured(PLAIN)
    site.age(number)
    assert not await site.ensured(PLAIN)
    assert site.known() == number, "no new pods"
    assert await site.ensured(MEASURED)
    assert site.known() == "1"
    assert not await site.ensured(MEASURED)


async def test_a_version_that_knows_experiments_is_not_restarted_for_one() -> None:
    site = Site()
    await site.ensured(PLAIN)
    for sections in (MEASURED, PLAIN, MEASURED):
        assert not await site.ensured(sections)
