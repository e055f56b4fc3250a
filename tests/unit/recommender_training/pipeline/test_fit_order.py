"""The order of lists, and whether items come again, is chosen on the validation window."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recommender_contract.resource.training_settings import Fault, FaultInjection, Repeats
from recommender_training.config.label import Label
from recommender_training.config.training import TrainingConfig
from recommender_training.evaluation import predictions
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.fitted.order_weights import TRANSITIONS, TRENDS, OrderWeights
from recommender_training.pipeline import fit_order
from recommender_training.statistics import list_order
from recommender_training.statistics.list_order import FittedOrder, HeldOut, ListSources
from tests.training_fixtures import Trained

OWN = 8  # of the candidates are items of the session


def lists(*, again: bool, requests: int = 200) -> ListSources:
    """Lists in which items of the session are relevant `again`, or never."""
    random = np.random.default_rng(3)
    values = random.normal(size=(3, requests, 40)).astype(np.float32)
    may = np.zeros((requests, 40), dtype=np.bool_)
    if again:
        may[:, :OWN] = True
    else:
        may[:, OWN:] = True
    best = np.where(may, values[1] + random.gumbel(size=may.shape), -np.inf).argmax(1)
    relevant = np.arange(40) == best[:, None]
    names, wanted = ("response", "popularity", "repeats"), np.ones(requests, dtype=np.int64)
    return ListSources(names, values, np.ones_like(relevant), relevant, wanted)


@pytest.fixture
def comes_again(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Has the sources of the validation window replaced."""

    def replaced(again: bool, requests: int = 200) -> None:
        found = lists(again=again, requests=requests)
        own = np.broadcast_to(np.arange(40) < OWN, found.allowed.shape)
        monkeypatch.setattr(fit_order, "sources_of", lambda *_: (found, own))
        monkeypatch.setattr(fit_order, "_any_repeat", lambda _: True)

    return replaced


def chosen(
    bundle: Bundle, prepared: PreparedData, trained: Trained, **settings: Any
) -> tuple[int | None, dict[str, Any]]:
    config = TrainingConfig.model_validate(trained.config.model_dump(by_alias=True) | settings)
    found = fit_order.with_order(bundle, prepared, config).sources
    return found.repeat_after, dict(found.choice)


def test_items_come_again_where_lists_gain_from_it(
    bundle: Bundle, prepared: PreparedData, trained: Trained, comes_again: Any
) -> None:
    comes_again(True)
    after, facts = chosen(bundle, prepared, trained)
    assert after == 0
    told = facts["repeats"]
    assert (told["served"], told["chosenBy"], told["afterSeconds"]) == ("Allowed", "Validation", 0)
    assert told["ndcgAt10Gain"]["low"] > 0


def test_items_never_come_again_where_lists_lose_by_it(
    bundle: Bundle, prepared: PreparedData, trained: Trained, comes_again: Any
) -> None:
    comes_again(False)
    after, facts = chosen(bundle, prepared, trained)
    assert after is None
    assert facts["repeats"]["served"] == "Never"
    assert facts["repeats"]["ndcgAt10Gain"]["value"] < 0


def test_few_requests_decide_nothing(
    bundle: Bundle, prepared: PreparedData, trained: Trained, comes_again: Any
) -> None:
    comes_again(True, list_order.LEAST_REQUESTS - 1)
    after, facts = chosen(bundle, prepared, trained)
    assert after is None
    assert facts["repeats"] == {"served": "Never", "chosenBy": "TooFewRequests"}
    assert facts["order"]["chosenBy"] == "TooFewRequests"


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize(
    ("settings", "seconds", "served"),
    [
        ({"repeats": "Never"}, None, "Never"),
        ({"repeats": "Allowed"}, 0, "Allowed"),
        ({"repeats": "AfterDays", "repeatsAfterDays": 2}, 172_800, "AfterDays"),
    ],
)
def test_what_is_declared_holds_whatever_lists_gain(
    bundle: Bundle,
    prepared: PreparedData,
    trained: Trained,
    comes_again: Any,
    again: bool,
    settings: dict[str, Any],
    seconds: int | None,
    served: str,
) -> None:
    comes_again(again)
    after, facts = chosen(bundle, prepared, trained, **settings)
    assert after == seconds
    told = {"served": served, "chosenBy": "Declared"}
    assert facts["repeats"] == (told if seconds is None else told | {"afterSeconds": seconds})


def test_a_log_in_which_nobody_has_an_item_twice_has_no_repeats(
    bundle: Bundle, prepared: PreparedData, trained: Trained
) -> None:
    after, facts = chosen(bundle, prepared, trained)
    assert after is None
    assert facts["repeats"] == {"served": "Never", "chosenBy": "NoRepeats"}


