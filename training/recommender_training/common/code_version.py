"""The version of this code, as recorded in the manifest of an artifact."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def code_version() -> str:
    """Return `<version of the distribution>+<12 hex digits of a SHA-256 over the sources>`."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    try:
        number = version("recommender-operator")
    except PackageNotFoundError:
        number = "0.0.0"
    return f"{number}+{digest.hexdigest()[:12]}"
