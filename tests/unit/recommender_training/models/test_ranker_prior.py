"""The ranker's prior and the part of its logit that needs no network."""

from __future__ import annotations

import pytest
import torch

from recommender_training.config.training import Hyperparameters
from recommender_training.features import attributes
from recommender_training.features.prepared_data import PreparedData
from recommender_training.models import ranker
from recommender_training.models.ranker import Ranker, RankerSize
from recommender_training.trainer import fit
from recommender_training.trainer.prior import Prior


def fresh(prepared: PreparedData) -> Ranker:
    fit.seed_everything(1, 1)
    data = prepared.data
    size = RankerSize(data.users.count, attributes.sizes(data), 8, 0.1, 0.5)
    rows = torch.from_numpy(prepared.split.train)
    return ranker.create_ranker(data, prepared.kept, rows, size=size)


def test_the_prior_is_that_of_normal_weights(prepared: PreparedData) -> None:
    model = fresh(prepared)
    with torch.no_grad():
        before = model.prior().item()
        added = 0.5 - model.user.weight[1, 0]
        old = float(model.user.weight[1, 0])
        model.user.weight[1, 0] += added
    expected = (0.25 - old**2) / (2 * ranker.ID_VARIANCE)
    assert model.prior().item() - before == pytest.approx(expected, rel=1e-3)


def test_declared_features_may_differ_more_than_ids(prepared: PreparedData) -> None:
    model = fresh(prepared)
    with torch.no_grad():
        for weights in model.parameters():
            weights.zero_()
        model.user.weight[1, 0] = 1.0
        of_id = model.prior().item()
        model.user.weight[1, 0] = 0.0
        model.of_content.weight[0, 0] = 1.0
        assert model.prior().item() < of_id / 2


def test_a_prior_shortens_embeddings_and_less_with_more_rows(prepared: PreparedData) -> None:
    rows = torch.from_numpy(prepared.split.train)
    settings = Hyperparameters(embedding_dim=8, batch_size=250, learning_rate=0.01)
    shortened = []
    for part in (rows, rows[:250]):
        lengths = []
        for with_prior in (True, False):
            model = fresh(prepared)
            options = fit.FitOptions(prior=Prior(model) if with_prior else None)
            examples = fit.Examples.whole(prepared.kept, part, prepared.kept.label)
            fit.fit_for(model, examples, settings, 200 * 250 / len(part), options)
            lengths.append(model.of_content.weight.detach().square().mean().item())
        shortened.append(lengths[0] / lengths[1])
    assert shortened[1] < shortened[0] < 0.95


def test_a_fresh_ranker_reads_no_network_yet_but_the_matches_of_its_features(
    prepared: PreparedData,
) -> None:
    model = fresh(prepared).eval()
    batch = prepared.kept.take(torch.arange(50))
    with torch.no_grad():
        before = model(batch)
        model.hidden.weight.mul_(3.0)
        assert torch.equal(model(batch), before)
        model.wide_match.weight.zero_()
        assert not torch.equal(model(batch), before)


def test_the_prior_of_a_fit_that_starts_from_a_champion_is_about_its_weights(
    prepared: PreparedData,
) -> None:
    model = fresh(prepared)
    about_start, about_zero = Prior.of(model), Prior(model)
    assert about_start().item() == 0.0
    assert about_zero().item() > 0.0
    with torch.no_grad():
        model.item.weight[1, 0] += 0.1
    expected = 0.1**2 / (2 * ranker.ID_VARIANCE)
    assert about_start().item() == pytest.approx(expected, rel=1e-4)
