"""The images, their contents, and the tags that follow from these.

A tag is a digest of exactly the files and packages in an image: while none of
them changes, nothing is built or loaded again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.uv import find_uv

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "docker.io/recommender"
TAG_DIGITS = 12
VARIANT_VARIABLE = "TORCH_VARIANT"
EXPORT = re.compile(r"uv export (?P<flags>[^>&|]+)>")


@dataclass(frozen=True)
class Recipe:
    """An image. `files` are its sources: files or folders, relative to the repository."""

    name: str
    dockerfile: str
    files: tuple[str, ...]
    on_torch: bool = False
    limit_megabytes: int | None = None


#: All images have it.
CONTRACT = "contract/recommender_contract"
TORCH = Recipe("torch", "training/torch.Dockerfile", ("training/torch_cpu.py",))
OPERATOR = Recipe(
    "operator",
    "operator/Dockerfile",
    (
        CONTRACT,
        "operator/recommender_operator",
        "operator/recommender_console",
        "client/recommender_kubectl",
    ),
    limit_megabytes=250,
)
TRAINING = Recipe(
    "training", "training/Dockerfile", (CONTRACT, "training/recommender_training"), on_torch=True
)
SERVING = Recipe(
    "serving",
    "serving/Dockerfile",
    (
        CONTRACT,
        "serving/recommender_serving",
        "serving/recommender_collector",
        "serving/recommender_runtime",
    ),
)
TRITON = Recipe(
    "triton",
    "serving/triton/Dockerfile",
    ("serving/triton/requirements.txt", "serving/triton/pytorch"),
    on_torch=True,
)
STORE = Recipe("store", "serving/store/Dockerfile", ())
ROLES = (OPERATOR, SERVING, TRAINING, TRITON, STORE)


def variant() -> str:
    """`cpu`, or `cuda` for the whole torch with NVIDIA's libraries."""
    return os.environ.get(VARIANT_VARIABLE, "cpu")


@dataclass(frozen=True)
class ImageSources:
    """The source files of the images, and the tags and build arguments that follow from them."""

    root: Path = ROOT

    def image(self, recipe: Recipe) -> str:
        """The full name of the image with its tag."""
        return f"{REPOSITORY}/{recipe.name}:{self.tag(recipe)}"

    def build_arguments(self, recipe: Recipe) -> dict[str, str]:
        """The build arguments that the Dockerfile needs."""
        if recipe.on_torch:
            return {"TORCH_IMAGE": self.image(TORCH)}
        return {"TORCH_VARIANT": variant()} if recipe == TORCH else {}

    def tag(self, recipe: Recipe) -> str:
        """The first hex digits of a digest over everything in the image."""
        digest = hashlib.sha256()
        for name, content in self.ingredients(recipe):
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()[:TAG_DIGITS]

    def ingredients(self, recipe: Recipe) -> Iterator[tuple[str, bytes]]:
        """Names and contents of everything in the image, in a stable order."""
        dockerfile = (self.root / recipe.dockerfile).read_bytes()
        yield recipe.dockerfile, dockerfile
        yield "version", project_version(self.root).encode()
        for flags in exports(dockerfile.decode()):
            yield f"export {flags}", requirements(self.root, flags)
        for name, value in sorted(self.build_arguments(recipe).items()):
            yield name, value.encode()
        for path in self.files(recipe):
            yield path.relative_to(self.root).as_posix(), path.read_bytes()

    def files(self, recipe: Recipe) -> list[Path]:
        """The files of the image that .dockerignore does not exclude."""
        found: list[Path] = []
        for name in recipe.files:
            path = self.root / name
            found += [path] if path.is_file() else (p for p in path.rglob("*") if p.is_file())
        return sorted(p for p in found if p.suffix != ".pyc" and "__pycache__" not in p.parts)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[ImageSources]:
        """A copy that no edit can change during a build."""
        with tempfile.TemporaryDirectory(prefix="images-") as scratch:
            copy = ImageSources(Path(scratch))
            for name in ("pyproject.toml", "uv.lock", ".dockerignore"):
                shutil.copy(self.root / name, copy.root / name)
            for recipe in (TORCH, *ROLES):
                for path in (self.root / recipe.dockerfile, *self.files(recipe)):
                    target = copy.root / path.relative_to(self.root)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, target)
            yield copy


def exports(dockerfile: str) -> list[str]:
    """The flags of each `uv export` of a Dockerfile, whose build arguments are empty."""
    text = dockerfile.replace("\\\n", " ")
    return [
        " ".join(word for word in match["flags"].split() if not word.startswith("$"))
        for match in EXPORT.finditer(text)
    ]


@functools.cache
def requirements(root: Path, flags: str) -> bytes:
    """The part of the lock file that `uv export` selects."""
    result = subprocess.run(
        [find_uv(), "export", "--quiet", "--no-header", *flags.split()],
        cwd=root,
        capture_output=True,
        check=False,
    )
    if result.returncode != 0:
        raise ClusterError("images", f"uv export {flags}: {result.stderr.decode().strip()}")
    return result.stdout


def project_version(root: Path) -> str:
    """The version that the images carry."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return str(project["version"])
