"""A training starts from the champion's weights where they fit."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.training_settings import WarmEvents, WarmMode
from recommender_training.artifact import checkpoint
from recommender_training.data.dataset import Dataset
from recommender_training.data.feature_encoding import Attribute, Block
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.trainer import fit
from recommender_training.trainer.deep_ranker import new_ranker
from recommender_training.trainer.initial_weights import WarmStart, places_of
from tests.unit.recommender_training.pipeline.warm_starts import (
    configured,
    fitted,
    start_of,
    state,
)

Coded = TypeVar("Coded", Attribute, Block)


@given(
    st.lists(st.integers(-5, 20), unique=True).map(sorted),
    st.lists(st.integers(-5, 20), unique=True).map(sorted),
)
def test_an_id_is_found_where_it_is_and_nowhere_else(known: list[int], ids: list[int]) -> None:
    found = places_of(np.array(known, dtype=np.int64), np.array(ids, dtype=np.int64))
    assert found.tolist() == [known.index(e) if e in known else -1 for e in ids]


def test_the_artifact_holds_the_weights_that_never_saw_the_validation_window(
    trained: Any, bundle: Bundle, prepared: PreparedData, tmp_path: Path
) -> None:
    kept = checkpoint.read_checkpoint(trained.staged)
    assert kept.seen_until == prepared.split.validation_start
    assert bundle.deep is not None
    own = {name: value for name, value in state(bundle.deep).items() if name != "content"}
    assert kept.weights.keys() == own.keys()
    assert all(torch.equal(kept.weights[name], own[name]) for name in own)
    checkpoint.write_checkpoint(
        tmp_path, bundle.deep, prepared.data, prepared.constants.groups, kept.seen_until
    )
    again = (tmp_path / checkpoint.PATH).read_bytes()
    assert again == (trained.staged / checkpoint.PATH).read_bytes(), "no clock, no order of chance"


def test_a_warm_ranker_answers_what_the_champion_answers(
    trained: Any, bundle: Bundle, prepared: PreparedData
) -> None:
    model, rows = new_ranker(prepared, configured()), torch.from_numpy(prepared.split.validation)
    start_of(trained).apply(model, prepared.data)
    assert bundle.deep is not None
    warm, champion = (fit.predict(each, prepared.inputs, rows) for each in (model, bundle.deep))
    assert torch.equal(warm, champion)


def changed_words(data: Dataset) -> Dataset:
    """One item and one user less, two of each new, and names in another order."""
    items, users = data.items, data.users
    ids = items.ids.copy()
    ids[0], ids[-2:] = -1, ids[-1] + np.array([1000, 1001])
    user_ids = users.ids.copy()
    user_ids[-2:] = user_ids[-1] + np.array([1000, 1001])
    age, gender, occupation = data.attributes
    (block,) = items.blocks
    return Dataset(
        data.events,
        dataclasses.replace(users, ids=user_ids),
        dataclasses.replace(items, ids=ids, blocks=(renamed(block),)),
        (
            age,
            dataclasses.replace(gender, categories=gender.categories[::-1]),
            renamed(occupation, "astronaut"),
        ),
    )


def renamed(coded: Coded, first: str = "new") -> Coded:
    """The same with another first category."""
    return dataclasses.replace(coded, categories=(first, *coded.categories[1:]))


def test_rows_go_by_id_and_name_and_what_is_new_starts_as_the_unknown(
    trained: Any, prepared: PreparedData
) -> None:
    other = changed_words(prepared.data)
    start, model = start_of(trained), new_ranker(prepared, configured())
    start.apply(model, other)
    had, now = start.checkpoint.weights, state(model)
    for name, new in (("item.weight", [1, -2, -1]), ("user.weight", [-2, -1])):
        expected = had[name].clone()
        expected[new] = had[name][0]
        assert torch.equal(now[name], expected), name
    genders = torch.cat([had["side.1.weight"][:1], had["side.1.weight"][1:].flip(0)])
    assert torch.equal(now["side.1.weight"], genders)
    assert torch.equal(now["side.2.weight"][1], had["side.2.weight"][0])
    assert torch.equal(now["side.2.weight"][2:], had["side.2.weight"][2:])
    assert not now["of_content.weight"][0].any()
    assert torch.equal(now["of_content.weight"][1:], had["of_content.weight"][1:])
    assert start.new(other) == {"newItems": 3, "newUsers": 2}


def test_other_processes_hear_all_that_the_first_one_starts_from(trained: Any) -> None:
    start = start_of(trained, WarmMode.ITEM_EMBEDDINGS)
    start = dataclasses.replace(start, events=WarmEvents.NEW)
    buffer = io.BytesIO()
    torch.save(start.state(), buffer)  # as a group sends it, and loads it: never as a program
    heard = WarmStart.of(torch.load(io.BytesIO(buffer.getvalue()), weights_only=True))
    had, told = start.checkpoint, heard.checkpoint
    assert (heard.mode, heard.digest) == (start.mode, start.digest)
    assert heard.events is start.events
    assert (told.words, told.seen_until) == (had.words, had.seen_until)
    assert told.item_ids.tolist() == had.item_ids.tolist()
    assert told.user_ids.tolist() == had.user_ids.tolist()
    assert told.weights.keys() == had.weights.keys()
    assert all(torch.equal(told.weights[name], had.weights[name]) for name in had.weights)


def test_a_refresh_of_the_item_embeddings_changes_nothing_else(
    trained: Any, prepared: PreparedData
) -> None:
    model, log = fitted(trained, prepared, WarmMode.ITEM_EMBEDDINGS)
    had, now = start_of(trained).checkpoint.weights, state(model)
    examples = fit.Examples.whole(prepared.inputs, torch.arange(600), prepared.kept.label)
    fit.fit_for(model, examples, configured().hyperparameters, 1.0)
    for after in (now, state(model)):
        others = [name for name in had if name != "item.weight"]
        assert all(torch.equal(after[name], had[name]) for name in others)
    assert not torch.equal(state(model)["item.weight"], had["item.weight"])
    assert log.looks[0][0] == 0.0


def test_a_warm_fit_goes_on_from_the_champion_and_is_repeatable(
    trained: Any, prepared: PreparedData, bundle: Bundle
) -> None:
    (one, log), (other, _) = (fitted(trained, prepared, WarmMode.ALL_WEIGHTS) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(state(one).values(), state(other).values(),
                                                 strict=True))  # fmt: skip
    assert bundle.deep is not None
    held = torch.from_numpy(prepared.split.validation)
    champion = torch.nn.functional.binary_cross_entropy_with_logits(
        fit.predict(bundle.deep, prepared.inputs, held), prepared.kept.label[held].double()
    )
    assert log.looks[0][0] == 0.0
    assert log.looks[0][1] == pytest.approx(float(champion), abs=1e-9)
    assert log.best_loss <= log.looks[0][1]


def test_what_the_champion_learned_is_kept_where_this_window_has_no_event_of_it(
    trained: Any, prepared: PreparedData
) -> None:
    start = start_of(trained)
    items, users = start.known(prepared.data)
    train = prepared.split.train
    for known, seen in (
        (items, prepared.data.events.item[train]),
        (users, prepared.data.events.user[train]),
    ):
        assert known[1:].nonzero()[0].tolist() == np.unique(seen).tolist()
        assert not known[0]
