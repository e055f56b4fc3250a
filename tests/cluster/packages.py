"""Debian packages, installed only when missing, without starting their services."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.locks import cache_held
from tests.cluster.progress import step
from tests.cluster.versions import DEBIAN_PACKAGES

POLICY = Path("/usr/sbin/policy-rc.d")


def installed(listing: str) -> set[str]:
    """Package names that dpkg-query reports as fully installed."""
    rows = (line.split("\t") for line in listing.splitlines() if "\t" in line)
    return {row[0] for row in rows if row[1] == "ii "}


def ensure_packages(names: Sequence[str] = DEBIAN_PACKAGES) -> None:
    """Install missing packages."""
    if _missing(names):
        with cache_held("debian", "another installation of Debian packages"):
            _install(_missing(names))


def _missing(names: Sequence[str]) -> list[str]:
    query = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package}\t${db:Status-Abbrev}\n", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    return sorted(set(names) - installed(query.stdout))


def _install(wanted: Sequence[str]) -> None:
    if not wanted:
        return
    with step(f"Debian packages {' '.join(wanted)}"):
        _apt("update", "-qq")
        # invoke-rc.d runs this file; 101 forbids it to start the packages' own services, which
        # the cluster neither uses nor touches.
        ours = not POLICY.exists()
        if ours:
            POLICY.write_text("#!/bin/sh\nexit 101\n")
            POLICY.chmod(0o755)
        try:
            _apt("install", "-y", "-qq", "--no-install-recommends", *wanted)
        finally:
            if ours:
                POLICY.unlink()


def _apt(*arguments: str) -> None:
    result = subprocess.run(
        ["apt-get", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        lines = (result.stdout + result.stderr).strip().splitlines()[-20:]
        raise ClusterError("Debian packages", "\n".join([" ".join(arguments), *lines]))
