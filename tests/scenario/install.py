"""Installation of the product in a cluster, with data to train on.

Each step is idempotent.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from tests.cluster import locks
from tests.cluster.api import Cluster, tool

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "recommender-operator"
RELEASE = "recommender"
SYSTEM_NAMESPACE = "recommender-system"
DEMO_NAMESPACE, E2E_PREFIX = "recommender-demo", "recommender-e2e-"
DATA_CLAIM, STORE_CLAIM = "movielens", "artifacts"
LOADER = "data-loader"
#: In the cache; its number is that of the format of the requests.
DATA_FOLDER = "demo-data-2"
#: Allows the operator to change the group of the store's files.
STORAGE = {"recommender.dev/storage": "true"}
SEED = 17


@dataclasses.dataclass(frozen=True)
class Data:
    """Raw files and replayed requests, made from MovieLens 100K."""

    folder: pathlib.Path

    @property
    def initial(self) -> pathlib.Path:
        return self.folder / "initial"

    @property
    def shifted(self) -> pathlib.Path:
        return self.folder / "shifted"

    @property
    def traffic(self) -> pathlib.Path:
        return self.folder / "traffic.jsonl"

    @property
    def shifted_traffic(self) -> pathlib.Path:
        return self.folder / "traffic-shifted.jsonl"


@contextlib.contextmanager
def timed(says: Callable[[str], None], what: str) -> Iterator[None]:
    """Report a step and its duration."""
    says(f"{what} ...")
    started = time.monotonic()
    yield
    says(f"{what}: {time.monotonic() - started:.1f} s")


def run(*command: str, stdin: str | None = None, seconds: float = 3600) -> str:
    """Run a command; a failure shows the end of its output."""
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True,
        timeout=seconds, check=False, cwd=ROOT,
    )  # fmt: skip
    if done.returncode != 0:
        tail = (done.stdout + done.stderr)[-4000:]
        raise RuntimeError(f"{' '.join(command[:6])} ended with {done.returncode}:\n{tail}")
    return done.stdout


def make_data(folder: pathlib.Path, items: int | None = None) -> Data:
    """Fetch MovieLens 100K and split it into training data and replayed users.

    With a number of `items`, only the most popular ones and their events are in it.
    """
    data = Data(folder)
    if not data.shifted_traffic.exists():
        raw = folder / "movielens"
        examples = [sys.executable, "-m", "recommender_examples"]
        run(*examples, "fetch-movielens", str(raw))
        if items is not None:
            keep_popular(raw, items)
        run(*examples, "demo-data", "--movielens", str(raw), "--output", str(folder),
            "--seed", str(SEED))  # fmt: skip
    return data


def keep_popular(raw: pathlib.Path, items: int) -> None:
    """Leave out of the raw files all but the most popular items."""
    (events,), (titles,) = raw.glob("*.inter"), raw.glob("*.item")
    head, *rows = events.read_text(encoding="utf-8").splitlines()
    item_of = [row.split("\t")[1] for row in rows]
    kept = {item for item, _ in collections.Counter(item_of).most_common(items)}
    left = [row for row, item in zip(rows, item_of, strict=True) if item in kept]
    events.write_text("\n".join([head, *left, ""]), encoding="utf-8")
    head, *rows = titles.read_text(encoding="utf-8").splitlines()
    left = [row for row in rows if row.split("\t")[0] in kept]
    titles.write_text("\n".join([head, *left, ""]), encoding="utf-8")


def install_chart(
    cluster: Cluster,
    images: dict[str, str],
    collector: dict[str, object] | None = None,
    asked_by_keda: str = "",
) -> None:
    """Install or upgrade the operator from the chart.

    Args:
        cluster: where to.
        images: role (operator, training, serving, triton, store) to full image name with tag.
        collector: the chart's values of that name; without them no collector is installed.
        asked_by_keda: the Prometheus server that KEDA asks; without one, KEDA is not used.
    """
    namespace, gateway = cluster.gateway
    values = ["--set", f"gateway.namespace={namespace}", "--set", f"gateway.name={gateway}"]
    values += ["--set", "clusterWide=true"]  # tests create their namespaces later
    values += ["--set", "operator.faultInjection=true"]
    values += ["--set-json", f"collector={json.dumps(collector or {'enabled': False})}"]
    values += counters_of_gateway(cluster.prometheus_url)
    values += restricted(cluster)
    if asked_by_keda:
        values += ["--set", "keda.enabled=true", "--set", f"keda.prometheusUrl={asked_by_keda}"]
    policy = "IfNotPresent" if cluster.pulls else "Never"
    for role, name in images.items():
        repository, tag = name.rsplit(":", 1)
        values += ["--set", f"images.{role}.repository={repository}"]
        values += ["--set-string", f"images.{role}.tag={tag}"]
        values += ["--set", f"images.{role}.pullPolicy={policy}"]
    cluster.helm(
        "upgrade", "--install", RELEASE, str(CHART), "--namespace", SYSTEM_NAMESPACE,
        "--create-namespace", "--wait", "--timeout", "5m", *values,
    )  # fmt: skip


def restricted(cluster: Cluster) -> list[str]:
    """Return helm's arguments that restrict what the release's pods send to what they need."""
    ports = cluster.kubectl(
        "-n", "default", "get", "endpointslices", "-l", "kubernetes.io/service-name=kubernetes",
        "-o", "jsonpath={.items[*].ports[*].port}",
    ).split()  # fmt: skip
    return [
        "--set", "networkPolicy.enabled=true",
        "--set", f"networkPolicy.apiServerPorts={{443,{','.join(ports)}}}",
    ]  # fmt: skip


def counters_of_gateway(prometheus: str) -> list[str]:
    """Return helm's arguments that let the operator read the Gateway's counters at a server.

    Without a server it reads none, also after an upgrade of a release that did.
    """
    values = ["--set", f"gateway.lostRequests.prometheusUrl={prometheus}"]
    if port := urllib.parse.urlsplit(prometheus).port:
        values += ["--set", f"networkPolicy.prometheusPorts={{{port}}}"]
    return values


def namespace_with_data(cluster: Cluster, namespace: str, training_image: str, data: Data) -> None:
    """Create the namespace, its claims and the raw data in them."""
    phase = cluster.kubectl(
        "get", "namespace", namespace, "--ignore-not-found", "-o", "jsonpath={.status.phase}"
    )
    if phase == "Terminating":  # left by a run that has just ended
        cluster.kubectl("wait", "--for=delete", f"namespace/{namespace}", "--timeout=360s")
    cluster.kubectl("apply", "-f", "-", stdin=_manifests(namespace, training_image))
    cluster.kubectl(
        "-n", namespace, "wait", "--for=condition=Ready", f"pod/{LOADER}", "--timeout=300s"
    )
    # An earlier run may have left the later batch, which would change the training data.
    cluster.kubectl("-n", namespace, "exec", LOADER, "--", "sh", "-c", "rm -rf /data/raw/*")
    copy_into(cluster, namespace, data.initial)


def copy_into(cluster: Cluster, namespace: str, folder: pathlib.Path) -> None:
    """Add the files of a folder to the raw data."""
    archive = subprocess.run(
        ["tar", "-C", str(folder), "-cf", "-", "."], capture_output=True, check=True
    ).stdout
    command = [
        tool("kubectl"), "--kubeconfig", str(cluster.kubeconfig), "-n", namespace,
        "exec", "-i", LOADER, "--",
        "tar", "-C", "/data/raw", "--no-same-owner", "--no-overwrite-dir", "-xf", "-",
    ]  # fmt: skip
    with locks.kubelet_used():
        done = subprocess.run(
            command, input=archive, capture_output=True, check=False, timeout=120
        )
    if done.returncode != 0:
        raise RuntimeError(f"copying {folder}: {done.stderr.decode()[-2000:]}")


def _manifests(namespace: str, image: str) -> str:
    """Return the objects that a namespace needs first: claims and the data loader."""
    claims = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": size}},
            },
        }
        for name, size, labels in ((DATA_CLAIM, "1Gi", {}), (STORE_CLAIM, "5Gi", STORAGE))
    ]
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    space = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace, "labels": labels},
    }
    items = [space, *claims, _loader(namespace, image)]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _loader(namespace: str, image: str) -> dict[str, Any]:
    """Return a pod that mounts the claims, to copy files to one and inspect the other."""
    pod = sleeper(namespace, LOADER, image)
    (container,) = pod["spec"]["containers"]
    container["name"] = "loader"
    container["command"] = ["sh", "-c", "mkdir -p /data/raw && exec sleep infinity"]
    container["volumeMounts"] = [
        {"name": "data", "mountPath": "/data"},
        {"name": "store", "mountPath": "/store", "readOnly": True},
    ]
    pod["spec"]["volumes"] = [
        {"name": name, "persistentVolumeClaim": {"claimName": claim}}
        for name, claim in (("data", DATA_CLAIM), ("store", STORE_CLAIM))
    ]
    return pod


def sleeper(namespace: str, name: str, image: str) -> dict[str, Any]:
    """Return a pod that does nothing, for commands in it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "sleeper",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sleep", "infinity"],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
                }
            ],
        },
    }
