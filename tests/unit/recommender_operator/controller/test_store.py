"""A cache keeps the newest object from watch, list and own writes, in any order."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from recommender_operator.adapters.kinds import JOBS, MODELS
from recommender_operator.adapters.model_caches import slim, wanted_of_model
from recommender_operator.controller import store as stores
from recommender_operator.controller.kube import PODS, Object
from recommender_operator.controller.store import Store, name_of, place_of
from recommender_operator.resources.labels import MODEL
from tests.unit.recommender_operator.controller.fake_source import thing, unparsed

PLACE = ("team", "a")
OF_MOVIES = {"recommender.dev/model": "movies"}


def names(store: Store, labels: dict[str, str] | None = None) -> list[str]:
    return [found["metadata"]["name"] for found in store.select("team", labels or {})]


def listed(store: Store, *things: dict[str, object], version: int, number: int = 0) -> object:
    number = number or store.start_list()
    return store.replace(number, {place_of(t): store.entry(t) for t in things}, version)


def test_an_older_object_never_replaces_a_newer_one() -> None:
    store = Store(MODEL)
    assert store.put(thing("a", 5, note="new"))
    assert not store.put(thing("a", 4, note="old"))
    assert not store.put(thing("a", 5, note="again"))
    found = store.get(PLACE)
    assert found is not None
    assert found["metadata"]["note"] == "new"


def test_an_object_that_is_already_known_is_not_prepared_again() -> None:
    """A watch repeats the response of each own write."""
    prepared: list[object] = []

    def slimmed(found: Object) -> Object:
        prepared.append(found)
        return found

    store = Store(MODEL, slim=slimmed)
    store.put(thing("a", 5))
    store.put(thing("a", 5))
    assert len(prepared) == 1


def test_a_late_answer_brings_nothing_back_that_was_deleted_after_it() -> None:
    store = Store(MODEL)
    store.put(thing("a", 5))
    assert store.remove(unparsed(thing("a", 7)))
    assert not store.put(thing("a", 6))
    assert store.get(PLACE) is None
    assert store.put(thing("a", 8, uid="another"))


def test_a_late_deletion_does_not_take_the_object_that_came_after_it() -> None:
    store = Store(MODEL)
    store.put(thing("a", 5))
    store.put(thing("a", 8, uid="another"))
    assert not store.remove(unparsed(thing("a", 7)))
    assert store.get(PLACE) is not None


def test_an_own_deletion_hides_an_object_until_the_watch_says_that_it_waits_for_finalizers() -> (
    None
):
    store = Store(MODEL)
    store.put(thing("a", 5))
    assert not store.hide(PLACE, "another uid")
    assert store.hide(PLACE, "uid-a")
    assert (store.get(PLACE), names(store)) == (None, [])
    store.put(thing("a", 6))
    assert store.get(PLACE) is None
    assert store.put(thing("a", 7, deletionTimestamp="2026-01-01T00:00:00Z"))
    assert store.get(PLACE) is not None
    assert store.remove(unparsed(thing("a", 8)))
    assert len(store) == 0


def test_a_list_says_what_is_true_of_an_own_deletion_that_came_before_it() -> None:
    store = Store(MODEL)
    store.put(thing("a", 5))
    store.hide(PLACE, "uid-a")
    listed(store, thing("a", 5), version=9)
    assert store.get(PLACE) is not None
    number = store.start_list()
    store.hide(PLACE, "uid-a")
    listed(store, thing("a", 5), version=9, number=number)
    assert store.get(PLACE) is None


def test_a_list_removes_what_is_gone_and_keeps_what_was_written_after_it() -> None:
    store = Store(MODEL)
    store.put(thing("gone", 5))
    store.put(thing("written", 12))
    assert listed(store, thing("a", 6), version=10) == {("team", "movies")}
    assert names(store) == ["a", "written"]
    assert not store.put(thing("gone", 5))


def test_a_list_without_changes_triggers_no_look() -> None:
    store = Store(MODEL)
    store.put(thing("a", 5))
    assert listed(store, thing("a", 5), version=10) == set()


def test_objects_are_found_by_their_labels_also_after_a_label_changed() -> None:
    store = Store(MODEL)
    store.put(thing("a", 1))
    store.put(thing("b", 2, model="books"))
    assert names(store, OF_MOVIES) == ["a"]
    store.put(thing("b", 3))
    assert names(store, OF_MOVIES) == ["a", "b"]
    assert names(store, OF_MOVIES | {"other": "x"}) == []
    assert store.parents() == {("team", "movies")}


def test_a_reader_gets_its_own_copy() -> None:
    store = Store(MODEL)
    store.put(thing("a", 1))
    first = store.get(PLACE)
    assert first is not None
    first["metadata"]["labels"].clear()
    assert names(store, OF_MOVIES) == ["a"]


def test_a_change_of_the_spec_triggers_a_look_and_one_of_the_status_does_not() -> None:
    store = Store(MODEL, meaning=wanted_of_model, parent_of=name_of)
    model = thing("movies", 1) | {"spec": {"seed": 1}, "status": {}}
    assert store.put(model)
    written = thing("movies", 2) | {"spec": {"seed": 1}, "status": {"stage": "Serving"}}
    assert not store.put(written)
    found = store.get(("team", "movies"))
    assert found is not None
    assert found["status"] == {"stage": "Serving"}
    assert store.put(thing("movies", 3) | {"spec": {"seed": 2}})


def test_of_the_record_of_fields_only_the_writes_of_the_status_are_kept() -> None:
    wrote = {"manager": "us", "subresource": "status", "time": "2026-01-01T12:00:00Z"}
    spec = {"manager": "them", "operation": "Apply", "fieldsV1": {"f:spec": {}}}
    fields = [spec, {**wrote, "operation": "Apply", "fieldsV1": {"f:status": {}}}]
    kept = slim(MODELS, {"metadata": {"name": "a", "managedFields": fields}})
    assert kept["metadata"]["managedFields"] == [wrote]


def test_unused_fields_are_not_kept() -> None:
    metadata = {
        "name": "a",
        "annotations": {
            "kopf.recommender.dev/last-handled-configuration": "{}",
            "recommender.dev/abort": "token",
        },
    }
    kept = slim(MODELS, {"metadata": metadata, "spec": {"a": 1}})
    notes = {"recommender.dev/abort": "token"}
    assert kept == {"metadata": {"name": "a", "annotations": notes}, "spec": {"a": 1}}
    container = {"name": "main", "resources": {"limits": {"memory": "1Gi"}}}
    pod = {"metadata": {}, "spec": {"containers": [container | {"env": []}], "volumes": []}}
    assert slim(PODS, pod)["spec"] == {"containers": [container]}
    assert "spec" not in slim(JOBS, {"metadata": {}, "spec": {}})


@hypothesis.given(st.permutations(range(1, 9)), st.integers(0, 8))
def test_in_any_order_the_newest_event_wins(order: list[int], deleted: int) -> None:
    store = Store(MODEL)
    for version in order:
        if version == deleted:
            store.remove(unparsed(thing("a", version)))
        else:
            store.put(thing("a", version))
    newest = 8 if deleted != 8 else None
    found = store.get(PLACE)
    assert (found and found["metadata"]["resourceVersion"]) == (newest and str(newest))


def test_an_object_that_waits_for_its_finalizers_is_not_hidden_by_another_deletion() -> None:
    store = Store(MODEL)
    store.put(thing("a", 5, deletionTimestamp="2026-01-01T00:00:00Z"))
    assert not store.hide(PLACE, "uid-a")
    assert store.get(PLACE) is not None


def test_a_read_without_an_object_takes_away_only_what_was_known_before_it() -> None:
    store = Store(MODEL)
    store.put(thing("a", 5))
    before = store.find(PLACE)
    assert before is not None
    store.put(thing("a", 6, uid="another"))
    assert not store.forget(PLACE, before)
    assert store.get(PLACE) is not None
    now = store.find(PLACE)
    assert now is not None
    assert store.forget(PLACE, now)
    assert store.get(PLACE) is None


def test_the_number_of_remembered_deletions_is_limited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stores, "REMEMBERED", 2)
    store = Store(MODEL)
    for number in range(1, 6):
        store.put(thing(f"a{number}", number))
        store.remove(unparsed(thing(f"a{number}", number + 10)))
    assert len(store._gone) == 2
    assert not store.put(thing("a5", 6))
