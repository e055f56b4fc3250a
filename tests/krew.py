"""The kubectl plugin as archives for krew, one for each platform, and their manifest.

    python -m tests.krew [BASE_URL]        writes build/krew/

The client library of Kubernetes needs a compiled package, so an archive holds that of its platform
for each Python that the plugin supports. Everything is pinned by uv.lock, and the same sources
give the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests import krew_rules

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "manifests" / "krew"
TARGET = ROOT / "build" / "krew"
LAUNCHER = "kubectl-recommender"
PYTHONS = ("3.11", "3.12")
#: Platforms of uv by those of krew.
PLATFORMS = {
    ("linux", "amd64"): "x86_64-unknown-linux-gnu",
    ("linux", "arm64"): "aarch64-unknown-linux-gnu",
    ("darwin", "amd64"): "x86_64-apple-darwin",
    ("darwin", "arm64"): "aarch64-apple-darwin",
}
#: What only the asyncio client of the library needs, 40 MB.
UNUSED = (
    "kubernetes/aio", "aiohttp", "aiohttp_retry", "aiosignal", "aiohappyeyeballs", "attr", "attrs",
    "frozenlist", "multidict", "propcache", "yarl", "bin",
)  # fmt: skip


def main() -> None:
    """Build all archives, and the manifest that names them."""
    base = sys.argv[1] if len(sys.argv) > 1 else "https://krew.example.com/recommender"
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    digests = {}
    with tempfile.TemporaryDirectory(prefix="krew-") as scratch:
        pinned = requirements(Path(scratch))
        for place, platform in PLATFORMS.items():
            folder = Path(scratch) / platform
            fill(folder, pinned, platform)
            archive = packed(folder)
            (TARGET / archive_name(*place)).write_bytes(archive)
            digests[place] = hashlib.sha256(archive).hexdigest()
    source = yaml.safe_load((SOURCES / "recommender.yaml").read_text(encoding="utf-8"))
    manifest = filled(source, base, digests)
    krew_rules.check("recommender", manifest)
    text = yaml.safe_dump(manifest, sort_keys=False, width=98)
    (TARGET / "recommender.yaml").write_text(text, encoding="utf-8")
    for path in sorted(TARGET.iterdir()):
        print(path.relative_to(ROOT), path.stat().st_size)


def archive_name(system: str, machine: str) -> str:
    return f"{LAUNCHER}-{system}-{machine}.tar.gz"


def filled(
    source: Mapping[str, Any], base: str, digests: Mapping[tuple[str, str], str]
) -> dict[str, Any]:
    """Return a manifest with the address and the digest of each platform's archive."""
    platforms = []
    for platform in source["spec"]["platforms"]:
        labels = platform["selector"]["matchLabels"]
        place = (labels["os"], labels["arch"])
        uri = f"{base.rstrip('/')}/{archive_name(*place)}"
        platforms.append({**platform, "uri": uri, "sha256": digests[place]})
    return {**source, "spec": {**source["spec"], "platforms": platforms}}


def packed(folder: Path) -> bytes:
    """Return a folder as tar.gz: the same files give the same bytes."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in files_of(folder):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = path.stat().st_size
            entry.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            with path.open("rb") as content:
                archive.addfile(entry, content)
    return buffer.getvalue()


def files_of(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def requirements(folder: Path) -> Path:
    """Write what the plugin needs, with versions and digests."""
    path = folder / "requirements.txt"
    words = ("export", "--frozen", "--no-dev", "--no-emit-project", "--extra", "cli", "--quiet")
    uv(*words, "--output-file", str(path))
    return path


def fill(folder: Path, pinned: Path, platform: str) -> None:
    """Write the content of an archive into a folder."""
    library = folder / "lib"
    for python in PYTHONS:
        part = folder / python
        uv(
            "pip", "install", "--quiet", "--target", str(part), "--no-deps", "--require-hashes",
            "--python-platform", platform, "--python-version", python, "--only-binary", ":all:",
            "--link-mode", "copy", "-r", str(pinned),
        )  # fmt: skip
        for name in UNUSED:
            shutil.rmtree(part / name, ignore_errors=True)
        # The parts differ only in their compiled files, whose names have the version.
        shutil.copytree(part, library, dirs_exist_ok=True, ignore=_ignored)
        shutil.rmtree(part)
    add_plugin(folder)


def add_plugin(folder: Path) -> None:
    """Write the plugin itself into the folder of an archive."""
    for source in (ROOT / "client/recommender_kubectl", ROOT / "contract/recommender_contract"):
        shutil.copytree(source, folder / "lib" / source.name, ignore=_ignored)
    shutil.copy(SOURCES / LAUNCHER, folder / LAUNCHER)
    (folder / LAUNCHER).chmod(0o755)
    shutil.copy(ROOT / "LICENSE", folder / "LICENSE")


def _ignored(_folder: str, names: list[str]) -> set[str]:
    """Leave out caches, and what installers write about their own work."""
    made = {"__pycache__", "RECORD", "INSTALLER", "REQUESTED", ".lock", "direct_url.json"}
    return made & set(names)


def uv(*words: str) -> None:
    """Run the uv that .ci/setup has installed."""
    pinned = re.search(r"^uv_version=(\S+)", (ROOT / ".ci/setup").read_text(), re.MULTILINE)
    assert pinned is not None
    home = Path.home() / ".cache" / "recommender-operator"
    cache = Path(os.environ.get("RECOMMENDER_CACHE", home))
    subprocess.run([str(cache / "uv" / pinned[1] / "bin" / "uv"), *words], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