@pytest.mark.parametrize("settings", [{}, {"repeats": "Allowed"}])
def test_labels_of_shown_items_keep_the_order_of_the_response(
    bundle: Bundle, prepared: PreparedData, trained: Trained, settings: dict[str, Any]
) -> None:
    label = Label.model_validate(
        {
            "positiveTypes": [{"type": "click"}],
            "attribution": {"impressions": ["impression"], "hours": 1},
        }
    )
    assert label.of_shown_items
    shown = replace(prepared, data=replace(prepared.data, label=label))
    _, facts = chosen(bundle, shown, trained, **settings)
    assert facts["order"] == {"weights": bundle.sources.order.facts, "chosenBy": "ShownItems"}
    assert facts["repeats"]["chosenBy"] == ("Declared" if settings else "ShownItems")


def test_the_sources_add_up_to_the_order_of_lists(bundle: Bundle, prepared: PreparedData) -> None:
    order = bundle.sources.order.with_sources(TRENDS, TRANSITIONS)
    sources = replace(bundle.sources, repeat_after=0, order=order)
    window = predictions.window(prepared, prepared.split.validation, sources)
    found, own = fit_order.sources_of(bundle, prepared, window)
    names = ("popularity", "items", "lift", "repeats", "next", "pair", "trend")
    assert found.names == ("response", *names)
    assert len(own) == len(window.task.requests)
    ordered = window.plain.order
    total = found.values[1:].sum(0)
    for row, of_request in enumerate(found.allowed):
        best = np.sort(ordered[row])[::-1][:10]
        mine = np.sort(total[row][of_request])[::-1][:10]
        np.testing.assert_allclose(mine, best, rtol=1e-4, atol=1e-3)


def test_a_report_says_how_its_lists_are_ordered(
    bundle: Bundle, prepared: PreparedData, trained: Trained, comes_again: Any
) -> None:
    comes_again(True)
    config = trained.config
    sources = fit_order.with_order(bundle, prepared, config).sources
    report = {"retrieval": sources.facts(config.hyperparameters.retrieval)}
    order, after = fit_order.order_in(report)
    assert order is not None
    assert order.facts == pytest.approx(sources.order.facts, abs=1e-3)
    assert after == sources.repeat_after == 0
    assert fit_order.order_in({"retrieval": {"orders": "Both"}}) == (None, None)


def test_what_came_next_is_known_to_a_fit_and_counts_where_lists_gain(
    bundle: Bundle, prepared: PreparedData, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[tuple[str, ...]]()

    def gains(lists: ListSources, seed: int, optional: Any) -> FittedOrder:
        asked.append(lists.names)
        factors = dict.fromkeys(lists.names[1:], 1.0) | {"next": 0.0, "pair": 2.5}
        held = HeldOut(np.zeros(1), np.zeros(1))
        return FittedOrder(factors, "Validation", 100, held, sharpness=0.25)

    monkeypatch.setattr(list_order, "fit_order", gains)
    found = fit_order.with_order(bundle, prepared, trained.config).sources
    assert asked == [("response", "popularity", "items", "lift", "next", "pair")]
    assert (found.order.next, found.order.pair, found.order.trend) == (0.0, 2.5, 0.0)
    assert found.order.sharpness == 0.25
    weights = found.choice["order"]["weights"]  # type: ignore[index]
    assert (weights["next"], weights["pair"]) == (0.0, 2.5)


def test_a_report_of_an_earlier_release_has_no_transitions() -> None:
    weights = {"items": 3.0, "lift": 1.0, "popularity": 2.0, "repeats": 1.0}
    order, _ = fit_order.order_in({"retrieval": {"order": {"weights": weights}, "repeats": {}}})
    assert order is not None
    assert order.facts == weights | {"next": 0.0, "pair": 0.0, "trend": 0.0}


@pytest.mark.parametrize(
    ("settings", "known"),
    [
        ({"trends": True}, True),
        ({}, False),
        ({"trends": True, "fault_injection": FaultInjection(fault=Fault.LATENCY)}, False),
    ],
)
def test_trends_are_a_source_only_where_requests_know_them_and_no_fault_is_rehearsed(
    bundle: Bundle,
    prepared: PreparedData,
    trained: Trained,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    *,
    known: bool,
) -> None:
    def counted(lists: ListSources, seed: int, optional: Any) -> FittedOrder:
        assert ("trend" in lists.names) == known
        assert optional == ((TRENDS, TRANSITIONS) if known else (TRANSITIONS,))
        factors = dict.fromkeys(lists.names[1:], 3.0)
        return FittedOrder(factors, "Validation", 100, HeldOut(np.zeros(1), np.zeros(1)))

    monkeypatch.setattr(list_order, "fit_order", counted)
    config = trained.config.model_copy(update=settings)
    found = fit_order.with_order(bundle, prepared, config).sources.order
    assert found.trend == (3.0 if known else 0.0)


def test_weights_of_a_fit_are_multiples_of_their_start() -> None:
    start = OrderWeights()
    found = start.times({"items": 3.0, "lift": 0.5})
    assert found.facts == start.facts | {"items": 60.0, "lift": 2.0}
    assert found.size == 3
    assert Repeats.AUTO is TrainingConfig().repeats
