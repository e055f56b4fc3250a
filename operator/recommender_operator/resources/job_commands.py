"""Commands of the pipeline's Jobs (`docs/contracts.md`)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from recommender_operator.api.spec import DataSource, DataSpec
from recommender_operator.observed import JobKind, ModelObject, VersionObject
from recommender_operator.resources import names

REPORT = "/dev/termination-log"
#: Characters of a part of a long argument: at most 4 bytes each, and Linux allows 128 KiB.
_PART = 30_000


def command(
    model: ModelObject,
    version: VersionObject | None,
    kind: JobKind,
    inputs: Mapping[str, str],
    attempt: int,
    fault: str = "",
    *,
    trends: bool = False,
) -> list[str]:
    """Return the command of the container.

    A training exports a model with the `fault`, if any, which may read `trends`.

    Raises:
        KeyError: a required input is missing.
    """
    head = ["recommender-training", kind.value]
    report = ["--report", REPORT]
    if kind is JobKind.REMOVE:
        paths = [path for path in inputs["paths"].split(",") if path]
        owner = names.owner(model)
        return [*head, "--root", "/store", *(["--owner", owner] if owner else []), *report, *paths]
    if kind is JobKind.SNAPSHOT:
        return [*head, *_snapshot(model, inputs), *report]
    if version is None:
        raise KeyError(f"the kind {kind.value} requires a version")
    if kind is JobKind.CHECK:
        return [*head, *_check(model.name, version, inputs.get("against", "")), *report]
    if kind is JobKind.TRAIN:
        checkpoints = f"/store/{names.checkpoints_path(model.name, version.name)}"
        trained = _train(model.name, version, inputs, attempt, fault, trends=trends)
        return [*head, *trained, *report, "--checkpoints", checkpoints]
    if kind is JobKind.RECALIBRATE:
        return [*head, *_recalibrate(model.name, version, inputs, attempt), *report]
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
        *(_pinned(data) if data.pinned else _source(data)),
        "--lake", f"/store/{names.lake_path(model)}",
        *_window(version),
        "--min-rows", str(data.min_rows),
        *_data_checks(data),
        *(["--against", against] if against else []),
    ]  # fmt: skip


def _snapshot(model: ModelObject, inputs: Mapping[str, str]) -> list[str]:
    data = model.spec.data
    if data.snapshots is None:
        raise KeyError("the kind snapshot requires data.snapshots")
    kept = [
        part
        for version in inputs.get("keep", "").split(",")
        if version
        for part in ("--keep", version)
    ]
    return [
        *_source(data),
        "--lake", f"/store/{names.lake_path(model.name)}",
        "--artifacts", f"/store/{names.artifacts_path(model.name)}",
        "--keep-snapshots", str(data.snapshots.keep),
        *kept,
        *_watched(model, inputs),
    ]  # fmt: skip


def _watched(model: ModelObject, inputs: Mapping[str, str]) -> list[str]:
    """Return the arguments for the comparison by segment with the champion's data version."""
    if "against" not in inputs:
        return []
    drift = model.spec.retrain.drift.model_dump(
        mode="json", by_alias=True, include={"alpha", "effect_floor", "consecutive_windows"}
    )
    days = inputs.get("window_days")
    return [
        "--against", inputs["against"],
        *(["--window-days", days] if days else []),
        "--drift", json.dumps(drift, sort_keys=True, separators=(",", ":")),
    ]  # fmt: skip


def _source(data: DataSpec) -> list[str]:
    """Return the arguments for the source and its maximum quarantined share."""
    return [
        "--source", f"/data/{data.source.persistent_volume_claim.path}",
        "--format", data.source.format.value,
        *_mapping(data.source),
        "--max-quarantined-share", repr(data.max_quarantined_share),
    ]  # fmt: skip


def _pinned(data: DataSpec) -> list[str]:
    """Return the arguments for an earlier data version, which need no source."""
    if data.version is not None:
        return ["--data-version", data.version]
    return ["--as-of", data.as_of.isoformat()] if data.as_of is not None else []


def _data_checks(data: DataSpec) -> list[str]:
    """Return the fields of `checks` that are not at their defaults; the command has the same."""
    checks = data.checks.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    text = json.dumps(checks, sort_keys=True, separators=(",", ":"))
    return ["--checks", text] if checks else []


def _mapping(source: DataSource) -> list[str]:
    """Return the mapping in parts, which the command joins: Linux limits the length of each.

    `$$` prevents the kubelet from expanding `$(NAME)`.
    """
    if source.mapping is None:
        return []
    content = source.mapping.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude_defaults=True
    )
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    arguments = []
    for start in range(0, len(text), _PART):
        arguments += ["--mapping", text[start : start + _PART].replace("$", "$$")]
    return arguments


def _train(
    model: str,
    version: VersionObject,
    inputs: Mapping[str, str],
    attempt: int,
    fault: str,
    *,
    trends: bool,
) -> list[str]:
    settings = version.spec.training.dump()
    del settings["workers"]  # Workers read their group from the environment.
    settings.pop("podTemplate", None)
    if fault:
        settings["faultInjection"] = _parsed(fault)
    if trends:
        settings["trends"] = True
    config = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return [
        "--lake", f"/store/{names.lake_path(model)}",
        "--data-version", inputs["data_version"],
        *_window(version),
        "--config", config,
        "--output", f"/store/{names.staged_path(model, version.name, attempt)}",
        *_champion(inputs),
    ]  # fmt: skip


def _parsed(fault: str) -> object:
    """Return a fault; a text that is not JSON as it is, which the training refuses."""
    try:
        return json.loads(fault)
    except (ValueError, RecursionError):
        return fault


def _recalibrate(
    model: str, version: VersionObject, inputs: Mapping[str, str], attempt: int
) -> list[str]:
    wanted = version.spec.recalibration
    if wanted is None:
        raise KeyError("the kind recalibrate requires a recalibration")
    return [
        "--artifact", f"/store/{inputs['source_path']}",
        "--digest", inputs["source_digest"],
        "--recalibration", json.dumps(wanted.dump(), sort_keys=True, separators=(",", ":")),
        "--output", f"/store/{names.staged_path(model, version.name, attempt)}",
    ]  # fmt: skip


def _champion(inputs: Mapping[str, str]) -> list[str]:
    """Return the arguments for the champion to compare with or start from, if there is one."""
    return [
        part
        for name in ("champion", "previous")
        if f"{name}_path" in inputs
        for part in (
            f"--{name}-artifact", f"/store/{inputs[f'{name}_path']}",
            f"--{name}-digest", inputs[f"{name}_digest"],
        )
    ]  # fmt: skip
