"""krew itself, built from its source, installs the plugin from an archive and its manifest."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import krew
from tests.cluster import binaries
from tests.cluster.binaries import Binaries
from tests.cluster.groups import KREW

pytestmark = pytest.mark.integration
HERE = ("linux", "amd64")
SOURCE: dict[str, Any] = yaml.safe_load((krew.SOURCES / "recommender.yaml").read_text("utf-8"))


@dataclass(frozen=True)
class Machine:
    """A machine of its own for krew, with an archive of the plugin on it."""

    folder: Path
    built: Binaries
    archive: Path

    @property
    def bin(self) -> Path:
        return self.folder / "krew" / "bin"

    def install(
        self, manifest: Mapping[str, Any], archive: Path
    ) -> subprocess.CompletedProcess[str]:
        path = self.folder / "recommender.yaml"
        path.write_text(yaml.safe_dump(manifest), encoding="utf-8")
        given = (f"--manifest={path}", f"--archive={archive}")
        return self.run(str(self.built.path("krew")), "install", *given)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        # The libraries are those of the tests: archives with their own take long to build.
        path = os.pathsep.join((str(self.bin), str(Path(sys.executable).parent), os.defpath))
        return subprocess.run(
            command, env={"PATH": path, "KREW_ROOT": str(self.folder / "krew"), "HOME": "/"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    content = tmp_path / "content"
    content.mkdir()
    krew.add_plugin(content)
    archive = tmp_path / krew.archive_name(*HERE)
    archive.write_bytes(krew.packed(content))
    return Machine(tmp_path, binaries.ensure((KREW,)), archive)


def manifest(archive: Path) -> dict[str, Any]:
    """Return the manifest as it is built: all platforms, this one with the archive's digest."""
    digests = dict.fromkeys(krew.PLATFORMS, "0" * 64)
    digests[HERE] = hashlib.sha256(archive.read_bytes()).hexdigest()
    return krew.filled(SOURCE, "https://files.example/r", digests)


def test_krew_installs_the_archive_and_kubectl_finds_the_plugin(machine: Machine) -> None:
    done = machine.install(manifest(machine.archive), machine.archive)
    assert (done.returncode, "Installed plugin: recommender" in done.stderr) == (0, True), done
    found = machine.run(str(machine.built.path("kubectl")), "recommender", "status", "--help")
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("usage: kubectl recommender status")


def test_krew_refuses_other_bytes_and_other_platforms(machine: Machine) -> None:
    given = manifest(machine.archive)
    machine.archive.write_bytes(machine.archive.read_bytes() + b"x")
    done = machine.install(given, machine.archive)
    assert (done.returncode, "checksum does not match" in done.stderr) == (1, True), done
    others = [
        p for p in given["spec"]["platforms"] if p["selector"]["matchLabels"]["arch"] != "amd64"
    ]
    given = {**manifest(machine.archive), "spec": {**given["spec"], "platforms": others}}
    done = machine.install(given, machine.archive)
    assert (done.returncode, "does not offer installation" in done.stderr) == (1, True), done
    assert not list(machine.bin.glob("kubectl-*"))
