"""The plugin as a package for krew."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import krew, krew_rules

SOURCE = krew.SOURCES / "recommender.yaml"
MANIFEST: dict[str, Any] = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
CHART = yaml.safe_load((krew.ROOT / "charts/recommender-operator/Chart.yaml").read_text())
DIGESTS = {place: f"{n}" * 64 for n, place in enumerate(krew.PLATFORMS, start=1)}


def test_krew_takes_the_manifest() -> None:
    krew_rules.check(SOURCE.stem, MANIFEST)
    assert MANIFEST["spec"]["version"] == f"v{CHART['appVersion']}"
    assert {platform["bin"] for platform in MANIFEST["spec"]["platforms"]} == {krew.LAUNCHER}


def test_the_built_manifest_names_each_archive_with_its_digest() -> None:
    made = krew.filled(MANIFEST, "https://files.example/r/", DIGESTS)
    krew_rules.check("recommender", made)
    found = {platform["uri"]: platform["sha256"] for platform in made["spec"]["platforms"]}
    assert found == {
        f"https://files.example/r/{krew.archive_name(*place)}": digest
        for place, digest in DIGESTS.items()
    }


def test_the_same_files_give_the_same_archive(tmp_path: Path) -> None:
    made: list[bytes] = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        (folder / "lib").mkdir(parents=True)
        for name in ("lib/two.py", "one") if folder.name == "a" else ("one", "lib/two.py"):
            (folder / name).write_text(name, encoding="utf-8")
            os.utime(folder / name, (len(made), len(made)))
        (folder / "one").chmod(0o755)
        made.append(krew.packed(folder))
    assert made[0] == made[1]
    (tmp_path / "x.tar.gz").write_bytes(made[0])
    with tarfile.open(tmp_path / "x.tar.gz") as archive:
        assert [(e.name, e.mode) for e in archive] == [("lib/two.py", 0o644), ("one", 0o755)]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder as krew extracts it, with modules that say what was asked of them."""
    plugin = tmp_path / "store" / "lib" / "recommender_kubectl"
    plugin.mkdir(parents=True)
    (plugin / "__init__.py").touch()
    for name in ("__main__", "completion"):
        text = f"import sys\n\n\ndef main():\n    print('{name}', *sys.argv[1:])\n"
        (plugin / f"{name}.py").write_text(text, encoding="utf-8")
    launcher = tmp_path / "store" / krew.LAUNCHER
    launcher.write_bytes((krew.SOURCES / krew.LAUNCHER).read_bytes())
    return launcher


@pytest.mark.parametrize(
    ("name", "module"),
    [("kubectl-recommender", "__main__"), ("kubectl_complete-recommender", "completion")],
)
def test_the_link_of_krew_starts_the_plugin_and_a_second_one_its_completion(
    store: Path, tmp_path: Path, name: str, module: str
) -> None:
    link = tmp_path / name
    link.symlink_to(store)
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(link), "status", "movies"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{module} status movies\n"
