"""vocabulary.json has every category of every item."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recommender_training.artifact import vocabulary
from recommender_training.config.feature_schema import FeatureSchema
from tests import small_data

DECLARED = FeatureSchema.model_validate(
    {
        "items": [
            {"name": "shelf", "kind": "Categorical"},
            {"name": "topic", "kind": "MultiCategorical", "separator": " "},
            {"name": "price", "kind": "Numeric", "edges": [10]},
            {"name": "colour", "kind": "MultiCategorical", "separator": " "},
        ]
    }
)
words = st.lists(st.sampled_from("abcd"), max_size=4, unique=True)
rows = st.fixed_dictionaries(
    {
        "shelf": st.sampled_from(["left", "right", None]),
        "topic": words,
        "price": st.sampled_from([5.0, 15.0, None]),
        "colour": words,
    }
)


@given(st.lists(rows, min_size=1, max_size=6))
def test_the_first_and_the_further_categories_are_those_of_the_table(
    items: list[dict[str, object]],
) -> None:
    table = [
        {"id": place + 1} | {k: " ".join(v) if isinstance(v, list) else v for k, v in row.items()}
        for place, row in enumerate(items)
    ]
    data = small_data.build([(1, 1, 5.0, 0)], [{"id": 1}], table, DECLARED)
    content = vocabulary.vocabulary(data, 20)["items"]
    assert [each["name"] for each in content["features"]] == ["shelf", "topic", "colour"]
    for feature in content["features"]:
        found = [[code] if code >= 0 else [] for code in feature["primary"]]
        further = feature.get("further", {"items": [], "categories": []})
        assert further["items"] == sorted(further["items"])
        for place, code in zip(further["items"], further["categories"], strict=True):
            found[place].append(code)
        names = [[feature["categories"][code] for code in own] for own in found]
        for row, own in zip(items, names, strict=True):
            expected = row[feature["name"]]
            given_names = expected if isinstance(expected, list) else [expected] * bool(expected)
            assert own[:1] == given_names[:1]
            assert sorted(own) == sorted(given_names)
    assert "further" not in content["features"][0]
