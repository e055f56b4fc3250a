"""Objects of the API: reads, rewrites and applies manifests."""

from __future__ import annotations

import base64
import contextlib
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.errors import ClusterError

Manifest = dict[str, Any]
FIELD_MANAGER = "recommender-cluster"
MESSAGE = 3000  # kubectl may quote whole objects

# libyaml's loader, where Python has it, is ten times faster on the big CRDs.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_PLACEHOLDER = re.compile(r"@(\w+)@")


def fill(text: str, values: Mapping[str, object]) -> str:
    """Replace @name@; a name without a value is an error."""
    return _PLACEHOLDER.sub(lambda match: str(values[match.group(1)]), text)


def parse(text: str) -> list[Manifest]:
    """All objects of a multi-document text; empty documents are skipped."""
    return [document for document in yaml.load_all(text, Loader=_Loader) if document]


def read(paths: Iterable[Path]) -> list[Manifest]:
    """All objects of several files."""
    return [manifest for path in paths for manifest in parse(path.read_text())]


def dump(manifests: Iterable[Manifest]) -> str:
    """One multi-document text."""
    return str(yaml.dump_all(list(manifests), Dumper=_Dumper, sort_keys=False))


class Kubectl:
    """kubectl with its kubeconfig."""

    def __init__(self, executable: Path | str, kubeconfig: Path | None) -> None:
        self.command = [str(executable)]
        if kubeconfig is not None:
            self.command.append(f"--kubeconfig={kubeconfig}")

    def __call__(self, *arguments: str, stdin: str | None = None, timeout: float = 300) -> str:
        """Run kubectl and return its output; a failure shows its error message."""
        result = subprocess.run(
            [*self.command, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if result.returncode != 0:
            raise ClusterError(
                f"kubectl {' '.join(arguments[:4])}", result.stderr.strip()[:MESSAGE]
            )
        return result.stdout

    def apply(self, text: str) -> None:
        """Server-side apply, so that a repeated apply changes nothing."""
        self(
            "apply", "--validate=false", "--server-side", "--force-conflicts",
            f"--field-manager={FIELD_MANAGER}", "-f", "-", stdin=text,
        )  # fmt: skip

    def apply_files(self, paths: Iterable[Path]) -> None:
        """Apply files as they are: parsing megabytes of CRDs takes Python seconds."""
        self.apply("\n---\n".join(path.read_text() for path in paths))

    def wait_served(self, resources: Iterable[str], timeout: float = 90) -> None:
        """Wait until the API server serves these resources (plural.group).

        The condition of a CRD is true earlier, and reading all CRDs is slow.
        """
        wanted = set(resources)
        deadline = time.monotonic() + timeout
        while True:
            late = wanted - set(self("api-resources", "--cached=false", "-o", "name").split())
            if not late:
                return
            if time.monotonic() > deadline:
                raise ClusterError("CRDs", f"not served after {timeout:.0f}s: {sorted(late)}")
            time.sleep(0.2)

    def wait_described(self, version: str, kind: str, timeout: float = 90) -> None:
        """Wait until the OpenAPI of the API server describes a kind of this group and version.

        Clients validate objects with it, and it follows later than the resource is served.
        """
        deadline = time.monotonic() + timeout
        while True:
            with contextlib.suppress(ClusterError):
                if f'"kind":"{kind}"' in self("get", "--raw", f"/openapi/v3/apis/{version}"):
                    return
            if time.monotonic() > deadline:
                raise ClusterError("OpenAPI", f"no {kind} in {version} after {timeout:.0f}s")
            time.sleep(0.2)


def containers(manifest: Manifest) -> list[Manifest]:
    """The containers of a workload's pod template."""
    found: list[Manifest] = manifest["spec"]["template"]["spec"]["containers"]
    return found


def is_workload(manifest: Manifest) -> bool:
    return manifest["kind"] in {"Deployment", "StatefulSet", "DaemonSet"}


def call_at(configuration: Manifest, webhook: str, authority: bytes) -> None:
    """Make the API server call a configuration's webhooks at a host process, not a Service."""
    bundle = base64.b64encode(authority).decode()
    for hook in configuration["webhooks"]:
        path = hook["clientConfig"]["service"]["path"]
        hook["clientConfig"] = {"url": webhook + path, "caBundle": bundle}


def edit(
    manifests: Iterable[Manifest], change: Callable[[Manifest], Manifest | None]
) -> list[Manifest]:
    """Apply `change` to each object; None drops it."""
    changed = (change(manifest) for manifest in manifests)
    return [manifest for manifest in changed if manifest is not None]
