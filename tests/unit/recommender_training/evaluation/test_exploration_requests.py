"""Explored places of a data set: which are evaluated, and what models would put there."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender_training.common.arrays import Doubles
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.config.training import parse_config
from recommender_training.data import schema
from recommender_training.data.dataset import Dataset
from recommender_training.data.exploration_log import ExplorationLog
from recommender_training.evaluation import exploration_gain, exploration_requests, predictions
from recommender_training.evaluation.evaluate import evaluate
from recommender_training.evaluation.exploration_gain import Decisions
from recommender_training.evaluation.exploration_requests import Places, Pools
from recommender_training.features.prepared_data import PreparedData, prepare_data
from recommender_training.fitted.bundle import Bundle
from recommender_training.fitted.order_weights import SHOWN_ITEMS, OrderWeights
from recommender_training.trainer.fit_models import fit_models
from tests import small_data
from tests.unit.recommender_training.evaluation.told import assert_told

CONFIG = parse_config('{"seed": 3, "algorithm": "LogisticRegression"}')
ITEMS, POOL = 12, 4
#: Rates of clicks of two kinds of items.
RATES = np.where(np.arange(ITEMS) % 2 == 1, 0.5, 0.1)


def shop(
    attribution: bool = True, seed: int = 0, impressions: int = 12_000, hours: float = 0.01
) -> Dataset:
    """Impressions of one item each, drawn from a pool; half of the items are clicked often."""
    rng = np.random.default_rng(seed)
    pools = np.argsort(rng.random((impressions, ITEMS)), axis=1)[:, :POOL]
    shown = pools[:, 0].copy()
    pools.sort(axis=1)
    users = rng.integers(0, 80, impressions)
    clicked = rng.random(impressions) < RATES[shown]
    events: list[Any] = []
    for at, (user, item, yes) in enumerate(zip(users, shown, clicked, strict=True)):
        time = 1 + 100 * at
        events.append((int(user), int(item), 2.0, time, {"event_type": "impression"}))
        if yes:
            events.append((int(user), int(item), 5.0, time + 20, {"event_type": "click"}))
    of = {"attribution": {"impressions": ["impression"], "hours": hours}} if attribution else {}
    declared = FeatureSchema.model_validate(
        {
            "label": {"positiveTypes": [{"type": "click"}], **of},
            "items": [{"name": "kind", "kind": "Boolean"}],
        }
    )
    of_items = [{"id": n, "kind": "true" if n % 2 else "false"} for n in range(ITEMS)]
    data = small_data.build(events, [{"id": n} for n in range(80)], of_items, declared)
    table = pl.DataFrame(
        {
            "user_id": users,
            "timestamp": 1 + 100 * np.arange(impressions),
            "item_id": shown,
            "place": np.zeros(impressions, dtype=np.int64),
            "pool": [" ".join(map(str, pool)) for pool in pools.tolist()],
        },
        schema=schema.EXPLORED_SCHEMA,
    )
    found = ExplorationLog.of(table, data.users.ids, data.items.ids)
    return dataclasses.replace(data, explored=found)


@pytest.fixture(scope="module")
def learned() -> tuple[PreparedData, Bundle]:
    prepared = prepare_data(shop(), CONFIG)
    return prepared, fit_models(prepared, CONFIG, 1)


def test_a_model_that_has_learned_the_rates_gains_over_the_draw(
    learned: tuple[PreparedData, Bundle],
) -> None:
    prepared, bundle = learned
    report = evaluate(bundle, prepared, prepared.split.test)
    found = report["offPolicy"]
    assert found["places"] == found["judged"] == len(prepared.split.test)
    assert found["against"] == "uniform"
    pools = np.sort(prepared.data.explored.pool, axis=1)  # type: ignore[union-attr]
    truth = float((RATES[pools].max(1) - RATES[pools].mean(1)).mean())
    assert report["metrics"]["offPolicyGain"] == found["gain"]["value"]
    assert found["gain"]["low"] < truth < found["gain"]["high"]
    assert found["estimates"]["recommender"]["supported"]
    assert_told(
        found, f"{found['gain']['value']:+.4f} positive responses", "compared with the draw"
    )


def test_a_champion_is_judged_at_the_same_places(learned: tuple[PreparedData, Bundle]) -> None:
    """One that reverses the pools, and one that cannot be evaluated."""
    prepared, bundle = learned

    def reversed_(window: predictions.Window) -> predictions.Answers:
        own = predictions.answer(bundle, prepared, window)["recommender"]
        assert own.pools is not None
        worst = Pools(own.pools.probability.argmin(1), own.pools.probability)
        return dataclasses.replace(own, pools=worst)

    report = evaluate(bundle, prepared, prepared.split.test, reversed_)
    assert report["offPolicy"]["against"] == "champion"
    assert_told(report["offPolicy"], "compared with the champion", "Champion")
    assert report["metrics"]["offPolicyGainLow"] > 0.2
    report = evaluate(bundle, prepared, prepared.split.test, lambda _: None)
    assert "offPolicyGain" not in report["metrics"]
    assert "champion could not" in report["offPolicy"]["message"]


def test_places_without_a_label_or_with_unknown_items_do_not_count(
    learned: tuple[PreparedData, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, _ = learned
    data, rows = prepared.data, prepared.split.test
    explored = data.explored
    assert explored is not None
    first = int(np.flatnonzero(explored.time == data.events.time[rows[0]])[0])
    pool, user = explored.pool.copy(), explored.user.copy()
    pool[first, 1 if pool[first, 0] == explored.item[first] else 0] = -1
    user[first + 1] = (user[first + 1] + 1) % 80
    changed = dataclasses.replace(
        data, explored=dataclasses.replace(explored, pool=pool, user=user)
    )
    found = exploration_requests.explored_places(changed, rows, 5)
    assert found is not None
    assert (found.without_label, found.unknown_items) == (1, 1)
    assert found.known == len(rows) - 2
    assert np.array_equal(
        data.events.item[found.row], found.pool[np.arange(len(found.row)), found.chosen]
    )
    assert (
        exploration_requests.explored_places(dataclasses.replace(data, explored=None), rows, 5)
        is None
    )
    monkeypatch.setattr(exploration_requests, "MAX_PLACES", 50)
    some, again = (exploration_requests.explored_places(changed, rows, 5) for _ in range(2))
    assert some is not None
    assert again is not None
    assert (some.known, len(some.row)) == (found.known, 50)
    assert np.array_equal(some.row, again.row)
    assert np.isin(some.row, found.row).all()


def test_a_model_puts_nothing_there_that_it_does_not_know_and_weighs_its_bonus(
    learned: tuple[PreparedData, Bundle],
) -> None:
    """By what is added to its ranks, of which its probabilities know nothing."""
    prepared, bundle = learned
    window = predictions.window(prepared, prepared.split.test, bundle.sources)
    places = exploration_requests.explored_places(prepared.data, prepared.split.test, 5)
    window = dataclasses.replace(window, places=places)
    _, scorer = predictions.scorers(bundle, prepared)

    def best(added: Any) -> tuple[Any, Pools]:
        found = window.pools(lambda asked, pools: asked.scores(pools, scorer), added)
        assert found is not None
        assert places is not None
        return places.pool[np.arange(len(found.first)), found.first], found

    (plain, one), (others, two) = best(None), best(np.where(np.arange(ITEMS) < 6, -np.inf, 0.0))
    raised, _ = best(np.where(np.arange(ITEMS) == 0, 1e6, 0.0))
    assert np.array_equal(one.probability, two.probability)
    assert places is not None
    some = (places.pool >= 6).any(1)
    assert (plain < 6).any()
    assert (others[some] >= 6).all()
    assert (raised[(places.pool == 0).any(1)] == 0).all()


def test_a_decision_counts_once_and_large_catalogues_have_fewer_places(
    learned: tuple[PreparedData, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, _ = learned
    data, rows = prepared.data, prepared.split.test
    explored = data.explored
    assert explored is not None
    twice = np.repeat(np.arange(len(explored.time)), 2)
    doubled = ExplorationLog(*(values[twice] for values in vars(explored).values()))
    found = exploration_requests.explored_places(
        dataclasses.replace(data, explored=doubled), rows, 5
    )
    assert found is not None
    assert (found.known, found.inside, found.without_label) == (len(rows), len(rows), 0)
    assert [exploration_requests.most(items) for items in (12, 100_000, 10**7)] == [
        50_000, 20_000, 5_000,
    ]  # fmt: skip
    monkeypatch.setattr(exploration_requests, "MAX_SCORES", 60 * ITEMS)
    monkeypatch.setattr(exploration_requests, "LEAST_PLACES", 50)
    some = exploration_requests.explored_places(data, rows, 5)
    assert some is not None
    assert len(some.row) == 60


def nothing_judged(places: Places) -> str:
    """The message where no place can be evaluated."""
    rows, nobody = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
    none = Decisions(rows, nobody[:, None], rows, nobody)
    found = exploration_gain.gain_section(places, none, None, None, wanted=False)
    assert found["gain"] is None
    assert_told(found)
    return str(found["message"])


def test_without_attribution_to_impressions_there_is_no_estimate() -> None:
    data = shop(attribution=False, impressions=200)
    places = exploration_requests.explored_places(data, np.arange(100, 150), 5)
    assert places is not None
    assert len(places.row) == places.known == 0
    assert places.without_label == places.inside > 0
    assert "attribution" in nothing_judged(places)


def test_a_place_whose_label_is_still_open_is_not_of_the_window() -> None:
    """An hour after the window, so that many of the last impressions are open."""
    data = shop(impressions=200, hours=1)
    labels, explored = data.events.labels, data.explored
    assert labels is not None
    assert explored is not None
    rows = np.flatnonzero(labels.rows)[-50:]
    last = int(data.events.time[rows[-1]])
    places = exploration_requests.explored_places(data, rows, 5)
    assert places is not None
    assert (explored.time > last).sum() >= 30, "places with an open label"
    assert places.known == places.inside == 50
    assert data.events.time[places.row].max() == last
    late = explored.time > last
    open_ = ExplorationLog(*(values[late] for values in vars(explored).values()))
    none = exploration_requests.explored_places(dataclasses.replace(data, explored=open_), rows, 5)
    assert none is not None
    assert len(none.row) == none.inside == none.without_label == 0
    assert "no place was explored in the test window" in nothing_judged(none)
    assert "known up to 1970-01-01T0" in nothing_judged(none)
    unknown = dataclasses.replace(explored, size=explored.size + 1)
    none = exploration_requests.explored_places(
        dataclasses.replace(data, explored=unknown), rows, 5
    )
    assert none is not None
    assert (none.inside, none.unknown_items) == (50, 50)
    assert nothing_judged(none) == "no explored place has a known label and known items"


def test_only_the_version_and_the_champion_are_asked_for_pools_in_one_pass(
    learned: tuple[PreparedData, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, bundle = learned
    passes: list[Any] = []
    order = exploration_requests.order

    def counted(places: Places, stage: Any) -> Doubles:
        passes.append(stage)
        return order(places, stage)

    monkeypatch.setattr(exploration_requests, "order", counted)

    def again(window: predictions.Window) -> predictions.Answers:
        return predictions.answer(bundle, prepared, window)["recommender"]

    report = evaluate(bundle, prepared, prepared.split.test, again)
    assert len(passes) == 1
    assert report["metrics"]["offPolicyGain"] == 0
    evaluate(bundle, prepared, prepared.split.test, served=again)
    assert len(passes) == 2, "the full model that serves no request is not asked"
    window = predictions.window(prepared, prepared.split.test, bundle.sources)
    window = dataclasses.replace(
        window, places=exploration_requests.explored_places(prepared.data, prepared.split.test, 5)
    )
    unasked = predictions.answer(bundle, prepared, window, at_places=False)
    assert all(each.pools is None for each in unasked.values())


def test_lists_of_shown_items_are_ordered_by_their_response(
    learned: tuple[PreparedData, Bundle],
) -> None:
    _, bundle = learned
    sources, others = bundle.sources, OrderWeights.start(bundle.sources.plan)
    for name, weight in others.facts.items():
        assert sources.order.facts[name] == pytest.approx(SHOWN_ITEMS * weight)


def test_a_session_at_a_place_is_what_the_user_did_strictly_before(
    learned: tuple[PreparedData, Bundle],
) -> None:
    prepared, _ = learned
    places = exploration_requests.explored_places(prepared.data, prepared.split.test, 5)
    assert places is not None
    events = prepared.data.events
    assert events.labels is not None
    acts = events.labels.acts
    for row, request in list(zip(places.row, places.task.requests, strict=True))[:50]:
        earlier = (events.user == events.user[row]) & (events.time < events.time[row])
        own = np.flatnonzero(earlier & acts)
        assert request.session.tolist() == own[-5:].tolist()
