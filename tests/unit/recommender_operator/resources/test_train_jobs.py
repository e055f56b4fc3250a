"""A TrainJob and its runtime equal the golden files; their pods are those of a single Job."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recommender_operator.api.spec_resources import TrainingResources
from recommender_operator.observed import JobKind, VersionObject
from recommender_operator.resources import jobs, labels, names, train_jobs
from recommender_training.config.training import TrainingConfig, parse_config
from tests.sources import SOURCE
from tests.unit.recommender_operator.resources.builder_inputs import (
    DIGEST,
    OPTIONS,
    RECALIBRATION,
    model,
    version,
)

INPUTS = {"data_version": "7-00ff"}
RFC_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def group(workers: int = 2, **training: Any) -> VersionObject:
    spec = version().spec
    changed = spec.training.model_copy(update={"workers": workers} | training)
    return dataclasses.replace(version(), spec=spec.model_copy(update={"training": changed}))


def runtime(**training: Any) -> labels.Manifest:
    return train_jobs.training_runtime(model(), group(**training), 1, INPUTS, OPTIONS)


def job_of(manifest: labels.Manifest) -> labels.Manifest:
    (node,) = manifest["spec"]["template"]["spec"]["replicatedJobs"]
    job: labels.Manifest = node["template"]["spec"]
    return job


def test_a_train_job_is_as_expected(golden: Callable[[str, Any], None]) -> None:
    golden("train_job", train_jobs.train_job(model(), group(), 1))
    golden("training_runtime", runtime())


def test_a_worker_is_the_pod_that_trains_alone_with_its_rank() -> None:
    alone = jobs.job(model(), version(), JobKind.TRAIN, 1, INPUTS, OPTIONS)["spec"]["template"]
    worker = job_of(runtime())["template"]
    (one,), (several,) = alone["spec"]["containers"], worker["spec"]["containers"]
    assert several["command"] == [*train_jobs.RANKS, *one["command"]]
    assert one["command"][-2:] == [
        "--checkpoints",
        "/store/staging/movies/.checkpoints/movies-0123abcd",
    ]
    same = {"name", "command"}
    assert {k: v for k, v in several.items() if k not in same} == {
        k: v for k, v in one.items() if k not in same
    }
    rest = {"containers", "terminationGracePeriodSeconds"}
    assert {k: v for k, v in worker["spec"].items() if k not in rest} == {
        k: v for k, v in alone["spec"].items() if k not in rest
    }
    assert worker["metadata"] == alone["metadata"]


def test_only_training_pods_request_a_gpu() -> None:
    wanted = {"resources": TrainingResources(limits={"nvidia.com/gpu": "1"})}
    other = {"staged_path": "staging/movies/x-1", "digest": DIGEST, "paths": "artifacts/movies/00"}
    other |= {"source_path": "artifacts/movies/00", "source_digest": DIGEST}
    owner, alone = (
        model(data={"source": SOURCE, "snapshots": {}}),
        group(1, **wanted),
    )
    spec = alone.spec.model_copy(update={"recalibration": RECALIBRATION})
    for kind in JobKind:
        of = dataclasses.replace(alone, spec=spec)
        made = jobs.job(owner, of, kind, 1, INPUTS | other, OPTIONS)
        (one,) = made["spec"]["template"]["spec"]["containers"]
        expected = "1" if kind is JobKind.TRAIN else None
        assert one["resources"]["limits"].get("nvidia.com/gpu") == expected
        if kind is JobKind.TRAIN:
            section = one["command"][one["command"].index("--config") + 1]
            assert parse_config(section) == TrainingConfig(), "the Job's own affair"
    (worker,) = job_of(runtime(**wanted))["template"]["spec"]["containers"]
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_only_the_pods_have_the_labels_of_a_job() -> None:
    """The operator would take a Job with these labels for one of its own."""
    (node,) = runtime()["spec"]["template"]["spec"]["replicatedJobs"]
    assert not any("recommender" in key for key in node["template"]["metadata"]["labels"])
    assert job_of(runtime())["template"]["metadata"]["labels"][labels.JOB_KIND] == "train"


@pytest.mark.parametrize("workers", [2, 16])
def test_both_ask_for_the_workers_and_one_process_in_each(workers: int) -> None:
    policy = runtime(workers=workers)["spec"]["mlPolicy"]
    assert policy == {"numNodes": workers, "torch": {"numProcPerNode": 1}}
    trainer = train_jobs.train_job(model(), group(workers), 1)["spec"]["trainer"]
    assert trainer == {"numNodes": workers, "numProcPerNode": 1}


def test_both_go_with_the_version_and_are_found_by_its_labels() -> None:
    for manifest in (runtime(), train_jobs.train_job(model(), group(), 1)):
        metadata = manifest["metadata"]
        assert metadata["name"] == "movies-0123abcd-train-1"
        assert metadata["ownerReferences"][0]["kind"] == "ModelVersion"
        assert metadata["labels"] == labels.of_job("movies", group().name, JobKind.TRAIN, 1)


def test_the_group_restarts_as_a_whole_and_as_often_as_the_spec_says() -> None:
    manifest = runtime(backoff_limit=7, deadline_seconds=90)
    policy = manifest["spec"]["template"]["spec"]["failurePolicy"]
    assert (policy["maxRestarts"], policy["restartStrategy"]) == (7, "BlockingRecreate")
    job = job_of(manifest)
    assert (job["backoffLimit"], job["activeDeadlineSeconds"]) == (0, 90)


#: As the Job controller of Kubernetes 1.35 words them (pkg/controller/job/pod_failure_policy.go).
SAID = (
    "Container node for pod team/x-node-0-1-abcde failed with exit code {} matching FailJob rule"
)
MESSAGES = {
    SAID.format(2) + " at index 0": "FailJobSet",
    "Pod team/x-node-0-0-abcde has condition DisruptionTarget matching FailJob rule at index 1": (
        "RestartJobSetAndIgnoreMaxRestarts"
    ),
    SAID.format(137) + " at index 0": "RestartJobSet",
}


@pytest.mark.parametrize("message", MESSAGES)
def test_the_job_controllers_message_decides_how_the_group_ends(message: str) -> None:
    rules = runtime()["spec"]["template"]["spec"]["failurePolicy"]["rules"]
    actions = [
        rule["action"]
        for rule in rules
        if "PodFailurePolicy" in rule["onJobFailureReasons"]
        and any(re.search(each, message) for each in rule["onJobFailureMessagePatterns"])
    ]
    assert [*actions, "RestartJobSet"][0] == MESSAGES[message]


def test_only_a_training_of_several_workers_is_a_group() -> None:
    assert train_jobs.is_group(group(), JobKind.TRAIN)
    assert not train_jobs.is_group(group(), JobKind.CHECK)
    assert not train_jobs.is_group(version(), JobKind.TRAIN)


MODEL_NAME = st.from_regex(r"\A[a-z]([-a-z0-9]{0,38}[a-z0-9])?\Z")


@given(MODEL_NAME, st.integers(0, 9999))
@example("m" * 40, 9999)
@example("m" * 31, 0)
def test_the_names_of_the_pods_fit(name: str, attempt: int) -> None:
    group_name = names.group_name(names.version_name(name, "0123456789abcdef"), attempt)
    assert RFC_1035.fullmatch(group_name)
    assert len(f"{group_name}-node-0-15-abcde") <= 63


@given(MODEL_NAME, st.integers(0, 99), st.integers(0, 99))
@example("m" * 40, 1, 2)
def test_each_attempt_has_a_name_of_its_own(name: str, one: int, other: int) -> None:
    version_name = names.version_name(name, "0123456789abcdef")
    same = names.group_name(version_name, one) == names.group_name(version_name, other)
    assert same == (one == other)
    assert names.job_name(version_name, JobKind.TRAIN, one).startswith(
        names.group_name(version_name, one)[:36].rstrip("-")
    )
