"""Volumes of the pipeline's Jobs: only the folders of the model that the command needs.

Folders that a command only reads are mounted read-only. `folder_preparation.py` creates them.
Beside files of the collector a check may write one folder: its mark that it has read them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from recommender_operator.api import sub_paths
from recommender_operator.api.spec import ClaimFolder
from recommender_operator.observed import JobKind, ModelObject, VersionObject
from recommender_operator.resources import names, security
from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.options import Options

STORE, DATA = "/store", "/data"
#: The folder of marks, which the collector's writer makes.
MARKS = "_lakes"
TMP: Manifest = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder of the store that a Job mounts."""

    path: str
    writable: bool


def of_job(
    model: ModelObject,
    version: VersionObject | None,
    kind: JobKind,
    inputs: Mapping[str, str],
    options: Options,
) -> tuple[list[Manifest], list[Manifest]]:
    """Return the volume mounts and the volumes of a Job's main container.

    Raises:
        ValueError: an input is a path outside the model's folders.
    """
    mounts = [_store_mount(folder) for folder in folders(model.name, kind, inputs)]
    volumes: list[Manifest] = [
        {
            "name": "store",
            "persistentVolumeClaim": {
                "claimName": model.spec.storage.persistent_volume_claim.claim_name
            },
        },
        security.empty_dir("tmp", "4Gi"),
    ]
    data = version.spec.data if version is not None else model.spec.data
    if kind is JobKind.SNAPSHOT or (kind is JobKind.CHECK and not data.pinned):
        source = data.source.persistent_volume_claim
        mounts.append(_source_mount(source, model))
        is_collected = _is_collected(source, model, options)
        if is_collected:
            mounts.append(_mark_mount(source, model))
        if not _in_store(source, model):
            raw: Manifest = {"claimName": source.claim_name}
            volumes.append(
                {
                    "name": "data",
                    "persistentVolumeClaim": raw if is_collected else {**raw, "readOnly": True},
                }
            )
    mounts.append(TMP)
    return mounts, volumes


def folders(model: str, kind: JobKind, inputs: Mapping[str, str]) -> list[Folder]:
    """Return the folders of the store that a kind of Job needs, parents before children.

    Raises:
        KeyError: a required input is missing.
        ValueError: an input is a path outside the model's folders.
    """
    lake, staging, artifacts = _own(model)
    match kind:
        case JobKind.CHECK:
            return [Folder(lake, writable=True)]
        case JobKind.SNAPSHOT:
            return [Folder(lake, writable=True), Folder(artifacts, writable=False)]
        case JobKind.TRAIN:
            # It records the trained data version next to the findings of the checks.
            read = [Folder(lake, writable=False), Folder(_checks(model), writable=True)]
            compared = [
                inputs[each] for each in ("champion_path", "previous_path") if each in inputs
            ]
            for path in compared:
                sub_paths.below(path, artifacts)
            if compared:
                read.append(Folder(artifacts, writable=False))
            return [*read, Folder(staging, writable=True)]
        case JobKind.RECALIBRATE:
            sub_paths.below(inputs["source_path"], artifacts)
            return [Folder(artifacts, writable=False), Folder(staging, writable=True)]
        case JobKind.PUBLISH:
            sub_paths.below(inputs["staged_path"], staging)
            return [Folder(staging, writable=False), Folder(artifacts, writable=True)]
        case JobKind.REMOVE:
            paths = [path for path in inputs["paths"].split(",") if path]
            found = [sub_paths.one_of(path, (lake, staging, artifacts)) for path in paths]
            return [Folder(folder, writable=True) for folder in sorted(set(found))]


def prepared(model: str, kind: JobKind, inputs: Mapping[str, str]) -> list[str]:
    """Return the folders that an init container creates; none if an earlier Job created them."""
    if kind in (JobKind.CHECK, JobKind.SNAPSHOT):
        lake, staging, artifacts = _own(model)
        return [lake, _checks(model), staging, artifacts]
    if kind is JobKind.REMOVE:
        return [folder.path for folder in folders(model, kind, inputs)]
    return []


def _own(model: str) -> tuple[str, str, str]:
    return names.lake_path(model), names.staging_path(model), names.artifacts_path(model)


def _checks(model: str) -> str:
    return f"{names.lake_path(model)}/checks"


def _store_mount(folder: Folder) -> Manifest:
    mount = {"name": "store", "mountPath": f"{STORE}/{folder.path}", "subPath": folder.path}
    return mount if folder.writable else {**mount, "readOnly": True}


def _in_store(source: ClaimFolder, model: ModelObject) -> bool:
    return source.claim_name == model.spec.storage.persistent_volume_claim.claim_name


def _source_mount(source: ClaimFolder, model: ModelObject) -> Manifest:
    """Return the mount of the raw data.

    A pod with two volumes of the same claim never starts (kubernetes#28502): raw data in the
    store's claim is a subPath of its volume.
    """
    if not _in_store(source, model):
        return {"name": "data", "mountPath": DATA, "readOnly": True}
    path = sub_paths.outside_of_store(source.path)
    return {"name": "store", "mountPath": f"{DATA}/{path}", "subPath": path, "readOnly": True}


def _is_collected(source: ClaimFolder, model: ModelObject, options: Options) -> bool:
    """Return whether the raw data are the files that the collector writes for the model."""
    claim, _, folder = options.collector_files.partition("/")
    if not claim or model.namespace != options.store_namespace:
        return False
    path = "/".join(part for part in (*folder.split("/"), model.name) if part)
    return (source.claim_name, source.path) == (claim, path)


def _mark_mount(source: ClaimFolder, model: ModelObject) -> Manifest:
    volume = "store" if _in_store(source, model) else "data"
    path = f"{source.path}/{MARKS}"
    return {"name": volume, "mountPath": f"{DATA}/{path}", "subPath": path}
