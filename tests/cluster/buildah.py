"""Builds images without Docker: buildah in its own storage, exported to one OCI layout.

The layout holds uncompressed layers, each once however many images share it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster import debian
from tests.cluster.errors import ClusterError
from tests.cluster.layout import ImageLayout, outdated
from tests.cluster.progress import say, step
from tests.cluster.recipes import REPOSITORY, TORCH, ImageSources, Recipe
from tests.cluster.settings import cache_folder

PACKAGES = "buildah debootstrap skopeo"
PACKAGE_CACHE = "/tmp/.cache/uv"  # where uv keeps it in a build, whose HOME is /tmp
CERTIFICATES = "/run/certificates.pem"  # where a build finds the machine's certificate authorities
STORAGE_LIMIT = 12 * 2**30
"""Bytes in buildah's storage above which layers that only serve as a cache are deleted."""


class Buildah:
    """The engine without Docker."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder() / "images"
        self.layout = ImageLayout(self.folder / "oci")
        self.storage = self.folder / "storage"

    def exists(self, name: str) -> bool:
        return self.layout.manifest(name) is not None

    def size(self, name: str) -> int:
        """Bytes of the image's unpacked layers."""
        return self.layout.size(name)

    def build(self, recipe: Recipe, sources: ImageSources) -> None:
        """Build the image, and its torch base image if that is missing."""
        if not self._stored(debian.NAME):
            with step(f"made {debian.NAME}"):
                debian.make_base(self)
        for each in (TORCH, recipe) if recipe.on_torch else (recipe,):
            if not self._stored(sources.image(each)):
                say(f"building {sources.image(each)} ...")
                with step(f"built {each.name}"):
                    self.bud(each, sources)
        with step(f"exported {recipe.name}"):
            self.export(sources.image(recipe))

    def export(self, name: str) -> None:
        """Write the image into the layout: unchanged layers, and only the missing ones."""
        self.layout.folder.mkdir(parents=True, exist_ok=True)
        where = f"[overlay@{self.storage}+{self.folder / 'run'}]{name}"
        self.call(
            "skopeo", "copy", "--quiet", "--dest-oci-accept-uncompressed-layers",
            f"containers-storage:{where}", f"oci:{self.layout.folder}:{name}",
        )  # fmt: skip

    def push(self, name: str, target: str) -> None:
        """Copy the image to a registry, as the user that `skopeo login` or Docker knows.

        A registry on this machine is accessed without TLS, as with Docker.
        """
        verify = "false" if target.startswith(("localhost:", "127.0.0.1:")) else "true"
        self.call(
            "skopeo", "copy", "--quiet", f"--dest-tls-verify={verify}",
            f"oci:{self.layout.folder}:{name}", f"docker://{target}",
        )  # fmt: skip

    def bud(self, recipe: Recipe, sources: ImageSources) -> None:
        packages = self.folder / "packages"
        packages.mkdir(parents=True, exist_ok=True)
        arguments = [f"--volume={packages}:{PACKAGE_CACHE}:rw"]
        given = {**sources.build_arguments(recipe), **index_settings(os.environ, pip_index())}
        if bundle := authorities(os.environ):
            arguments.append(f"--volume={bundle}:{CERTIFICATES}:ro")
            given |= {"SSL_CERT_FILE": CERTIFICATES, "PIP_CERT": CERTIFICATES}
        arguments += [f"--build-arg={key}={value}" for key, value in given.items()]
        self.run(
            "bud", "--isolation=chroot", "--layers", "--pull-never", "--format=oci",
            f"--file={sources.root / recipe.dockerfile}", f"--tag={sources.image(recipe)}",
            *arguments, str(sources.root),
            log=self.folder / f"{recipe.name}.log",
        )  # fmt: skip

    def _stored(self, name: str) -> bool:
        return any(name in (entry.get("names") or ()) for entry in self.images())

    def images(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = json.loads(self.run("images", "--json") or "[]")
        return entries

    def prune(self, keep: int) -> list[str]:
        """Delete all but the newest tags of each image, and too large a cache of layers."""
        self.layout.prune(keep)
        listed = sorted(self.images(), key=lambda entry: str(entry["createdatraw"]))
        ours = [
            name
            for entry in listed
            for name in entry.get("names") or ()
            if name.startswith(f"{REPOSITORY}/")
        ]
        if gone := outdated(ours, keep):
            self.run("rmi", *gone)
        if folder_size(self.storage) > STORAGE_LIMIT:
            with step("deleted the cache of layers"):
                self.run("rmi", "--prune", "--force")
        return gone

    def run(self, *arguments: str, log: Path | None = None) -> str:
        """Run buildah in our storage."""
        return self.call(
            "buildah", f"--root={self.storage}", f"--runroot={self.folder / 'run'}",
            "--storage-driver=overlay", *arguments, log=log,
        )  # fmt: skip

    def call(self, *command: str, log: Path | None = None) -> str:
        """Run a command; a failure shows the end of its output."""
        if shutil.which(command[0]) is None:
            raise ClusterError("images", f"{command[0]} not found: apt-get install {PACKAGES}")
        scratch = self.folder / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        with log.open("wb") if log else tempfile.TemporaryFile() as output:
            result = subprocess.run(
                command,
                env={**os.environ, "TMPDIR": str(scratch)},
                stdout=output if log else subprocess.PIPE,
                stderr=subprocess.STDOUT if log else output,
                check=False,
            )
            if result.returncode == 0:
                return (result.stdout or b"").decode()
            if log:
                raise ClusterError("images", f"{command[0]} failed", log)
            output.seek(0)
            raise ClusterError("images", f"{' '.join(command)}\n{output.read().decode()}")


def index_settings(environment: Mapping[str, str], configured: str) -> dict[str, str]:
    """The package index of this machine as build arguments; empty means the public one.

    `configured` is what pip's own configuration names.
    """
    pip = environment.get("PIP_INDEX_URL") or configured
    uv = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL") or pip
    found = {"PIP_INDEX_URL": pip, "UV_DEFAULT_INDEX": uv}
    return {name: value for name, value in found.items() if value}


def pip_index() -> str:
    """The index in pip's configuration, or nothing."""
    if (pip := shutil.which("pip3") or shutil.which("pip")) is None:
        return ""
    command = [pip, "config", "get", "global.index-url"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def authorities(environment: Mapping[str, str]) -> str | None:
    """The file of certificate authorities that this machine trusts, if one is set."""
    path = environment.get("SSL_CERT_FILE")
    return path if path and Path(path).is_file() else None


def folder_size(folder: Path) -> int:
    """Bytes on disk."""
    if not folder.exists():
        return 0
    result = subprocess.run(
        ["du", "-sB1", str(folder)], capture_output=True, text=True, check=False
    )
    return int(result.stdout.split()[0]) if result.stdout else 0
