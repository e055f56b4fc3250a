"""A real Prometheus for a test."""

from __future__ import annotations

import contextlib
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.prometheus import binary, scraping
from tests.ports import free_port


def promtool(*arguments: str) -> None:
    """Run Prometheus' own tool, which must succeed."""
    command = [str(binary().with_name("promtool")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@contextlib.contextmanager
def running(folder: Path, scrape_configs: list[dict[str, object]]) -> Iterator[str]:
    """Run a server that scrapes every second; yields its address. `folder` holds data and log."""
    port = free_port()
    config = folder / "prometheus.yml"
    config.write_text(scraping(scrape_configs))
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
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=60).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"Prometheus is not ready; the end of its log:\n{log.read_text()[-2000:]}")
