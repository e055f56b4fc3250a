"""Builds images with Docker, if its daemon responds (untested: see docs/demo.md)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.layout import outdated
from tests.cluster.progress import say, step
from tests.cluster.recipes import REPOSITORY, TORCH, ImageSources, Recipe


def available() -> bool:
    """Return whether a Docker daemon responds."""
    if shutil.which("docker") is None:
        return False
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


class Docker:
    """The engine with Docker."""

    def exists(self, name: str) -> bool:
        command = ["docker", "image", "inspect", name]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def size(self, name: str) -> int:
        """Bytes of the image's unpacked layers."""
        return int(run("image", "inspect", "--format={{.Size}}", name))

    def build(self, recipe: Recipe, sources: ImageSources) -> None:
        """Build the image, and its torch base image if that is missing."""
        for each in (TORCH, recipe) if recipe.on_torch else (recipe,):
            if self.exists(sources.image(each)):
                continue
            say(f"building {sources.image(each)} ...")
            arguments = [f"--build-arg={k}={v}" for k, v in sources.build_arguments(each).items()]
            with step(f"built {each.name}"):
                run(
                    "build", f"--file={sources.root / each.dockerfile}",
                    f"--tag={sources.image(each)}", *arguments, str(sources.root),
                )  # fmt: skip

    def save(self, name: str, archive: Path) -> None:
        """Write an archive that containerd can import."""
        run("save", "--output", str(archive), name)

    def push(self, name: str, target: str) -> None:
        """Push the image to a registry, as the user that `docker login` knows."""
        run("tag", name, target)
        run("push", target)

    def prune(self, keep: int) -> list[str]:
        """Delete all but the newest tags of each image."""
        listed = run("images", "--format={{.Repository}}:{{.Tag}}", f"{REPOSITORY}/*")
        # Docker shortens the names of its own registry and lists the newest first.
        names = [line for line in reversed(listed.splitlines()) if "<none>" not in line]
        if gone := outdated(names, keep):
            run("rmi", *gone)
        return gone


def run(*arguments: str) -> str:
    """Run docker; a failure shows the end of its output."""
    result = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        output = "\n".join((result.stdout + result.stderr).splitlines()[-25:])
        raise ClusterError("images", f"docker {arguments[0]}\n{output}")
    return result.stdout
