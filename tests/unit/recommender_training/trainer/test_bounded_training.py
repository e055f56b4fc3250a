"""What a training holds grows with 40 bytes an event, and nothing depends on how it is cut."""

from __future__ import annotations

import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.common.errors import InputError
from recommender_training.data import lake, schema_files, version_content
from recommender_training.data import load as load_data
from recommender_training.data.dataset import Dataset, build_dataset
from recommender_training.data_checks import sample
from recommender_training.evaluation import evaluate, ranking_metrics
from recommender_training.features import assembly, event_features
from recommender_training.features import prepared_data as ready
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted import bundle as bundles
from recommender_training.fitted.predict import predict
from recommender_training.models import item_transitions, item_weights, logistic
from recommender_training.models.ease import liked_together
from recommender_training.trainer.deep_ranker import fit_deep
from tests.training_fixtures import Trained
from tests.unit.recommender_training.features.test_history_features import (
    FROZEN,
    LENGTH,
    dataset_of,
    event,
)


@given(
    rows=st.lists(event, min_size=1, max_size=30),
    drawn=st.lists(st.integers(0, 29), min_size=1, max_size=7),
)
def test_a_batch_has_the_inputs_that_its_rows_have_among_all(
    rows: list[tuple[int, int, float, int]], drawn: list[int]
) -> None:
    data = dataset_of(rows)
    wanted = torch.tensor(drawn) % len(rows)
    found = event_features.Features.of(data, LENGTH, FROZEN).take(wanted)
    kept = event_features.build_features(data, LENGTH, FROZEN).take(wanted)
    for field in fields(assembly.Inputs):
        one, other = getattr(found, field.name), getattr(kept, field.name)
        if field.name == "taste":  # batched products may sum in another order
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
        else:
            assert torch.equal(one, other), field.name


def test_an_event_takes_forty_bytes_whatever_the_history(prepared: PreparedData) -> None:
    data = prepared.data
    found = event_features.Features.of(data, 200, prepared.constants)
    columns = (getattr(data.events, field.name) for field in fields(data.events))
    arrays = (
        *(column for column in columns if column is not None),
        found.parts.past.order,
        found.parts.past.end,
        *(getattr(found.parts.before, field.name) for field in fields(found.parts.before)),
    )
    assert sum(array.nbytes for array in arrays) == 40 * len(data.events)


