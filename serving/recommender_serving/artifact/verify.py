"""Compare an artifact with its manifest and its published digest."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePosixPath
from typing import Annotated

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from recommender_contract.artifact import MANIFEST

MAX_MANIFEST_BYTES = 16 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024


class _Entry(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    path: Annotated[str, Field(min_length=1, max_length=4096)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


class _Manifest(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    files: Annotated[list[_Entry], Field(min_length=1)]


def problems(folder: Path, digest: str) -> list[str]:
    """List all differences between the folder and the published artifact.

    Args:
        folder: root of the artifact.
        digest: `sha256:` and the hex digest of the bytes of manifest.json.

    Returns:
        One sentence per difference, with its file; an empty list if the artifact is intact.
    """
    manifest_path = folder / MANIFEST
    try:
        if not folder.is_dir() or folder.is_symlink():
            return [f"{folder} is not a folder: mount the artifact there"]
        if manifest_path.is_symlink() or not manifest_path.is_file():
            return [f"{MANIFEST} is missing in {folder}"]
        if manifest_path.stat().st_size > MAX_MANIFEST_BYTES:
            return [f"{MANIFEST} has more than {MAX_MANIFEST_BYTES} bytes"]
        text = manifest_path.read_bytes()
    except OSError as error:
        return [f"{MANIFEST} cannot be read: {error.strerror}"]
    actual = "sha256:" + hashlib.sha256(text).hexdigest()
    if actual != digest:
        # The contents of a forged manifest say nothing about the other files.
        return [f"{MANIFEST} was changed: its digest is {actual}, the published one is {digest}"]
    try:
        manifest = _Manifest.model_validate_json(text)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        return [f"{MANIFEST} violates its schema: {field}: {first['msg']}"]
    return _compare(folder, manifest)


def _compare(folder: Path, manifest: _Manifest) -> list[str]:
    listed = {entry.path: entry for entry in manifest.files}
    found, faults = _walk(folder)
    faults += [f"{path} was added: the manifest does not list it" for path in found - set(listed)]
    for path, entry in listed.items():
        if not _is_plain(path):
            faults.append(f"{path} is not a relative path inside the artifact")
        elif path not in found:
            faults.append(f"{path} is missing")
        else:
            faults += _check_file(folder / path, entry)
    return sorted(faults)


def _is_plain(path: str) -> bool:
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts and str(pure) == path


def _walk(folder: Path) -> tuple[set[str], list[str]]:
    """Find the regular files below the folder; anything but a file or folder is a fault."""
    found: set[str] = set()
    faults: list[str] = []

    def unreadable(error: OSError) -> None:
        name = os.path.relpath(error.filename, folder)
        faults.append(f"{name} cannot be read: {error.strerror}")

    for root, folders, files in os.walk(folder, followlinks=False, onerror=unreadable):
        for name in [*folders, *files]:
            path = Path(root, name)
            relative = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                faults.append(f"{relative} is neither a regular file nor a folder")
            elif path.is_file() and relative != MANIFEST:
                found.add(relative)
    return found, faults


def _check_file(path: Path, entry: _Entry) -> list[str]:
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            return [f"{entry.path} was changed: {size} bytes, the manifest says {entry.bytes}"]
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        return [f"{entry.path} cannot be read: {error.strerror}"]
    if digest.hexdigest() != entry.sha256:
        return [f"{entry.path} was changed: its sha256 is {digest.hexdigest()}"]
    return []
