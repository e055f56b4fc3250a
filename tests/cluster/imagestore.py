"""Scratch images of static binaries, and what containerd's image store holds."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.cluster import versions
from tests.cluster.binaries import Binaries
from tests.cluster.errors import ClusterError
from tests.cluster.groups import KNATIVE_COMPONENTS
from tests.cluster.progress import step
from tests.cluster.settings import NAMESPACE, Layout

USER = "65532:65532"
COPY = 4 * 2**20  # layers are gigabytes


@dataclass(frozen=True)
class BinaryImage:
    """An image with only one binary, static or with these libraries of this machine."""

    name: str
    binary: str
    user: str = USER
    env: Mapping[str, str] = field(default_factory=dict)
    libraries: tuple[str, ...] = ()


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
ENVOY = (
    # Its pods are given the names of commands.
    BinaryImage(versions.ENVOY_GATEWAY_IMAGE, "envoy-gateway", env={"PATH": "/"}),
    BinaryImage(
        local("envoy", versions.ENVOY),
        "envoy",
        env={"PATH": "/"},
        libraries=(
            "/lib64/ld-linux-x86-64.so.2",
            *(
                f"/lib/x86_64-linux-gnu/{name}"
                for name in (
                    "libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1"
                )
            ),
        ),
    ),
)  # fmt: skip


def system_images(knative: bool) -> list[BinaryImage]:
    images = [PAUSE, ECHO, COREDNS]
    return [*images, *KNATIVE.values()] if knative else images


def archive(image: BinaryImage, binary: bytes) -> tuple[bytes, str]:
    """An OCI archive, equal bytes for equal input, and the digest of its manifest."""
    entry = f"/{image.binary}"
    files = {path.lstrip("/"): Path(path).read_bytes() for path in image.libraries}
    layer = _tar({image.binary: binary, **files}, mode=0o755)
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
    blobs = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json({"schemaVersion": 2, "manifests": [reference]}),
    }
    for blob in (layer, config, manifest):
        blobs[f"blobs/sha256/{_digest(blob).partition(':')[2]}"] = blob
    return _tar(blobs, mode=0o644), _digest(manifest)


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
            _add(tar, name, content, mode)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)  # time and owner stay 0: equal bytes each time
    info.size, info.mode = len(content), mode
    tar.addfile(info, io.BytesIO(content))


def _ctr(layout: Layout) -> list[str]:
    return ["ctr", "--address", str(layout.containerd_socket), "-n", NAMESPACE]


def ctr(layout: Layout, *arguments: str, stdin: bytes | None = None) -> str:
    """Run containerd's own client in the namespace of Kubernetes."""
    command = [*_ctr(layout), *arguments]
    result = subprocess.run(command, input=stdin, capture_output=True, check=False)
    if result.returncode != 0:
        raise ClusterError("containerd", f"{' '.join(command)}\n{result.stderr.decode().strip()}")
    return result.stdout.decode()


def stored(layout: Layout) -> dict[str, str]:
    """Image names in the store and their digests."""
    rows = (line.split() for line in ctr(layout, "images", "ls").splitlines()[1:])
    return {row[0]: row[2] for row in rows if len(row) > 2}


def import_images(layout: Layout, binaries: Binaries, images: Iterable[BinaryImage]) -> None:
    """Import the images of binaries that are missing or outdated in the store."""
    present = stored(layout)
    for image in images:
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
    command = [*_ctr(layout), "images", "import", "-"]
    with (
        step(f"loaded {name}"),
        tempfile.TemporaryFile() as output,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output) as importer,
    ):
        assert importer.stdin is not None
        with contextlib.suppress(BrokenPipeError), importer.stdin:
            named(path, name, importer.stdin)
        if importer.wait() != 0:
            output.seek(0)
            raise ClusterError("load-image", output.read().decode(errors="replace").strip())
    if old := unnamed(stored(layout)):
        ctr(layout, "images", "rm", *old)


def unnamed(images: Mapping[str, str]) -> list[str]:
    """Images that lost their name to a newer one; each holds gigabytes for nothing."""
    named_digests = {digest for name, digest in images.items() if not _is_id(name)}
    return [n for n, digest in images.items() if _is_id(n) and digest not in named_digests]


def _is_id(name: str) -> bool:
    return name.startswith("sha256:")


def named(path: Path, name: str, out: IO[bytes]) -> None:
    """Copy an oci-archive with its image named as containerd reads it.

    Archives carry a tag, a name or nothing, and containerd's own ways to name an import go
    through a second, short name, which confuses its Kubernetes side.
    """
    try:
        with tarfile.open(path, mode="r:") as source:
            index = _index(source)
            if len(index["manifests"]) != 1:
                count = len(index["manifests"])
                raise ClusterError("load-image", f"{path} holds {count} images, expected one")
            index["manifests"][0]["annotations"] = {"io.containerd.image.name": name}
            with tarfile.open(fileobj=out, mode="w|", bufsize=COPY) as target:
                target.copybufsize = COPY  # type: ignore[attr-defined]
                _add(target, "index.json", _json(index))
                for member in source:
                    if member.name.removeprefix("./") != "index.json":
                        content = source.extractfile(member) if member.isfile() else None
                        target.addfile(member, content)
    except (OSError, tarfile.TarError, KeyError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise ClusterError("load-image", f"{path} is no oci-archive: {error}") from error


def _index(source: tarfile.TarFile) -> dict[str, Any]:
    for name in ("index.json", "./index.json"):
        with contextlib.suppress(KeyError):
            file = source.extractfile(name)
            if file is not None:
                return dict(json.load(file))
    raise KeyError("it has no index.json")
