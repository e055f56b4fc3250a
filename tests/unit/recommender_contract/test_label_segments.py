"""At most three features divide the labels of a model, in one order for all processes."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_contract.resource.feature import Feature
from recommender_contract.resource.label_segments import dividing


def fair(name: str, kind: str = "Categorical", **more: Any) -> Feature:
    return Feature.model_validate({"name": name, "kind": kind, "fairness": True, **more})


@pytest.mark.parametrize(
    ("context", "users", "names"),
    [
        ([fair("slot", "Numeric"), fair("device")], [fair("age", "Numeric")],
         ["device", "slot", "age"]),
        ([fair("a", "Numeric"), fair("b", "Timestamp"), fair("c", "Numeric"),
          fair("d", "Boolean")],
         [fair("u")], ["d", "a", "b"]),
        ([fair("slot", "Numeric")], [fair("u"), fair("v"), fair("w", segments=True)],
         ["w", "slot", "u"]),
        ([fair("position", "Numeric", servedAs="1")], [], []),
        ([fair("tags", "MultiCategorical"), fair("vector", "Embedding", length=2)], [], []),
        ([Feature(name="plain", kind="Categorical")], [fair("u")], ["u"]),
    ],
)  # fmt: skip
def test_segments_come_first_then_named_values_of_the_context_then_numbers_then_users(
    context: list[Feature], users: list[Feature], names: list[str]
) -> None:
    assert [each.name for each in dividing(context, users)] == names
