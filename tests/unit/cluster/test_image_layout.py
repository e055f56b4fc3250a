"""Images of one layout share layers; archives leave out what the reader has."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.cluster import debian
from tests.cluster.buildah import index_settings
from tests.cluster.errors import ClusterError
from tests.cluster.images import check_size
from tests.cluster.layout import ImageLayout
from tests.cluster.recipes import OPERATOR, TRAINING


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def add(layout: ImageLayout, name: str, *layers: bytes) -> list[str]:
    """Add an image as skopeo does; returns the digests of its layers."""
    config = json.dumps({"layers": len(layers), "name": name}).encode()
    manifest = json.dumps(
        {
            "config": {"digest": digest(config)},
            "layers": [{"digest": digest(layer)} for layer in layers],
        }
    ).encode()
    for blob in (manifest, config, *layers):
        path = layout.blob(digest(blob))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(blob)
    entry = {
        "digest": digest(manifest),
        "annotations": {"org.opencontainers.image.ref.name": name},
    }
    (layout.folder / "index.json").write_text(
        json.dumps({"manifests": [*layout.entries(), entry]})
    )
    return [digest(layer) for layer in layers]


@pytest.fixture
def layout(tmp_path: Path) -> ImageLayout:
    return ImageLayout(tmp_path)


def test_an_image_that_lacks_a_blob_counts_as_missing(layout: ImageLayout) -> None:
    (layer,) = add(layout, "x/a:1", b"layer")
    assert layout.manifest("x/a:1") is not None

    layout.blob(layer).unlink()

    assert layout.manifest("x/a:1") is None


def test_an_archive_holds_one_image_without_the_blobs_that_are_known(layout: ImageLayout) -> None:
    big, _ = add(layout, "x/a:1", b"big", b"thin")
    _, thin = add(layout, "x/a:2", b"big", b"other")
    stream = io.BytesIO()

    written = layout.write_archive("x/a:2", {big}, stream)

    stream.seek(0)
    with tarfile.open(fileobj=stream) as tar:
        names = tar.getnames()
        index_file = tar.extractfile("index.json")
        assert index_file is not None
        index = json.load(index_file)
    assert [m["annotations"]["io.containerd.image.name"] for m in index["manifests"]] == ["x/a:2"]
    assert f"blobs/sha256/{thin.partition(':')[2]}" in names
    assert f"blobs/sha256/{big.partition(':')[2]}" not in names
    assert written == sum(
        layout.blob(d).stat().st_size for d in layout.blobs(layout.entries()[1]) if d != big
    )


def test_pruning_keeps_the_newest_tags_and_what_they_share(layout: ImageLayout) -> None:
    big, first = add(layout, "x/a:1", b"big", b"1")
    add(layout, "x/b:1", b"of b")
    add(layout, "x/a:2", b"big", b"2")
    add(layout, "x/a:3", b"big", b"3")

    gone = layout.prune(keep=2)

    assert gone == ["x/a:1"]
    assert layout.names() == ["x/b:1", "x/a:2", "x/a:3"]
    assert layout.blob(big).exists()
    assert not layout.blob(first).exists()
    assert all(layout.manifest(name) for name in layout.names())


def test_an_operator_image_at_its_limit_is_refused_with_both_figures() -> None:
    check_size(OPERATOR, 249_999_999)
    check_size(TRAINING, 10_000_000_000)

    with pytest.raises(ClusterError, match="operator has 250 MB unpacked; the limit is 250 MB"):
        check_size(OPERATOR, 250_000_000)


def test_the_base_gets_the_suites_of_updates_and_security(tmp_path: Path) -> None:
    sources = tmp_path / "sources.list"
    sources.write_text("deb http://mirror.test/debian bookworm main\n")

    debian.add_updates(sources)

    assert sources.read_text().splitlines() == [
        "deb http://mirror.test/debian bookworm main",
        "deb http://mirror.test/debian bookworm-updates main",
        "deb http://mirror.test/debian-security bookworm-security main",
    ]


def test_trimming_leaves_copyrights_and_takes_documents(tmp_path: Path) -> None:
    doc = tmp_path / "usr/share/doc/bash"
    for path in (
        doc / "copyright",
        doc / "README",
        doc / "examples" / "a",
        tmp_path / "usr/share/man/man1/bash.1",
        tmp_path / "var/lib/apt/lists/index",
        tmp_path / "var/log/apt/history.log",
        tmp_path / "etc/dpkg/dpkg.cfg.d/x",
        tmp_path / "etc/apt/apt.conf.d/x",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "etc/apt/sources.list").write_text("deb http://mirror.test/debian bookworm main\n")

    debian.trim(tmp_path)

    assert [path.name for path in doc.iterdir()] == ["copyright"]
    assert not list((tmp_path / "usr/share/man").iterdir())
    assert not list((tmp_path / "var/lib/apt/lists").iterdir())
    assert not list((tmp_path / "var/log/apt").iterdir())


@pytest.mark.parametrize(
    ("environment", "configured", "expected"),
    [
        ({}, "", {}),
        ({}, "c", {"PIP_INDEX_URL": "c", "UV_DEFAULT_INDEX": "c"}),
        ({"PIP_INDEX_URL": "p"}, "c", {"PIP_INDEX_URL": "p", "UV_DEFAULT_INDEX": "p"}),
        ({"UV_DEFAULT_INDEX": "u"}, "", {"UV_DEFAULT_INDEX": "u"}),
        ({"UV_INDEX_URL": "u"}, "c", {"PIP_INDEX_URL": "c", "UV_DEFAULT_INDEX": "u"}),
    ],
)
def test_a_build_uses_the_package_index_of_the_machine(
    environment: dict[str, str], configured: str, expected: dict[str, str]
) -> None:
    assert index_settings(environment, configured) == expected
