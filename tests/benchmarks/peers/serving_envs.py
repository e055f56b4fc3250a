"""The peers of the serving benchmark, each in an environment of its own in the cache.

Made once for each set of versions (`kserve.txt`, `bentoml.txt`, `mlserver.txt`, resolved for
Python 3.11 with our torch); it appears complete or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.cluster.progress import step
from tests.cluster.settings import cache_folder
from tests.cluster.uv import find_uv

FOLDER = Path(__file__).resolve().parent
PYTHON = "3.11"


def version(peer: str) -> str:
    """The pinned version of a peer."""
    lines = (FOLDER / f"{peer}.txt").read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{peer}=="))


def ensure(peer: str) -> Path:
    """The folder of the programs of a peer's environment, which is made if it is not there.

    Raises RuntimeError with the command that failed.
    """
    requirements = FOLDER / f"{peer}.txt"
    digest = hashlib.sha256(PYTHON.encode() + requirements.read_bytes()).hexdigest()[:12]
    folder = cache_folder() / "peers" / f"{peer}-{version(peer)}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".complete").exists():
            with step(f"{peer} {version(peer)} is in {folder}"):
                _make(folder, requirements)
    return folder / "bin"


def _make(folder: Path, requirements: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _run(find_uv(), "venv", "--quiet", "--python", PYTHON, str(folder))
    python = str(folder / "bin" / "python")
    _run(find_uv(), "pip", "install", "--quiet", "--no-deps", "--python", python,
         "--requirement", str(requirements))  # fmt: skip
    (folder / ".complete").touch()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr.strip()[-2000:]}")
