"""Builds the images of this repository and loads them into the cluster.

    python -m tests.cluster.images build [ROLE ...]   build what is missing
    python -m tests.cluster.images load [ROLE ...]    build, and import into the cluster, or, with
                                                      CLUSTER=existing, push to IMAGE_REGISTRY
    python -m tests.cluster.images tags               print the names, without a build
    python -m tests.cluster.images prune              delete old tags

With --json the last line printed is an object from role to full image name.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from tests.cluster import backends, docker, imagestore, packages
from tests.cluster.buildah import Buildah
from tests.cluster.docker import Docker
from tests.cluster.errors import ClusterError
from tests.cluster.locks import held
from tests.cluster.progress import say, step
from tests.cluster.recipes import REPOSITORY, ROLES, ImageSources, Recipe
from tests.cluster.settings import NAMESPACE, Layout, cache_folder, cluster_layout

KEEP = 2
"""Tags of each image that stay: the current one, and the one to compare with."""
MEGABYTE = 1_000_000

Engine = Buildah | Docker


def engine() -> Engine:
    """Return Docker if it responds or kind needs it, else buildah."""
    if os.environ.get("CLUSTER") == "kind" or docker.available():
        return Docker()
    return Buildah()


def locked() -> contextlib.AbstractContextManager[None]:
    """Lock for builds, loads and deletions."""
    return held(cache_folder() / "images" / "lock", "another build of images")


def build(recipes: Sequence[Recipe], sources: ImageSources, builder: Engine) -> dict[str, str]:
    """Build what is missing; the full name of each image by its role."""
    names = {recipe.name: sources.image(recipe) for recipe in recipes}
    built = False
    for recipe in recipes:
        name = names[recipe.name]
        if not builder.exists(name):
            builder.build(recipe, sources)
            built = True
            say(f"{name}: {builder.size(name) / MEGABYTE:.0f} MB unpacked")
        check_size(recipe, builder.size(name))
    if built and (gone := builder.prune(KEEP)):
        say(f"deleted {', '.join(gone)}")
    return names


def check_size(recipe: Recipe, size: int) -> None:
    """Refuse an image that has grown beyond its limit."""
    if recipe.limit_megabytes is not None and size >= recipe.limit_megabytes * MEGABYTE:
        raise ClusterError(
            "images",
            f"{recipe.name} has {size / MEGABYTE:.0f} MB unpacked; "
            f"the limit is {recipe.limit_megabytes} MB",
        )


def load(names: Mapping[str, str], builder: Engine) -> dict[str, str]:
    """Load built images that the cluster lacks; returns their names there by role."""
    backend = backends.selected()
    if backend.pulls:
        registry = image_registry(os.environ)
        return {role: push(name, f"{registry}/{role}", builder) for role, name in names.items()}
    for name in names.values():
        if backend.image_loaded(name):
            continue
        with step(f"loaded {name}"):
            if isinstance(builder, Docker):
                with tempfile.TemporaryDirectory(dir=cache_folder()) as scratch:
                    archive = Path(scratch) / "image.tar"
                    builder.save(name, archive)
                    backend.load_image(archive, name)
            elif isinstance(backend, backends.Local):
                import_image(builder, cluster_layout(), name)
            else:
                raise ClusterError("images", f"{name} was built without Docker, which kind needs")
    return dict(names)


def image_registry(environment: Mapping[str, str]) -> str:
    """Where the cluster pulls images from, such as registry.example.com/recommender."""
    given = environment.get("IMAGE_REGISTRY", "").rstrip("/")
    if not given or "://" in given:
        raise ClusterError(
            "images",
            f"IMAGE_REGISTRY is {given!r}: set it to a registry that you may push to and the "
            "cluster pulls from, without a scheme: registry.example.com/recommender",
        )
    return given


def push(name: str, repository: str, builder: Engine) -> str:
    """Push a built image under its tag; its name in the registry."""
    target = f"{repository}:{name.rpartition(':')[2]}"
    with step(f"pushed {target}"):
        builder.push(name, target)
    return target


def import_image(builder: Buildah, layout: Layout, name: str) -> None:
    """Stream to containerd those blobs of the image that it does not hold yet."""
    known = set(imagestore.ctr(layout, "content", "ls", "-q").split())
    command = [
        "ctr", "--address", str(layout.containerd_socket), "-n", NAMESPACE,
        "images", "import", "-",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as stream:
            builder.layout.write_archive(name, known, stream)
        output = process.stdout.read().decode()
    if process.returncode != 0:
        raise ClusterError("images", f"{' '.join(command)}\n{output.strip()}")


def prune_store(layout: Layout, known: Collection[str]) -> list[str]:
    """Delete from containerd's store those tags of our roles that are not `known`.

    Only on request: pods in the cluster may use an older tag.
    """
    if not layout.containerd_socket.exists():
        return []
    roles = {f"{REPOSITORY}/{recipe.name}" for recipe in ROLES}
    gone = [
        name
        for name in imagestore.stored(layout)
        if name.rpartition(":")[0] in roles and name not in known
    ]
    if gone:
        imagestore.ctr(layout, "images", "rm", *gone)
    return gone


def parser() -> argparse.ArgumentParser:
    """The commands with their help."""
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(
        prog="python -m tests.cluster.images", description=__doc__, formatter_class=raw
    )
    top.add_argument("command", choices=("build", "load", "tags", "prune"))
    top.add_argument(
        "roles", nargs="*", metavar="ROLE", help="operator, serving, ...: default all"
    )
    top.add_argument("--json", action="store_true", help="print an object as the last line")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    given = parser().parse_args(arguments)
    by_name = {recipe.name: recipe for recipe in ROLES}
    if unknown := set(given.roles) - set(by_name):
        print(f"no such image: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    recipes = [by_name[name] for name in given.roles] or list(ROLES)
    try:
        names = run(given.command, recipes)
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(names) if given.json else "\n".join(names.values()))
    return 0


def run(command: str, recipes: Sequence[Recipe]) -> dict[str, str]:
    """The full name of each image by its role, after the command."""
    if command == "tags":
        return {recipe.name: ImageSources().image(recipe) for recipe in recipes}
    builder = engine()
    if isinstance(builder, Buildah) and os.geteuid() == 0:
        packages.ensure_packages()
    with locked(), ImageSources().snapshot() as sources:
        if command == "prune":
            builder.prune(KEEP)
            if isinstance(builder, Buildah) and isinstance(backends.selected(), backends.Local):
                prune_store(cluster_layout(), builder.layout.names())
            return {recipe.name: sources.image(recipe) for recipe in recipes}
        names = build(recipes, sources, builder)
        if command == "load":
            return load(names, builder)
        return names


if __name__ == "__main__":
    sys.exit(main())
