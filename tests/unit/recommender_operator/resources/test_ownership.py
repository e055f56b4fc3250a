"""The owner of an object is its controller; names and labels do not count."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.resources import labels, model_version, names, ownership
from tests.unit.recommender_operator.resources import builder_inputs

MODEL = builder_inputs.model()
OWNER = labels.owned_by_model(MODEL)[0]


def thing(*owners: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "movies", "namespace": "team", "ownerReferences": list(owners)}
    return {"metadata": metadata}


def version(**metadata: Any) -> dict[str, Any]:
    """Return a ModelVersion of the model that has lost its owner."""
    digest = "0123abcd" + "0" * 56
    spec = builder_inputs.version().spec.model_copy(update={"spec_hash": digest})
    made = model_version.model_version(MODEL, names.version_name("movies", digest), spec)
    del made["metadata"]["ownerReferences"]
    made["metadata"] |= metadata
    return made


def test_only_a_controller_owns() -> None:
    assert ownership.owned_by(thing(OWNER), {MODEL.uid})
    for other in (
        thing(),
        thing(OWNER | {"controller": False}),
        thing({key: value for key, value in OWNER.items() if key != "controller"}),
        thing(OWNER | {"uid": "another"}),
        thing(OWNER | {"controller": False}, OWNER | {"uid": "another"}),
        {"metadata": {"name": "movies"}},
    ):
        assert not ownership.owned_by(other, {MODEL.uid})


@given(st.lists(st.tuples(st.sampled_from(["uid-model", "other", ""]), st.booleans()), max_size=3))
def test_of_several_owners_only_the_controller_counts(owners: list[tuple[str, bool]]) -> None:
    found = thing(*({**OWNER, "uid": uid, "controller": controls} for uid, controls in owners))
    controllers = [uid for uid, controls in owners if controls]
    assert ownership.owned_by(found, {"uid-model"}) == (controllers[:1] == ["uid-model"])


@pytest.mark.parametrize(
    ("owners", "words"),
    [
        ([], "no owner"),
        ([OWNER | {"kind": "Shop", "name": "web"}], "its controller is Shop/web"),
        ([OWNER | {"kind": "Shop", "name": "web", "controller": False}], "owned by Shop/web"),
    ],
)
def test_a_foreign_object_is_named_with_its_owner_and_the_remedy(
    owners: list[dict[str, Any]], words: str
) -> None:
    message = ownership.foreign("HTTPRoute", thing(*owners)).message
    assert message.startswith("HTTPRoute team/movies does not belong to this model")
    assert words in message
    assert "Rename the model, or delete or move the HTTPRoute" in message


def test_a_version_that_lost_its_owner_may_be_adopted() -> None:
    assert ownership.may_be_adopted(version(), MODEL)
    assert ownership.may_be_adopted(
        version(ownerReferences=[{"apiVersion": "v1", "kind": "ConfigMap", "name": "x"}]), MODEL
    )


@pytest.mark.parametrize(
    "metadata",
    [
        {"name": "movies-0123abce"},
        # Consistent except for the hash of its spec, so it is forged.
        {"name": "movies-0123abce", "labels": labels.of_version("movies", "movies-0123abce")},
        {"labels": labels.of_version("movies", "movies-other")},
        {"labels": labels.of_version("books", "movies-0123abcd")},
        {"labels": {}},
        {"ownerReferences": [OWNER]},
        {"ownerReferences": [OWNER | {"uid": "another"}]},
        {"ownerReferences": [OWNER | {"uid": "another", "controller": False}]},
        {"ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "controller": True}]},
    ],
    ids=str,
)
def test_a_version_that_does_not_fit_is_not_adopted(metadata: dict[str, Any]) -> None:
    assert not ownership.may_be_adopted(version(**metadata), MODEL)


def test_a_version_of_another_models_spec_is_not_adopted() -> None:
    other = version()
    other["spec"]["model"] = "books"
    assert not ownership.may_be_adopted(other, MODEL)
    del other["spec"]
    assert not ownership.may_be_adopted(other, MODEL)
