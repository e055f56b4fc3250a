"""Builds the Go groups into the cache, once for each key.

The Go build cache is our own folder and is dropped after the builds: it grows to several
gigabytes and only helps the next version bump. The module cache is Go's default one: other
Go projects on the machine share it, and the downloads are verified against go.sum anyway.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from tests.cluster.downloads import ensure_package_binaries
from tests.cluster.errors import ClusterError
from tests.cluster.groups import Chart, Group, Source, inputs, key
from tests.cluster.locks import cache_held
from tests.cluster.progress import say, step
from tests.cluster.settings import cache_folder
from tests.cluster.versions import Package


@cache
def go_version() -> str:
    """The version of the Go command, such as go1.26.8; empty without Go."""
    try:
        result = subprocess.run(
            ["go", "env", "GOVERSION"], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return result.stdout.strip()


def group_folder(group: Group) -> Path:
    """The folder of the group's binaries and manifests."""
    return cache_folder() / "bin" / group.name / key(group, go_version(), inputs(group))


def go_build_cache() -> Path:
    return cache_folder() / "go-build"


def is_cold(groups: Sequence[Group]) -> bool:
    """Whether something must be built first."""
    return any(
        not (group_folder(group) / name).exists() for group in groups for name, _ in group.commands
    )


class Binaries:
    """Paths of everything that was built or unpacked."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self._paths: dict[str, Path] = {}
        self._groups = {group.name: group_folder(group) for group in groups}
        for group in groups:
            for name, _ in group.commands:
                self._paths[name] = self._groups[group.name] / name
        self._paths.update(ensure_package_binaries(_packages(groups)))

    def path(self, name: str) -> Path:
        return self._paths[name]

    def manifest(self, group: Group, output: str) -> Path:
        return self._groups[group.name] / f"{output}.yaml"

    def manifests(self, group: Group, prefix: str) -> list[Path]:
        """All manifests of a group whose name begins with `prefix`."""
        names = [source.output for source in group.sources if source.output.startswith(prefix)]
        return [self.manifest(group, name) for name in names]


def ensure(groups: Sequence[Group], compiled: Sequence[Group] | None = None) -> Binaries:
    """Build what is missing. `compiled` limits which groups' commands are built."""
    tools = ensure_package_binaries(_packages(groups))
    if not _complete(groups, compiled):
        with cache_held("bin", "another build of the cluster's parts"):
            _build_missing(groups, compiled, tools)
    return Binaries(groups)


def _packages(groups: Sequence[Group]) -> list[Package]:
    return [package for group in groups for package in group.packages]


def _commands(group: Group, compiled: Sequence[Group] | None) -> Sequence[tuple[str, str]]:
    return group.commands if compiled is None or group in compiled else ()


def _complete(groups: Sequence[Group], compiled: Sequence[Group] | None) -> bool:
    return all(
        (group_folder(group) / name).exists()
        for group in groups
        for name in (
            *(name for name, _ in _commands(group, compiled)),
            *(f"{source.output}.yaml" for source in group.sources),
        )
    )


def _build_missing(
    groups: Sequence[Group], compiled: Sequence[Group] | None, tools: Mapping[str, Path]
) -> None:
    built = False
    for group in groups:
        folder = group_folder(group)
        commands = _commands(group, compiled)
        missing = [(n, package) for n, package in commands if not (folder / n).exists()]
        for name, package in missing:
            _build(group, name, package, folder)
            built = True
        for source in group.sources:
            if not (folder / f"{source.output}.yaml").exists():
                _collect(group, source, folder, tools)
    if built:
        with step("Go build cache dropped"):
            shutil.rmtree(go_build_cache(), ignore_errors=True)


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "GOCACHE": str(go_build_cache()),
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOWORK": "off",
    }


def _build(group: Group, name: str, package: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    say(f"building {name} ...")
    unfinished = folder / f".{name}.part"
    with step(f"built {name}"):
        # Nice, because this takes minutes and someone may be working at the machine.
        _go(
            group,
            "nice", "-n", "5", "go", "build", "-p", str(os.cpu_count() or 1), "-trimpath",
            "-ldflags", group.ldflags, "-o", str(unfinished), package,
        )  # fmt: skip
    unfinished.rename(folder / name)


def _collect(group: Group, source: Source, folder: Path, tools: Mapping[str, Path]) -> None:
    """Copy manifests out of the module, so that a warm start needs no Go at all."""
    folder.mkdir(parents=True, exist_ok=True)
    module = _module_folder(group, source.module)
    if command := rendering(group, source, module, tools):
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise ClusterError(f"manifests of {group.name}", result.stderr.strip())
        text = result.stdout
    else:
        paths = [path for pattern in source.patterns for path in sorted(module.glob(pattern))]
        if not paths:
            raise ClusterError(f"manifests of {group.name}", f"none match {source.patterns}")
        text = "\n---\n".join(path.read_text() for path in paths)
    unfinished = folder / f".{source.output}.part"
    unfinished.write_text(text)
    unfinished.rename(folder / f"{source.output}.yaml")


def rendering(group: Group, source: Source, module: Path, tools: Mapping[str, Path]) -> list[str]:
    """The command that renders a kustomization or a chart of a module; none for plain files."""
    if source.kustomization:
        return [str(tools["kubectl"]), "kustomize", str(module / source.kustomization)]
    if not isinstance(source, Chart):
        return []
    chart = module / source.chart
    values = [word for value in source.values for word in ("--set", value)]
    # Before a release its default values are in this file.
    defaults = chart / "values.tmpl.yaml"
    return [
        str(tools["helm"]),
        "template",
        group.name,
        str(chart),
        "--values",
        str(defaults),
        *values,
    ]


def _module_folder(group: Group, module: str) -> Path:
    downloaded = json.loads(_go(group, "go", "mod", "download", "-json", module))
    return Path(downloaded["Dir"])


def _go(group: Group, *command: str) -> str:
    result = subprocess.run(
        command,
        cwd=group.folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        lines = (result.stderr or result.stdout).strip().splitlines()[-25:]
        raise ClusterError(f"Go module {group.name}", "\n".join([" ".join(command), *lines]))
    return result.stdout
