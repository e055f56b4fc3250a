"""Sessions of training rows are cropped and masked, by the same draws in every process."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recommender_contract.resource.hyperparameters import Retrieval
from recommender_training.config.training import Hyperparameters, TrainingConfig
from recommender_training.distributed.group import ONE_PROCESS, rows_of_rank
from recommender_training.features.assembly import Inputs
from recommender_training.features.prepared_data import PreparedData
from recommender_training.models.tower_examples import Batch
from recommender_training.trainer.augmentation import Augmentation
from recommender_training.trainer.deep_ranker import fit_deep
from recommender_training.trainer.fit_models import fit_models

LENGTH = 6


def batch(lengths: list[int]) -> Inputs:
    """Sessions of these lengths, padded at the front, of items 1, 2, and so on."""
    rows = len(lengths)
    present = torch.stack([torch.arange(LENGTH) >= LENGTH - length for length in lengths])
    session = torch.where(present, torch.arange(1, LENGTH + 1), 0)
    one = {field.name: torch.zeros(rows) for field in fields(Inputs)}
    return Inputs(**{**one, "session": session, "present": present})


def items(inputs: Inputs, row: int) -> list[int]:
    found: Tensor = inputs.session[row][inputs.present[row]]
    return [int(item) for item in found]


@given(lengths=st.lists(st.integers(0, LENGTH), min_size=1, max_size=20), seed=st.integers(0, 50))
def test_a_cropped_session_is_the_newest_part_of_the_whole_one(
    lengths: list[int], seed: int
) -> None:
    torch.manual_seed(seed)
    whole = batch(lengths)
    cropped = Augmentation(0.99, 0.0).apply(whole, ONE_PROCESS.share(len(lengths)))
    for row, length in enumerate(lengths):
        left = items(cropped, row)
        assert left == items(whole, row)[length - len(left) :]
        assert len(left) >= min(1, length)
        assert not cropped.session[row][~cropped.present[row]].any()


def test_the_shares_are_those_of_the_settings() -> None:
    torch.manual_seed(0)
    whole = batch([LENGTH] * 4000)
    found = Augmentation(0.5, 0.25).apply(whole, ONE_PROCESS.share(4000))
    shorter = (found.present.sum(1) < LENGTH).float().mean()
    assert float(shorter) == pytest.approx(0.5 * (LENGTH - 1) / LENGTH, abs=0.03)
    masked = (found.session[found.present] == 0).float().mean()
    assert float(masked) == pytest.approx(0.25, abs=0.02)


@given(rows=st.integers(1, 30), size=st.integers(1, 5), seed=st.integers(0, 20))
def test_all_processes_together_make_the_sessions_of_one(rows: int, size: int, seed: int) -> None:
    whole, found = batch([LENGTH] * rows), Augmentation(0.5, 0.3)
    torch.manual_seed(seed)
    alone = found.apply(whole, rows_of_rank(rows, 0, 1))
    parts = []
    for rank in range(size):
        own = rows_of_rank(rows, rank, size)
        torch.manual_seed(seed)
        parts.append(found.apply(whole.take(torch.arange(rows)[own.own]), own))
    assert torch.equal(torch.cat([part.session for part in parts]), alone.session)
    assert torch.equal(torch.cat([part.present for part in parts]), alone.present)


def test_pairs_of_the_towers_keep_their_target() -> None:
    torch.manual_seed(1)
    given_batch = Batch(batch([LENGTH] * 8), torch.arange(8))
    found = Augmentation(0.9, 0.5).apply(given_batch, ONE_PROCESS.share(8))
    assert torch.equal(found.target, given_batch.target)
    assert not torch.equal(found.inputs.session, given_batch.inputs.session)


def test_nothing_is_drawn_by_default() -> None:
    assert Augmentation.of(Hyperparameters()) is None
    assert Augmentation.of(Hyperparameters(session_mask=0.1)) == Augmentation(0.0, 0.1)


def test_the_ranker_and_the_towers_are_fitted_on_such_sessions(prepared: PreparedData) -> None:
    settings = Hyperparameters(epochs=1, embedding_dim=8, batch_size=256, retrieval=Retrieval.BOTH)
    plain = TrainingConfig(hyperparameters=settings)
    changed = plain.model_copy(
        update={"hyperparameters": settings.model_copy(update={"session_crop": 0.5})}
    )
    one, other = (fit_models(prepared, config, 1) for config in (plain, changed))
    for mine, theirs in ((one.deep, other.deep), (one.sources.towers, other.sources.towers)):
        assert mine is not None
        assert theirs is not None
        assert not torch.equal(mine.item.weight, theirs.item.weight)


@pytest.mark.parametrize("updates", ["Dense", "Rows"])
def test_rows_that_are_read_are_those_of_the_changed_session(
    prepared: PreparedData, updates: str
) -> None:
    """Where every event is masked but a few, the fit is another one, and it still learns."""
    settings = Hyperparameters.model_validate(
        {"epochs": 2, "embeddingDim": 8, "batchSize": 256, "embeddingUpdates": updates}
    )
    masked = replace_settings(settings, session_mask=0.9)
    _, plain_log = fit_deep(prepared, TrainingConfig(hyperparameters=settings), 1)
    _, masked_log = fit_deep(prepared, TrainingConfig(hyperparameters=masked), 1)
    assert plain_log.looks != masked_log.looks
    assert masked_log.best_loss < masked_log.looks[0][1]


def replace_settings(settings: Hyperparameters, **update: float) -> Hyperparameters:
    return settings.model_copy(update=update)
