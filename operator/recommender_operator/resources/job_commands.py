"""Command lines of the Jobs of the pipeline (`docs/contracts.md`)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from recommender_operator.api.spec import DataSource, DataSpec
from recommender_operator.observed import JobKind, ModelObject, VersionObject
from recommender_operator.resources import names

REPORT = "/dev/termination-log"


def command(
    model: ModelObject,
    version: VersionObject | None,
    kind: JobKind,
    inputs: Mapping[str, str],
    attempt: int,
) -> list[str]:
    """Return what the container runs.

    Raises:
        KeyError: an input that the kind needs is missing.
    """
    head = ["recommender-training", kind.value]
    report = ["--report", REPORT]
    if kind is JobKind.REMOVE:
        paths = [path for path in inputs["paths"].split(",") if path]
        return [*head, "--root", "/store", *report, *paths]
    if kind is JobKind.SNAPSHOT:
        return [*head, *_snapshot(model, inputs.get("keep", "")), *report]
    if version is None:
        raise KeyError(f"the kind {kind.value} needs a version")
    if kind is JobKind.CHECK:
        return [*head, *_check(model.name, version, inputs.get("against", "")), *report]
    if kind is JobKind.TRAIN:
        checkpoints = f"/store/{names.checkpoints_path(model.name, version.name)}"
        trained = _train(model.name, version, inputs, attempt)
        return [*head, *trained, *report, "--checkpoints", checkpoints]
    return [
        *head,
        "--staged", f"/store/{inputs['staged_path']}",
        "--digest", inputs["digest"],
        "--store", f"/store/{names.artifacts_path(model.name)}",
        *report,
    ]  # fmt: skip


def _window(version: VersionObject) -> list[str]:
    days = version.spec.data.window.days
    return ["--window-days", str(days)] if days is not None else []


def _check(model: str, version: VersionObject, against: str) -> list[str]:
    data = version.spec.data
    return [
        *(_past(data) if data.pinned else _taken_in(data)),
        "--lake", f"/store/{names.lake_path(model)}",
        *_window(version),
        "--min-rows", str(data.min_rows),
        *_data_checks(data),
        *(["--against", against] if against else []),
    ]  # fmt: skip


def _snapshot(model: ModelObject, keep: str) -> list[str]:
    data = model.spec.data
    if data.snapshots is None:
        raise KeyError("the kind snapshot needs data.snapshots")
    kept = [part for version in keep.split(",") if version for part in ("--keep", version)]
    return [
        *_taken_in(data),
        "--lake", f"/store/{names.lake_path(model.name)}",
        "--artifacts", f"/store/{names.artifacts_path(model.name)}",
        "--keep-snapshots", str(data.snapshots.keep),
        *kept,
    ]  # fmt: skip


def _taken_in(data: DataSpec) -> list[str]:
    """Return what is read, and how much of it may be put aside."""
    return [
        "--source", f"/data/{data.source.path}",
        "--format", data.source.format.value,
        *_mapping(data.source),
        "--max-quarantined-share", repr(data.max_quarantined_share),
    ]  # fmt: skip


def _past(data: DataSpec) -> list[str]:
    """Return which data of the past are checked: nothing is read but the tables."""
    if data.version is not None:
        return ["--data-version", data.version]
    return ["--as-of", data.as_of.isoformat()] if data.as_of is not None else []


def _data_checks(data: DataSpec) -> list[str]:
    """Return what of the section `checks` is not at its default: the command has the same ones."""
    told = data.checks.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return ["--checks", json.dumps(told, sort_keys=True, separators=(",", ":"))] if told else []


def _mapping(source: DataSource) -> list[str]:
    """Return the mapping as one argument; `$$` keeps the kubelet from expanding a `$(NAME)`."""
    if source.mapping is None:
        return []
    text = json.dumps(
        source.mapping.dump(), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return ["--mapping", text.replace("$", "$$")]


def _train(
    model: str, version: VersionObject, inputs: Mapping[str, str], attempt: int
) -> list[str]:
    told = version.spec.training.dump()
    del told["workers"]  # a worker learns of its group from its environment
    config = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return [
        "--lake", f"/store/{names.lake_path(model)}",
        "--data-version", inputs["data_version"],
        *_window(version),
        "--config", config,
        "--output", f"/store/{names.staged_path(model, version.name, attempt)}",
        *_champion(inputs),
    ]  # fmt: skip


def _champion(inputs: Mapping[str, str]) -> list[str]:
    """Return what the version is compared with on the rows of its test window, if anything is."""
    if "champion_path" not in inputs:
        return []
    return [
        "--champion-artifact", f"/store/{inputs['champion_path']}",
        "--champion-digest", inputs["champion_digest"],
    ]  # fmt: skip
