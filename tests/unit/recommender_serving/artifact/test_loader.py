"""Files that break their schema are refused at the start, by name."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from recommender_serving.artifact.loader import ArtifactError, load
from tests.unit.recommender_serving import serving_samples as samples


def test_the_files_of_the_contract_load(tmp_path: Path) -> None:
    artifact = samples.sample_artifact(tmp_path)
    assert artifact.vocabulary.history_length == samples.HISTORY_LENGTH
    assert artifact.vocabulary.genders == {"F": 0, "M": 1}
    assert artifact.vocabulary.genre_of[4] == "comedy"
    assert artifact.reference.sessions == 100
    assert artifact.popularity.items[0] == 7


def test_unknown_fields_of_newer_releases_are_ignored(tmp_path: Path) -> None:
    samples.write_files(tmp_path)
    content = json.loads((tmp_path / "vocabulary.json").read_text())
    (tmp_path / "vocabulary.json").write_text(json.dumps(content | {"new": 1}))
    assert load(tmp_path).vocabulary.max_top_n == samples.MAX_TOP_N


def _set(content: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    target: Any = content
    for key in parents:
        target = target[int(key)] if isinstance(target, list) else target[key]
    target[int(last) if isinstance(target, list) else last] = value


BAD = [
    ("vocabulary", "schema", "recommender.dev/vocabulary/v2"),
    ("vocabulary", "historyLength", 0),
    ("vocabulary", "historyLength", "20"),
    ("vocabulary", "maxTopN", 0),
    ("vocabulary", "items.ids", []),
    ("vocabulary", "items.genre", [0]),
    ("vocabulary", "items.genre.3", 3),
    ("vocabulary", "items.ids.0", 2**63),
    ("vocabulary", "genders", [1]),
    ("reference", "schema", None),
    ("reference", "sessions", -1),
    ("reference", "features", []),
    ("reference", "features.0.name", "shoe_size"),
    ("reference", "features.0.kind", "ordinal"),
    ("reference", "features.0.edges", [40.0, 20.0]),
    ("reference", "features.0.counts", [1, 2]),
    ("reference", "features.0.nulls", -1),
    ("reference", "features.1.name", "age"),
    ("reference", "features.1.counts", [1]),
    ("reference", "features.1.categories", ["F", "F"]),
    ("popularity", "items", []),
    ("popularity", "items.1", 7),
    ("popularity", "scores", [0.5]),
    ("popularity", "scores.0", 1.5),
]


@pytest.mark.parametrize(("name", "path", "value"), BAD)
def test_a_file_that_breaks_the_contract_is_refused_by_name(
    tmp_path: Path, name: str, path: str, value: Any
) -> None:
    samples.write_files(tmp_path)
    content = copy.deepcopy(getattr(samples, name.upper()))
    _set(content, path, value)
    (tmp_path / f"{name}.json").write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match=f"{name}.json"):
        load(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"scores": [NaN], "items": [1]}'])
def test_invalid_json_is_rejected_with_the_name_of_the_file(tmp_path: Path, text: str) -> None:
    samples.write_files(tmp_path)
    (tmp_path / "popularity.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"popularity\.json"):
        load(tmp_path)


def test_a_missing_file_or_folder_is_reported(tmp_path: Path) -> None:
    samples.write_files(tmp_path)
    (tmp_path / "reference.json").unlink()
    with pytest.raises(ArtifactError, match=r"reference\.json cannot be read: No such file"):
        load(tmp_path)
    with pytest.raises(ArtifactError, match="is not a folder"):
        load(tmp_path / "none")
