"""The API server of the operator's integration tests, with separate namespaces."""

from __future__ import annotations

import json
import pathlib
import secrets
from functools import cache

import yaml
from kubernetes.aio import client as official
from kubernetes.aio import config as official_config

from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.kube import Object
from recommender_operator.controller.transport import Transport
from recommender_operator.resources.labels import MANAGER
from tests.cluster import api
from tests.sources import SOURCE

ROOT = pathlib.Path(__file__).resolve().parents[2]
CRDS = ROOT / "manifests" / "crds"
#: The kinds that tests wait for; the others are applied with them.
KINDS = (
    "recommendermodels.recommender.dev",
    "modelversions.recommender.dev",
    "inferenceservices.serving.kserve.io",
    "httproutes.gateway.networking.k8s.io",
    "services.serving.knative.dev",
)


@cache
def kubeconfig() -> pathlib.Path:
    """Start the API server and install the kinds that the operator uses."""
    path = api.ensure_apiserver()
    kubectl = api.kubectl_for(path)
    files = sorted(CRDS.glob("*.yaml"))
    for group in ("gateway", "kserve", "knative"):
        files += api.crd_paths()[group]
    named = [word for file in files for word in ("-f", str(file))]
    kubectl("apply", "--server-side", "--force-conflicts", *named)
    # Not `kubectl wait`: it fails on a new CRD, which has no conditions yet.
    kubectl.wait_served(KINDS)
    return path


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    return str(api.kubectl_for(kubeconfig())(*arguments, stdin=stdin))


def transport_to(path: pathlib.Path) -> Transport:
    """Return a client that sends requests as the account of a kubeconfig."""

    async def log_in() -> official.Configuration:
        configuration = official.Configuration()
        await official_config.load_kube_config(str(path), client_configuration=configuration)
        return configuration

    return Transport(log_in, concurrency=8, timeout=15)


def open_kube(path: pathlib.Path) -> OfficialKube:
    return OfficialKube(transport_to(path), manager=MANAGER)


def new_namespace() -> str:
    name = f"it-{secrets.token_hex(4)}"
    make_namespace(name)
    return name


def make_namespace(name: str) -> None:
    """Create a namespace with the claims that the manifests name, by one start of kubectl."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    claims = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": claim, "namespace": name},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
        for claim in ("raw", "store")
    ]
    made = {"apiVersion": "v1", "kind": "List", "items": [space, *claims]}
    kubectl("create", "-f", "-", stdin=json.dumps(made))


def manifest(namespace: str, name: str = "movies", **spec: object) -> Object:
    base: dict[str, object] = {
        "data": {"source": SOURCE},
        "storage": {"persistentVolumeClaim": {"claimName": "store"}},
    }
    return {
        "apiVersion": "recommender.dev/v1alpha1",
        "kind": "RecommenderModel",
        "metadata": {"name": name, "namespace": namespace},
        "spec": base | spec,
    }


def refusal(thing: Object) -> str:
    """Return why the API server rejects a manifest; empty if it accepts it."""
    try:
        kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(thing))
    except api.ClusterError as error:
        return str(error)
    return ""
