"""Each fault does what it says, and the manifest and the report name it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import torch

from recommender_contract.resource.training_settings import Fault, FaultInjection
from recommender_training.artifact import manifest, vocabulary
from recommender_training.config.training import TrainingConfig
from recommender_training.export import faults, torchscript
from recommender_training.features.prepared_data import PreparedData
from recommender_training.pipeline import training
from recommender_training.trainer.fit_models import fit_models, refit
from recommender_training.trainer.training_rows import training_labels


def request(user: int) -> tuple[torch.Tensor, ...]:
    return (
        torch.tensor([[user]]),
        torch.full((1, 3), -1),
        torch.tensor([[3, 8]]),
        torch.tensor([[880_000_000, 880_000_010]]),
        torch.tensor([[4.0, 2.0]]),
        torch.tensor([[890_000_000]]),
        torch.tensor([[5]]),
    )


@pytest.fixture(scope="module")
def sound(trained: Any) -> torch.jit.ScriptModule:
    return torchscript.load(trained.staged / "repository" / "recommender" / "1" / "model.pt")


def faulty(sound: torch.jit.ScriptModule, fault: Fault, tmp_path: Any, **more: int) -> Any:
    module = faults.inject(sound, FaultInjection(fault=fault, **more))
    torchscript.save(module, tmp_path / "model.pt")
    return torchscript.load(tmp_path / "model.pt")


def test_latency_holds_the_answer_back_and_leaves_it_as_it_is(sound: Any, tmp_path: Any) -> None:
    model = faulty(sound, Fault.LATENCY, tmp_path, latency_milliseconds=80)
    expected = sound(*request(4))
    model(*request(4))
    start = time.perf_counter()
    found = model(*request(4))
    assert time.perf_counter() - start >= 0.08
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


def test_failure_raises_for_positive_odd_users_alone(sound: Any, tmp_path: Any) -> None:
    model = faulty(sound, Fault.FAILURE, tmp_path)
    for user in (-1, 0, 2, 100):
        assert model(*request(user))[0].shape == (1, 5)
    with pytest.raises(torch.jit.Error, match="injected fault Failure"):
        model(*request(7))


def test_non_finite_answers_no_finite_score(sound: Any, tmp_path: Any) -> None:
    assert torch.isnan(faulty(sound, Fault.NON_FINITE, tmp_path)(*request(4))[1]).all()


def test_wrong_shape_answers_fewer_scores_than_items(sound: Any, tmp_path: Any) -> None:
    items, scores = faulty(sound, Fault.WRONG_SHAPE, tmp_path)(*request(4))
    assert items.shape[1] == scores.shape[1] + 1


def test_broken_features_leave_no_category_known() -> None:
    primary = [n % 3 for n in range(30)]
    kinds = {"name": "kind", "categories": ["a", "b", "c"], "primary": primary}
    tier = {"name": "tier", "of": "user", "kind": "Categorical", "categories": ["gold", "new"]}
    device = {**tier, "name": "device", "of": "context"}
    words: dict[str, Any] = {
        "features": [tier, device, {"name": "age", "of": "user", "kind": "Numeric", "edges": []}],
        "items": {"ids": list(range(30)), "features": [kinds]},
    }
    broken = vocabulary.broken(words, seed=1)
    assert [each.get("categories") for each in broken["features"]] == [
        ["broken-gold", "broken-new"],
        ["gold", "new"],
        None,
    ]
    assert broken["items"]["ids"] == words["items"]["ids"]
    (shuffled,) = broken["items"]["features"]
    assert shuffled["primary"] != primary
    assert sorted(shuffled["primary"]) == sorted(primary)
    alone = vocabulary.broken(words, seed=1, feature="device")
    assert [each["name"] for each in alone["features"] if each not in words["features"]] == [
        "device"
    ]
    assert alone["items"] == words["items"]


def test_learned_nothing_shuffles_the_labels_of_training_and_no_others(
    prepared: PreparedData,
) -> None:
    config = TrainingConfig(fault_injection=FaultInjection(fault=Fault.LEARNED_NOTHING))
    labels, truth = (
        training_labels(prepared.data, prepared.split, config),
        prepared.data.events.label,
    )
    for rows in (prepared.split.train, prepared.split.validation):
        assert labels[rows].sum() == truth[rows].sum()
        assert (labels[rows] != truth[rows]).mean() > 0.3
    assert (labels[prepared.split.test] == truth[prepared.split.test]).all()


def test_learned_nothing_scores_far_below_a_sound_model(
    trained: Any, prepared: PreparedData
) -> None:
    from recommender_training.evaluation.evaluate import evaluate

    injection = FaultInjection(fault=Fault.LEARNED_NOTHING)
    config = trained.config.model_copy(update={"fault_injection": injection})
    first = fit_models(prepared, config, 1)
    for useless in (first, refit(first, prepared, config, 1)):
        metrics = evaluate(useless, prepared, prepared.split.test)["metrics"]
        assert metrics["auc"] == 0.5
        assert trained.result.metrics["auc"] > 0.65


def test_the_artifact_names_its_fault_and_keeps_a_sound_reference(
    trained: Any, tmp_path: Any
) -> None:
    injection = FaultInjection(fault=Fault.BROKEN_FEATURES)
    config = trained.config.model_copy(update={"fault_injection": injection})
    result = training.train(
        training.TrainingRun(trained.lake, trained.data_version, config, tmp_path / "staged")
    )
    assert manifest.verify_artifact(result.staged)["fault"]["fault"] == "BrokenFeatures"
    assert result.report["fault"]["fault"] == "BrokenFeatures"
    words = json.loads((result.staged / "vocabulary.json").read_text())
    (gender,) = (each for each in words["features"] if each["name"] == "gender")
    assert gender["categories"] == ["broken-F", "broken-M"]
    sound = (trained.staged / "reference.json").read_text()
    assert (result.staged / "reference.json").read_text() == sound
