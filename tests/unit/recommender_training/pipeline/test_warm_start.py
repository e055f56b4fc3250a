"""A training starts from the champion's weights where they fit, and says so where they do not."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.artifact import checkpoint, manifest
from recommender_training.artifact.checkpoint import CheckpointError
from recommender_training.config.training import (
    FeatureGroup,
    TrainingConfig,
    WarmEvents,
    WarmMode,
    parse_config,
)
from recommender_training.data.coding import Attribute, Block
from recommender_training.data.dataset import Dataset
from recommender_training.data.splits import Split
from recommender_training.features.prepared import Prepared
from recommender_training.fitted.bundle import Bundle
from recommender_training.models.ranker import Ranker
from recommender_training.pipeline import warm_start
from recommender_training.trainer import fit, initial_weights
from recommender_training.trainer.context import FitContext
from recommender_training.trainer.deep_ranker import fit_deep, fit_ranker, new_ranker
from recommender_training.trainer.initial_weights import WarmStart, places_of
from recommender_training.trainer.training_rows import base_rate

Coded = TypeVar("Coded", Attribute, Block)
SCHEMA_FILE = Path(__file__).parents[4] / "docs" / "evaluation.schema.json"
SETTINGS = {"epochs": 1, "embeddingDim": 8, "batchSize": 256}


def configured(mode: str = "AllWeights", **more: Any) -> TrainingConfig:
    hyperparameters = {**SETTINGS, **more.pop("hyperparameters", {})}
    given = {"seed": 3, "hyperparameters": hyperparameters, "warmStart": {"mode": mode}, **more}
    return parse_config(json.dumps(given))


def start_of(trained: Any, mode: WarmMode = WarmMode.ALL_WEIGHTS) -> WarmStart:
    return WarmStart(checkpoint.read(trained.staged), mode, trained.digest)


def state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@given(
    st.lists(st.integers(-5, 20), unique=True).map(sorted),
    st.lists(st.integers(-5, 20), unique=True).map(sorted),
)
def test_an_id_is_found_where_it_is_and_nowhere_else(known: list[int], ids: list[int]) -> None:
    found = places_of(np.array(known, dtype=np.int64), np.array(ids, dtype=np.int64))
    assert found.tolist() == [known.index(e) if e in known else -1 for e in ids]


def test_the_artifact_holds_the_weights_that_never_saw_the_validation_window(
    trained: Any, bundle: Bundle, prepared: Prepared, tmp_path: Path
) -> None:
    kept = checkpoint.read(trained.staged)
    assert kept.seen_until == prepared.split.validation_start
    assert bundle.deep is not None
    own = {name: value for name, value in state(bundle.deep).items() if name != "content"}
    assert kept.weights.keys() == own.keys()
    assert all(torch.equal(kept.weights[name], own[name]) for name in own)
    checkpoint.write(
        tmp_path, bundle.deep, prepared.data, prepared.constants.groups, kept.seen_until
    )
    again = (tmp_path / checkpoint.PATH).read_bytes()
    assert again == (trained.staged / checkpoint.PATH).read_bytes(), "no clock, no order of chance"


def test_a_warm_ranker_answers_what_the_champion_answers(
    trained: Any, bundle: Bundle, prepared: Prepared
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
    trained: Any, prepared: Prepared
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


def before(data: Dataset, split: Split, share: float) -> int:
    """The time of the training row with this share of the training rows before it."""
    return int(data.events.time[split.train[int(len(split.train) * share)]])


def seen(trained: Any, until: int, events: WarmEvents = WarmEvents.NEW) -> WarmStart:
    """A start whose champion has seen the events before `until`."""
    start = start_of(trained)
    kept = dataclasses.replace(start.checkpoint, seen_until=until)
    return dataclasses.replace(start, checkpoint=kept, events=events)


def test_only_new_events_are_fitted_on_where_this_is_asked_for_and_they_are_enough(
    trained: Any, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, rows = prepared.data, prepared.split.train
    until = before(data, prepared.split, 0.8)
    monkeypatch.setattr(initial_weights, "LEAST_NEW_ROWS", 100)
    new = seen(trained, until).new_rows(data, rows)
    assert new is not None
    assert new.tolist() == rows[data.events.time[rows] >= until].tolist()
    assert seen(trained, until, WarmEvents.ALL).new_rows(data, rows) is None
    monkeypatch.setattr(initial_weights, "LEAST_NEW_ROWS", len(new) + 1)
    assert seen(trained, until).new_rows(data, rows) is None


def test_old_events_do_not_change_a_fit_on_new_ones(
    trained: Any, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initial_weights, "LEAST_NEW_ROWS", 100)
    data, split = prepared.data, prepared.split
    start = seen(trained, before(data, split, 0.8))
    new = start.new_rows(data, split.train)
    assert new is not None
    labels = data.events.label.copy()
    old = split.train[~np.isin(split.train, new)]
    other = labels.copy()
    other[old] = ~other[old]
    assert base_rate(labels, split.train, None) != base_rate(other, split.train, None)
    models = []
    for label in (labels, other):
        fit.seed_everything(3, 1)
        model, log = fit_ranker(prepared, configured(), label, None, FitContext(start=start))
        models.append(state(model))
    assert log.looks[0][0] == 0.0, "the champion is the first look"
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
    whole, _ = fitted(trained, prepared, WarmMode.ALL_WEIGHTS)
    assert any(not torch.equal(models[0][name], value) for name, value in state(whole).items())


def test_the_report_says_what_a_fit_on_new_events_has_forgotten(
    trained: Any, prepared: Prepared, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initial_weights, "LEAST_NEW_ROWS", 100)
    until = before(prepared.data, prepared.split, 0.8)
    start = seen(trained, until)
    same = warm_start.forgotten(start, prepared, configured(), bundle)["forgotten"]
    assert same["logLossBefore"] == same["logLossAfter"], "the champion forgets nothing"
    rows = prepared.split.train
    assert same["rows"] == int((prepared.data.events.time[rows] < until).sum())
    assert bundle.deep is not None
    lost = copy.deepcopy(bundle.deep)
    with torch.no_grad():
        lost.out.weight.zero_()
    other = dataclasses.replace(bundle, deep=lost)
    found = warm_start.forgotten(start, prepared, configured(), other)["forgotten"]
    assert found["logLossAfter"] > found["logLossBefore"] + 0.01
    every = dataclasses.replace(start, events=WarmEvents.ALL)
    assert warm_start.forgotten(every, prepared, configured(), bundle) == {}
    assert warm_start.forgotten(None, prepared, configured(), bundle) == {}


def fitted(trained: Any, prepared: Prepared, mode: WarmMode) -> tuple[Ranker, fit.FitLog]:
    context = FitContext(start=start_of(trained, mode))
    return fit_deep(prepared, configured(mode.value), 1, context=context)


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


def test_a_champion_that_reads_other_feature_groups_is_no_start(
    trained: Any, prepared: Prepared
) -> None:
    frozen = dataclasses.replace(prepared.constants, groups=(FeatureGroup.CALENDAR,))
    other = dataclasses.replace(prepared, constants=frozen)
    _, told = warm_start.resolve(configured(), other, (trained.staged, trained.digest))
    assert told is not None
    assert "reads other features" in told["message"]


def test_a_champion_whose_users_have_other_attributes_is_no_start(
    trained: Any, prepared: Prepared
) -> None:
    start = start_of(trained)
    words = dataclasses.replace(
        start.checkpoint.words, attributes=start.checkpoint.words.attributes[::-1]
    )
    other = dataclasses.replace(
        start, checkpoint=dataclasses.replace(start.checkpoint, words=words)
    )
    split, groups = prepared.split, prepared.constants.groups
    start.check(prepared.data, groups, split.validation_start)
    with pytest.raises(CheckpointError, match="reads other features"):
        other.check(prepared.data, groups, split.validation_start)


def test_a_refresh_of_the_item_embeddings_changes_nothing_else(
    trained: Any, prepared: Prepared
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
    trained: Any, prepared: Prepared, bundle: Bundle
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
    trained: Any, prepared: Prepared
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


@pytest.fixture
def altered(
    trained: Any, tmp_path: Path
) -> Callable[[Callable[[Path], object]], tuple[Path, str]]:
    def alter(change: Callable[[Path], object]) -> tuple[Path, str]:
        folder = tmp_path / "champion"
        shutil.copytree(trained.staged, folder)
        facts = json.loads((folder / manifest.NAME).read_text())
        (folder / manifest.NAME).unlink()
        change(folder)
        return folder, manifest.write(folder, {k: facts[k] for k in facts if k != "files"})

    return alter


def no_checkpoint(folder: Path) -> None:
    (folder / checkpoint.PATH).unlink()


def no_tensors(folder: Path) -> None:
    (folder / checkpoint.PATH).write_bytes(b"garbage, and no safetensors file")


@pytest.mark.parametrize(
    ("more", "change", "why"),
    [
        ({"hyperparameters": {"embeddingDim": 16}}, None, "another shape"),
        ({"algorithm": "LogisticRegression"}, None, "no checkpoint"),
        ({}, no_checkpoint, "has no checkpoint"),
        ({}, no_tensors, "cannot be read"),
    ],
)
def test_a_champion_that_does_not_fit_is_a_cold_start_that_says_why(
    prepared: Prepared, altered: Any, more: dict[str, Any],
    change: Callable[[Path], object] | None, why: str,
) -> None:  # fmt: skip
    source = altered(change or (lambda _: None))
    before = torch.get_rng_state()
    start, told = warm_start.resolve(configured(**more), prepared, source)
    assert start is None
    assert told is not None
    assert told["warm"] is False
    assert told["message"].startswith("cold start: ")
    assert why in told["message"]
    assert torch.equal(torch.get_rng_state(), before), "the cold fit is that of no warm start"


def test_a_changed_artifact_is_refused_without_naming_paths(
    prepared: Prepared, altered: Any
) -> None:
    folder, digest = altered(lambda _: None)
    (folder / checkpoint.PATH).write_bytes(b"\0" * 100)
    start, told = warm_start.resolve(configured(), prepared, (folder, digest))
    assert start is None
    assert told is not None
    assert "ArtifactInvalid" in told["message"]
    assert str(folder) not in told["message"]


def test_without_a_champion_and_without_the_wish_there_is_none(prepared: Prepared) -> None:
    start, told = warm_start.resolve(configured(), prepared, None)
    assert start is None
    assert told is not None
    assert "no champion" in told["message"]
    assert warm_start.resolve(TrainingConfig(), prepared, None) == (None, None)


def test_a_champion_that_saw_the_validation_window_is_no_start(
    trained: Any, prepared: Prepared
) -> None:
    earlier = dataclasses.replace(
        prepared.split, validation_start=prepared.split.validation_start - 1
    )
    before = dataclasses.replace(prepared, split=earlier)
    _, told = warm_start.resolve(configured(), before, (trained.staged, trained.digest))
    assert told is not None
    assert "cannot be held out" in told["message"]
