"""NVIDIA Triton as a host process, without a cluster: `python -m tests.cluster.triton install`.

Runs the server and the `pytorch` backend of the image `triton` with the torch of the
interpreter that runs the tests.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes.util
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.progress import step
from tests.cluster.settings import cache_folder
from tests.cluster.uv import find_uv
from tests.ports import free_ports

SOURCE = Path(__file__).resolve().parents[2] / "serving" / "triton"
REQUIREMENTS = SOURCE / "requirements.txt"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
READY_SECONDS = 120.0
STOP_SECONDS = 15.0
#: As the chart's runtime sets it.
ENVIRONMENT = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), "268435456")
TRIES = 3  # another process may take a port before Triton does


@dataclass(frozen=True)
class TritonServer:
    """A running server. The addresses are `host:port`, as `tritonclient` wants them."""

    http_url: str
    grpc_url: str
    metrics_url: str
    log: Path
    process: subprocess.Popen[bytes]


class _PortTakenError(Exception):
    """Triton could not listen on the given ports."""


def install() -> Path:
    """The folder of the unpacked server, made on first use; safe beside another such call."""
    _ensure_libpython()
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = cache_folder() / "triton" / digest
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        step("Triton unpacked"),
        tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as scratch,
    ):
        unpacked = Path(scratch) / "wheel"
        command = [
            find_uv(), "pip", "install", "--quiet", "--python", sys.executable, "--no-deps",
            "--require-hashes", "--link-mode", "copy", "--target", str(unpacked),
            "--requirement", str(REQUIREMENTS),
        ]  # fmt: skip
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise ClusterError("triton", f"{' '.join(command)}\n{result.stderr.strip()}")
        _server(unpacked).chmod(0o755)
        with contextlib.suppress(OSError):  # another process was first
            unpacked.rename(folder)
    return folder


def _server(folder: Path) -> Path:
    return folder / "pytriton" / "tritonserver" / "bin" / "tritonserver"


def _libpython_folder() -> str | None:
    """The folder of libpython for the dynamic linker: "" if it needs none."""
    if ctypes.util.find_library(f"python{PYTHON}"):
        return ""
    folder = sysconfig.get_config_var("LIBDIR")
    return folder if (Path(folder) / f"libpython{PYTHON}.so.1.0").exists() else None


def _ensure_libpython() -> None:
    if _libpython_folder() is not None:
        return
    package = f"libpython{PYTHON}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ClusterError("triton", f"needs libpython{PYTHON}.so: install {package}")
    with step(f"installed {package}"):
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", package]):
            result = subprocess.run(
                command,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                capture_output=True,
                text=True,
                check=False,
            )
        if result.returncode != 0:
            raise ClusterError("triton", f"{' '.join(command)}\n{result.stderr.strip()}")


def lay_backends(installed: Path, folder: Path) -> None:
    """A folder of backends for one server, which must own it: Triton changes its modes.

    The Python backend starts an interpreter that reads no PYTHONPATH and knows no virtual
    environment, but looks beside its helper module, so links to our packages go there.
    """
    triton = installed / "pytriton" / "tritonserver"
    shutil.copytree(SOURCE / "pytorch", folder / "pytorch")
    shutil.copytree(triton / "backends" / "python", folder / "python")
    stub = folder / "python" / "triton_python_backend_stub"
    shutil.copy(triton / "python_backend_stubs" / PYTHON / stub.name, stub)
    stub.chmod(0o755)
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        link = folder / "python" / entry.name
        if entry.suffix != ".pth" and not link.exists():
            link.symlink_to(entry)


@contextlib.contextmanager
def run_triton(
    repository: Path, *flags: str, on_start: Callable[[TritonServer], None] = lambda _: None
) -> Iterator[TritonServer]:
    """A server with all models of this repository ready, for the duration of the context.

    `on_start` is called as soon as the process runs, and again if it found its ports taken.
    Raises ClusterError with the end of its log if a model does not load.
    """
    installed = install()
    with tempfile.TemporaryDirectory(prefix="triton-") as scratch:
        folder = Path(scratch)
        lay_backends(installed, folder / "backends")
        server = _start(installed, folder, repository, flags, on_start)
        try:
            yield server
        finally:
            _stop(server.process)


def _start(
    installed: Path,
    folder: Path,
    repository: Path,
    flags: tuple[str, ...],
    on_start: Callable[[TritonServer], None],
) -> TritonServer:
    for left in reversed(range(TRIES)):
        server = _spawn(installed, folder, repository, flags)
        try:
            on_start(server)
            _wait_ready(server)
            return server
        except _PortTakenError:
            _stop(server.process)
            if not left:
                raise ClusterError("triton", "found no free port", server.log) from None
        except BaseException:
            _stop(server.process)
            raise
    raise AssertionError("unreachable")


def _spawn(
    installed: Path, folder: Path, repository: Path, flags: tuple[str, ...]
) -> TritonServer:
    http, grpc, metrics = free_ports(3)
    command = [
        # Ends with its parent, even when that is killed.
        "setpriv", "--pdeathsig=TERM", str(_server(installed)), f"--model-store={repository}",
        f"--backend-directory={folder / 'backends'}",
        "--http-address=127.0.0.1", f"--http-port={http}",
        "--grpc-address=127.0.0.1", f"--grpc-port={grpc}",
        "--metrics-address=127.0.0.1", f"--metrics-port={metrics}",
        "--model-load-thread-count=1",  # as the chart's runtime
        *flags,
    ]  # fmt: skip
    libraries = [str(installed / "nvidia_pytriton.libs"), _libpython_folder() or ""]
    environment = {
        **os.environ,
        **ENVIRONMENT,
        "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
    }
    log = folder / "triton.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # one process group with the interpreters that it starts
        )
    address = "127.0.0.1:{}".format
    return TritonServer(address(http), address(grpc), address(metrics), log, process)


def _wait_ready(server: TritonServer) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _answers(f"http://{server.http_url}/v2/health/ready"):
        if server.process.poll() is not None:
            reason = problems(server.log.read_text(errors="replace"))
            if "failed to start" in reason or "in use" in reason:
                raise _PortTakenError(reason)
            raise ClusterError("triton", f"the server has ended:\n{reason}")
        if time.monotonic() > deadline:
            raise ClusterError("triton", f"not ready after {READY_SECONDS:.0f}s", server.log)
        time.sleep(0.05)


def problems(log: str) -> str:
    """The errors and warnings of a log, without Triton's tables and notes."""
    return "\n".join(line for line in log.splitlines() if re.match(r"[EW]\d{4} |error", line))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):  # interpreters outlive a killed server
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + STOP_SECONDS
    while group_members(process.pid):  # a killed process frees its memory before it ends
        if time.monotonic() > deadline:
            left = ", ".join(group_members(process.pid))
            raise ClusterError("triton", f"still there after a kill: {left}")
        time.sleep(0.02)


def group_members(group: int) -> list[str]:
    """Names of the processes of a group that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended in the meantime
            head, _, fields = stat.read_text(errors="replace").rpartition(")")
            state, _, of_group = fields.split()[:3]
            if int(of_group) == group and state not in "ZX":
                found.append(head.partition("(")[2])
    return sorted(found)


def main() -> int:
    """`install` puts the server into the cache; `run` serves a repository until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.triton")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="unpack the server into the cache")
    run = commands.add_parser("run", help="serve a model repository until Ctrl-C")
    run.add_argument("repository", type=Path)
    arguments = parser.parse_args()
    try:
        if arguments.command == "install":
            print(install())
            return 0
        with run_triton(arguments.repository) as server:
            print(f"HTTP {server.http_url}  gRPC {server.grpc_url}  log {server.log}", flush=True)
            server.process.wait()
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return server.process.returncode


if __name__ == "__main__":
    sys.exit(main())
