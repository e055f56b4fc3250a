"""Scratch images of static binaries, and what containerd's image store holds."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster import versions
from tests.cluster.binaries import Binaries
from tests.cluster.errors import ClusterError
from tests.cluster.groups import KNATIVE_COMPONENTS
from tests.cluster.progress import step
from tests.cluster.settings import NAMESPACE, Layout

USER = "65532:65532"


@dataclass(frozen=True)
class BinaryImage:
    """An image that holds one static binary and nothing else."""

    name: str
    binary: str
    user: str = USER
    env: Mapping[str, str] = field(default_factory=dict)


def local(name: str, version: str) -> str:
    """Fully qualified, because containerd completes a short name differently than pods do."""
    return f"docker.io/recommender/{name}:{version}"


PAUSE = BinaryImage(local("pause", versions.NODE), "pause")
ECHO = BinaryImage(local("echo", versions.NODE), "echo")
COREDNS = BinaryImage(local("coredns", versions.COREDNS), "coredns")
KNATIVE = {
    name: BinaryImage(local(f"knative-{name}", versions.KNATIVE), f"knative-{name}")
    for name in KNATIVE_COMPONENTS
}


def system_images(knative: bool) -> list[BinaryImage]:
    images = [PAUSE, ECHO, COREDNS]
    return [*images, *KNATIVE.values()] if knative else images


def archive(image: BinaryImage, binary: bytes) -> tuple[bytes, str]:
    """An OCI archive, equal bytes for equal input, and the digest of its manifest."""
    entry = f"/{image.binary}"
    layer = _tar({image.binary: binary}, mode=0o755)
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "User": image.user,
                "Entrypoint": [entry],
                "Env": [f"{k}={v}" for k, v in sorted(image.env.items())],
            },
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
        }
    )
    reference = _descriptor("application/vnd.oci.image.manifest.v1+json", manifest)
    reference["annotations"] = {
        "io.containerd.image.name": image.name,
        "org.opencontainers.image.ref.name": image.name.rpartition(":")[2],
    }
    files = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json({"schemaVersion": 2, "manifests": [reference]}),
    }
    for blob in (layer, config, manifest):
        files[f"blobs/sha256/{_digest(blob).partition(':')[2]}"] = blob
    return _tar(files, mode=0o644), _digest(manifest)


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def _descriptor(media_type: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _tar(files: Mapping[str, bytes], mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)  # time and owner stay 0: equal bytes each time
            info.size, info.mode = len(content), mode
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def ctr(layout: Layout, *arguments: str, stdin: bytes | None = None) -> str:
    """Run containerd's own client in the namespace of Kubernetes."""
    command = ["ctr", "--address", str(layout.containerd_socket), "-n", NAMESPACE, *arguments]
    result = subprocess.run(command, input=stdin, capture_output=True, check=False)
    if result.returncode != 0:
        raise ClusterError("containerd", f"{' '.join(command)}\n{result.stderr.decode().strip()}")
    return result.stdout.decode()


def stored(layout: Layout) -> dict[str, str]:
    """Image names in the store and their digests."""
    rows = (line.split() for line in ctr(layout, "images", "ls").splitlines()[1:])
    return {row[0]: row[2] for row in rows if len(row) > 2}


def import_system_images(layout: Layout, binaries: Binaries, knative: bool) -> None:
    """Bring the images of our own binaries into the store, where they are missing or old."""
    present = stored(layout)
    for image in system_images(knative):
        binary = binaries.path(image.binary)
        stamp = binary.with_name(f"{binary.name}.{image.name.replace('/', '_')}.digest")
        if stamp.exists() and present.get(image.name) == stamp.read_text():
            continue
        with step(f"image {image.name}"):
            content, digest = archive(image, binary.read_bytes())
            ctr(layout, "images", "import", "-", stdin=content)
            stamp.write_text(digest)


def load(layout: Layout, path: Path, name: str) -> None:
    """Import an oci-archive under a fully qualified name."""
    if "/" not in name or "." not in name.partition("/")[0] or ":" not in name:
        raise ClusterError(
            "load-image", f"{name}: give a full name, such as docker.io/recommender/operator:dev"
        )
    ctr(layout, "images", "import", "--index-name", name, str(path))
