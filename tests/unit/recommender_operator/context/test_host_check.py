import dataclasses
import datetime

import pytest

from recommender_operator import actions as a
from recommender_operator.api import host_names
from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.observed import Platform, Rival
from tests.unit.recommender_operator.simulation.cluster import START, spec
from tests.unit.recommender_operator.world import World

DEFAULT = "movies.shop.recommender.local"
HOST = "films.shop.example"
PLATFORM = Platform(
    domain="recommender.local", host_policy=host_names.policy({"shop": ["shop.example"]})
)
BEFORE, AFTER = START - datetime.timedelta(days=1), START + datetime.timedelta(days=1)


def world(host: str | None = None, **sections: object) -> World:
    serving = {} if host is None else {"host": host}
    return World(spec=spec(serving=serving, **sections), platform=PLATFORM)


def rival(host: str, *, at: datetime.datetime = BEFORE, namespace: str = "news") -> Rival:
    return Rival(kind="HTTPRoute", namespace=namespace, name="other", hosts=(host,), created_at=at)


@pytest.mark.parametrize("host", [None, HOST])
def test_a_model_is_routed_at_its_desired_host(host: str | None) -> None:
    cluster = world(host)
    cluster.settle()
    assert cluster.route_host == (host or DEFAULT)
    assert cluster.status.url == (host or DEFAULT)
    assert cluster.condition("Accepted") == ("True", Reason.ACCEPTED)


def test_a_refused_host_gets_no_route_and_the_lifecycle_continues() -> None:
    cluster = world("shop.bank.example")
    cluster.settle_served()
    assert cluster.route == {}
    assert cluster.champion() is None
    (candidate,) = cluster.unfinished()
    assert cluster.versions[candidate].status.stage.value == "Canary"
    for kind in ("Accepted", "Progressing"):
        assert cluster.condition(kind) == ("False", Reason.HOST_NOT_ALLOWED)
        assert "serving.host 'shop.bank.example'" in cluster.message(kind)
        assert "shop.recommender.local, shop.example" in cluster.message(kind)
    assert cluster.status.url is None
    assert [e.reason for e in cluster.events if e.type == "Warning"] == [Reason.HOST_NOT_ALLOWED]


def test_a_host_that_becomes_allowed_is_routed_automatically() -> None:
    cluster = world("shop.bank.example")
    cluster.settle_served()
    policy = host_names.policy({"*": ["bank.example"]})
    cluster.platform = dataclasses.replace(PLATFORM, host_policy=policy)
    cluster.settle()
    assert cluster.route_host == "shop.bank.example"
    assert cluster.champion() is not None


def test_a_route_keeps_its_host_while_the_new_one_is_refused() -> None:
    cluster = world(HOST)
    cluster.settle()
    cluster.edit(serving={"host": "shop.bank.example"})
    cluster.settle()
    assert (cluster.route_host, cluster.status.url) == (HOST, HOST)
    assert cluster.condition("Accepted") == ("False", Reason.HOST_NOT_ALLOWED)
    assert cluster.condition("Available") == ("True", Reason.SERVING)
    assert f"Requests are still routed at {HOST}" in cluster.message("Accepted")


def test_a_route_follows_a_change_of_an_allowed_host() -> None:
    cluster = world()
    cluster.settle()
    cluster.edit(serving={"host": HOST})
    cluster.settle()
    assert cluster.route_host == HOST
    assert sum(isinstance(action, a.SetTraffic) for action in cluster.log) == 2


def test_a_route_whose_host_is_no_longer_allowed_is_withdrawn() -> None:
    cluster = world(HOST)
    cluster.settle()
    cluster.platform = dataclasses.replace(PLATFORM, host_policy=())
    cluster.settle()
    assert cluster.route == {}
    assert cluster.condition("Available") == ("False", Reason.HOST_NOT_ALLOWED)


