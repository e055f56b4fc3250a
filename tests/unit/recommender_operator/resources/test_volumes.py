"""The volumes of each Job, and the folders that are created for it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from recommender_operator.api.version import ModelVersionSpec
from recommender_operator.observed import JobKind, ModelObject, VersionObject
from recommender_operator.resources import jobs, train_jobs
from recommender_operator.resources.options import Options
from tests.sources import SOURCE, source
from tests.unit.recommender_operator.resources.builder_inputs import (
    OPTIONS,
    RECALIBRATION,
    model,
    version,
)

STAGED = {"staged_path": "staging/movies/v-1", "digest": "sha256:" + "ab" * 32}
TRAIN = {"data_version": "v"}
CHAMPION = {"champion_path": "artifacts/movies/ab", "champion_digest": "sha256:" + "ab" * 32}
PREVIOUS = {"previous_path": "artifacts/movies/cd", "previous_digest": "sha256:" + "cd" * 32}
ARTIFACT = {"source_path": "artifacts/movies/ab", "source_digest": "sha256:" + "ab" * 32}
REMOVED = {"paths": "artifacts/movies/00,staging/movies/x-1"}
ALL = {"paths": "artifacts/movies,staging/movies,lake/movies"}
READ, WRITE = True, False
MAPPED = {
    "interactions": {"files": "*/interactions.jsonl", "user": "u", "item": "i", "timestamp": "t"}
}


def of(data: dict[str, Any]) -> tuple[ModelObject, VersionObject]:
    owner, made = model(data=data), version()
    spec = ModelVersionSpec(
        model="movies",
        spec_hash="0" * 64,
        data=owner.spec.data,
        training=owner.spec.training,
        recalibration=RECALIBRATION,
    )
    return owner, VersionObject(name=made.name, uid=made.uid, spec=spec, status=made.status)


def pod(
    kind: JobKind,
    inputs: dict[str, str],
    data: dict[str, Any] | None = None,
    options: Options = OPTIONS,
) -> Any:
    owner, made = of(data or {"source": SOURCE, "snapshots": {"keep": 2}})
    subject = None if kind is JobKind.SNAPSHOT else made
    return jobs.job(owner, subject, kind, 1, inputs, options)["spec"]["template"]["spec"]


def mounted(spec: Any, name: str = "store") -> dict[str, bool]:
    """Return the mount paths of a volume, and whether each is read-only."""
    (main,) = spec["containers"]
    return {
        mount["mountPath"]: mount.get("readOnly", False)
        for mount in main["volumeMounts"]
        if mount["name"] == name
    }


@pytest.mark.parametrize(
    ("kind", "inputs", "expected"),
    [
        (JobKind.CHECK, {}, {"lake/movies": WRITE}),
        (JobKind.SNAPSHOT, {}, {"lake/movies": WRITE, "artifacts/movies": READ}),
        (
            JobKind.TRAIN,
            TRAIN,
            {"lake/movies": READ, "lake/movies/checks": WRITE, "staging/movies": WRITE},
        ),
        (
            JobKind.TRAIN,
            TRAIN | CHAMPION,
            {
                "lake/movies": READ,
                "lake/movies/checks": WRITE,
                "artifacts/movies": READ,
                "staging/movies": WRITE,
            },
        ),
        (JobKind.RECALIBRATE, ARTIFACT, {"artifacts/movies": READ, "staging/movies": WRITE}),
        (JobKind.PUBLISH, STAGED, {"staging/movies": READ, "artifacts/movies": WRITE}),
        (JobKind.REMOVE, REMOVED, {"artifacts/movies": WRITE, "staging/movies": WRITE}),
        (
            JobKind.REMOVE,
            ALL,
            {"artifacts/movies": WRITE, "lake/movies": WRITE, "staging/movies": WRITE},
        ),
    ],
)
def test_a_job_mounts_the_folders_that_it_needs_and_writes_only_where_it_must(
    kind: JobKind, inputs: dict[str, str], expected: dict[str, bool]
) -> None:
    spec = pod(kind, inputs)
    assert mounted(spec) == {f"/store/{path}": only for path, only in expected.items()}
    for mount in spec["containers"][0]["volumeMounts"]:
        if mount["name"] == "store":
            assert mount["mountPath"] == f"/store/{mount['subPath']}"


@pytest.mark.parametrize("kind", list(JobKind))
def test_every_folder_of_a_command_is_mounted(kind: JobKind) -> None:
    inputs = TRAIN | CHAMPION | PREVIOUS | ARTIFACT | STAGED | REMOVED
    spec = pod(kind, inputs)
    (main,) = spec["containers"]
    mounts = [f"{path}/" for path in (*mounted(spec), *mounted(spec, "data"))]
    named = [word for word in main["command"] if word.startswith(("/store/", "/data/"))]
    if kind is JobKind.REMOVE:
        named = [f"/store/{path}" for path in inputs["paths"].split(",")]
    assert named
    for word in named:
        assert any(f"{word}/".startswith(mount) for mount in mounts), word


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        (JobKind.TRAIN, TRAIN | {**CHAMPION, "champion_path": "artifacts/news/ab"}),
        (JobKind.TRAIN, TRAIN | {**CHAMPION, "champion_path": "artifacts/movies/../news"}),
        (JobKind.TRAIN, TRAIN | CHAMPION | {**PREVIOUS, "previous_path": "artifacts/news/ab"}),
        (JobKind.RECALIBRATE, {**ARTIFACT, "source_path": "artifacts/news/ab"}),
        (JobKind.PUBLISH, {**STAGED, "staged_path": "staging/news/v-1"}),
        (JobKind.PUBLISH, {**STAGED, "staged_path": "lake/movies"}),
        (JobKind.REMOVE, {"paths": "artifacts/movies/00,artifacts/news"}),
        (JobKind.REMOVE, {"paths": "artifacts/movies/../news/00"}),
        (JobKind.REMOVE, {"paths": "artifacts"}),
    ],
)
def test_a_path_of_another_model_is_refused(kind: JobKind, inputs: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is not in"):
        pod(kind, inputs)


def test_raw_data_are_read_only_whatever_claim_they_are_in() -> None:
    apart = pod(JobKind.CHECK, {})
    assert mounted(apart, "data") == {"/data": True}
    claims = {v["name"]: v.get("persistentVolumeClaim") for v in apart["volumes"]}
    assert claims["data"] == {"claimName": "raw", "readOnly": True}
    shared = pod(
        JobKind.CHECK,
        {},
        {"source": source("store", "raw/films")},
    )
    assert mounted(shared) == {"/store/lake/movies": False, "/data/raw/films": True}
    named = [v["persistentVolumeClaim"]["claimName"] for v in shared["volumes"][:1]]
    assert named == ["store"]
    assert [v["name"] for v in shared["volumes"]] == ["store", "tmp"], "a claim is there once"


@pytest.mark.parametrize("kind", [JobKind.CHECK, JobKind.SNAPSHOT])
@pytest.mark.parametrize("claim", ["raw", "store"])
@pytest.mark.parametrize("folder", ["", "events", "events/of/shops"])
def test_a_check_may_mark_the_files_of_the_collector_as_read(
    kind: JobKind, claim: str, folder: str
) -> None:
    path = f"{folder}/movies".lstrip("/")
    source = {
        "persistentVolumeClaim": {"claimName": claim, "path": path},
        "format": "JSONLines",
        "mapping": MAPPED,
    }
    options = dataclasses.replace(
        OPTIONS, store_namespace="team", collector_files=f"{claim}/{folder}".rstrip("/")
    )
    found = pod(kind, {}, {"source": source, "snapshots": {"keep": 2}}, options)
    of_claim = mounted(found, "data" if claim == "raw" else "store")
    assert of_claim[f"/data/{path}/_lakes"] is WRITE
    assert of_claim["/data" if claim == "raw" else f"/data/{path}"] is READ
    others = [
        dataclasses.replace(options, store_namespace="other"),
        dataclasses.replace(options, collector_files=f"{claim}2/{folder}"),
        dataclasses.replace(options, collector_files=f"{claim}/x/{folder}"),
        dataclasses.replace(options, collector_files=""),
    ]
    for each in others:
        found = pod(kind, {}, {"source": source, "snapshots": {"keep": 2}}, each)
        (main,) = found["containers"]
        assert [m for m in main["volumeMounts"] if m["mountPath"].endswith("_lakes")] == []


def test_raw_data_in_the_folders_of_the_operator_are_never_mounted() -> None:
    with pytest.raises(ValueError, match="folder of the operator"):
        pod(
            JobKind.CHECK,
            {},
            {"source": source("store", "lake/news")},
        )


@pytest.mark.parametrize("kind", list(JobKind))
def test_the_group_of_a_volume_changes_only_if_its_owner_allows_it(kind: JobKind) -> None:
    inputs = TRAIN | ARTIFACT | STAGED | REMOVED
    owner, made = of({"source": SOURCE, "snapshots": {"keep": 2}})
    subject = None if kind is JobKind.SNAPSHOT else made

    def context(*, given: bool) -> dict[str, Any]:
        manifest = jobs.job(owner, subject, kind, 1, inputs, OPTIONS, fs_group=given)
        found: dict[str, Any] = manifest["spec"]["template"]["spec"]["securityContext"]
        return found

    assert "fsGroup" not in context(given=False)
    assert "fsGroupChangePolicy" not in context(given=False)
    regrouped = {"fsGroup": 65532, "fsGroupChangePolicy": "OnRootMismatch"}
    assert context(given=True) == context(given=False) | regrouped


def test_a_group_of_workers_mounts_what_one_worker_does() -> None:
    alone = pod(JobKind.TRAIN, TRAIN)
    owner, made = of({"source": SOURCE})
    runtime = train_jobs.training_runtime(owner, made, 1, TRAIN, OPTIONS, fs_group=True)
    (node,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    worker = node["template"]["spec"]["template"]["spec"]
    assert mounted(worker) == mounted(alone)
    assert worker["securityContext"]["fsGroup"] == 65532
    assert "initContainers" not in worker


@pytest.mark.parametrize(
    ("kind", "inputs", "made"),
    [
        (
            JobKind.CHECK,
            {},
            ["lake/movies", "lake/movies/checks", "staging/movies", "artifacts/movies"],
        ),
        (
            JobKind.SNAPSHOT,
            {},
            ["lake/movies", "lake/movies/checks", "staging/movies", "artifacts/movies"],
        ),
        (JobKind.REMOVE, REMOVED, ["artifacts/movies", "staging/movies"]),
    ],
)
def test_the_user_of_the_job_creates_folders_before_the_kubelet_does(
    kind: JobKind, inputs: dict[str, str], made: list[str]
) -> None:
    (prepare,) = pod(kind, inputs)["initContainers"]
    mark = "" if kind is JobKind.REMOVE else "2026-01-01T12:00:00Z/uid-model"
    assert prepare["command"][4] == mark
    assert prepare["command"][5:] == [f"/store/{folder}" for folder in made]
    assert prepare["securityContext"]["runAsUser"] == 65532
    assert prepare["securityContext"]["readOnlyRootFilesystem"] is True
    assert {"name": "store", "mountPath": "/store"} in prepare["volumeMounts"]


@pytest.mark.parametrize(("kind", "inputs"), [(JobKind.TRAIN, TRAIN), (JobKind.PUBLISH, STAGED)])
def test_a_later_job_creates_no_folders(kind: JobKind, inputs: dict[str, str]) -> None:
    assert "initContainers" not in pod(kind, inputs)


@pytest.mark.parametrize(("kind", "names"), [
    (JobKind.CHECK, ["main", "prepare"]), (JobKind.PUBLISH, ["main"]),
])  # fmt: skip
def test_a_read_only_store_is_not_tried_again(kind: JobKind, names: list[str]) -> None:
    owner, made = of({"source": SOURCE})
    policy = jobs.job(owner, made, kind, 1, STAGED, OPTIONS)["spec"]["podFailurePolicy"]
    codes = [rule["onExitCodes"] for rule in policy["rules"] if "onExitCodes" in rule]
    assert [code["containerName"] for code in codes] == names
    assert all(code["values"] == [2] for code in codes)
