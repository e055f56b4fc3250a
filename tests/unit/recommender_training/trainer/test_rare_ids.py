"""Users and items with few events share rows in fits, exports, checkpoints and warm starts."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from recommender_contract.resource.hyperparameters import EmbeddingUpdates
from recommender_contract.resource.training_settings import WarmMode
from recommender_training.artifact import checkpoint
from recommender_training.artifact.checkpoint import Checkpoint
from recommender_training.config.training import Hyperparameters, TrainingConfig
from recommender_training.evaluation.predictions import scorers
from recommender_training.export import build, parity, repository, torchscript
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.models import tower_examples
from recommender_training.models.ranker import Ranker
from recommender_training.trainer import embedding_plan, fit, fit_towers, id_tables
from recommender_training.trainer.deep_ranker import hide_unseen, new_ranker
from recommender_training.trainer.embedding_plan import plan_embeddings
from recommender_training.trainer.fit_models import fit_models, refit
from recommender_training.trainer.initial_weights import WarmStart

LEAST, BUCKETS = 25, 5


def config(**more: Any) -> TrainingConfig:
    settings = {"epochs": 1, "embeddingDim": 8, "batchSize": 256, "minIdEvents": LEAST}
    settings |= {"idBuckets": BUCKETS, **more}
    return TrainingConfig(hyperparameters=Hyperparameters.model_validate(settings), seed=3)


@dataclass(frozen=True)
class Shared:
    """A training whose rare users and items share rows."""

    prepared: PreparedData
    bundle: Bundle

    @property
    def deep(self) -> Ranker:
        assert self.bundle.deep is not None
        return self.bundle.deep

    def rows(self, wanted: str) -> tuple[Any, Any]:
        """Events of each user or item in the training window, and its row."""
        data, train = self.prepared.data, self.prepared.split.train
        named = data.events.user if wanted == "users" else data.events.item
        lookup = self.deep.user_rows if wanted == "users" else self.deep.item_rows
        count = data.users.count if wanted == "users" else data.items.count
        assert lookup.rows is not None
        return np.bincount(named[train], minlength=count), lookup.rows[1:].numpy()


@pytest.fixture(scope="module", params=[EmbeddingUpdates.DENSE, EmbeddingUpdates.ROWS])
def shared(request: pytest.FixtureRequest, prepared: PreparedData) -> Shared:
    settings = config(embeddingUpdates=request.param)
    return Shared(prepared, fit_models(prepared, settings, 1))


@pytest.mark.parametrize("wanted", ["users", "items"])
def test_ids_with_few_events_share_rows_and_the_others_do_not(shared: Shared, wanted: str) -> None:
    events, rows = shared.rows(wanted)
    rare = (events > 0) & (events < LEAST)
    assert rare.sum() > BUCKETS
    assert (events >= LEAST).sum() > 1
    assert len(set(rows[rare].tolist())) <= BUCKETS
    assert len(set(rows[events >= LEAST].tolist())) == (events >= LEAST).sum()


def test_the_export_answers_what_the_model_answers(shared: Shared) -> None:
    prepared, bundle = shared.prepared, shared.bundle
    known = replace(repository.export_inputs(prepared, config()), sources=bundle.sources)
    module = build.ranker_module(shared.deep, known, bundle.deep_calibration)
    loaded = torchscript.loaded(torchscript.archive(module))
    _, scorer = scorers(bundle, prepared)
    requests = repository.parity_requests(prepared)
    found = parity.check_parity(loaded, scorer, known, requests)
    assert found["maxDifference"] < 1e-5
    assert module.user_vectors.shape == shared.deep.user.weight.shape, "no row for each user"


def test_a_user_without_an_event_is_answered_as_an_unknown_one(shared: Shared) -> None:
    events, rows = shared.rows("users")
    user, train = int(np.flatnonzero(events)[0]), shared.prepared.split.train
    assert rows[user] > 0
    without = train[shared.prepared.data.events.user[train] != user]
    split = replace(shared.prepared.split, train=without)
    model = new_ranker(replace(shared.prepared, split=split), config())
    assert model.user_rows.rows is not None
    assert model.user_rows.rows[user + 1] == 0


def test_a_row_that_nobody_reads_is_that_of_the_unknown(prepared: PreparedData) -> None:
    model = new_ranker(prepared, config(idBuckets=40))
    assert model.item_rows.rows is None, "fewer would share than there are buckets"
    model = new_ranker(prepared, config(minIdEvents=1000, idBuckets=35))
    assert model.user_rows.rows is not None
    hide_unseen(model, prepared.data, prepared.split.train)
    empty = sorted(set(range(1, 36)) - set(model.user_rows.rows.tolist()))
    assert empty
    for row in empty:
        assert torch.equal(model.user.weight[row], model.user.weight[0])


def test_the_refit_counts_again(shared: Shared) -> None:
    prepared, settings = shared.prepared, config()
    again = refit(shared.bundle, prepared, settings, 1)
    assert again.deep is not None
    both = np.concatenate([prepared.split.train, prepared.split.validation])
    tables = id_tables.id_tables(prepared.data, both, settings.hyperparameters)
    assert len(again.deep.user.weight) == tables.users.count
    assert again.sources.towers is not None
    assert len(again.sources.towers.item.weight) == tables.items.count


def test_the_plan_has_the_longer_tables_of_both_fits(prepared: PreparedData) -> None:
    settings = config()
    users, items, of_towers, _ = plan_embeddings(prepared.data, settings).tables
    model = new_ranker(prepared, settings)
    assert users.rows >= len(model.user.weight)
    assert items.rows >= len(model.item.weight)
    assert of_towers.rows == items.rows
    assert users.rows < prepared.data.users.count
    assert (users.sharing > BUCKETS, items.sharing > BUCKETS) == (True, True)
    assert "ids share rows" in plan_embeddings(prepared.data, settings).summary()
    assert (
        plan_embeddings(prepared.data, settings).facts()["tables"][0]["sharingIds"]
        == users.sharing
    )


def test_the_towers_count_the_events_that_they_are_fitted_on(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, split, inputs = prepared.data, prepared.split, prepared.inputs
    settings = config(minIdEvents=5, idBuckets=2)
    monkeypatch.setattr(tower_examples, "MAX_PAIRS", 200)
    monkeypatch.setattr(fit_towers, "_SETTINGS", {"epochs": 1})
    of_fit = id_tables.of_items(
        data, tower_examples.newest(data.events, split.train), settings.hyperparameters
    )
    assert of_fit.count < id_tables.of_items(data, split.train, settings.hyperparameters).count
    made = fit_towers.fit_towers(data, split.train, split.validation, inputs, settings)
    again = fit_towers.refit_towers(made, data, split.train, inputs, settings)
    for found in (made, again):
        assert found.towers is not None
        assert len(found.towers.item.weight) == of_fit.count
    planned = {
        (each.model, each.name): each.rows for each in plan_embeddings(data, settings).tables
    }
    both = tower_examples.newest(data.events, np.concatenate([split.train, split.validation]))
    counts = {id_tables.of_items(data, both, settings.hyperparameters).count, of_fit.count}
    assert planned["towers", "items"] == max(counts)


def test_the_plan_counts_the_table_that_takes_more_memory_not_the_longer_one(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, (data, split) = config(), (prepared.data, prepared.split)
    both = np.concatenate([split.train, split.validation])
    first, second = (
        id_tables.of_users(data, rows, settings.hyperparameters).count
        for rows in (split.train, both)
    )
    assert first < second
    monkeypatch.setattr(embedding_plan, "LEAST_ROWS", second)
    users = plan_embeddings(data, settings).tables[0]
    assert (users.rows, users.by_row) == (first, False)


def saved(shared: Shared, root: Path) -> Checkpoint:
    data, groups = shared.prepared.data, shared.prepared.constants.groups
    checkpoint.write_checkpoint(root, shared.deep, data, groups, 0, shared.deep.shared_rows)
    return checkpoint.read_checkpoint(root)


def schema_of(path: Path) -> str:
    with safe_open(path, framework="pt") as stream:
        return str(json.loads(stream.metadata()["recommender"])["schema"])


def test_a_checkpoint_names_another_schema_where_ids_share_rows(
    shared: Shared, trained: Any, tmp_path: Path
) -> None:
    saved(shared, tmp_path)
    assert schema_of(tmp_path / checkpoint.PATH).endswith("/v4")
    assert schema_of(trained.staged / checkpoint.PATH).endswith("/v3")


@pytest.mark.parametrize("least", [LEAST, 1])
def test_a_warm_start_answers_what_the_champion_answered_with_and_without_sharing(
    shared: Shared, tmp_path: Path, least: int
) -> None:
    prepared, kept = shared.prepared, saved(shared, tmp_path)
    assert len(kept.weights["user.weight"]) == len(shared.deep.user.weight), "not one for each id"
    model = new_ranker(prepared, config(minIdEvents=least))
    start = WarmStart(kept, WarmMode.ALL_WEIGHTS, "sha256:0")
    start = WarmStart.of(start.state())  # as other processes hear it
    start.apply(model, prepared.data)
    _, users = start.known(prepared.data)
    assert users[1:].tolist() == (shared.rows("users")[1] > 0).tolist()
    rows = torch.from_numpy(prepared.split.validation)
    warm, champion = (fit.predict(each, prepared.inputs, rows) for each in (model, shared.deep))
    torch.testing.assert_close(warm, champion, rtol=0, atol=1e-6)


def test_ids_that_share_a_row_start_at_the_mean_of_the_champions(
    trained: Any, prepared: PreparedData
) -> None:
    kept = checkpoint.read_checkpoint(trained.staged)
    model = new_ranker(prepared, config())
    WarmStart(kept, WarmMode.ALL_WEIGHTS, trained.digest).apply(model, prepared.data)
    rows, had = model.user_rows.rows, kept.weights["user.weight"]
    assert rows is not None
    for row in range(1, len(model.user.weight)):
        members = torch.nonzero(rows == row)[:, 0]
        expected = had[members].mean(0) if len(members) else had[0]
        torch.testing.assert_close(model.user.weight[row], expected)
    assert torch.equal(model.user.weight[0], had[0])


@pytest.mark.parametrize(
    ("ids", "given", "least"), [(49_999, None, 1), (50_000, None, 5), (10, 3, 3), (10**6, 1, 1)]
)
def test_the_number_of_ids_decides_unless_the_settings_do(
    ids: int, given: int | None, least: int
) -> None:
    settings = Hyperparameters(min_id_events=given)
    assert id_tables.least_events(ids, settings) == least
