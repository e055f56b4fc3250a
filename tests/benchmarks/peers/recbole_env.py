"""RecBole in a separate environment in the cache, because it needs older packages than ours.

2.4 GB. It is made once for each set of versions, beside the last one, and appears complete or not
at all. torch 2.5 is the last that loads RecBole's checkpoints, and faster for RecBole than ours.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.peers import torch_stubs
from tests.cluster.progress import say, step
from tests.cluster.settings import cache_folder
from tests.cluster.uv import find_uv

VERSION = "1.2.1"
TORCH = (
    "torch==2.5.1",
    "nvidia-cuda-runtime-cu12==12.4.127",
    "nvidia-cuda-cupti-cu12==12.4.127",
    "nvidia-cuda-nvrtc-cu12==12.4.127",
    "nvidia-nvjitlink-cu12==12.4.127",
    "nvidia-nvtx-cu12==12.4.127",
)
#: ray 2.6.3, the newest that RecBole takes, has no wheels for later ones.
PYTHON = ">=3.10,<3.12"
REQUIREMENTS = Path(__file__).with_name("recbole.txt")
_CHECK = "import recbole.trainer, torch; assert not torch.cuda.is_available()"


def key() -> str:
    """The name of the environment: a digest of everything in it."""
    parts = (*TORCH, PYTHON, REQUIREMENTS.read_text(), Path(torch_stubs.__file__).read_text())
    return f"recbole-{VERSION}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"


def ensure() -> Path:
    """The Python of the environment, which is made if it is not there.

    Raises RuntimeError with the command that failed.
    """
    folder = cache_folder() / "peers" / key()
    python = folder / "bin" / "python"
    with _alone(folder):
        if not (folder / ".complete").exists():
            _make(folder, python)
    return python


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(folder: Path, python: Path) -> None:
    say(f"making an environment for RecBole {VERSION}: 1 GB to download, 2.4 GB on the disk ...")
    shutil.rmtree(folder, ignore_errors=True)
    with step(f"RecBole {VERSION} is in {folder}"):
        _run(find_uv(), "venv", "--quiet", "--python", PYTHON, str(folder))
        # No cache: the environment is itself a cache, and torch is not to be kept twice.
        install = [find_uv(), "pip", "install", "--quiet", "--no-deps", "--no-cache"]
        install += ["--python", str(python)]
        with step("fetched torch"):
            _run(*install, *TORCH)
        with step("fetched the other packages"):
            _run(*install, "--requirement", str(REQUIREMENTS))
        torch_stubs.write(next((folder / "lib").glob("python3.*")) / "site-packages")
        _run(str(python), "-W", "ignore", "-c", _CHECK)
        (folder / ".complete").touch()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr.strip()[-2000:]}")
