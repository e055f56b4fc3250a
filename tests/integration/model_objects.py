"""Models and versions on the API server, as an operator would leave them."""

from __future__ import annotations

import json
from typing import Any

from tests.integration import operator_api_rig as rig

Json = dict[str, Any]


def put(plural: str, manifest: Json, status: Json) -> None:
    """Create an object with its status."""
    rig.kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    meta = manifest["metadata"]
    set_status(meta["namespace"], status, meta["name"], plural)


def put_version(namespace: str, body: Json, model: str = "movies") -> None:
    """Create a version of a model."""
    manifest = {
        "apiVersion": "recommender.dev/v1alpha1",
        "kind": "ModelVersion",
        "metadata": {
            "name": body["metadata"]["name"],
            "namespace": namespace,
            "labels": {"recommender.dev/model": model},
        },
        "spec": {**body["spec"], "model": model},
    }
    put("modelversions", manifest, body["status"])


def set_status(
    namespace: str, status: Json, name: str = "movies", plural: str = "recommendermodels"
) -> None:
    """Merge a status into that of an object."""
    rig.kubectl(
        "-n", namespace, "patch", plural, name, "--subresource=status", "--type=merge",
        "-p", json.dumps({"status": status}),
    )  # fmt: skip


def model(namespace: str, name: str = "movies") -> Json:
    """Return a model."""
    found = rig.kubectl("-n", namespace, "get", "recommendermodel", name, "-o", "json")
    return dict(json.loads(found))


def asked(namespace: str) -> Json:
    """Return the requests in the annotations of the model."""
    found = model(namespace)["metadata"].get("annotations", {})
    return {k: v for k, v in found.items() if k.startswith("recommender.dev/")}
