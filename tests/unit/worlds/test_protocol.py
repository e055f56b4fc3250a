"""The protocol: values of lists, one past for all, tuning before the cut, intervals, figures."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from tests.benchmarks import worlds as benchmark
from tests.worlds import estimates, product, protocol
from tests.worlds.every import WORLDS
from tests.worlds.peers.known import Known, Peer
from tests.worlds.world import START, TAKEN, Doubles, Log, Request, World


def tiny(**changes: Any) -> World:
    """Four items; user 0 had 0 and 1 before the cut and 2 after it."""
    log = Log(
        np.array([0, 1, 0, 0]),
        np.array([0, 3, 1, 2]),
        np.array([0, 5, 10, 30]) + START,
        np.ones(4, np.bool_),
        np.ones(4, np.bool_),
    )
    request = Request(0, START + 40, np.array([0.1, 0.2, 0.0, 0.7]))
    made = World("", log, START + 20, (request,), TAKEN, np.full(4, START))
    return dataclasses.replace(made, **changes)


def test_the_value_of_a_list_is_its_expected_discounted_gain() -> None:
    chances = np.array([0.1, 0.6, 0.3])
    assert protocol.worth(np.array([2, 1]), chances) == pytest.approx(0.3 + 0.6 / np.log2(3))
    assert protocol.best(chances) == pytest.approx(0.6 + 0.3 / np.log2(3) + 0.1 / 2)
    assert protocol.worth(np.array([], np.int64), chances) == 0


def test_an_item_counts_once_and_at_its_first_place() -> None:
    chances = np.array([0.5, 0.5])
    assert protocol.worth(np.array([0, 0, 1]), chances) == pytest.approx(0.5 + 0.5 / 2)


def test_ten_places_count() -> None:
    chances = np.full(12, 1 / 12)
    twelve = protocol.worth(np.arange(12), chances)
    assert twelve == protocol.worth(np.arange(10), chances)


@pytest.mark.parametrize("name", WORLDS)
def test_no_list_is_worth_more_than_the_order_of_the_truth(name: str) -> None:
    random = np.random.default_rng(0)
    for request in WORLDS[name](7, "small").requests[:20]:
        best = protocol.best(request.chances)
        assert best >= protocol.worth(random.permutation(len(request.chances)), request.chances)


def test_what_happens_at_the_second_of_a_request_is_not_known() -> None:
    world = tiny()
    assert protocol.known(world.log, 0, START + 30).items.tolist() == [0, 1]
    assert len(protocol.known(world.log, 0, START + 30).past) == 3
    assert protocol.known(world.log, 0, START + 31).items.tolist() == [0, 1, 2]


def test_a_list_leaves_out_what_never_comes_again_and_what_is_not_there() -> None:
    world = tiny(born=np.array([0, 0, 0, START + 99]))
    (request,) = world.requests
    given = protocol.known(world.log, 0, request.time)
    assert not protocol.allowed(world, request, given).any()
    again = dataclasses.replace(world, repeats=True)
    assert protocol.allowed(again, request, given).tolist() == [True, True, True, False]
    named = dataclasses.replace(request, candidates=np.array([1, 3]))
    assert protocol.allowed(again, named, given).tolist() == [False, True, False, True]


def test_ties_are_in_the_order_of_popularity() -> None:
    world = tiny()
    given = Known(START + 40, np.array([], np.int64), world.log.where(np.array([1, 1, 2])))
    ranked = protocol.ranked(np.array([0.0, 1, 0, 0]), np.array([True, True, False, True]), given)
    assert ranked.tolist() == [1, 3, 0]


def test_peers_choose_on_the_last_tenth_before_the_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WORLDS["taste-clusters"](7, "small")
    log = world.log.before(world.cut)
    start, requests = protocol.validation(world, log, np.random.default_rng(0))
    assert (log.time < start).mean() == pytest.approx(0.9, abs=0.01)
    assert len(requests) == protocol.TUNED_ON
    assert all(start <= request.time < world.cut for request in requests)
    fitted: list[tuple[int, object]] = []

    def fit(given: Log, items: int, setting: tuple[object, ...]) -> Any:
        fitted.append((int(given.time.max()), setting[0]))
        return lambda known: np.zeros(items) if setting[0] == "bad" else clusters(known)

    def clusters(known: Known) -> Doubles:
        near = np.bincount(known.items // 30, minlength=8).astype(float)
        return np.repeat(near, 30)

    peer = Peer(fit, [("bad", 1), ("good", 2)])
    monkeypatch.setattr(protocol, "PEERS", {"x": peer})
    assert protocol.tune(world, log, np.random.default_rng(0)) == {"x": ("good", 2)}
    assert all(newest < start for newest, _ in fitted)
    values = protocol.judged(world, np.random.default_rng(0))["x"]
    assert fitted[-1][1] == "good"
    assert start <= fitted[-1][0] < world.cut
    assert len(values) == len(world.requests)


def test_of_shown_lists_peers_are_tuned_on_their_clicks() -> None:
    world = WORLDS["search"](7, "small")
    log = world.log.before(world.cut)
    _, requests = protocol.validation(world, log, np.random.default_rng(0))
    for request in requests:
        assert request.candidates is not None
        assert len(request.candidates) == 10
        assert np.flatnonzero(request.chances) in request.candidates


def test_the_interval_of_a_constant_ratio_is_a_point() -> None:
    theirs = np.random.default_rng(0).random(60)
    sides = estimates.Paired(np.arange(60) // 3, 1.2 * theirs, theirs)
    assert estimates.ratio([sides, sides]) == pytest.approx((1.2, 1.2, 1.2))


def test_the_interval_covers_the_spread_of_users_and_of_seeds() -> None:
    random = np.random.default_rng(0)
    users = np.repeat(np.arange(40), 5)

    def side(gain: float, noise: float) -> estimates.Paired:
        own = gain + noise * random.normal(size=40)[users]
        return estimates.Paired(users, own, np.ones(200))

    _, low, high = estimates.ratio([side(1, 0.5)])
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / 40**0.5, rel=0.25)
    ratio, low, high = estimates.ratio([side(0.5, 0), side(1.5, 0)])
    assert ratio == pytest.approx(1)
    assert (low, high) == pytest.approx((0.5, 1.5))


def test_the_expected_auc_is_that_of_many_draws() -> None:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    chances, scores = random.random(30), random.integers(0, 5, 30).astype(float)
    drawn = random.random((4000, 30)) < chances
    many = roc_auc_score(drawn.ravel(), np.tile(scores, 4000))
    assert estimates.auc(scores, chances) == pytest.approx(many, abs=0.01)


def test_the_truth_has_less_entropy_than_a_constant_and_no_other_has_less() -> None:
    chances = np.array([0.1, 0.2, 0.6])
    truth = estimates.normalised_entropy(chances, chances, 0.3)
    assert truth < 1
    assert estimates.normalised_entropy(np.full(3, 0.3), chances, 0.3) == pytest.approx(1)
    assert estimates.normalised_entropy(chances + 0.05, chances, 0.3) > truth


def outcome(ours: float, failed: str | None = None) -> benchmark.Outcome:
    sides = {name: np.full(6, 0.2) for name in protocol.PEERS}
    sides |= {"ease": np.full(6, 0.4), "truth": np.full(6, 0.8), "product": np.full(6, ours)}
    numbers = {} if failed else {"train_s": 10.0}
    users, ages = np.arange(6), np.array([0.0, 1, 30, 40, 50, 60])
    return benchmark.Outcome("next", users, ages, sides, numbers, failed)


def test_a_world_is_judged_against_the_best_peer_and_the_truth() -> None:
    found = benchmark.summary([outcome(0.6), outcome(0.6)])
    assert found["best_peer"] == "ease"
    assert found["ndcg_ratio_best_peer"] == pytest.approx(1.5)
    assert found["ndcg_ratio_best_peer_low"] == pytest.approx(1.5)
    assert found["share_of_truth"] == pytest.approx(0.75)
    assert found["peer_share_of_truth"]["ease"] == pytest.approx(0.5)
    assert found["ratio_by_age"] == pytest.approx({"6h": 3, "week": 3})
    assert (found["train_s"], found["failed"]) == (10.0, [])


def test_a_training_that_fails_counts_as_lists_of_no_worth() -> None:
    found = benchmark.summary([outcome(0.6), outcome(0.0, "TooFewRows: 0 rows")])
    assert found["ndcg_ratio_best_peer"] == pytest.approx(0.75)
    assert found["ndcg_ratio_best_peer_low"] == 0
    assert found["failed"] == ["TooFewRows: 0 rows"]


def test_seeds_that_report_are_none_of_those_that_choose() -> None:
    assert not set(benchmark.SEEDS["dev"]) & set(benchmark.SEEDS["report"])


def test_scores_of_candidates_are_in_the_order_of_the_request() -> None:
    request = Request(0, 0, np.zeros(5), np.array([3, 1, 4]))
    prediction = {"items": [5, 4], "scores": [0.7, 0.9]}
    read = product._read(prediction, request, 1.0)
    assert read.items.tolist() == [4, 3]
    assert read.scores is not None
    assert read.scores.tolist() == [0.9, 0, 0.7]
