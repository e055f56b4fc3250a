"""Objects are assigned by uid, never by name or label."""

from __future__ import annotations

from recommender_operator.adapters.objects import owned
from tests.fakes.objects import controller, pod
from tests.unit.recommender_operator.resources.builder_inputs import version


def test_only_objects_that_a_known_uid_controls_count() -> None:
    mine = pod("a", "v", owners=controller("ModelVersion", "v", "uid-1"))
    theirs = pod("b", "v", owners=controller("ModelVersion", "v", "uid-2"))
    nobodys = pod("c", "v", owners=[])
    beside = pod("d", "v", owners=[{**controller("ModelVersion", "v", "uid-1")[0]}])
    beside["metadata"]["ownerReferences"][0]["controller"] = False
    assert owned.controlled_by([mine, theirs, nobodys, beside], {"uid-1"}) == [mine]


def test_a_pod_serves_the_version_that_owns_it_and_no_other() -> None:
    movies = version()
    pods = [pod("a", movies.name), pod("b", "movies-other"), pod("c", movies.name)]
    owners = {"uid-a": movies.uid, "uid-b": movies.uid}
    assert owned.serving_pods(pods, owners, "uid-model", [movies]) == {movies.name: [pods[0]]}


def test_a_pod_of_the_models_one_service_serves_the_version_of_its_label() -> None:
    pods = [pod("a", "movies-1"), pod("b", "movies-2"), pod("c", "")]
    owners = dict.fromkeys(["uid-a", "uid-b", "uid-c"], "uid-model")
    found = owned.serving_pods(pods, owners, "uid-model", [])
    assert found == {"movies-1": [pods[0]], "movies-2": [pods[1]]}


def test_the_pods_of_jobs_go_by_uid_and_do_not_serve() -> None:
    jobs = [{"metadata": {"name": "j", "uid": "uid-j"}}]
    pods = [pod("a", "v"), pod("b", "v")]
    owners = {"uid-a": "uid-j", "uid-b": "uid-of-another"}
    assert owned.pods_of_jobs(pods, owners, jobs) == {"uid-j": [pods[0]]}
    assert owned.serving_pods(pods, owners, "uid-model", []) == {}
