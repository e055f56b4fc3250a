"""The base image of every Dockerfile, built by debootstrap.

For our builds it equals the public image of that name: Debian 12, the packages
of the variant minbase, no documentation, no translations.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.errors import ClusterError

if TYPE_CHECKING:
    from tests.cluster.buildah import Buildah

NAME = "docker.io/library/debian:bookworm-slim"
SUITE = "bookworm"
LEFT_OUT = ("doc", "groff", "info", "lintian", "linda", "locale", "man")
DPKG = "".join(f"path-exclude /usr/share/{name}/*\n" for name in LEFT_OUT) + (
    "path-include /usr/share/doc/*/copyright\n"
)
APT = """\
APT::Keep-Downloaded-Packages "false";
Acquire::Languages "none";
Acquire::GzipIndexes "true";
APT::AutoRemove::SuggestsImportant "false";
"""


def make_base(buildah: Buildah) -> None:
    """Build the image and give it its public name in buildah's storage."""
    container = buildah.run("from", "scratch").strip()
    try:
        root = Path(buildah.run("mount", container).strip())
        command = ["debootstrap", "--variant=minbase", SUITE, str(root)]
        try:
            result = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise ClusterError(
                "images", "debootstrap not found: apt-get install debootstrap"
            ) from None
        if result.returncode != 0:
            lines = "\n".join((result.stdout + result.stderr).splitlines()[-10:])
            raise ClusterError("images", f"{' '.join(command)}\n{lines}")
        trim(root)
        buildah.run("umount", container)
        buildah.run("config", "--cmd", "bash", container)
        buildah.run("commit", "--quiet", container, NAME)
    finally:
        buildah.run("rm", container)


def trim(root: Path) -> None:
    """Remove what an image does not need, and stop apt from installing it again."""
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text(DPKG)
    (root / "etc/apt/apt.conf.d/slim").write_text(APT)
    for name in LEFT_OUT:
        for entry in (root / "usr/share" / name).glob("*"):
            if not entry.is_dir() or entry.is_symlink():
                entry.unlink()
            elif not (entry / "copyright").exists():
                shutil.rmtree(entry)
            else:
                for other in entry.iterdir():
                    if other.name != "copyright":
                        shutil.rmtree(other) if other.is_dir() else other.unlink()
    for pattern in ("var/lib/apt/lists/*", "var/cache/apt/*.bin", "var/cache/apt/archives/*.deb"):
        for entry in root.glob(pattern):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    for log in (root / "var/log").rglob("*"):
        if log.is_file():
            log.unlink()
    add_updates(root / "etc/apt/sources.list")


def add_updates(sources: Path) -> None:
    """Add the suites of updates and security to the sources that debootstrap wrote."""
    kind, mirror, suite, *components = sources.read_text().split()[:4]
    parts = " ".join(components)
    sources.write_text(
        f"{kind} {mirror} {suite} {parts}\n"
        f"{kind} {mirror} {suite}-updates {parts}\n"
        f"{kind} {mirror.rstrip('/')}-security {suite}-security {parts}\n"
    )
