"""Publish artifacts. A version's folder appears complete, with one rename."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from recommender_training.artifact import manifest, removal
from recommender_training.common.durable_files import fsync_folder, fsync_tree
from recommender_training.common.errors import InputError

_DIGEST_LENGTH = 16


def artifact_name(digest: str) -> str:
    """Return the folder name of an artifact: the first 16 hex digits of its digest."""
    kind, _, value = digest.partition(":")
    if kind != "sha256" or len(value) != 64 or any(c not in "0123456789abcdef" for c in value):
        raise InputError(
            "InvalidDigest", f"{digest!r} is not a digest; give sha256: and 64 hex digits"
        )
    return value[:_DIGEST_LENGTH]


def publish(staged: Path, digest: str, store: Path) -> str:
    """Copy a staged artifact into the store; return its path relative to the claim's root.

    A second call succeeds. A folder of its name that is not this artifact is replaced: the kubelet
    creates an empty one for a pod that starts after a removal, and a removal by an earlier release
    may have left a part. Raises InputError `ArtifactInvalid` if the staged artifact is incomplete
    or changed.
    """
    name = artifact_name(digest)
    target = store / name
    path = f"{store.parent.name}/{store.name}/{name}"
    if _is_complete(target, digest):
        return path
    manifest.verify_artifact(staged, digest)
    partial = store / f".publishing-{name}"
    if partial.exists():
        shutil.rmtree(partial)
    store.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(staged, partial, symlinks=True)
        seal(partial)
        manifest.verify_artifact(partial, digest)
        removal.move_away(target)
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)  # frees space on a full disk
        raise
    fsync_folder(store)
    removal.sweep(store)
    return path


def _is_complete(target: Path, digest: str) -> bool:
    try:
        manifest.verify_artifact(target, digest)
    except InputError:
        return False
    return True


def seal(root: Path) -> None:
    """Make everything below `root` readable for all users and flush it to the disk."""
    for folder, folders, names in os.walk(root):
        for name in folders:
            (Path(folder) / name).chmod(0o755)
        for name in names:
            path = Path(folder) / name
            path.chmod(0o644)
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    root.chmod(0o755)
    fsync_tree(root)
