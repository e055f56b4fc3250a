"""The driver sends what is due, and counts what became of it."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import math

import pytest

from recommender_client import (
    Kind,
    Query,
    Receipt,
    Recommendation,
    Unavailable,
    Undelivered,
    UserEvent,
)
from recommender_simulate import driver
from recommender_simulate.behaviour import Behaviour
from recommender_simulate.catalogue import Best
from recommender_simulate.click_memory import Memory
from recommender_simulate.driver import Course, Simulation, Truth
from recommender_simulate.population import Population, named
from recommender_simulate.summary import Summary
from recommender_simulate.user_tastes import Tastes
from tests import hurried

TRUTH = Truth(Tastes(1, click_rate=0.5), Behaviour(purchase_share=0.5))


class Endpoint:
    """Answers with ten items; each version in turn."""

    def __init__(self, fails: bool = False) -> None:
        self.queries: list[Query] = []
        self._fails = fails

    async def recommend(self, query: Query) -> Recommendation:
        self.queries.append(query)
        if self._fails:
            raise Unavailable("no answer")
        items = tuple(f"i{number}" for number in range(query.top_n or 10))
        version = f"shop-{len(self.queries) % 2}"
        return Recommendation(
            items, tuple(0.5 for _ in items), "probability", "model", version,
            f"r{len(self.queries)}", query.user_id, query.session_id,
        )  # fmt: skip


class Collector:
    """Takes everything, after so many failures."""

    def __init__(self, failures: float = 0) -> None:
        self.events: list[UserEvent] = []
        self._failures = failures

    async def send(self, *events: UserEvent) -> Receipt:
        await asyncio.sleep(0.01)
        if self._failures > 0:
            self._failures -= 1
            raise Undelivered("the collector is away", Receipt(), events)
        self.events += events
        return Receipt(accepted=len(events))


def simulated(
    endpoint: Endpoint, collector: Collector | None, truth: Truth = TRUTH, **course: object
) -> Summary:
    settings = Course(**{"seconds": 0.5, **course})  # type: ignore[arg-type]
    simulation = Simulation(endpoint, collector, truth, settings, seed=1)
    visits = Population(named(5, "u"), 1).visits(200)
    return hurried.run(simulation.run(visits))


def test_every_visit_that_is_due_is_a_request_and_every_act_an_event() -> None:
    endpoint, collector = Endpoint(), Collector()
    summary = simulated(endpoint, collector)
    due = list(
        itertools.takewhile(
            lambda visit: visit.due <= 0.5, Population(named(5, "u"), 1).visits(200)
        )
    )
    assert [query.user_id for query in endpoint.queries] == [visit.user for visit in due]
    assert summary.answers == len(due)
    kinds = [event.kind for event in collector.events]
    assert kinds.count(Kind.IMPRESSION) == len(due)
    arms = summary.arms.values()
    assert kinds.count(Kind.CLICK) == sum(arm.clicks for arm in arms) > 0
    assert kinds.count(Kind.PURCHASE) == sum(arm.purchases for arm in arms) > 0
    assert summary.accepted == len(collector.events)
    assert {event.version for event in collector.events} == {"shop-0", "shop-1"}


def test_impressions_are_left_to_the_serving_path_on_request() -> None:
    collector = Collector()
    simulated(Endpoint(), collector, impressions=False)
    assert Kind.IMPRESSION not in {event.kind for event in collector.events}


def test_without_a_collector_users_act_and_nothing_is_sent() -> None:
    summary = simulated(Endpoint(), None)
    assert sum(arm.clicks for arm in summary.arms.values()) > 0
    assert summary.accepted == summary.undelivered == 0


def test_a_version_with_more_appeal_is_clicked_more() -> None:
    truth = Truth(Tastes(1, click_rate=0.2), Behaviour(), {"shop-1": 2.0})
    arms = simulated(Endpoint(), None, truth, seconds=2).arms
    rates = {name: arm.clicks / arm.answers for name, arm in arms.items()}
    assert rates["shop-1"] > 1.3 * rates["shop-0"]


def test_failures_are_counted_with_their_cause() -> None:
    summary = simulated(Endpoint(fails=True), Collector())
    assert summary.answers == 0
    assert summary.failures == {"Unavailable: no answer": summary.failed_requests}
    assert "no answer" in summary.line()


def test_events_that_the_collector_does_not_take_are_counted() -> None:
    summary = simulated(Endpoint(), Collector(failures=math.inf), patience=0.1)
    assert summary.accepted == 0
    assert summary.undelivered > summary.answers > 0, "impressions and clicks"
    assert "the collector is away" in summary.line()


def test_events_that_the_collector_does_not_take_at_first_are_sent_again_in_order() -> None:
    collector = Collector(failures=3)
    summary = simulated(Endpoint(), collector)
    assert summary.undelivered == 0
    assert len(collector.events) == summary.accepted
    assert len({event.id for event in collector.events}) == len(collector.events)
    assert collector.events == sorted(collector.events, key=lambda event: event.time)


def test_a_stalled_endpoint_holds_a_bounded_number_of_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stalled(Endpoint):
        async def recommend(self, query: Query) -> Recommendation:
            await asyncio.sleep(0.6)
            return await super().recommend(query)

    monkeypatch.setattr(driver, "MOST_WAITING", 10)
    summary = simulated(Stalled(), None)
    assert summary.answers == 10
    assert summary.failed_requests > 10


def test_a_stopped_simulation_ends_at_once_with_its_summary() -> None:
    async def stopped() -> Summary:
        simulation = Simulation(Endpoint(), None, TRUTH, Course(3600), seed=1)
        asyncio.get_running_loop().call_later(0.2, simulation.stop)
        return await simulation.run(Population(named(5, "u"), 1).visits(100))

    assert hurried.run(stopped()).answers > 0


def test_progress_is_told_while_it_runs() -> None:
    lines: list[str] = []
    simulation = Simulation(Endpoint(), None, TRUTH, Course(0.3), seed=1)
    visits = Population(named(5, "u"), 1).visits(100)
    hurried.run(simulation.run(visits, lambda summary: lines.append(summary.line()), every=0.05))
    assert lines


def test_answers_are_compared_with_the_best_lists_if_the_catalogue_is_known() -> None:
    known = [f"i{number}" for number in range(30)]
    best = Best(known, TRUTH.tastes, Memory())
    summary = simulated(Endpoint(), None, dataclasses.replace(TRUTH, best=best))
    for arm in summary.arms.values():
        assert arm.best is not None
        assert 0 < arm.expected < arm.best
    clicked = sum(arm.clicks for arm in summary.arms.values())
    assert clicked > 0
    assert any(best.memory.of(f"u{user}") for user in range(5)), "clicks are remembered"
    assert "of best" in summary.table()
    assert "of best" not in simulated(Endpoint(), None).table()
