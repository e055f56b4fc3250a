"""Image archives are the same bytes each time, and run as a user that is not root."""

import io
import json
import tarfile

from tests.cluster import imagestore

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
