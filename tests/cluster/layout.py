"""An OCI image layout on disk, whose images share their layers."""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import IO, Any

REFERENCE = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"


class ImageLayout:
    """The layout that `buildah push oci:<folder>:<name>` writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def entries(self) -> list[dict[str, Any]]:
        """The descriptors of all images, oldest first."""
        try:
            index = json.loads((self.folder / "index.json").read_text())
        except FileNotFoundError:
            return []
        entries: list[dict[str, Any]] = index["manifests"]
        return entries

    def names(self) -> list[str]:
        return [entry["annotations"][REFERENCE] for entry in self.entries()]

    def manifest(self, name: str) -> dict[str, Any] | None:
        """The descriptor of an image, if all of its blobs exist."""
        for entry in self.entries():
            if entry["annotations"][REFERENCE] == name and all(
                self.blob(digest).exists() for digest in self.blobs(entry)
            ):
                return entry
        return None

    def blob(self, digest: str) -> Path:
        algorithm, _, value = digest.partition(":")
        return self.folder / "blobs" / algorithm / value

    def blobs(self, entry: dict[str, Any]) -> list[str]:
        """The digests of an image: manifest, configuration, layers from the lowest."""
        try:
            content = json.loads(self.blob(entry["digest"]).read_bytes())
        except FileNotFoundError:
            return [entry["digest"]]
        layers = [layer["digest"] for layer in content["layers"]]
        return [entry["digest"], content["config"]["digest"], *layers]

    def size(self, name: str) -> int:
        """Bytes of the layers, which are not compressed."""
        entry = self.manifest(name)
        if entry is None:
            raise KeyError(name)
        return sum(self.blob(digest).stat().st_size for digest in self.blobs(entry)[2:])

    def write_archive(self, name: str, known: Collection[str], stream: IO[bytes]) -> int:
        """Write an OCI archive of one image without the blobs that the reader already has.

        Returns the number of bytes in the blobs that were written.
        """
        entry = self.manifest(name)
        if entry is None:
            raise KeyError(name)
        annotations = {CONTAINERD_NAME: name, REFERENCE: name.rpartition(":")[2]}
        index = {"schemaVersion": 2, "manifests": [{**entry, "annotations": annotations}]}
        written = 0
        with tarfile.open(fileobj=stream, mode="w|") as tar:
            for path, value in (
                ("oci-layout", {"imageLayoutVersion": "1.0.0"}),
                ("index.json", index),
            ):
                content = json.dumps(value).encode()
                info = tarfile.TarInfo(path)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            for digest in self.blobs(entry):
                if digest not in known:
                    blob = self.blob(digest)
                    tar.add(blob, blob.relative_to(self.folder).as_posix())
                    written += blob.stat().st_size
        return written

    def prune(self, keep: int) -> list[str]:
        """Forget all but the newest `keep` tags of each image; returns the names forgotten."""
        gone = outdated(self.names(), keep)
        kept = [entry for entry in self.entries() if entry["annotations"][REFERENCE] not in gone]
        if gone:
            unfinished = self.folder / "index.json.part"
            unfinished.write_text(json.dumps({"schemaVersion": 2, "manifests": kept}))
            unfinished.rename(self.folder / "index.json")
        wanted = {self.blob(digest) for entry in kept for digest in self.blobs(entry)}
        for blob in self.folder.glob("blobs/*/*"):
            if blob not in wanted:
                blob.unlink()
        return gone


def outdated(names: Sequence[str], keep: int) -> list[str]:
    """The image names beyond the newest `keep` tags of their image, given oldest first."""
    seen: Counter[str] = Counter()
    gone = []
    for name in reversed(names):
        repository = name.rpartition(":")[0]
        seen[repository] += 1
        if seen[repository] > keep:
            gone.append(name)
    return gone