def test_a_fit_by_batch_learns_what_one_that_kept_all_learns(
    prepared: PreparedData, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = trained.config.hyperparameters.model_copy(update={"epochs": 1})
    config = trained.config.model_copy(update={"hyperparameters": settings})
    monkeypatch.setattr(event_features, "KEPT_BYTES", 0)
    cut = ready.prepare_split(prepared.data, prepared.split, config)
    assert isinstance(cut.inputs, event_features.Features)
    assert isinstance(prepared.inputs, assembly.Inputs)
    (one, log), (other, kept_log) = (fit_deep(each, config, 1) for each in (cut, prepared))
    losses, kept = ([loss for _, loss in each.looks] for each in (log, kept_log))
    assert losses == pytest.approx(kept, abs=2e-4)  # sums of the taste numbers, in another order
    held = torch.from_numpy(prepared.split.validation)
    torch.testing.assert_close(
        predict(one, cut.inputs, held), predict(other, prepared.kept, held), atol=0.02, rtol=0
    )


@pytest.mark.parametrize("days", [None, 60])
def test_the_data_read_in_parts_are_those_of_the_whole_tables(
    trained: Trained,
    tables: version_content.Tables,
    monkeypatch: pytest.MonkeyPatch,
    days: int | None,
) -> None:
    monkeypatch.setattr(lake, "PART_ROWS", 500)
    side, data = load_data.load_dataset(trained.lake, trained.data_version, days)
    rows = tables.interactions
    if days is not None:
        rows = rows.filter(pl.col("timestamp") > pl.col("timestamp").max() - days * 86_400)
        assert 0 < rows.height < tables.interactions.height
    whole = build_dataset(
        version_content.Tables(rows, tables.users, tables.items, tables.declaration)
    )
    assert side.users.equals(tables.users)
    for name in ("user", "item", "value", "time"):
        one, other = getattr(data.events, name), getattr(whole.events, name)
        assert (one.dtype, one.tolist()) == (other.dtype, other.tolist()), name


def test_other_rows_than_those_of_the_version_are_refused(
    trained: Trained, tables: version_content.Tables
) -> None:
    digest = trained.data_version[-16:]
    other = trained.data_version.replace(digest, digest[1:] + ("0" if digest[0] != "0" else "1"))
    schema_files.write_schema(trained.lake, other, tables.declaration)
    with pytest.raises(InputError, match="no longer hold") as caught:
        load_data.load_dataset(trained.lake, other, None)
    assert caught.value.reason == "DataVersionMissing"


def test_a_file_that_is_gone_is_told_as_a_version_that_is_gone(
    trained: Trained, tmp_path: Path
) -> None:
    copy = tmp_path / "lake"
    shutil.copytree(trained.lake, copy)
    next((copy / "interactions").rglob("*.parquet")).unlink()
    with pytest.raises(InputError) as caught:
        load_data.load_dataset(copy, trained.data_version, None)
    assert caught.value.reason == "DataVersionMissing"


def test_retrieval_is_the_same_by_blocks_of_users(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = data.items.count
    liked = liked_together(data.events, count)
    after = item_weights.transition_weights(data.events, count)
    monkeypatch.setattr(item_transitions, "BLOCK_EVENTS", 700)
    blocks = list(item_transitions.by_users(data.events))
    assert len(blocks) > 3
    owners = [set(block.user.tolist()) for block in blocks]
    assert sum(map(len, owners)) == len(set.union(*owners))
    assert sum(map(len, blocks)) == len(data.events)
    assert np.array_equal(liked_together(data.events, count), liked)
    np.testing.assert_allclose(
        item_weights.transition_weights(data.events, count), after, rtol=1e-5
    )


def test_lists_are_judged_for_a_drawn_part_of_too_many_users(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = ranking_metrics.reveal_half(prepared.data, prepared.split.test, 20)
    monkeypatch.setattr(ranking_metrics, "MAX_REQUESTS", 5)
    some = ranking_metrics.reveal_half(prepared.data, prepared.split.test, 20)
    assert (len(some.requests), some.users) == (5, len(every.requests))
    by_user = {request.user: row for row, request in enumerate(every.requests)}
    places = [by_user[request.user] for request in some.requests]
    assert (some.excluded != every.excluded[places]).nnz == 0
    assert (some.relevant != every.relevant[places]).nnz == 0
    for request, place in zip(some.requests, places, strict=True):
        assert request.session.tolist() == every.requests[place].session.tolist()
    told = [evaluate._protocol_of(task) for task in (every, some)]
    assert told[1].endswith(f"; 5 of {len(every.requests)} users drawn")
    assert "drawn" not in told[0]


def test_a_fit_is_judged_by_a_bounded_part_of_the_validation_window(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = prepared.split
    assert ready.held_out(split) is split.validation
    monkeypatch.setattr(ready, "MAX_HELD_OUT", 50)
    drawn = ready.held_out(split)
    assert len(set(drawn.tolist()) & set(split.validation.tolist())) == len(drawn) == 50
    assert drawn.tolist() == sorted(ready.held_out(split).tolist())


def test_the_regression_reads_no_more_than_its_newest_rows(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, rows, label = prepared.data, prepared.split.train, prepared.data.events.label
    few = logistic.fit(prepared.inputs, rows[-400:], data, label)
    assert not np.array_equal(logistic.fit(prepared.inputs, rows, data, label).item, few.item)
    monkeypatch.setattr(logistic, "MAX_ROWS", 400)
    bounded = logistic.fit(prepared.inputs, rows, data, label)
    assert np.array_equal(bounded.item, few.item)
    assert np.array_equal(bounded.mean, few.mean)


def test_the_regression_answers_the_same_in_parts(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = prepared.split.test
    model = logistic.fit(
        prepared.inputs, prepared.split.train[-300:], prepared.data, prepared.data.events.label
    )
    whole = bundles.baseline_logits(model, prepared, rows)
    monkeypatch.setattr(bundles, "_ROWS", 64)
    np.testing.assert_allclose(bundles.baseline_logits(model, prepared, rows), whole, atol=1e-5)


def test_the_reference_is_of_whole_users_where_events_are_many(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sample.of_users(data).height == len(data.events)
    monkeypatch.setattr(sample, "MAX_ROWS", 600)
    drawn = sample.of_users(data)
    assert 300 < drawn.height <= 600
    every = dict(zip(*np.unique(data.events.user, return_counts=True), strict=True))
    for user, rows in drawn.group_by("user_id").len().iter_rows():
        assert rows == every[np.searchsorted(data.users.ids, user)]


def test_inputs_of_a_device_come_by_batch_from_the_cpu(prepared: PreparedData) -> None:
    features = event_features.Features.of(prepared.data, 5, prepared.constants)
    there = features.to(torch.device("meta"))
    assert there.take(torch.arange(3)).session.device.type == "meta"
    assert replace(there, device=None).take(torch.arange(3)).session.device.type == "cpu"
    assert there.to(torch.device("cpu")).device is None
