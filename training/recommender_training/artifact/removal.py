"""Remove files of a model: out of sight with one rename, and only if they are still its own.

A removal of an earlier model may run late: its pod was on a node that did not answer, for example.
Then the folders may be in use by a new model of the same name, whose artifacts have the same names
if they are equal. So each folder of a model has a mark of its last owner, which the first Job of a
model writes (`resources/folder_preparation.py` of the operator).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TextIO

from recommender_training.common.durable_files import fsync_folder
from recommender_training.common.errors import InputError

#: File in a folder of a model: `<creation time of the model>/<its uid>`.
OWNER = ".owner"
#: Start of the names of what was moved out of sight and is being deleted.
_REMOVED = ".removed-"
#: Parts of the path of a model's folder below the claim's root: `artifacts/<model>`.
_MODEL_PARTS = 2


def remove(root: Path, paths: list[str], owner: str = "") -> list[str]:
    """Remove files or folders below `root`; return the paths that existed.

    A reader sees a folder whole or not at all, also if the removal is killed; the next one deletes
    what it left. A mount point cannot be removed, so its content is removed.

    All paths are checked before the first removal. Raises InputError `UnsafePath` for a path that
    is absolute, outside `root`, `root` itself, or leads through a symbolic link, and
    `NewerOwner` for one in a folder that a newer model than `owner` uses.
    """
    targets = [(path, _below(root, path)) for path in paths]
    folders = {path: root.joinpath(*PurePosixPath(path).parts[:_MODEL_PARTS]) for path in paths}
    removed: list[str] = []
    parents: set[Path] = set()
    with contextlib.ExitStack() as held:
        for folder in sorted(set(folders.values())):
            held.enter_context(_owned(folder, owner))
        for path, target in targets:
            if target.is_dir() and not target.is_symlink() and target.is_mount():
                parents.add(target)
                # The mark goes last: without it, a new model begins.
                for child in sorted(target.iterdir(), key=lambda each: each.name == OWNER):
                    move_away(child)
            elif target.is_symlink() or target.exists():
                parents.add(target.parent)
                move_away(target)
            else:
                continue
            removed.append(path)
    for parent in sorted(parents):
        fsync_folder(parent)
        sweep(parent)
        fsync_folder(parent)
    return removed


def move_away(path: Path) -> None:
    """Rename a file or folder, if it exists, to a name that no reader opens."""
    with contextlib.suppress(FileNotFoundError):  # another removal was first
        path.rename(path.with_name(f"{_REMOVED}{secrets.token_hex(8)}"))


def sweep(folder: Path) -> None:
    """Delete what was moved away in a folder, also by a removal that was killed."""
    for path in folder.glob(f"{_REMOVED}*"):
        with contextlib.suppress(FileNotFoundError):  # another removal deletes it
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


@contextlib.contextmanager
def _owned(folder: Path, owner: str) -> Iterator[None]:
    """Hold the mark of a folder, so that no new model begins to use it during the renames.

    An unmarked folder is of an earlier release, or another removal has just emptied it.
    """
    if not owner or not folder.is_dir():
        yield
        return
    with _locked(folder / OWNER) as handle:
        handle.seek(0)
        marked = handle.readline().strip()
        if marked and marked != owner and _created(marked) >= _created(owner):
            raise InputError(
                "NewerOwner",
                f"{folder} belongs to the model {marked!r}, which is newer than {owner!r}, the "
                "owner of this removal: nothing is removed",
            )
        yield


def _locked(path: Path) -> TextIO:
    """Open and lock a mark; an empty one if there is none."""
    while True:
        handle = path.open("a+", encoding="utf-8")
        fcntl.flock(handle, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle.fileno()), path.stat()):
                return handle
        handle.close()  # another removal was first


def _created(owner: str) -> str:
    return owner.partition("/")[0]


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
