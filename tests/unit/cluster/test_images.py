"""Image archives are the same bytes each time, and arrive under the name that pods use."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.cluster import imagestore
from tests.cluster.downloads import extract
from tests.cluster.errors import ClusterError
from tests.cluster.settings import Layout

IMAGE = imagestore.BinaryImage("docker.io/recommender/x:1", "x")


def entry(archive: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read()


def test_equal_binaries_make_equal_archives() -> None:
    assert imagestore.archive(IMAGE, b"binary") == imagestore.archive(IMAGE, b"binary")
    assert imagestore.archive(IMAGE, b"binary")[1] != imagestore.archive(IMAGE, b"other")[1]


def test_an_image_runs_its_binary_as_a_user_that_is_not_root() -> None:
    content, digest = imagestore.archive(IMAGE, b"binary")
    manifest = json.loads(entry(content, f"blobs/sha256/{digest.partition(':')[2]}"))
    config_digest = manifest["config"]["digest"].partition(":")[2]
    config = json.loads(entry(content, f"blobs/sha256/{config_digest}"))
    assert config["config"]["Entrypoint"] == ["/x"]
    assert config["config"]["User"] == "65532:65532"


@pytest.mark.parametrize("prefix", ["", "./"])
def test_an_archive_is_renamed_on_the_way_in(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "a.tar"
    index = {"schemaVersion": 2, "manifests": [{"digest": "sha256:1", "annotations": {"a": "b"}}]}
    with tarfile.open(path, "w") as tar:
        for name, content in {"index.json": json.dumps(index).encode(), "blob": b"data"}.items():
            info = tarfile.TarInfo(prefix + name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    out = io.BytesIO()
    imagestore.named(path, "docker.io/recommender/new:dev", out)
    renamed = json.loads(entry(out.getvalue(), "index.json"))["manifests"]
    assert renamed == [
        {
            "digest": "sha256:1",
            "annotations": {"io.containerd.image.name": "docker.io/recommender/new:dev"},
        }
    ]
    assert entry(out.getvalue(), prefix + "blob") == b"data"


def test_what_is_no_archive_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("no archive")
    with pytest.raises(ClusterError, match=r"a\.txt is no oci-archive"):
        imagestore.named(path, "docker.io/a/b:c", io.BytesIO())


@pytest.mark.parametrize("name", ["b:c", "a/b:c", "docker.io/a/b"])
def test_a_short_image_name_is_refused(name: str, tmp_path: Path) -> None:
    layout = Layout(tmp_path, tmp_path, 1, 2)
    with pytest.raises(ClusterError, match="give a full name"):
        imagestore.load(layout, tmp_path / "a.tar", name)


def test_a_binary_is_taken_out_of_an_archive_inside_an_archive() -> None:
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as tar:
        info = tarfile.TarInfo("tool")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"tool"))
    outer = io.BytesIO()
    with tarfile.open(fileobj=outer, mode="w:gz") as tar:
        info = tarfile.TarInfo("layer.tgz")
        info.size = len(inner.getvalue())
        tar.addfile(info, io.BytesIO(inner.getvalue()))
    assert extract(outer.getvalue(), "layer.tgz::tool") == b"tool"
