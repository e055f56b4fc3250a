"""A Prometheus server as a host process: it scrapes the Gateway, as that of a platform team does.

It is Debian's binary, unpacked into the cache and never installed.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml

from tests.cluster import processes, settings
from tests.cluster.controlplane import http_ready
from tests.cluster.errors import ClusterError
from tests.cluster.processes import Part
from tests.cluster.settings import Layout, cache_folder

NAME = "prometheus"
#: The operator sees a lost request after this time.
SCRAPE = "1s"
REMEDY = (
    "put the binary `prometheus` on PATH, or let `apt-get download prometheus` reach a Debian "
    "mirror (`apt-get update` first)"
)


def binary() -> Path:
    """Return the binary: the one on PATH, else Debian's, fetched once.

    Raises:
        ClusterError: there is none, with the remedy.
    """
    found = shutil.which(NAME)
    if found:
        return Path(found)
    folder = cache_folder() / NAME
    target = folder / "usr" / "bin" / NAME
    if not target.exists():
        _unpack(folder)
    return target


def _unpack(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        # As root, apt-get drops its rights for the download where the folder allows it.
        Path(scratch).chmod(0o777)
        try:
            _run(["apt-get", "download", NAME], scratch)
            package = next(Path(scratch).glob(f"{NAME}_*.deb"))
            _run(["dpkg-deb", "-x", str(package), "root"], scratch)
        except (OSError, subprocess.CalledProcessError, StopIteration) as error:
            shown = getattr(error, "stderr", "") or error
            raise ClusterError(NAME, f"{REMEDY}; {shown}") from error
        with contextlib.suppress(OSError):  # Another run fetched it first.
            (Path(scratch) / "root").rename(folder)


def _run(command: list[str], folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=300)


def is_installed(layout: Layout) -> bool:
    """Whether this cluster was started with it."""
    return _stamp(layout).exists()


def _stamp(layout: Layout) -> Path:
    return layout.state / "with-prometheus"


def url(layout: Layout) -> str:
    """Its base URL, as pods reach it; empty if this cluster has none."""
    return _url() if is_installed(layout) else ""


def _url() -> str:
    return f"http://{settings.NODE_IP}:{settings.PROMETHEUS_PORT}"


def install(layout: Layout) -> None:
    """Start the process."""
    part = server(layout)
    processes.start(layout, part)
    processes.wait_ready(layout, part)
    _stamp(layout).touch()


def configuration() -> str:
    """What it scrapes: the page with the counters of Traefik."""
    target = f"127.0.0.1:{settings.TRAEFIK_PORT}"
    return scraping([{"job_name": "gateway", "static_configs": [{"targets": [target]}]}])


def scraping(scrape_configs: list[dict[str, object]]) -> str:
    """Return a configuration that scrapes every second."""
    times = {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE}
    return yaml.safe_dump({"global": times, "scrape_configs": scrape_configs})


def server(layout: Layout) -> Part:
    """The process."""
    folder = layout.state / NAME
    folder.mkdir(parents=True, exist_ok=True)
    config, text = folder / "prometheus.yml", configuration()
    config.write_text(text)
    return Part(
        NAME,
        [
            str(binary()),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=1h",
            f"--web.listen-address={settings.NODE_IP}:{settings.PROMETHEUS_PORT}",
        ],
        http_ready(f"{_url()}/-/ready"),
        # A changed configuration is another part.
        {"CONFIGURATION": text},
    )
