"""The manifest of an artifact: every file with its digest, and the lineage of the version.

The digest of an artifact is that of its manifest, so it covers every file.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from recommender_contract.artifact import (
    ITEM_IDS,
    MANIFEST,
    POPULARITY,
    REFERENCE,
    REPORT,
    VOCABULARY,
)
from recommender_contract.ids import IdKind
from recommender_training.common.durable_files import canonical_json, sha256_file, write_bytes
from recommender_training.common.errors import InputError

SCHEMA = "recommender.dev/manifest/v1"
#: Files that every artifact must have.
REQUIRED = (
    REPORT,
    REFERENCE,
    VOCABULARY,
    POPULARITY,
    "repository/recommender/config.pbtxt",
    "repository/recommender/1/model.pt",
    "repository/baseline/config.pbtxt",
    "repository/baseline/1/model.pt",
)


def write_manifest(root: Path, facts: dict[str, Any]) -> str:
    """Write manifest.json over the files below `root`; return the artifact's digest."""
    data = canonical_json({"schema": SCHEMA, "files": listing(root), **facts})
    write_bytes(root / MANIFEST, data)
    return digest_of(data)


def listing(root: Path) -> list[dict[str, Any]]:
    """Return `path`, `sha256` and `bytes` of every file except the manifest, sorted by path."""
    return [
        {"path": path, "sha256": sha256_file(root / path), "bytes": (root / path).stat().st_size}
        for path in _files(root)
        if path != MANIFEST
    ]


def digest_of(data: bytes) -> str:
    """Return `sha256:` and the hex digest of a manifest's bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def verify_artifact(root: Path, digest: str | None = None) -> dict[str, Any]:
    """Verify every file against the manifest, and return the manifest.

    Raises InputError `ArtifactInvalid` with the first file that is missing, added or changed.
    """
    path = root / MANIFEST
    if not path.is_file() or path.is_symlink():
        raise _invalid(f"{path} is missing; the artifact is incomplete")
    data = path.read_bytes()
    if digest is not None and digest_of(data) != digest:
        raise _invalid(f"{path} has the digest {digest_of(data)}, expected {digest}")
    manifest = _parse(path, data)
    expected = {str(entry["path"]): entry for entry in manifest["files"]}
    present = set(_files(root)) - {MANIFEST}
    for name in sorted(present | set(expected) | set(_required(manifest))):
        if name not in expected:
            raise _invalid(f"{root / name} is not in the manifest")
        if name not in present:
            raise _invalid(f"{root / name} is missing")
        entry = expected[name]
        if (root / name).stat().st_size != entry["bytes"]:
            raise _invalid(
                f"{root / name} does not have {entry['bytes']} bytes as in the manifest"
            )
        if sha256_file(root / name) != entry["sha256"]:
            raise _invalid(f"{root / name} has changed: its sha256 differs from the manifest")
    return manifest


def _required(manifest: dict[str, Any]) -> tuple[str, ...]:
    is_text = manifest.get("ids", {}).get("item") == IdKind.TEXT
    return (*REQUIRED, ITEM_IDS) if is_text else REQUIRED


def _parse(path: Path, data: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(data)
        if manifest["schema"] != SCHEMA:
            raise _invalid(f"{path} has the schema {manifest['schema']!r}, not {SCHEMA!r}")
        for entry in manifest["files"]:
            str(entry["path"]), str(entry["sha256"]), int(entry["bytes"])
    except (ValueError, KeyError, TypeError) as error:
        raise _invalid(f"{path} is not a manifest: {error!r}") from error
    return dict(manifest)


def _files(root: Path) -> list[str]:
    """Return all files below `root`; refuse symbolic links, whose targets can change."""
    found: list[str] = []
    for folder, folders, names in os.walk(root):
        for name in [*folders, *names]:
            path = Path(folder) / name
            if path.is_symlink():
                raise _invalid(f"{path} is a symbolic link")
            if path.is_file():
                found.append(path.relative_to(root).as_posix())
    return sorted(found)


def _invalid(message: str) -> InputError:
    return InputError("ArtifactInvalid", message)
