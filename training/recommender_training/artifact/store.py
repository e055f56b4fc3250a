"""Publish and remove artifacts. A version's folder appears complete, with one rename."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath

from recommender_training.artifact import manifest
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

    A second call succeeds. Raises InputError `ArtifactInvalid` if the staged artifact, or an
    existing one with its name, is incomplete or changed.
    """
    name = artifact_name(digest)
    target = store / name
    path = f"{store.parent.name}/{store.name}/{name}"
    if target.exists():
        manifest.verify(target, digest)
        return path
    manifest.verify(staged, digest)
    partial = store / f".publishing-{name}"
    if partial.exists():
        shutil.rmtree(partial)
    store.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(staged, partial, symlinks=True)
        seal(partial)
        manifest.verify(partial, digest)
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)  # frees space on a full disk
        raise
    fsync_folder(store)
    return path


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


def remove(root: Path, paths: list[str]) -> list[str]:
    """Remove files or folders below `root`; return the paths that existed.

    All paths are checked before the first removal. Raises InputError `UnsafePath` for a path that
    is absolute, outside `root`, `root` itself, or leads through a symbolic link. A mount point
    cannot be removed, so its content is removed.
    """
    targets = [(path, _below(root, path)) for path in paths]
    removed: list[str] = []
    for path, target in targets:
        if target.is_symlink() or target.is_file():
            target.unlink()
        elif target.is_dir() and target.is_mount():
            _empty(target)
            removed.append(path)
            continue
        elif target.is_dir():
            shutil.rmtree(target)
        else:
            continue
        fsync_folder(target.parent)
        removed.append(path)
    return removed


def _empty(folder: Path) -> None:
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()
    fsync_folder(folder)


def _below(root: Path, path: str) -> Path:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise InputError(
            "UnsafePath", f"{path!r} must be relative to {root}, below it and without '..'"
        )
    target = root
    for part in parts[:-1]:
        target = target / part
        if target.is_symlink():
            raise InputError("UnsafePath", f"{path!r} leads through the symbolic link {target}")
    return target / parts[-1]
