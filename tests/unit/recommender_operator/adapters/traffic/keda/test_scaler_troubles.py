"""What KEDA refuses or leaves undone stops no service, and takes no scaler from it."""

from __future__ import annotations

import pytest

from recommender_operator.adapters.kinds import AUTOSCALERS, INFERENCE_SERVICES, SCALED_OBJECTS
from recommender_operator.adapters.traffic.keda.keda_scalers import METRICS_PATIENCE, PATIENCE
from recommender_operator.adapters.traffic.keda.scaler_troubles import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    Troubles,
)
from recommender_operator.controller.kube import KubeError
from recommender_operator.resources import autoscaling
from tests.unit.recommender_operator.adapters.traffic.keda.keda_world import (
    AUTOSCALER_NAMES,
    BY_HPA,
    BY_KEDA,
    FIXED,
    NAME,
    SCALED_NAMES,
    Keda,
)
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS

FIRST, SECOND = SCALED_NAMES
MORE = {"serving": {"replicas": 3, "autoscaling": {"maxReplicas": 9, "engine": "KEDA"}}}


@pytest.mark.parametrize("status", [400, 403, 404, 405, 422])
async def test_a_refused_scaled_object_stops_neither_the_service_nor_the_other(
    status: int,
) -> None:
    keda = Keda()
    keda.refuse(FIRST, status=status)
    await keda.look(BY_KEDA)
    assert (keda.autoscalers(), keda.scaled_objects()) == ([AUTOSCALER_NAMES[0]], [SECOND])
    assert not await keda.look(BY_KEDA), "it is not outdated"
    (problem,) = keda.problems
    assert FIRST in problem
    assert "the webhook denied the request" in problem


async def test_a_webhook_that_does_not_answer_is_as_a_refusal() -> None:
    keda = Keda()
    error = KubeError('failed calling webhook "vscaledobject.kb.io"', status=500)
    keda.kube.fault = lambda verb, kind, _: (
        error if (verb, kind) == ("apply", SCALED_OBJECTS) else None
    )
    await keda.look(BY_KEDA)
    assert keda.autoscalers() == AUTOSCALER_NAMES


@pytest.mark.parametrize("status", [0, 401, 429, 500, 503])
@pytest.mark.parametrize(("refused", "other"), [(FIRST, SECOND), (SECOND, FIRST)])
async def test_a_server_that_cannot_answer_now_is_asked_again(
    status: int, refused: str, other: str
) -> None:
    keda = Keda()
    keda.refuse(refused, status=status)
    with pytest.raises(KubeError):
        await keda.look(BY_KEDA)
    assert keda.scaled_objects() == [other], "the other component has its scaler"
    keda.refuse()
    await keda.settle(BY_KEDA)
    assert (keda.autoscalers(), keda.scaled_objects()) == ([], SCALED_NAMES)


async def test_what_was_refused_is_tried_again_later_or_with_other_settings() -> None:
    keda = Keda()
    keda.refuse(*SCALED_NAMES)
    await keda.look(BY_KEDA)
    keda.refuse()
    assert not await keda.look(BY_KEDA)
    assert keda.waits()
    keda.time += FIRST_PAUSE
    await keda.settle(BY_KEDA)
    assert (keda.autoscalers(), keda.scaled_objects()) == ([], SCALED_NAMES)
    assert len(keda.problems) == 2, "until KEDA shows that it scales"
    keda.make_autoscalers()
    await keda.look(BY_KEDA)
    assert not keda.problems
    assert not keda.waits()


async def test_a_refused_change_leaves_the_former_scaled_object() -> None:
    keda = Keda()
    await keda.settle(BY_KEDA)
    keda.make_autoscalers()
    for name in SCALED_NAMES:
        keda.report(name, Ready="True")
    keda.refuse(*SCALED_NAMES)
    await keda.look(MORE)
    assert not await keda.look(MORE)
    assert (keda.autoscalers(), keda.scaled_objects()) == ([], SCALED_NAMES)
    assert len(keda.problems) == 2
    keda.refuse()
    await keda.settle(BY_KEDA)
    assert not keda.problems


async def test_the_autoscaler_stays_where_somebody_else_has_the_name() -> None:
    keda = Keda()
    await keda.settle(BY_HPA)
    theirs = {"metadata": {"name": FIRST, "namespace": "team"}, "spec": {}}
    keda.kube.put(SCALED_OBJECTS, theirs)
    await keda.look(BY_KEDA)
    await keda.look(BY_KEDA)
    assert not await keda.look(BY_KEDA)
    assert keda.autoscalers() == [AUTOSCALER_NAMES[0]]
    assert keda.scaled_objects() == SCALED_NAMES
    assert ("delete", AUTOSCALERS.plural, AUTOSCALER_NAMES[0]) not in keda.kube.writes
    assert keda.kube.find(SCALED_OBJECTS, FIRST)["spec"] == {}
    assert any("does not belong to this model" in problem for problem in keda.problems)


async def test_the_autoscaler_stays_while_pods_are_missing() -> None:
    keda = Keda()
    await keda.settle(BY_HPA)
    assert not await keda.look(BY_KEDA, pods=())
    assert keda.autoscalers() == AUTOSCALER_NAMES


