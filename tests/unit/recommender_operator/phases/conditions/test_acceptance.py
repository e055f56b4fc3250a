from recommender_operator.api.conditions import ConditionType, Reason, find
from recommender_operator.observed import Platform
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.world import World

SERVER = "http://prom.monitoring:9090"


def asking(url: str) -> World:
    return World(spec=spec(analysis={"provider": "Prometheus", "prometheusUrl": url}))


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
