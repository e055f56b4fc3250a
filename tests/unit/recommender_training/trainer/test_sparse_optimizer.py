"""A fit that updates large tables by row: near the dense one, repeatable, resumed, compiled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from recommender_contract.resource.hyperparameters import (
    EmbeddingUpdates,
    Precision,
    Retrieval,
    RetrievalLoss,
)
from recommender_training.config.training import Hyperparameters, TrainingConfig
from recommender_training.distributed.group import ONE_PROCESS, Group, rows_of_rank
from recommender_training.features import attributes
from recommender_training.features.prepared_data import PreparedData
from recommender_training.models.ranker import (
    ITEM_TABLE,
    USER_TABLE,
    Ranker,
    RankerSize,
    create_ranker,
)
from recommender_training.models.two_tower import BIAS_TABLE, TwoTower
from recommender_training.trainer import embedding_plan, fit, fit_towers
from recommender_training.trainer.checkpoints import Checkpoints, Slot
from recommender_training.trainer.prior import Prior
from recommender_training.trainer.runtime import Runtime
from recommender_training.trainer.sparse_optimizer import SparseOptimizer, sparse_tables

SETTINGS = Hyperparameters(epochs=3, patience=3, embedding_dim=8, batch_size=256)
FLOAT32 = Runtime(torch.device("cpu"), Precision.FLOAT32)


@pytest.fixture
def every_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of any size are updated by row."""
    monkeypatch.setattr(embedding_plan, "LEAST_ROWS", 0)


def fresh(prepared: PreparedData) -> Ranker:
    fit.seed_everything(1, 1)
    data = prepared.data
    size = RankerSize(data.users.count, attributes.sizes(data), 8, 0.1, 0.5)
    return create_ranker(data, prepared.inputs, torch.from_numpy(prepared.split.train), size=size)


def fitted(
    prepared: PreparedData, slot: Slot | None = None, how: Runtime = FLOAT32, dies: int = 0
) -> tuple[Ranker, fit.FitLog]:
    model, looks = fresh(prepared), 0
    train, held = (torch.from_numpy(r) for r in (prepared.split.train, prepared.split.validation))

    def watch(_log: fit.FitLog) -> None:
        nonlocal looks
        looks += 1
        if looks == dies:
            raise KeyboardInterrupt

    examples = fit.Examples(prepared.inputs, train, held, prepared.kept.label)
    prior = Prior(model)
    options = fit.FitOptions(slot=slot, how=how, prior=prior, average=0.5)
    return model, fit.fit(model, examples, SETTINGS, options, watch=watch)


def furthest(one: torch.nn.Module, other: torch.nn.Module) -> float:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((mine - theirs).detach().abs().max()) for mine, theirs in pairs)