async def test_a_scaled_object_without_effect_is_replaced_by_an_autoscaler() -> None:
    keda = Keda()
    await keda.settle(BY_KEDA)
    keda.make_autoscalers(SECOND)
    keda.report(FIRST, Ready="False")
    keda.report(SECOND, Ready="True")
    assert not await keda.look(BY_KEDA), "KEDA has time"
    assert keda.waits()
    assert any("failed to parse cron" in problem for problem in keda.problems)
    keda.time += PATIENCE
    await keda.settle(BY_KEDA)
    assert (keda.autoscalers(), keda.scaled_objects()) == ([AUTOSCALER_NAMES[0]], [SECOND])
    assert any("failed to parse cron" in problem for problem in keda.problems)
    keda.time += LONGEST_PAUSE
    await keda.settle(BY_KEDA)
    assert (keda.autoscalers(), keda.scaled_objects()) == ([], SCALED_NAMES)


async def test_what_keda_reports_of_metrics_takes_nothing_from_it_while_it_scales() -> None:
    keda = Keda()
    await keda.settle(BY_KEDA)
    keda.make_autoscalers()
    keda.report(FIRST, Ready="False")
    await keda.look(BY_KEDA)
    for _ in range(3):
        keda.time += LONGEST_PAUSE
        assert not await keda.look(BY_KEDA)
        assert [FIRST in fails for fails in keda.failing_triggers] == [True]
        assert not keda.problems, "KEDA is available"
        assert not keda.waits()
    keda.report(FIRST, Ready="True")
    await keda.look(BY_KEDA)
    assert not keda.failing_triggers


async def test_a_metric_that_has_not_arrived_yet_is_not_reported() -> None:
    keda = Keda()
    await keda.settle(BY_KEDA)
    keda.make_autoscalers()
    for _ in range(2):
        keda.report(FIRST, Ready="False")
        await keda.look(BY_KEDA)
        keda.time += METRICS_PATIENCE - 1
        await keda.look(BY_KEDA)
        assert not keda.failing_triggers + keda.problems
        assert keda.waits(), "a look has to follow, which reports it"
        # It arrives, and the next loss has its own time.
        keda.report(FIRST, Ready="True")
        await keda.look(BY_KEDA)
    keda.report(FIRST, Ready="False")
    await keda.look(BY_KEDA)
    keda.time += METRICS_PATIENCE
    await keda.look(BY_KEDA)
    assert len(keda.failing_triggers) == 1


async def test_a_scaled_object_that_somebody_paused_stays() -> None:
    keda = Keda()
    await keda.settle(BY_KEDA)
    for name in SCALED_NAMES:
        keda.report(name, Paused="True")
    for _ in range(2):
        assert not await keda.look(BY_KEDA)
        keda.time += LONGEST_PAUSE


@pytest.mark.parametrize("sections", [BY_HPA, BY_KEDA], ids=["hpa", "keda"])
async def test_a_deletion_that_keda_does_not_finish_is_reported_and_an_autoscaler_scales(
    sections: dict[str, object],
) -> None:
    keda = Keda()
    await keda.settle(BY_KEDA)
    keda.start_deletion()
    assert await keda.look(sections)
    assert not keda.problems
    keda.time += PATIENCE
    await keda.look(sections)
    assert not await keda.look(sections), "it is not outdated"
    assert keda.autoscalers() == AUTOSCALER_NAMES
    assert all("remove the finalizer" in problem for problem in keda.problems)
    assert len(keda.problems) == 2


async def test_beside_kedas_own_autoscaler_a_deletion_that_does_not_end_adds_none() -> None:
    keda = Keda()
    await keda.settle(BY_KEDA)
    keda.make_autoscalers()
    keda.start_deletion()
    await keda.look(BY_HPA)
    keda.time += PATIENCE
    assert not await keda.look(BY_HPA)
    assert keda.autoscalers() == []


@pytest.mark.parametrize("withdrawn", [True, False], ids=["withdrawn", "enabled"])
async def test_kserve_leaves_the_number_of_pods_alone_while_keda_writes_it(
    *, withdrawn: bool
) -> None:
    keda = Keda()
    await keda.settle(BY_KEDA)
    keda.make_autoscalers()
    if withdrawn:
        keda.use(OPTIONS)
    await keda.look(FIXED)
    service = keda.kube.find(INFERENCE_SERVICES, NAME)
    assert service["metadata"]["annotations"][autoscaling.CLASS] == autoscaling.EXTERNAL
    assert await keda.look(FIXED) is not withdrawn
    await keda.collect_garbage()
    await keda.settle(FIXED)
    service = keda.kube.find(INFERENCE_SERVICES, NAME)
    assert service["metadata"]["annotations"][autoscaling.CLASS] == "none"


def test_pauses_grow_to_a_maximum_and_start_again_with_other_settings() -> None:
    time = 0.0
    troubles, place = Troubles(lambda: time), ("team", "movies")
    pauses = []
    for _ in range(7):
        troubles.refuse(place, "a", "no")
        before = time
        while troubles.pauses(place, "a"):
            time += FIRST_PAUSE / 2
        pauses.append(time - before)
    assert pauses == [30, 60, 120, 240, 480, LONGEST_PAUSE, LONGEST_PAUSE]
    assert not troubles.pauses(place, "b")
    troubles.refuse(place, "b", "no")
    assert troubles.pauses(place, "b")
    time += FIRST_PAUSE
    assert not troubles.pauses(place, "b")
    assert troubles.refusal(place, "b") == "no"
