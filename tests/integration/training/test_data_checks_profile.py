"""A profile matches the training's view of a data version and is reproducible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender_contract.resource.mapping import Format
from recommender_training.artifact import reference, vocabulary
from recommender_training.common.durable_files import canonical_json
from recommender_training.common.errors import InputError
from recommender_training.data import dataset, load, splits, version_content
from recommender_training.data.sessions import sample_session_requests
from recommender_training.data_checks import interaction_batches, profile, sample
from recommender_training.ingestion import ingest
from tests.training_fixtures import Trained


def test_the_parts_of_the_window_match_the_training(trained: Trained) -> None:
    for days in (None, 60):
        found = profile.build_profile(trained.lake, trained.data_version, days).profile
        _, data = load.load_dataset(trained.lake, trained.data_version, days)
        split = splits.temporal(data.events)
        assert found["window"] == {
            "start": int(data.events.time[0]) if days is None else found["window"]["start"],
            "end": int(data.events.time[-1]),
            "validationStart": split.validation_start,
            "testStart": split.test_start,
        }
        for part in profile.PARTS:
            labels = data.events.label[getattr(split, part)]
            assert found["labels"][part] == {"rows": len(labels), "positive": int(labels.sum())}
        known = set(data.events.user[split.train]) & set(data.events.user[split.validation])
        assert found["cold"] == {
            "validationUsers": len(set(data.events.user[split.validation])),
            "known": len(known),
        }


def test_the_histograms_equal_reference_json(
    trained: Trained, tables: version_content.Tables
) -> None:
    found = profile.build_profile(trained.lake, trained.data_version, None).profile["sessions"]
    words = vocabulary.vocabulary(dataset.build_dataset(tables), 20)
    requests = list(
        sample_session_requests(
            tables.interactions,
            tables.users,
            tables.items,
            sample._SEED,
            declared=tables.declaration,
        )
    )
    expected = reference.reference(requests, [None] * len(requests), words)
    assert (found["sessions"], found["shareOfUsers"]) == (expected["sessions"], 1.0)
    # Each has a number of its own for missing values.
    own = {"missing", "missingDesignEffect"}

    def shared(features: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {key: value for key, value in each.items() if key not in own}
            for each in features
            if each["name"] != "top_score"
        ]

    assert shared(found["features"]) == shared(expected["features"])


def test_a_profile_made_later_has_the_same_bytes(source: Path, tmp_path: Path) -> None:
    """An older version is read by time travel, regardless of later rows."""
    checked = ingest.ingest_and_check(source, tmp_path / "lake", kind=Format.MOVIELENS_100K)
    first = profile.build_profile(tmp_path / "lake", checked.data_version, None).profile
    late = tmp_path / "late"
    late.mkdir()
    for path in source.iterdir():
        (late / path.name).write_bytes(path.read_bytes())
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    (late / "late.inter").write_text(header + "1\t2\t4\t899000000\n")
    assert (
        ingest.ingest_and_check(late, tmp_path / "lake", kind=Format.MOVIELENS_100K).data_version
        != checked.data_version
    )
    again = profile.build_profile(tmp_path / "lake", checked.data_version, None).profile
    assert canonical_json(again) == canonical_json(first)


def test_a_table_read_in_parts_has_the_same_profile(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = profile.build_profile(trained.lake, trained.data_version, 60).profile
    monkeypatch.setattr(interaction_batches, "PART_ROWS", 200)  # about a week
    streamed = profile.build_profile(trained.lake, trained.data_version, 60).profile
    assert canonical_json(streamed) == canonical_json(held)


@pytest.mark.parametrize("version", ["latest", "i99.u0.t0-0123456789abcdef"])
def test_a_missing_version_is_named(trained: Trained, version: str) -> None:
    with pytest.raises(InputError) as caught:
        profile.build_profile(trained.lake, version, None)
    assert caught.value.reason == "DataVersionMissing"


def test_a_sample_has_whole_users_and_does_not_depend_on_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sample, "MAX_ROWS", 1000)
    monkeypatch.setattr(sample, "MAX_USER_ROWS", 100)
    users = pl.DataFrame({"user_id": np.arange(1000), "rows": np.full(1000, 10)})
    drawn = sample.draw(users)
    assert int(drawn["rows"].sum()) == 1000
    # no run of neighbouring ids
    assert np.diff(np.sort(drawn["user_id"].to_numpy())).max() > 20
    more = pl.DataFrame({"user_id": np.arange(2000), "rows": np.full(2000, 10)})
    later = set(sample.draw(more)["user_id"].to_list())
    assert {user for user in later if user < 1000} < set(drawn["user_id"].to_list())
    robot = pl.DataFrame({"user_id": [5, 6], "rows": [101, 100]})
    assert sample.draw(robot)["user_id"].to_list() == [6]