def test_the_size_of_a_table_decides_where_the_settings_leave_it_open(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fresh(prepared)
    assert sparse_tables(model, EmbeddingUpdates.AUTO) == ()
    monkeypatch.setattr(embedding_plan, "LEAST_ROWS", len(model.user.weight))
    assert len(model.item.weight) < len(model.user.weight)
    assert sparse_tables(model, EmbeddingUpdates.AUTO) == (USER_TABLE,)
    assert sparse_tables(model, EmbeddingUpdates.DENSE) == ()
    assert sparse_tables(model, EmbeddingUpdates.ROWS) == (ITEM_TABLE, USER_TABLE)


@pytest.mark.usefixtures("every_table")
def test_a_frozen_table_is_not_updated(prepared: PreparedData) -> None:
    model = fresh(prepared)
    model.freeze_all_but_items()
    assert sparse_tables(model, EmbeddingUpdates.AUTO) == (ITEM_TABLE,)


def test_the_fit_is_near_the_dense_one(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, dense = fitted(prepared)
    monkeypatch.setattr(embedding_plan, "LEAST_ROWS", 0)
    model, log = fitted(prepared)
    assert log.best_loss == pytest.approx(dense.best_loss, abs=0.01)
    assert log.looks[0][1] > log.best_loss, "it learned"
    assert all(weights.requires_grad for weights in model.parameters())


@pytest.mark.usefixtures("every_table")
def test_the_same_seed_gives_the_same_weights(prepared: PreparedData) -> None:
    assert furthest(fitted(prepared)[0], fitted(prepared)[0]) == 0


@pytest.mark.usefixtures("every_table")
def test_a_fit_that_was_ended_goes_on_where_it_was(prepared: PreparedData, tmp_path: Path) -> None:
    whole, log = fitted(prepared)
    slot = Checkpoints(tmp_path, {"seed": 1}).slot("first")
    with pytest.raises(KeyboardInterrupt):
        fitted(prepared, slot, dies=3)
    again, resumed = fitted(prepared, slot)
    assert resumed.looks == log.looks
    assert furthest(whole, again) == 0


@pytest.mark.usefixtures("every_table")
def test_compiled_code_reads_the_same_rows(prepared: PreparedData) -> None:
    graphs = 0

    def compiler(graph: torch.fx.GraphModule, _inputs: list[Tensor]) -> object:
        nonlocal graphs
        graphs += 1
        return graph.forward

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, "dropout", lambda given, *_args, **_named: given)
        eager, _ = fitted(prepared)
        traced, _ = fitted(prepared, how=Runtime(FLOAT32.device, Precision.FLOAT32, compiler))
    assert graphs == 2, "one of a whole batch and one of the last: no part is left out"
    assert furthest(eager, traced) < 1e-5


@dataclass(frozen=True)
class Recorded(Group):
    """One of several processes; what the others hold is given."""

    others: tuple[Tensor, ...] = ()

    def whole(self, own: Tensor, rows: int) -> Tensor:
        parts = [torch.zeros_like(own) + 3 if own.is_floating_point() else own + 1] * self.size
        parts[self.rank] = own
        return torch.cat(parts)[:rows]


@pytest.mark.usefixtures("every_table")
def test_processes_update_the_rows_that_any_of_them_read(prepared: PreparedData) -> None:
    model = fresh(prepared).eval()  # no id is hidden
    before = model.user.weight.detach().clone()
    batch = prepared.kept.take(torch.arange(4))
    updates = SparseOptimizer(model, (USER_TABLE,), Recorded(size=2))
    updates.start(0.01, 0.0, {}, None)
    read = updates.read(batch, 1, 0.0, 8)
    assert read[USER_TABLE].shape == (4, 1, 8)
    read[USER_TABLE].sum().backward()  # type: ignore[no-untyped-call]
    updates.step(1)
    updates.restore()
    touched = torch.unique(torch.cat([batch.user, batch.user + 1]))
    changed = (model.user.weight != before).any(1).nonzero()[:, 0]
    assert torch.equal(changed, touched)


def test_shares_of_a_batch_have_the_rows_in_order() -> None:
    """`Group.whole` puts the part of each process where `share` has it."""
    rows = torch.arange(7)
    parts = [rows[rows_of_rank(7, rank, 3).own] for rank in range(3)]
    assert torch.equal(torch.cat(parts), rows)
    assert torch.equal(ONE_PROCESS.whole(rows, 7), rows)


@pytest.mark.parametrize("tables", [(ITEM_TABLE,), (USER_TABLE,), (ITEM_TABLE, USER_TABLE)])
def test_a_ranker_answers_the_same_from_rows_that_were_read_before(
    prepared: PreparedData, tables: tuple[str, ...]
) -> None:
    model = fresh(prepared).eval()
    batch = prepared.kept.take(torch.arange(50))
    read = {
        name: model.get_parameter(name)[rows]
        for name, rows in model.rows_of(batch, tables).items()
    }
    assert set(read) == set(tables)
    torch.testing.assert_close(model(batch, read), model(batch))


def towers(prepared: PreparedData, loss: RetrievalLoss) -> TwoTower:
    fit.seed_everything(1, 1)
    settings = SETTINGS.model_copy(
        update={"retrieval": Retrieval.TWO_TOWER, "retrieval_loss": loss}
    )
    split, config = prepared.split, TrainingConfig(hyperparameters=settings)
    made = fit_towers.fit_towers(
        prepared.data, split.train, split.validation, prepared.inputs, config
    )
    assert made.towers is not None
    assert made.loss < 10
    return made.towers


@pytest.mark.usefixtures("every_table")
def test_towers_of_sampled_items_are_fitted_by_row(prepared: PreparedData) -> None:
    found = towers(prepared, RetrievalLoss.SAMPLED_SOFTMAX)
    assert sparse_tables(found, EmbeddingUpdates.AUTO) == (ITEM_TABLE, BIAS_TABLE)
    assert sparse_tables(towers(prepared, RetrievalLoss.FULL_SOFTMAX), EmbeddingUpdates.AUTO) == ()
    seen = set(prepared.data.events.item[prepared.split.train].tolist())
    moved = set((found.bias != found.log_share).nonzero()[:, 0].tolist())
    assert moved <= seen
    assert len(moved) > len(seen) / 2
