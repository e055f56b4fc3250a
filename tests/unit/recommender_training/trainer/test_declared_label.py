"""What a fit makes of a declared label: weights of types, and the true share of positives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import logit

from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.config.training import parse_config
from recommender_training.data import negatives
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import predictions
from recommender_training.evaluation.evaluate import evaluate
from recommender_training.features.prepared_data import PreparedData, prepare_data
from recommender_training.fitted.bundle import baseline_logits, probability
from recommender_training.trainer.fit_models import fit_models
from recommender_training.trainer.training_rows import training_weights, type_weights
from tests import small_data

CONFIG = parse_config('{"seed": 3, "algorithm": "LogisticRegression"}')
ITEMS, USERS = 30, 80
#: Of two groups of items that the truth tells apart.
RATES = (0.02, 0.10)


def shop(label: dict[str, Any], seed: int = 0, impressions: int = 12_000, users: int = USERS,
         positives_only: bool = False) -> Dataset:  # fmt: skip
    """A log of impressions, each of a user and an item drawn alike; kinds differ in their rate."""
    random = np.random.default_rng(seed)
    items = random.integers(0, ITEMS, impressions)
    bought = random.random(impressions) < np.array(RATES)[items % 2]
    kinds = np.where(bought, np.where(random.random(impressions) < 0.5, "buy", "click"), "view")
    events: Any = [
        (int(user), int(item), 5.0 if good else 2.0, 1 + 10 * at, {"event_type": str(kind)})
        for at, (user, item, good, kind) in enumerate(
            zip(random.integers(0, users, impressions), items, bought, kinds, strict=True)
        )
        if good or not positives_only
    ]
    declared = FeatureSchema.model_validate(
        {"label": label, "items": [{"name": "kind", "kind": "Boolean"}]}
    )
    of_items = [{"id": n, "kind": "true" if n % 2 else "false"} for n in range(ITEMS)]
    of_users = [{"id": number} for number in range(users)]
    return negatives.add_negatives(small_data.build(events, of_users, of_items, declared))


BOTH = {"positiveTypes": [{"type": "buy", "weight": 4}, {"type": "click"}]}


def test_types_weigh_as_declared_beside_one_another_and_one_on_average() -> None:
    data = shop(BOTH)
    rows = np.arange(6000)
    found = type_weights(data, rows)
    assert found is not None
    said = data.events.labels
    assert said is not None
    label = data.events.label
    assert (found[~label] == 1).all()
    assert found[rows][label[rows]].mean() == pytest.approx(1, rel=1e-5)
    buy, click = (found[label & (said.weight == weight)] for weight in (4, 1))
    assert len(set(buy.tolist())) == len(set(click.tolist())) == 1
    assert buy[0] / click[0] == pytest.approx(4, rel=1e-5)
    same = training_weights(data, rows, label, CONFIG)
    assert same is not None
    assert np.array_equal(same, found)


@pytest.mark.parametrize(
    "label",
    [{"minimumValue": 4}, {"positiveTypes": [{"type": "buy", "weight": 4}]},
     {"positiveTypes": [{"type": "buy", "weight": 2}, {"type": "click", "weight": 2}]}],
)  # fmt: skip
def test_types_of_one_weight_leave_all_rows_alike(label: dict[str, Any]) -> None:
    assert type_weights(shop(label), np.arange(6000)) is None


def test_a_bigger_weight_moves_the_fit_towards_its_type() -> None:
    """Of two kinds of items, one is bought and one is clicked."""
    random = np.random.default_rng(1)
    items = random.integers(0, ITEMS, 40_000)
    good = random.random(40_000) < 0.1
    events: Any = [
        (int(user), int(item), 2.0, 1 + 10 * at,
         {"event_type": ("buy" if item % 2 else "click") if yes else "view"})
        for at, (user, item, yes) in enumerate(
            zip(random.integers(0, USERS, 40_000), items, good, strict=True))
    ]  # fmt: skip
    of_items = [{"id": n, "kind": "true" if n % 2 else "false"} for n in range(ITEMS)]
    of_users = [{"id": number} for number in range(USERS)]
    leads = []
    for weight in (1, 4):
        types = [{"type": "buy", "weight": weight}, {"type": "click"}]
        declared = FeatureSchema.model_validate(
            {"label": {"positiveTypes": types}, "items": [{"name": "kind", "kind": "Boolean"}]}
        )
        prepared = prepare_data(small_data.build(events, of_users, of_items, declared), CONFIG)
        baseline = fit_models(prepared, CONFIG, 1).baseline
        found = baseline_logits(baseline, prepared, prepared.split.test)
        bought = prepared.data.events.item[prepared.split.test] % 2 == 1
        leads.append(found[bought].mean() - found[~bought].mean())
    assert leads[0] == pytest.approx(0, abs=0.15)
    assert leads[1] == pytest.approx(np.log(4), abs=0.5)


def fitted(label: dict[str, Any], **options: Any) -> tuple[PreparedData, Any]:
    prepared = prepare_data(shop(label, **options), CONFIG)
    return prepared, fit_models(prepared, CONFIG, 1)


@pytest.mark.parametrize("by", ["Uniform", "Popularity"])
def test_probabilities_of_a_log_of_positives_have_the_declared_share(by: str) -> None:
    """Negatives are drawn as the impressions of the truth were, so each rate is found again."""
    rate = sum(RATES) / 2
    label = {
        "negatives": {"perPositive": 10, "by": by},
        "positiveRate": rate,
    }
    prepared, bundle = fitted(label, impressions=60_000, users=3000, positives_only=True)
    data, rows = prepared.data, prepared.split.test
    assert data.events.labels is not None
    assert data.events.logged.label.all()
    # of pairs as they are drawn: the negatives of the test window
    shown = rows[~data.events.label[rows]]
    found = probability(bundle, prepared, shown)
    share = data.events.label[prepared.split.train].mean()
    assert share == pytest.approx(1 / 11, rel=0.05)
    assert found.mean() == pytest.approx(rate, rel=0.15)
    if by == "Uniform":
        odd = data.events.item[shown] % 2 == 1
        assert found[odd].mean() / found[~odd].mean() > 2.5


def test_a_sampled_log_of_impressions_is_corrected_to_the_declared_share() -> None:
    label = {"minimumValue": 4, "positiveRate": 0.004}
    prepared, bundle = fitted(label)
    share = prepared.data.events.label[prepared.split.train].mean()
    assert prepared.rate_shift == pytest.approx(logit(0.004) - logit(share), abs=1e-3)
    found = probability(bundle, prepared, prepared.split.test)
    assert found.mean() == pytest.approx(0.004, rel=0.25)
    plain_prepared, plain = fitted({"minimumValue": 4})
    assert plain_prepared.rate_shift == 0
    theirs = probability(plain, plain_prepared, plain_prepared.split.test)
    assert logit(found) - logit(theirs) == pytest.approx(prepared.rate_shift, abs=1e-6)


def test_metrics_compare_rows_at_their_own_share() -> None:
    """The correction is no miscalibration: metrics are those without a declared share."""
    corrected, plain = (fitted(label) for label in (
        {"minimumValue": 4, "positiveRate": 0.004}, {"minimumValue": 4}))  # fmt: skip
    ours, theirs = (
        evaluate(bundle, prepared, prepared.split.test)["metrics"]
        for prepared, bundle in (corrected, plain)
    )
    assert ours == pytest.approx(theirs, abs=1e-6)
    window = predictions.window(corrected[0], corrected[0].split.test)
    assert window.rate_shift == corrected[0].rate_shift
