"""Champion and previous version are compared on rows that neither was trained on."""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.artifact import MANIFEST
from recommender_training.artifact import manifest, triton
from recommender_training.common.durable_files import canonical_json
from recommender_training.evaluation import predictions
from recommender_training.evaluation.predictions import Window
from recommender_training.features.prepared_data import PreparedData
from recommender_training.pipeline.champion import MOST_BESIDE, ChampionError, Comparison
from recommender_training.pipeline.previous_version import Previous, compare_previous
from recommender_training.statistics import bootstrap

USERS = np.repeat(np.arange(300), 10)


@pytest.fixture(scope="module")
def judged(prepared: PreparedData) -> Window:
    return predictions.window(prepared, prepared.split.test)


def published(
    trained: Any, folder: Path, *, baseline: bool = False, label: Any = None, **windows: str
) -> Previous:
    """The artifact, or one with the baseline as its model, that tells what it was trained on."""
    shutil.copytree(trained.staged, folder)
    (folder / MANIFEST).unlink()
    if baseline:
        shutil.copy(triton.model_path(folder, "baseline"), triton.model_path(folder))
    if windows or label:
        report = json.loads((folder / "report.json").read_text())
        report |= {"windows": windows} if windows else {"label": {"declared": label}}
        (folder / "report.json").write_bytes(canonical_json(report))
    return Previous(folder, manifest.write_manifest(folder, {}))


def users(seed: int, swapped: float = 0.0) -> tuple[Any, Any, Any]:
    """Labels, their true probabilities, and those of a version that swaps two groups in part."""
    rng = np.random.default_rng(seed)
    group = np.repeat(rng.random(300) < 0.5, 10)
    truth = np.where(group, 0.3, 0.1)
    told = np.where(group, 0.3 - 0.2 * swapped, 0.1 + 0.2 * swapped)
    return rng.random(len(USERS)) < truth, truth, told


def test_a_version_that_is_closer_to_the_labels_has_a_gain_above_zero() -> None:
    label, truth, told = users(1, swapped=1.0)
    found = compare_previous(label, USERS, told, truth)
    assert found["gainLow"] > 0
    gain = found["championLogLoss"] - found["logLoss"]
    assert found["gainLow"] < gain < found["gainHigh"]
    assert found["auc"] > 0.5 > found["championAuc"]
    assert (found["rows"], found["users"]) == (3000, 300)


def test_equally_good_versions_are_called_better_as_rarely_as_the_level_says() -> None:
    """Both are wrong by as much in opposite directions; one per cent may be called better."""
    better = 0
    for seed in range(100):
        label, truth, _ = users(seed)
        # Drawn apart from the groups, which have the first numbers of the seed.
        shift = np.where(np.random.default_rng(1000 + seed).random(300) < 0.5, 0.03, -0.03)[USERS]
        better += compare_previous(label, USERS, truth + shift, truth - shift)["gainLow"] > 0
    assert better <= 5


def test_more_rows_of_the_same_users_cost_no_resamples() -> None:
    few = np.random.default_rng(0).normal(size=(300, 1))
    values, user = np.repeat(few, 1000, axis=1), np.repeat(np.arange(300), 1000)
    ends = bootstrap.of_mean(values.ravel(), user, level=0.98)
    assert ends == pytest.approx(bootstrap.of_mean(few[:, 0], np.arange(300), level=0.98))


@given(seed=st.integers(0, 50), swapped=st.floats(0, 1))
def test_swapping_the_two_versions_turns_the_interval_around(seed: int, swapped: float) -> None:
    label, truth, told = users(seed, swapped)
    one, other = (
        compare_previous(label, USERS, told, truth),
        compare_previous(label, USERS, truth, told),
    )
    assert one["gainLow"] == pytest.approx(-other["gainHigh"], abs=2e-6)
    assert one["logLoss"] == other["championLogLoss"]


def test_too_little_to_compare_is_told() -> None:
    label, truth, told = users(1)
    for rows, why in ((0, "no row"), (50, "too few")):
        with pytest.raises(ChampionError, match=why):
            compare_previous(label[:rows], USERS[:rows], told[:rows], truth[:rows])
    with pytest.raises(ChampionError, match="one label"):
        compare_previous(np.zeros(len(USERS), dtype=bool), USERS, told, truth)


def test_the_champion_is_compared_with_the_version_before_it(
    trained: Any, judged: Window, tmp_path: Path
) -> None:
    """The baseline in place of the deep model, as the version before it."""
    before = published(trained, tmp_path / "before", baseline=True)
    comparison = Comparison(trained.staged, trained.digest, before)
    assert comparison(judged) is not None
    found = comparison.facts["previous"]
    assert found["digest"] == before.digest
    assert found["rows"] == len(judged.rows)
    assert found["championLogLoss"] != found["logLoss"]
    assert found["gainLow"] < found["gainHigh"]
    assert found["since"] <= found["until"]


def test_rows_that_one_of_them_was_trained_on_do_not_count(
    trained: Any, judged: Window, tmp_path: Path
) -> None:
    times = judged.data.events.time[judged.rows]
    middle = int(np.sort(times)[len(times) // 2])
    moment = datetime.datetime.fromtimestamp(middle, datetime.UTC)
    before = published(trained, tmp_path / "before", testStart=moment.isoformat())
    comparison = Comparison(trained.staged, trained.digest, before)
    comparison(judged)
    found = comparison.facts["previous"]
    assert found["rows"] == (times >= middle).sum() < len(times)
    assert found["since"] == moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert found["gainLow"] == found["gainHigh"] == 0, "it is the same model"


def test_a_version_that_saw_every_row_is_told_and_fails_nothing(
    trained: Any, judged: Window, tmp_path: Path
) -> None:
    before = published(trained, tmp_path / "before", testStart="2100-01-01T00:00:00+00:00")
    comparison = Comparison(trained.staged, trained.digest, before)
    assert comparison(judged) is not None
    found = comparison.facts["previous"]
    assert found.keys() == {"digest", "message"}
    assert "no row" in found["message"]


def test_versions_of_different_labels_are_not_compared(
    trained: Any, judged: Window, tmp_path: Path
) -> None:
    before = published(trained, tmp_path / "before", label={"minimumValue": 3.0})
    comparison = Comparison(trained.staged, trained.digest, before)
    assert comparison(judged) is not None
    assert "declared label has changed" in comparison.facts["previous"]["message"]


def test_a_champion_that_cannot_be_evaluated_is_told_beside_the_version_before_it(
    trained: Any, judged: Window
) -> None:
    before = Previous(trained.staged, trained.digest)
    comparison = Comparison(trained.staged, "sha256:" + "0" * 64, before)
    assert comparison(judged) is None
    found = comparison.facts["previous"]
    assert found["digest"] == before.digest
    assert found["message"].startswith("the champion has no answers")
    assert len(found["message"]) <= MOST_BESIDE


@pytest.mark.parametrize("digest", ["sha256:" + "0" * 64, "none"])
def test_a_version_whose_files_changed_is_told_in_few_characters(
    trained: Any, judged: Window, digest: str
) -> None:
    comparison = Comparison(trained.staged, trained.digest, Previous(trained.staged, digest))
    assert comparison(judged) is not None
    message = comparison.facts["previous"]["message"]
    assert 0 < len(message) <= MOST_BESIDE
