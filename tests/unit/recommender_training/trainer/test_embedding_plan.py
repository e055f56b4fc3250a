"""The memory of the embeddings is known, and bounded, before anything is fitted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.hyperparameters import (
    EmbeddingUpdates,
    Retrieval,
    RetrievalLoss,
)
from recommender_contract.resource.training_settings import Algorithm, WarmStart
from recommender_training.common.errors import InputError
from recommender_training.config.training import Hyperparameters, TrainingConfig
from recommender_training.features.prepared_data import PreparedData
from recommender_training.trainer.deep_ranker import new_ranker
from recommender_training.trainer.embedding_plan import (
    LEAST_ROWS,
    EmbeddingPlan,
    Table,
    is_sparse,
    plan_embeddings,
)
from recommender_training.trainer.memory import container_limit
from recommender_training.trainer.sparse_embedding import SparseAdamWSettings, SparseEmbedding


def config(**settings: object) -> TrainingConfig:
    return TrainingConfig(hyperparameters=Hyperparameters.model_validate(settings))


def table(rows: int = 1000, width: int = 8, *, by_row: bool = False) -> Table:
    return Table("ranker", "items", rows, width, by_row, copies=2)


def test_the_bytes_are_those_of_the_tensors(prepared: PreparedData) -> None:
    settings = config(embeddingDim=8)
    model = new_ranker(prepared, settings)
    users, items = (
        t for t in plan_embeddings(prepared.data, settings).tables if t.model == "ranker"
    )
    for found, weights in ((users, model.user.weight), (items, model.item.weight)):
        assert found.weights == weights.nbytes
        optimizer = torch.optim.AdamW([weights])
        weights.grad = torch.ones_like(weights)
        optimizer.step()
        moments = [optimizer.state[weights][name] for name in ("exp_avg", "exp_avg_sq")]
        assert found.optimizer == sum(moment.nbytes for moment in moments)


@given(rows=st.integers(1, 50), width=st.integers(1, 20))
def test_the_state_of_rows_is_that_of_a_row_table(rows: int, width: int) -> None:
    found = SparseEmbedding(torch.zeros(rows, width), SparseAdamWSettings(0.1, 0.0))
    held = sum(each.nbytes for each in found.state().values())
    assert table(rows, width, by_row=True).optimizer == held


def test_the_state_of_rows_is_half_of_two_moments_and_three_numbers() -> None:
    dense, by_row = table(1000, 32), table(1000, 32, by_row=True)
    assert by_row.optimizer == dense.optimizer / 2 + 12 * 1000
    assert by_row.fitting < dense.fitting


def test_large_tables_are_updated_by_row_unless_the_settings_say_otherwise() -> None:
    assert not is_sparse(LEAST_ROWS - 1, EmbeddingUpdates.AUTO)
    assert is_sparse(LEAST_ROWS, EmbeddingUpdates.AUTO)
    assert not is_sparse(LEAST_ROWS, EmbeddingUpdates.DENSE)
    assert is_sparse(1, EmbeddingUpdates.ROWS)


def test_only_what_is_fitted_counts(prepared: PreparedData) -> None:
    def names(given_config: TrainingConfig) -> list[tuple[str, str]]:
        return [(t.model, t.name) for t in plan_embeddings(prepared.data, given_config).tables]

    ranker = [("ranker", "users"), ("ranker", "items")]
    towers = [("towers", "items"), ("towers", "biases")]
    assert names(config()) == ranker + towers
    assert names(config(retrieval=Retrieval.WEIGHTS)) == ranker
    regression = config().model_copy(update={"algorithm": Algorithm.LOGISTIC_REGRESSION})
    assert names(regression) == towers
    rows = config(embeddingUpdates="Rows", retrievalLoss=RetrievalLoss.FULL_SOFTMAX)
    found = plan_embeddings(prepared.data, rows).tables
    assert [t.by_row for t in found] == [True, True, False, False]


def test_a_warm_start_holds_the_champions_weights_too(prepared: PreparedData) -> None:
    cold = config()
    warm = cold.model_copy(update={"warm_start": WarmStart()})
    assert plan_embeddings(prepared.data, warm).peak > plan_embeddings(prepared.data, cold).peak


def test_nothing_is_refused_within_its_bounds() -> None:
    found = EmbeddingPlan((table(),), EmbeddingUpdates.AUTO)
    found.check(None, None)
    found.check(1, found.peak)
    EmbeddingPlan((), EmbeddingUpdates.AUTO).check(1, 0)


def test_a_plan_beyond_the_setting_names_field_value_table_and_remedy() -> None:
    found = EmbeddingPlan((table(1_000_000, 64),), EmbeddingUpdates.AUTO)
    with pytest.raises(InputError) as error:
        found.check(100, None)
    assert error.value.reason == "EmbeddingsTooLarge"
    for text in (
        "maxEmbeddingMegabytes=100", "items of the ranker", "1000000 rows of 64",
        "training.resources.limits.memory", "hyperparameters.embeddingDim (64)",
        "hyperparameters.minIdEvents",
    ):  # fmt: skip
        assert text in str(error.value)
    assert "retrieval" not in str(error.value), "there are no towers"


def test_a_plan_beyond_the_memory_of_the_container_is_refused() -> None:
    found = EmbeddingPlan((table(1_000_000, 64),), EmbeddingUpdates.AUTO)
    with pytest.raises(InputError, match="the 512 MB of memory of this container"):
        found.check(None, 512_000_000)


def test_items_over_time_count_towards_the_memory_of_the_container() -> None:
    small = EmbeddingPlan((table(),), EmbeddingUpdates.AUTO)
    found = EmbeddingPlan((table(),), EmbeddingUpdates.AUTO, histories=600_000_000)
    small.check(None, 512_000_000)
    assert "itemHistoryBytes" not in small.facts()
    assert found.facts()["itemHistoryBytes"] == 600_000_000
    assert "600 MB of items over time" in found.summary()
    bare = EmbeddingPlan((), EmbeddingUpdates.AUTO, histories=600_000_000)
    for each in (found, bare):
        with pytest.raises(InputError, match=r"600 MB of items over time.*data\.window\.days"):
            each.check(None, 512_000_000)


def test_the_report_lists_each_table(prepared: PreparedData) -> None:
    found = plan_embeddings(prepared.data, config(embeddingDim=8))
    facts = found.facts()
    assert facts["updates"] == "Auto"
    assert facts["peakBytes"] == found.peak > sum(t["weightBytes"] for t in facts["tables"])
    assert facts["tables"][0] == {
        "model": "ranker",
        "name": "users",
        "rows": prepared.data.users.count + 1,
        "width": 8,
        "sharingIds": 0,
        "updates": "Dense",
        "weightBytes": (prepared.data.users.count + 1) * 32,
        "optimizerBytes": (prepared.data.users.count + 1) * 64,
    }
    assert "ranker users" in found.summary()
    assert EmbeddingPlan((), EmbeddingUpdates.AUTO).summary() == "embeddings: none"


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("memory.max", "max\n", None),
        ("memory.max", "2147483648\n", 2_147_483_648),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", None),
        ("memory/memory.limit_in_bytes", "1000000\n", 1_000_000),
        ("other", "1\n", None),
    ],
)
def test_the_limit_of_the_container_is_that_of_its_cgroup(
    tmp_path: Path, path: str, text: str, expected: int | None
) -> None:
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text(text)
    assert container_limit(tmp_path) == expected
