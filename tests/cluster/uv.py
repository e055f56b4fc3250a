"""The uv that the set-up installed into the cache, or the caller's own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.settings import cache_folder

SETUP = Path(__file__).resolve().parents[2] / ".ci" / "setup"


def uv_version() -> str:
    """The version of uv that the set-up pins."""
    match = re.search(r"^uv_version=(\S+)$", SETUP.read_text(), re.MULTILINE)
    if match is None:
        raise ClusterError("uv", f"{SETUP} names no uv_version")
    return match.group(1)


def find_uv() -> str:
    """The path of uv."""
    cached = cache_folder() / "uv" / uv_version() / "bin" / "uv"
    found = str(cached) if cached.exists() else shutil.which("uv")
    if found is None:
        raise ClusterError("uv", "not found: run .ci/setup")
    return found
