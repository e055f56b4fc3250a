"""A training refuses data beyond the limits of the transformer before the first fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recommender_serving.artifact import file_schemas
from recommender_serving.artifact import loader as serving
from recommender_training.artifact import reference, serving_limits, vocabulary
from recommender_training.common.durable_files import canonical_json
from recommender_training.common.errors import InputError
from recommender_training.data.dataset import Dataset
from recommender_training.pipeline import training
from recommender_training.trainer.fit_models import fit_models


def test_the_limits_match_the_transformer() -> None:
    assert serving_limits.MAX_FILE_BYTES == serving.MAX_FILE_BYTES
    assert reference.MAX_CATEGORIES <= file_schemas.MAX_BINS
    assert reference.MAX_ALL_BINS == file_schemas.MAX_ALL_BINS


@pytest.mark.parametrize(
    ("numbers", "categorical"), [(3, 0), (3, 4), (28, 100), (0, 128), (120, 8)]
)
def test_the_bins_of_any_number_of_features_fit_the_transformer(
    numbers: int, categorical: int
) -> None:
    most = reference.most_categories(numbers, categorical)
    values = [code % 200 for code in range(400)]
    listed = reference.categorical_feature(
        "many", [str(code) for code in range(200)], values, most
    )
    number = reference.numeric_feature("x", [float(value) for value in values])
    bins = categorical * (len(listed["counts"]) + 3) + numbers * (len(number["counts"]) + 2)
    assert bins <= file_schemas.MAX_ALL_BINS
    assert most == reference.MAX_CATEGORIES or categorical > 50


def test_too_many_categories_of_items_are_refused_with_the_setting_to_change(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_limits, "MAX_TAGS", len(data.items.tag_names))
    serving_limits.check_serving_limits(data, None, 20)
    monkeypatch.setattr(serving_limits, "MAX_TAGS", len(data.items.tag_names) - 1)
    with pytest.raises(InputError, match=r"lower maxCategories or bands") as caught:
        serving_limits.check_serving_limits(data, None, 20)
    assert caught.value.reason == "TooManyCategories"


def test_item_texts_are_refused_above_the_limit_and_accepted_at_it(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"日本 {number:08}" * 20 for number in range(data.items.count)]
    size = len(canonical_json(vocabulary.item_ids(texts)))
    monkeypatch.setattr(serving_limits, "MAX_FILE_BYTES", size)
    serving_limits.check_serving_limits(data, texts, 20)
    monkeypatch.setattr(serving_limits, "MAX_FILE_BYTES", size - 1)
    with pytest.raises(InputError, match=rf"item_ids.json of 60 items would have {size} bytes"):
        serving_limits.check_serving_limits(data, texts, 20)


def test_a_training_refuses_before_it_fits(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fitted(*_: object) -> None:
        pytest.fail("it started to fit")

    vocabulary = (trained.staged / "vocabulary.json").stat().st_size
    monkeypatch.setattr(serving_limits, "MAX_FILE_BYTES", vocabulary - 1)
    monkeypatch.setattr(training, fit_models.__name__, fitted)
    with pytest.raises(InputError, match=r"vocabulary.json of 60 items") as caught:
        training.train(
            training.TrainingRun(
                trained.lake, trained.data_version, trained.config, tmp_path / "staged"
            )
        )
    assert caught.value.reason == "ArtifactTooLarge"
    assert not (tmp_path / "staged").exists()
