"""A real Prometheus for the tests: Debian's binary, unpacked into the cache, never installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import yaml

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "recommender-operator"
REMEDY = (
    "no Prometheus: put the binary `prometheus` on PATH, or let `apt-get download prometheus` "
    "reach a Debian mirror (`apt-get update` first)"
)


def binary() -> Path:
    """Return the binary: the one on PATH, else Debian's, fetched once."""
    found = shutil.which("prometheus")
    if found:
        return Path(found)
    target = CACHE / "prometheus" / "usr" / "bin" / "prometheus"
    if not target.exists():
        _unpack(CACHE / "prometheus")
    return target


def _unpack(folder: Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        # As root, apt-get drops its rights for the download where the folder allows it.
        Path(scratch).chmod(0o777)
        try:
            _run(["apt-get", "download", "prometheus"], scratch)
            package = next(Path(scratch).glob("prometheus_*.deb"))
            _run(["dpkg-deb", "-x", str(package), "root"], scratch)
        except (OSError, subprocess.CalledProcessError, StopIteration) as error:
            shown = getattr(error, "stderr", "") or error
            raise RuntimeError(f"{REMEDY}; {shown}") from error
        with contextlib.suppress(OSError):  # Another run fetched it first.
            (Path(scratch) / "root").rename(folder)


def _run(command: list[str], folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=300)


def promtool(*arguments: str) -> None:
    """Run Prometheus' own tool, which must succeed."""
    command = [str(binary().with_name("promtool")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@contextlib.contextmanager
def running(folder: Path, scrape_configs: list[dict[str, object]]) -> Iterator[str]:
    """Run a server that scrapes every second; yields its address. `folder` holds data and log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "prometheus.yml"
    config.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                "scrape_configs": scrape_configs,
            }
        )
    )
    command = [
        str(binary()),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    log = folder / "prometheus.log"
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            _wait(process, f"http://127.0.0.1:{port}/-/ready", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"Prometheus is not ready; the end of its log:\n{log.read_text()[-2000:]}")