@pytest.mark.parametrize("at", [BEFORE, AFTER])
def test_a_host_is_never_taken_from_a_route_that_has_it(at: datetime.datetime) -> None:
    cluster = world(HOST)
    cluster.rivals = (rival(HOST, at=at),)
    cluster.settle_served()
    assert cluster.route == {}
    assert cluster.condition("Accepted") == ("False", Reason.HOST_CONFLICT)
    assert "HTTPRoute news/other" in cluster.message("Accepted")
    assert "Set another serving.host" in cluster.message("Accepted")
    cluster.rivals = ()
    cluster.settle()
    assert cluster.route_host == HOST


def test_a_route_keeps_its_host_against_a_younger_one_and_yields_to_an_older_one() -> None:
    cluster = world(HOST)
    cluster.settle()
    cluster.rivals = (rival(HOST, at=AFTER),)
    cluster.settle()
    assert cluster.route_host == HOST
    assert cluster.condition("Accepted") == ("True", Reason.ACCEPTED)
    cluster.rivals = (rival(HOST, at=AFTER), rival(HOST, at=BEFORE))
    cluster.settle()
    assert cluster.route == {}
    assert cluster.condition("Available") == ("False", Reason.HOST_CONFLICT)


@pytest.mark.parametrize(("namespace", "kept"), [("a", False), ("z", True)])
def test_routes_of_the_same_second_are_ordered_by_name(namespace: str, kept: bool) -> None:
    cluster = world(HOST)
    cluster.settle()
    assert cluster.route_since is not None
    cluster.rivals = (rival(HOST, at=cluster.route_since, namespace=namespace),)
    cluster.settle()
    assert bool(cluster.route) is kept


@pytest.mark.parametrize(
    ("host", "namespace", "refused"),
    [
        ("*.shop.example", "news", True),
        ("*.shop.example", "shop", False),
        (HOST, "shop", True),
        ("*.example.org", "news", False),
        ("filmsx.shop.example", "news", False),
    ],
)
def test_a_wildcard_of_another_namespace_holds_the_hosts_below_it(
    host: str, namespace: str, refused: bool
) -> None:
    cluster = world(HOST)
    cluster.rivals = (rival(host, namespace=namespace),)
    cluster.settle_served()
    assert (cluster.route == {}) is refused


def test_two_models_with_the_same_host_get_one_route() -> None:
    """Each model sees the other's route as a rival; only the older route stays."""
    first, second = world(HOST), world(HOST)
    first.settle()
    second.settle()
    assert first.route_since is not None
    second.route_since = first.route_since + datetime.timedelta(seconds=1)
    for one, other in ((first, second), (second, first)):
        assert other.route_since is not None
        one.rivals = (rival(HOST, at=other.route_since, namespace="news"),)
    first.settle()
    second.settle()
    assert (first.route_host, second.route) == (HOST, {})


def test_in_knative_mode_the_routes_of_the_gateway_do_not_count() -> None:
    cluster = World(spec=spec(rollout={"traffic": "Knative"}), platform=PLATFORM)
    cluster.rivals = (rival(DEFAULT),)
    cluster.settle()
    assert cluster.condition("Accepted") == ("True", Reason.ACCEPTED)
    assert cluster.champion() is not None
    assert ConditionType.ACCEPTED in [c.type for c in cluster.status.conditions]


def test_of_two_indistinguishable_routes_the_models_keeps_its_host() -> None:
    """A GRPCRoute with the same name and creation time: the API orders no kinds."""
    cluster = world(HOST)
    cluster.settle()
    assert cluster.route_since is not None
    alike = Rival(
        kind="GRPCRoute", namespace="shop", name="movies", hosts=(HOST,),
        created_at=cluster.route_since,
    )  # fmt: skip
    cluster.rivals = (alike,)
    cluster.settle()
    assert cluster.route_host == HOST


def test_a_former_host_that_an_older_route_has_is_not_kept() -> None:
    cluster = world(HOST)
    cluster.settle()
    cluster.rivals = (rival(HOST),)
    cluster.edit(serving={"host": "shop.bank.example"})
    cluster.settle()
    assert cluster.route == {}
    assert "Until then, no requests are routed" in cluster.message("Accepted")
