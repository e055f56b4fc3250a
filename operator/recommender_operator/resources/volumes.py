"""Volumes of the pipeline's Jobs: only the folders of the model that the command needs.

Folders that a command only reads are mounted read-only. `folder_preparation.py` creates them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from recommender_operator.api import sub_paths
from recommender_operator.api.spec import DataSource
from recommender_operator.observed import JobKind, ModelObject, VersionObject
from recommender_operator.resources import names, security
from recommender_operator.resources.labels import Manifest

STORE, DATA = "/store", "/data"
TMP: Manifest = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder of the store that a Job mounts."""

    path: str
    writable: bool


def of_job(
    model: ModelObject, version: VersionObject | None, kind: JobKind, inputs: Mapping[str, str]
) -> tuple[list[Manifest], list[Manifest]]:
    """Return the volume mounts and the volumes of a Job's main container.

    Raises:
        ValueError: an input is a path outside the model's folders.
    """
    mounts = [_store_mount(folder) for folder in folders(model.name, kind, inputs)]
    volumes: list[Manifest] = [
        {
            "name": "store",
            "persistentVolumeClaim": {"claimName": model.spec.storage.claim_name},
        },
        security.empty_dir("tmp", "4Gi"),
    ]
    data = version.spec.data if version is not None else model.spec.data
    if kind is JobKind.SNAPSHOT or (kind is JobKind.CHECK and not data.pinned):
        mounts.append(_source_mount(data.source, model))
        if not _in_store(data.source, model):
            raw = {"claimName": data.source.claim_name, "readOnly": True}
            volumes.append({"name": "data", "persistentVolumeClaim": raw})
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
        case JobKind.RESCALE:
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


def _in_store(source: DataSource, model: ModelObject) -> bool:
    return source.claim_name == model.spec.storage.claim_name


def _source_mount(source: DataSource, model: ModelObject) -> Manifest:
    """Return the mount of the raw data.

    A pod with two volumes of the same claim never starts (kubernetes#28502): raw data in the
    store's claim is a subPath of its volume.
    """
    if not _in_store(source, model):
        return {"name": "data", "mountPath": DATA, "readOnly": True}
    path = sub_paths.outside_of_store(source.path)
    return {"name": "store", "mountPath": f"{DATA}/{path}", "subPath": path, "readOnly": True}
