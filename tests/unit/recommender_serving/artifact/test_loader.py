"""Files that break their schema are refused at the start, by name."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from recommender_contract.features import Kind
from recommender_serving.artifact.file_schemas import MAX_BINS
from recommender_serving.artifact.loader import ArtifactError, load
from recommender_serving.domain.features import MAX_NUMBER, Feature, Place
from tests.unit.recommender_serving import serving_samples as samples


def test_the_files_of_the_contract_load(tmp_path: Path) -> None:
    artifact = samples.sample_artifact(tmp_path)
    assert artifact.vocabulary.history_length == samples.HISTORY_LENGTH
    assert list(artifact.vocabulary.features) == ["age", "gender", "occupation"]
    assert artifact.vocabulary.features["gender"].index == {"F": 0, "M": 1}
    assert artifact.vocabulary.items.first_categories(4) == {"genre": "comedy"}
    assert artifact.reference.sessions == 100
    assert artifact.popularity.overall[0] == (7, 0.9)


def test_unknown_fields_of_newer_releases_are_ignored(tmp_path: Path) -> None:
    samples.write_files(tmp_path)
    content = json.loads((tmp_path / "vocabulary.json").read_text())
    (tmp_path / "vocabulary.json").write_text(json.dumps(content | {"new": 1}))
    assert load(tmp_path).vocabulary.max_top_n == samples.MAX_TOP_N


def test_the_declaration_of_a_shop_loads(tmp_path: Path) -> None:
    reference = samples.REFERENCE | {"features": [samples.numeric("spend", [], [7])]}
    artifact = samples.sample_artifact(tmp_path, vocabulary=samples.SHOP, reference=reference)
    features = artifact.vocabulary.features
    assert features["member"] == Feature(
        "member", Place.USER, Kind.BOOLEAN, {"false": 0, "true": 1}
    )
    assert (features["hour"].place, features["hour"].low) == (Place.CONTEXT, 0.0)
    assert (features["position"].served_as, features["position"].edges) == (1.0, (2.0,))
    assert (features["spend"].low, features["spend"].high) == (-MAX_NUMBER, MAX_NUMBER)
    assert artifact.vocabulary.items.first_categories(4) == {"brand": "a", "aisle": "garden"}


NUMBER = samples.declared("size", "user", "Numeric", minimum=1.0, maximum=2.0, edges=[])
VECTOR = {"name": "vector", "of": "user", "kind": "Embedding", "length": 3}
TAGS = {
    "name": "tags", "of": "context", "kind": "MultiCategorical", "categories": ["a", "b"],
    "maxPerRow": 4,
}  # fmt: skip
FURTHER = "items.features.0.further"
BAD = [
    ("vocabulary", "schema", "recommender.dev/vocabulary/v1", "schema"),
    ("vocabulary", "historyLength", 0, "historyLength"),
    ("vocabulary", "historyLength", "20", "historyLength"),
    ("vocabulary", "maxTopN", 0, "maxTopN"),
    ("vocabulary", "repeatAfterSeconds", -1, "repeatAfterSeconds"),
    ("vocabulary", "repeatAfterSeconds", 1.5, "repeatAfterSeconds"),
    ("vocabulary", "repeatAfterSeconds", "60", "repeatAfterSeconds"),
    ("vocabulary", "repeatAfterSeconds", True, "repeatAfterSeconds"),
    ("vocabulary", "features", None, "features"),
    ("vocabulary", "features.0.kind", "Colour", "'Categorical', 'MultiCategorical', 'Boolean'"),
    ("vocabulary", "features.0", VECTOR | {"length": 0}, "features.0.Embedding.length"),
    ("vocabulary", "features.0", VECTOR | {"length": 1025}, "features.0.Embedding.length"),
    (
        "vocabulary",
        "features.0",
        TAGS | {"maxPerRow": 65},
        "features.0.MultiCategorical.maxPerRow",
    ),
    ("vocabulary", "features.0", TAGS | {"hashBuckets": 3}, "tags has 2 categories for 3 hash"),
    ("vocabulary", "features.0", TAGS | {"categories": ["a", "a"]}, "tags: the category a is"),
    ("vocabulary", "features.0.of", "item", "features.0.Numeric.of"),
    ("vocabulary", "features.0.name", "Age", "features.0.Numeric.name"),
    ("vocabulary", "features.0.name", "user_id", "user_id has the name of a field"),
    ("vocabulary", "features.0.name", "top_score", "top_score has the name of a field"),
    ("vocabulary", "features.0.name", "gender", "the feature gender is listed twice"),
    ("vocabulary", "features.0.name", "genre", "the feature genre is listed twice"),
    ("vocabulary", "features.0.name", "last_genre", "the feature last_genre is listed twice"),
    ("vocabulary", "features.0.edges", [2.0, 2.0], "the edges of age do not increase"),
    ("vocabulary", "features.0.edges", [1e31], "features.0.Numeric.edges.0"),
    ("vocabulary", "features.0.minimum", 121.0, "age: the minimum is above the maximum"),
    ("vocabulary", "features.0.servedAs", "old", "age: servedAs is old, not a number"),
    ("vocabulary", "features.0.servedAs", "nan", "age: servedAs is nan, not a number"),
    ("vocabulary", "features.1.categories", [1], "features.1.Categorical.categories.0"),
    ("vocabulary", "features.1.categories", ["F", "F"], "gender: the category F is listed twice"),
    ("vocabulary", "features.1.kind", "Boolean", "gender: the categories of a Boolean are"),
    ("vocabulary", "features", [NUMBER | {"name": f"n{i}"} for i in range(129)], "features"),
    ("vocabulary", "items.ids", [], "items.ids"),
    ("vocabulary", "items.ids.0", 2**63, "items.ids.0"),
    ("vocabulary", "items.ids.0", 4, "items: the id 4 is listed twice"),
    ("vocabulary", "items.features.0.primary", [0], "genre has 1 primary categories for 50 items"),
    ("vocabulary", "items.features.0.primary.3", 3, "item 3 has the primary category 3 of 3"),
    ("vocabulary", "items.features.0.primary.3", -2, "items.features.0.primary.3"),
    ("vocabulary", FURTHER, {"items": [1], "categories": []}, "has 1 items for 0 categories"),
    ("vocabulary", FURTHER, {"items": [1, 0], "categories": [1, 1]}, "not ascending places of 50"),
    (
        "vocabulary",
        FURTHER,
        {"items": [50], "categories": [1]},
        "not ascending places of 50",
    ),
    ("vocabulary", FURTHER, {"items": [1], "categories": [3]}, "genre has the category 3 of 3"),
    ("vocabulary", FURTHER, {"items": [1], "categories": [-1]}, "items.features.0.further"),
    ("vocabulary", "items.features.0.categories", ["a", "b", "a"], "genre: the category a"),
    ("reference", "schema", None, "schema"),
    ("reference", "sessions", -1, "sessions"),
    ("reference", "features", [], "features"),
    ("reference", "features.0.name", "shoe_size", "shoe_size is no drift feature of the vocab"),
    ("reference", "features.0.kind", "ordinal", "features.0"),
    ("reference", "features.0.edges", [40.0, 20.0], "the edges of age do not increase"),
    ("reference", "features.0.counts", [1, 2], "age: 2 edges, 2 counts"),
    ("reference", "features.0.nulls", -1, "nulls"),
    ("reference", "features.0", samples.categorical("age", ["1"], [1]), "age is categorical, not"),
    ("reference", "features.1.name", "age", "the feature age is listed twice"),
    ("reference", "features.1.counts", [1], "gender: 2 categories, 1 counts"),
    ("reference", "features.1.categories", ["F", "F"], "gender: the category F is listed twice"),
    ("reference", "features.1.others", -1, "others"),
    ("popularity", "items", [], "items"),
    ("popularity", "items.1", 7, "an item is listed twice"),
    ("popularity", "scores", [0.5], "6 items but 1 scores"),
    ("popularity", "scores.0", 1.5, "scores.0"),
]


@pytest.mark.parametrize(("name", "path", "value", "message"), BAD)
def test_a_file_that_breaks_the_contract_is_refused_with_its_name_and_the_problem(
    tmp_path: Path, name: str, path: str, value: Any, message: str
) -> None:
    samples.write_files(tmp_path)
    content = copy.deepcopy(getattr(samples, name.upper()))
    samples.set_at(content, path, value)
    (tmp_path / f"{name}.json").write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match=rf"{name}\.json: .*{re.escape(message)}"):
        load(tmp_path)


def test_the_bins_of_all_features_fit_the_page_that_the_operator_reads(tmp_path: Path) -> None:
    names = [f"n{i}" for i in range(53)]
    columns = [samples.declared(name, "user", "Categorical", categories=[]) for name in names]
    categories = [str(i) for i in range(MAX_BINS)]
    counts = [samples.categorical(name, categories, [1] * MAX_BINS) for name in names]
    vocabulary = samples.VOCABULARY | {"features": columns}
    reference = samples.REFERENCE | {"features": counts[:-1]}
    samples.sample_artifact(tmp_path, vocabulary=vocabulary, reference=reference)
    with pytest.raises(ArtifactError, match="2809 bins of 53 features, more than 2800: list few"):
        samples.sample_artifact(
            tmp_path, vocabulary=vocabulary, reference=reference | {"features": counts}
        )


def test_a_feature_that_the_version_sets_itself_has_no_reference(tmp_path: Path) -> None:
    reference = samples.REFERENCE | {"features": [samples.numeric("position", [], [7])]}
    with pytest.raises(ArtifactError, match="position is no drift feature"):
        samples.sample_artifact(tmp_path, vocabulary=samples.SHOP, reference=reference)


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
