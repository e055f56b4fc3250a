import pytest

from recommender_operator.api.conditions import ConditionType, Reason, find
from recommender_operator.observed import Platform, Scaling
from recommender_operator.status import acceptance
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.world import World

SERVER = "http://prom.monitoring:9090"


def asking(url: str) -> World:
    return World(spec=spec(rollout={"analysis": {"provider": "Prometheus", "prometheusUrl": url}}))


def test_a_refused_server_is_reported_with_the_remedy_before_any_request() -> None:
    world = asking(SERVER)
    world.reconcile()
    accepted = find(world.status.conditions, ConditionType.ACCEPTED)
    assert accepted is not None
    assert (accepted.status, accepted.reason) == ("False", Reason.PROMETHEUS_NOT_ALLOWED)
    assert SERVER in accepted.message
    assert "analysis.prometheusUrls" in accepted.message


def test_an_allowed_server_and_the_scrape_of_pods_are_accepted() -> None:
    allowed = asking(SERVER + "/")
    allowed.platform = Platform(prometheus_urls=(SERVER,))
    for world in (allowed, World()):
        world.reconcile()
        accepted = find(world.status.conditions, ConditionType.ACCEPTED)
        assert accepted is not None
        assert accepted.status == "True"


BY_KEDA = {"maxReplicas": 5, "engine": "KEDA"}
WITH_TARGET = {**BY_KEDA, "targetRequestsInFlight": 4}
NO_CRD = Platform(keda=True, missing_for_scaling=("scaledobjects.keda.sh",))


@pytest.mark.parametrize(
    ("scaling", "platform", "remedies"),
    [
        (BY_KEDA, Platform(), ("keda.enabled", "engine HPA", "HorizontalPodAutoscalers scale")),
        (BY_KEDA, NO_CRD, ("scaledobjects.keda.sh", "install KEDA", "engine HPA")),
        (WITH_TARGET, Platform(keda=True), ("keda.prometheusUrl", "CPU and peaks decide")),
    ],
)
def test_an_engine_that_is_not_available_is_reported_with_the_remedy(
    scaling: dict[str, object], platform: Platform, remedies: tuple[str, ...]
) -> None:
    world = World(spec=spec(serving={"autoscaling": scaling}), platform=platform)
    world.reconcile()
    accepted = find(world.status.conditions, ConditionType.ACCEPTED)
    assert accepted is not None
    assert (accepted.status, accepted.reason) == ("False", Reason.KEDA_NOT_AVAILABLE)
    for remedy in remedies:
        assert remedy in accepted.message


@pytest.mark.parametrize(
    ("scaling", "platform"),
    [
        (BY_KEDA, Platform(keda=True)),
        (WITH_TARGET, Platform(keda=True, keda_prometheus_url=SERVER)),
        ({"maxReplicas": 5, "targetRequestsInFlight": 4}, NO_CRD),
    ],
)
def test_an_available_engine_is_accepted(scaling: dict[str, object], platform: Platform) -> None:
    world = World(spec=spec(serving={"autoscaling": scaling}), platform=platform)
    world.reconcile()
    accepted = find(world.status.conditions, ConditionType.ACCEPTED)
    assert accepted is not None
    assert accepted.status == "True"


def test_a_scaled_object_that_does_not_scale_is_reported_with_kedas_message() -> None:
    world = World(spec=spec(serving={"autoscaling": BY_KEDA}), platform=Platform(keda=True))
    problem = "ScaledObject team/movies-keda: failed to parse cron"
    world.scaling = Scaling(problems=(problem,), waits=True)
    again = world.reconcile().requeue_after
    assert again is not None
    assert again <= acceptance.SCALING_POLL
    accepted = find(world.status.conditions, ConditionType.ACCEPTED)
    assert accepted is not None
    assert (accepted.status, accepted.reason) == ("False", Reason.KEDA_NOT_AVAILABLE)
    for remedy in ("failed to parse cron", "engine HPA"):
        assert remedy in accepted.message


def test_a_trigger_that_fails_while_keda_scales_has_a_reason_of_its_own() -> None:
    world = World(spec=spec(serving={"autoscaling": BY_KEDA}), platform=Platform(keda=True))
    fails = "KEDA reports of ScaledObject team/movies-keda: some triggers do not work"
    world.scaling = Scaling(failing_triggers=(fails,))
    world.reconcile()
    accepted = find(world.status.conditions, ConditionType.ACCEPTED)
    assert accepted is not None
    assert (accepted.status, accepted.reason) == ("False", Reason.KEDA_TRIGGER_FAILED)
    for words in (fails, "removes no pods", "keda.prometheusUrl"):
        assert words in accepted.message
    assert "HorizontalPodAutoscalers" not in accepted.message, "none scales"
