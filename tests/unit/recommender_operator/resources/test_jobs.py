"""Jobs equal the golden files, and the training command reads their arguments."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from recommender_contract.resource.mapping import DataMapping, Format
from recommender_operator.observed import JobKind
from recommender_operator.resources import jobs
from recommender_training.cli import main, options
from recommender_training.config.training import parse_config
from recommender_training.data_checks.policy import parse_checks
from tests.sources import SOURCE
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version
from tests.unit.recommender_operator.resources.built_manifests import (
    INPUTS,
    MAPPING,
    PAST,
    Golden,
    command_of,
    job,
    scheduled,
)


@pytest.mark.parametrize("kind", list(JobKind))
def test_a_job_is_as_expected(kind: JobKind, golden: Golden) -> None:
    golden(f"job_{kind.value}", job(kind))


def test_the_check_of_mapped_files_is_as_expected(golden: Golden) -> None:
    source = {
        "persistentVolumeClaim": {"claimName": "raw", "path": "shop"},
        "format": "CSV",
        "mapping": MAPPING,
    }
    owner = model(data={"source": source})
    spec = version().spec.model_copy(update={"data": owner.spec.data})
    mapped = dataclasses.replace(version(), spec=spec)
    manifest = jobs.job(owner, mapped, JobKind.CHECK, 1, {}, OPTIONS)
    golden("job_check_mapped", manifest)
    command = manifest["spec"]["template"]["spec"]["containers"][0]["command"]
    text = command[command.index("--mapping") + 1]
    # the kubelet turns `$$` into `$`; a bare `$(HOME)` it would expand
    assert "$(" not in text.replace("$$", "")
    assert DataMapping.model_validate_json(text.replace("$$", "$")) == (
        owner.spec.data.source.mapping
    )


def test_the_check_gets_non_default_settings_and_the_data_to_compare_with() -> None:
    checks = {"maxVolumeDrop": 0.2, "alpha": 0.01, "levels": {"shift": "Block", "lost": "Block"}}
    data = {"source": SOURCE, "checks": checks}
    spec = version().spec.model_copy(update={"data": model(data=data).spec.data})
    reported = dataclasses.replace(version(), spec=spec)
    inputs = {"against": "i3.u1.t0-00ff"}
    manifest = jobs.job(model(), reported, JobKind.CHECK, 1, inputs, OPTIONS)
    command = manifest["spec"]["template"]["spec"]["containers"][0]["command"]
    arguments = main.parser().parse_args(command[1:])
    assert arguments.checks == '{"levels":{"shift":"Block"},"maxVolumeDrop":0.2}'
    assert arguments.against == "i3.u1.t0-00ff"
    taken = parse_checks(arguments.checks).model_dump(mode="json", by_alias=True)
    assert taken == spec.data.checks.model_dump(mode="json", by_alias=True)


def long_features(count: int) -> list[dict[str, Any]]:
    text = "\U0001f3ac" * 64
    return [
        {"name": f"f{number:039}", "kind": "Numeric", "column": text, "missing": [text] * 10,
         "edges": [-1.2345678901234567e14 + place * 1e10 for place in range(100)],
         "minimum": -9.2345678901234567e14, "maximum": 9.2345678901234567e14,
         "fairness": True}
        for number in range(count)
    ]  # fmt: skip


def test_the_longest_mapping_fits_the_arguments_of_a_process() -> None:
    column, name = "\U0001f3ac" * 64, {"files": "x" * 253, "columns": ["$" * 64] * 100}
    types = [{"type": f"{number:064}", "value": 5} for number in range(50)]
    features = long_features(150)
    mapping = {
        "interactions": {**name, "user": column, "item": column, "session": column,
                         "timestamp": column, "segment": column, "eventType": column,
                         "eventTypes": types, "features": features[:50]},
        "users": {**name, "id": column, "features": features[50:100]},
        "items": {**name, "id": column, "features": features[100:]},
    }  # fmt: skip
    source = {"persistentVolumeClaim": {"claimName": "raw"}, "format": "CSV", "mapping": mapping}
    spec = version().spec.model_copy(update={"data": model(data={"source": source}).spec.data})
    mapped = dataclasses.replace(version(), spec=spec)
    manifest = jobs.job(model(), mapped, JobKind.CHECK, 1, {}, OPTIONS)
    command = manifest["spec"]["template"]["spec"]["containers"][0]["command"]
    sizes = [len(part.encode()) for part in command]
    assert max(sizes) < 128 * 1024  # MAX_ARG_STRLEN of Linux
    assert sum(sizes) < 1024 * 1024  # half of what Linux allows with the environment
    arguments = main.parser().parse_args([part.replace("$$", "$") for part in command[1:]])
    found = options.add_mapping(arguments, Format.CSV)
    assert found is not None
    assert [len(table.features) for table in found.tables().values()] == [50, 50, 50]
    assert found.tables()["users"].columns == ("$" * 64,) * 100


def test_the_job_after_a_deleted_model_is_as_expected(golden: Golden) -> None:
    inputs = {"paths": "artifacts/movies,staging/movies,lake/movies"}
    golden("job_remove_model", jobs.job(model(), None, JobKind.REMOVE, 0, inputs, OPTIONS))


def test_only_ingesting_jobs_mount_the_raw_data_and_read_only() -> None:
    for kind in JobKind:
        volumes = job(kind)["spec"]["template"]["spec"]["volumes"]
        data = [volume for volume in volumes if volume["name"] == "data"]
        assert bool(data) == (kind in (JobKind.CHECK, JobKind.SNAPSHOT))
        assert all(volume["persistentVolumeClaim"]["readOnly"] for volume in data)


@pytest.mark.parametrize(
    ("pin", "arguments"),
    [
        ({"version": PAST}, ["--data-version", PAST]),
        ({"asOf": "2026-11-01T06:00:00Z"}, ["--as-of", "2026-11-01T06:00:00+00:00"]),
    ],
)
def test_a_check_of_an_earlier_data_version_mounts_only_the_tables(
    pin: dict[str, str], arguments: list[str]
) -> None:
    spec = version().spec.model_copy(update={"data": scheduled(**pin).spec.data})
    pinned = dataclasses.replace(version(), spec=spec)
    manifest = jobs.job(scheduled(), pinned, JobKind.CHECK, 1, {}, OPTIONS)
    volumes = manifest["spec"]["template"]["spec"]["volumes"]
    assert [volume["name"] for volume in volumes] == ["store", "tmp"]
    command = command_of(manifest)
    assert command[2:4] == arguments
    assert not {"--source", "--format", "--mapping", "--max-quarantined-share"} & set(command)
    main.parser().parse_args(command[1:])


def test_the_snapshot_job_has_a_valid_command() -> None:
    manifest = job(JobKind.SNAPSHOT)
    arguments = main.parser().parse_args(command_of(manifest)[1:])
    assert (arguments.verb, arguments.keep_snapshots) == ("snapshot", 48)
    assert arguments.keep == [PAST, "i4.u1.t0-00000000000000ff"]
    assert manifest["metadata"]["name"] == "movies-snapshot-29454480"
    assert manifest["metadata"]["ownerReferences"][0]["kind"] == "RecommenderModel"


def test_a_fault_of_the_annotation_is_trained_only_in_a_test_installation() -> None:
    options = dataclasses.replace(OPTIONS, fault_injection=True)
    for text, expected in (
        ('{"fault": "Failure"}', {"fault": "Failure"}),
        ("Failure", "Failure"),  # no JSON: the training refuses it, and names the field
    ):
        owner = dataclasses.replace(model(), annotations={"inject-fault": text})
        for each, fault in ((options, expected), (OPTIONS, None)):
            manifest = jobs.job(owner, version(), JobKind.TRAIN, 0, INPUTS[JobKind.TRAIN], each)
            command = command_of(manifest)
            config = json.loads(command[command.index("--config") + 1])
            assert config.get("faultInjection") == fault


@pytest.mark.parametrize(
    ("trending", "store", "namespace", "read"),
    [
        (True, "redis://store:6379/0", "team", True),
        (False, "redis://store:6379/0", "team", False),
        (True, "", "team", False),
        (True, "redis://store:6379/0", "elsewhere", False),
    ],
)
def test_a_training_reads_trends_where_requests_will_know_them(
    trending: bool, store: str, namespace: str, read: bool
) -> None:
    owner = model(events={"trending": trending})
    options = dataclasses.replace(OPTIONS, store_url=store, store_namespace=namespace)
    manifest = jobs.job(owner, version(), JobKind.TRAIN, 0, INPUTS[JobKind.TRAIN], options)
    command = command_of(manifest)
    section = command[command.index("--config") + 1]
    assert parse_config(section).trends is read
    assert ("trends" in section) is read, "an earlier training image rejects unknown fields"


@pytest.mark.parametrize("kind", JobKind)
def test_no_job_expires_whose_report_is_read(kind: JobKind) -> None:
    expires = "ttlSecondsAfterFinished" in job(kind)["spec"]
    assert expires == (kind is JobKind.REMOVE)


def test_no_snapshot_is_built_for_a_model_without_a_schedule() -> None:
    with pytest.raises(KeyError, match=r"data\.snapshots"):
        jobs.job(model(), None, JobKind.SNAPSHOT, 1, {}, OPTIONS)


def test_a_job_without_its_input_is_not_built() -> None:
    with pytest.raises(KeyError, match="data_version"):
        jobs.job(model(), version(), JobKind.TRAIN, 0, {}, OPTIONS)


def test_files_are_removed_by_a_job_that_outlives_their_version() -> None:
    assert job(JobKind.REMOVE)["metadata"]["ownerReferences"][0]["kind"] == "RecommenderModel"
    assert job(JobKind.TRAIN)["metadata"]["ownerReferences"][0]["kind"] == "ModelVersion"


def test_the_training_job_gets_the_training_section_as_one_argument() -> None:
    command = job(JobKind.TRAIN)["spec"]["template"]["spec"]["containers"][0]["command"]
    config = json.loads(command[command.index("--config") + 1])
    assert config | {"workers": 1} == version().spec.training.dump()
    assert "workers" not in config, "an earlier training image rejects unknown fields"


def test_the_training_job_gets_the_champions_artifact_if_there_is_one_to_compare_with() -> None:
    inputs = {"data_version": "7-abc"}
    champion = {"champion_path": "artifacts/movies/ab", "champion_digest": "sha256:" + "ab" * 32}

    def command(reported: dict[str, str]) -> list[str]:
        built = jobs.job(model(), version(), JobKind.TRAIN, 1, reported, OPTIONS)
        words: list[str] = built["spec"]["template"]["spec"]["containers"][0]["command"]
        return words

    alone, compared = command(inputs), command(inputs | champion)
    options = ["--champion-artifact", "/store/artifacts/movies/ab",
               "--champion-digest", champion["champion_digest"]]  # fmt: skip
    assert [word for word in compared if word not in alone] == options
    assert compared[compared.index(options[0]) :][:4] == options
    before = {"previous_path": "artifacts/movies/cd", "previous_digest": "sha256:" + "cd" * 32}
    options += ["--previous-artifact", "/store/artifacts/movies/cd",
                "--previous-digest", before["previous_digest"]]  # fmt: skip
    assert [word for word in command(inputs | champion | before) if word not in alone] == options
