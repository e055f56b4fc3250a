"""Fits of the two towers: they learn, continue after a kill, and are made where asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from recommender_contract.resource.hyperparameters import Retrieval
from recommender_training.features import event_features
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.models.tower_examples import tower_examples
from recommender_training.trainer import fit, fit_towers
from recommender_training.trainer.checkpoints import Checkpoints, Slot
from tests.unit.recommender_training.tower_fits import configured


def test_a_fit_lowers_the_loss_below_that_of_popularity(
    fitted_towers: RetrievalModels, prepared: PreparedData
) -> None:
    data = prepared.data
    held = tower_examples(prepared.inputs, data.events, prepared.split.validation)
    assert fitted_towers.towers is not None
    popular = -float(fitted_towers.towers.log_share[held.target - 1].mean())
    assert 0 < fitted_towers.loss < popular


def test_items_without_an_event_keep_genres_and_year_alone(
    fitted_towers: RetrievalModels, prepared: PreparedData
) -> None:
    towers = fitted_towers.towers
    assert towers is not None
    seen = np.unique(prepared.data.events.item[prepared.split.train]) + 1
    unseen = np.setdiff1d(np.arange(1, prepared.data.items.count + 1), seen)
    for row in unseen:
        assert torch.equal(towers.item.weight[row], towers.item.weight[0])
    assert not torch.equal(towers.item.weight[seen[0]], towers.item.weight[0])


def test_a_large_catalogue_is_judged_by_fewer_pairs(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, held = prepared.data, prepared.split.validation
    assert fit_towers.held_pairs(data, held) is held
    monkeypatch.setattr(fit_towers, "MAX_HELD_SCORES", 50 * data.items.count)
    monkeypatch.setattr(fit_towers, "LEAST_HELD", 10)
    found = fit_towers.held_pairs(data, held)
    assert len(np.unique(found)) == 50
    assert np.isin(found, held).all()
    assert data.events.label[found].all()
    assert np.array_equal(found, fit_towers.held_pairs(data, held)), "every fit has the same ones"
    monkeypatch.setattr(fit_towers, "LEAST_HELD", 60)
    assert len(fit_towers.held_pairs(data, held)) == 60


def test_towers_learn_the_same_from_inputs_that_are_computed_by_batch(
    prepared: PreparedData, few_tower_epochs: object
) -> None:
    config = configured("TwoTower")
    data, split, length = prepared.data, prepared.split, prepared.history_length
    computed = event_features.Features.of(data, length, prepared.constants)
    made = []
    for inputs in (prepared.kept, computed):
        torch.manual_seed(0)
        made.append(fit_towers.fit_towers(data, split.train, split.validation, inputs, config))
    kept, cut = (each.towers for each in made)
    assert kept is not None
    assert cut is not None
    assert made[0].loss == made[1].loss
    for name, value in kept.state_dict().items():
        assert torch.equal(value, cut.state_dict()[name]), name


def test_towers_that_were_ended_go_on_to_the_same_weights(
    prepared: PreparedData,
    few_tower_epochs: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, split = configured("TwoTower"), prepared.split

    def towers(slot: Slot | None) -> dict[str, Tensor]:
        torch.manual_seed(0)
        made = fit_towers.fit_towers(
            prepared.data, split.train, split.validation, prepared.kept, config, slot
        )
        assert made.towers is not None
        return made.towers.state_dict()

    class KilledError(Exception):
        pass

    def ended(self: fit.Trainer, keep: Callable[..., None] = fit.Trainer.keep) -> None:
        keep(self)
        if self.batches.epochs > 1:
            raise KilledError

    slot = Checkpoints(tmp_path, {}).slot("towers")
    with monkeypatch.context() as patch:
        patch.setattr(fit.Trainer, "keep", ended)
        with pytest.raises(KilledError):
            towers(slot)
    left = slot.load()
    assert left is not None
    assert left["batches"]["taken"] > 0
    whole, again = towers(None), towers(slot)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_towers_are_fitted_where_they_are_asked_for_alone(
    prepared: PreparedData, few_tower_epochs: object
) -> None:
    for wanted in Retrieval:
        split, config = prepared.split, configured(wanted.value)
        made = fit_towers.fit_towers(
            prepared.data, split.train, split.validation, prepared.inputs, config
        )
        assert made.weights is (wanted is not Retrieval.TWO_TOWER)
        assert (made.towers is not None) is (wanted is not Retrieval.WEIGHTS)
